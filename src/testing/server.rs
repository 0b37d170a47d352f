//! The handle: everything a test does to its authorization server.

use std::sync::Arc;
use std::{fmt, io};

use tokio::net::TcpSocket;
use tokio::sync::Mutex;

use super::endpoints::router;
use super::keys::SigningKey;
use super::running::{Running, bind};
use super::state::{Shared, path};
use super::token::{signed, signing_input};
use super::{AuthorizationServerBuilder, Reply, Token};
use crate::algorithm::Algorithm;

/// An OAuth 2.0 authorization server on 127.0.0.1, for tests.
///
/// Clones are handles to the same server; when the last one is dropped, it stops.
#[derive(Clone)]
pub struct AuthorizationServer {
    pub(super) shared: Arc<Shared>,
    port: u16,
    life: Arc<Mutex<Life>>,
}

/// Either it runs, or it holds on to its port where it can.
struct Life {
    running: Option<Running>,
    held: Option<TcpSocket>,
}

impl Life {
    async fn stop(&mut self, port: u16) {
        if let Some(running) = self.running.take() {
            // Before the port is free, where that is possible: somebody else could take it in between.
            let held = bind(port).ok();
            running.stop().await;
            self.held = held.or_else(|| bind(port).ok());
        }
    }
}

/// Start, stop and where to find it.
impl AuthorizationServer {
    /// Starts a server with the default settings: see [`AuthorizationServerBuilder`].
    ///
    /// # Errors
    ///
    /// If there is no port or no thread to be had.
    pub async fn start() -> io::Result<Self> {
        Self::builder().start().await
    }

    /// Settings for a server to start.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }

    pub(super) async fn serve(shared: Shared, port: u16, socket: TcpSocket) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let running = Running::start(socket, router(Arc::clone(&shared))).await?;
        let life = Life { running: Some(running), held: None };
        Ok(Self { shared, port, life: Arc::new(Mutex::new(life)) })
    }

    /// Closes the listener and every open connection, also those in the middle of an answer.
    /// Clients are refused from now on; everything the server knows stays.
    pub async fn stop(&self) {
        self.life.lock().await.stop(self.port).await;
    }

    /// Stops the server if it runs, and starts it on the same port with everything it knows.
    ///
    /// # Errors
    ///
    /// If somebody else took the port, or there is no thread to be had.
    pub async fn restart(&self) -> io::Result<()> {
        let mut life = self.life.lock().await;
        life.stop(self.port).await;
        let socket = match life.held.take() {
            Some(socket) => socket,
            None => bind(self.port)?,
        };
        life.running = Some(Running::start(socket, router(Arc::clone(&self.shared))).await?);
        Ok(())
    }

    /// The issuer, `http://127.0.0.1:PORT`, with a slash after it where the
    /// [builder](AuthorizationServerBuilder::issuer_with_slash) said so.
    pub fn issuer(&self) -> &str {
        &self.shared.settings.issuer
    }

    /// The metadata of RFC 8414; the same document is at `/.well-known/openid-configuration`.
    pub fn metadata_url(&self) -> String {
        self.url(path::METADATA)
    }

    /// The JWK set.
    pub fn jwks_url(&self) -> String {
        self.url(path::JWKS)
    }

    /// The token endpoint.
    pub fn token_url(&self) -> String {
        self.url(path::TOKEN)
    }

    /// The revocation feed.
    pub fn feed_url(&self) -> String {
        self.url(path::FEED)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.shared.settings.base)
    }

    /// Answers every request for this path or URL with `reply`, until [`clear_reply`](Self::clear_reply).
    /// The path may also be one that the server does not have. Polls of the feed that are being held
    /// are answered first.
    pub fn set_reply(&self, path_or_url: &str, reply: Reply) {
        self.shared.set_reply(path_or_url, Some(reply));
    }

    /// Lets the path or URL tell the truth again.
    pub fn clear_reply(&self, path_or_url: &str) {
        self.shared.set_reply(path_or_url, None);
    }

    /// How many requests for this path or URL arrived, whatever their query and their answer.
    pub fn requests(&self, path_or_url: &str) -> usize {
        self.shared.requests(path_or_url)
    }
}

/// Tokens.
impl AuthorizationServer {
    /// Signs a token, sound or hostile.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness for a new key or identifier.
    pub fn mint(&self, token: Token) -> String {
        token.mint(&self.shared)
    }

    /// Signs any bytes as header and payload, such as JSON with a member that comes twice. The key is the
    /// one that [`Token::algorithm`] speaks of.
    ///
    /// # Panics
    ///
    /// If the operating system has no randomness for a new key.
    pub fn sign(&self, algorithm: Algorithm, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        let key = self.shared.key_for("", algorithm);
        signed(signing_input(header, payload), &key)
    }
}

/// Keys.
impl AuthorizationServer {
    /// The id of the key that signs with `algorithm`, which is made if there is none yet; a shared secret
    /// has no id.
    pub fn key_id(&self, algorithm: Algorithm) -> Option<String> {
        let key = self.shared.key_for("", algorithm);
        key.kid().map(str::to_owned)
    }

    /// Replaces every key. The former ones are no longer published, so their tokens are void.
    ///
    /// # Errors
    ///
    /// If the runtime stops before the keys are made.
    pub async fn rotate_keys(&self) -> io::Result<()> {
        self.rotate(false).await
    }

    /// Replaces every key. The former ones stay published, after the new ones, until
    /// [`retire_old_keys`](Self::retire_old_keys).
    ///
    /// # Errors
    ///
    /// If the runtime stops before the keys are made.
    pub async fn rotate_keys_with_overlap(&self) -> io::Result<()> {
        self.rotate(true).await
    }

    async fn rotate(&self, overlap: bool) -> io::Result<()> {
        let algorithms = self.shared.lock().keys.algorithms();
        let keys = SigningKey::generate_all(algorithms).await?;
        self.shared.lock().keys.rotate(keys, overlap);
        Ok(())
    }

    /// Publishes only the keys that sign now.
    pub fn retire_old_keys(&self) {
        self.shared.lock().keys.retire_old();
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AuthorizationServer");
        shown.field("issuer", &self.issuer()).finish_non_exhaustive()
    }
}
