//! The server's settings, before it starts.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use super::AuthorizationServer;
use super::api::Api;
use super::encoding::to_basic;
use super::keys::{KeySet, SigningKey, is_shared};
use super::running::bind;
use super::state::{FeedCredentials, Settings, Shared};
use crate::algorithm::Algorithm;
use crate::clock::{Clock, SystemClock};

/// Sets an [`AuthorizationServer`] up; made by [`AuthorizationServer::builder`].
#[must_use = "a builder does nothing until it is started"]
pub struct AuthorizationServerBuilder {
    algorithms: Vec<Algorithm>,
    token_lifetime: Duration,
    shared_secrets: Vec<(String, Vec<u8>)>,
    feed_page_size: usize,
    feed_credentials: Option<FeedCredentials>,
    clock: Arc<dyn Clock>,
    issuer_slash: bool,
    revocation_deletes_grant: bool,
    rotate_refresh_tokens: bool,
}

impl AuthorizationServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            algorithms: vec![Algorithm::ES256, Algorithm::RS256, Algorithm::EdDSA],
            token_lifetime: Duration::from_secs(3600),
            shared_secrets: Vec::new(),
            feed_page_size: 1000,
            feed_credentials: None,
            clock: Arc::new(SystemClock::new()),
            issuer_slash: false,
            revocation_deletes_grant: false,
            rotate_refresh_tokens: true,
        }
    }

    /// The algorithms that get a key at the start; the first one signs where nothing else is asked
    /// for. Default: ES256, RS256, EdDSA. (An RSA key of 2048 bits takes about a tenth of a second.)
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How long a token lives, in whole seconds. Default: an hour.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// Signs tokens for `audience` with HS256 and this secret.
    pub fn shared_secret(mut self, audience: &str, secret: impl AsRef<[u8]>) -> Self {
        let secret = secret.as_ref().to_vec();
        self.shared_secrets.push((audience.to_owned(), secret));
        self
    }

    /// How many revocations one answer of the feed carries at most. Default: 1000, at least 1.
    pub fn feed_page_size(mut self, entries: usize) -> Self {
        self.feed_page_size = entries.max(1);
        self
    }

    /// The feed demands `Authorization: Bearer token`.
    pub fn feed_bearer(mut self, token: &str) -> Self {
        self.feed_credentials = Some(FeedCredentials::Fixed("Bearer", token.to_owned()));
        self
    }

    /// The feed demands these credentials by HTTP Basic.
    pub fn feed_basic(mut self, user: &str, password: &str) -> Self {
        self.feed_credentials = Some(FeedCredentials::Fixed("Basic", to_basic(user, password)));
        self
    }

    /// The feed demands a token that the token endpoint has given out for `audience`, and that has not ended.
    pub fn feed_token_for(mut self, audience: &str) -> Self {
        self.feed_credentials = Some(FeedCredentials::TokenFor(audience.to_owned()));
        self
    }

    /// The server's time: its tokens and entries are stamped with it, and held polls and delayed replies
    /// wait by it. Default: the machine's clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Lets the issuer end in `/`, as Auth0's do. Endpoints stay where they are.
    pub fn issuer_with_slash(mut self) -> Self {
        self.issuer_slash = true;
        self
    }

    /// The tenant setting "refresh token revocation deletes grant": whether a client that revokes a refresh token ends
    /// every token of the same user, client and audience, or only that one. Default: only that one, as with tenants
    /// made since 13 January 2021.
    pub fn revocation_deletes_grant(mut self, deletes: bool) -> Self {
        self.revocation_deletes_grant = deletes;
        self
    }

    /// Whether each use of a refresh token gives a new one and voids the old one. Default: yes.
    pub fn rotate_refresh_tokens(mut self, rotate: bool) -> Self {
        self.rotate_refresh_tokens = rotate;
        self
    }

    /// Starts the server on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// If there is no port or no thread to be had.
    pub async fn start(self) -> io::Result<AuthorizationServer> {
        let socket = bind(0)?;
        let port = socket.local_addr()?.port();
        let base = format!("http://127.0.0.1:{port}");
        let settings = Settings {
            issuer: if self.issuer_slash { format!("{base}/") } else { base.clone() },
            base,
            clock: self.clock,
            token_lifetime: self.token_lifetime.as_secs(),
            algorithm: self.algorithms.first().copied().unwrap_or(Algorithm::ES256),
            shared_secrets: self.shared_secrets,
            feed_credentials: self.feed_credentials,
            revocation_deletes_grant: self.revocation_deletes_grant,
            rotate_refresh_tokens: self.rotate_refresh_tokens,
        };
        let mut pairs = self.algorithms;
        pairs.retain(|algorithm| !is_shared(*algorithm));
        let keys = KeySet::new(SigningKey::generate_all(pairs).await?);
        let management = Api::new(&settings.management_audience());
        let shared = Shared::new(settings, keys, self.feed_page_size);
        shared.lock().tenant.apis.push(management);
        AuthorizationServer::serve(shared, port, socket).await
    }
}

impl fmt::Debug for AuthorizationServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("AuthorizationServerBuilder");
        shown.field("algorithms", &self.algorithms);
        shown.finish_non_exhaustive()
    }
}
