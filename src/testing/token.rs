//! A token to be minted, as sound or as hostile as the test needs it.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::encoding::{base64url, random_id};
use super::keys::SigningKey;
use super::state::Shared;
use crate::algorithm::Algorithm;

/// Which key signs.
#[derive(Clone, Debug)]
enum Signature {
    Own,
    UnknownKey,
    Secret(Vec<u8>),
    Empty,
}

/// A token for [`AuthorizationServer::mint`](super::AuthorizationServer::mint).
///
/// Where nothing else is said it is an access token that satisfies RFC 9068: `typ: at+jwt`, the
/// key's `kid`, and `iss`, `aud`, `sub`, `client_id`, `iat`, `exp` and a random `jti`. What is said
/// comes last, so every header parameter and claim can be replaced or left out.
///
/// ```
/// # use tower_bearer::testing::Token;
/// # use serde_json::json;
/// let sound = Token::new("https://api.example.com/").subject("u-1").scope("read:events");
/// let confused = sound.clone().header("typ", json!("JWT")).claim("exp", json!("tomorrow")).without("iss");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a token is nothing until it is minted"]
pub struct Token {
    audience: String,
    client: String,
    subject: Option<String>,
    algorithm: Option<Algorithm>,
    issued_at: Option<u64>,
    lifetime: Option<Duration>,
    header: Vec<(String, Option<Value>)>,
    claims: Vec<(String, Option<Value>)>,
    signature: Signature,
}

impl Token {
    /// A token for one API.
    pub fn new(audience: &str) -> Self {
        Self {
            audience: audience.to_owned(),
            client: "test-client".to_owned(),
            subject: None,
            algorithm: None,
            issued_at: None,
            lifetime: None,
            header: Vec::new(),
            claims: Vec::new(),
            signature: Signature::Own,
        }
    }

    /// Sets `sub`. Default: the client, as in a token that a machine got for itself.
    pub fn subject(mut self, subject: &str) -> Self {
        self.subject = Some(subject.to_owned());
        self
    }

    /// Sets `client_id`. Default: `test-client`.
    pub fn client(mut self, client_id: &str) -> Self {
        client_id.clone_into(&mut self.client);
        self
    }

    /// Sets `scope`: names with spaces between them.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Sets `grant_id`: the grant in whose context the token is issued.
    pub fn grant(self, grant_id: &str) -> Self {
        self.claim("grant_id", grant_id)
    }

    /// The algorithm that signs, and stands in the header. Default: the API's; HS256 for an audience
    /// with a shared secret; else the server's first one. An algorithm without a key gets one now, and
    /// the JWK set has it from now on. An HMAC takes the audience's shared secret, else the server's
    /// first one, else one that nobody is told.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Sets `iat`, in unix seconds. Default: now.
    pub fn issued_at(mut self, unix_seconds: u64) -> Self {
        self.issued_at = Some(unix_seconds);
        self
    }

    /// Sets `exp` to so many whole seconds after `iat`. Default: the API's token lifetime,
    /// or the server's where the audience is not a registered API.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Sets any claim to any value.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        self.claims.push((name.to_owned(), None));
        self
    }

    /// Sets any header parameter to any value; `alg` too, which then lies about the signature.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Leaves a header parameter out.
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.push((name.to_owned(), None));
        self
    }

    /// Signs with a new key that is never published, under its own `kid`. To put it under a known
    /// one, add `.header("kid", …)` with [`key_id`](super::AuthorizationServer::key_id).
    pub fn signed_by_unknown_key(mut self) -> Self {
        self.signature = Signature::UnknownKey;
        self
    }

    /// Signs with an HMAC whose secret is these bytes, such as a published key's; the header has no
    /// `kid`, and the `alg` of [`algorithm`](Self::algorithm), which should be an HMAC.
    pub fn signed_with_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.signature = Signature::Secret(secret.as_ref().to_vec());
        self
    }

    /// Leaves the signature empty.
    pub fn unsigned(mut self) -> Self {
        self.signature = Signature::Empty;
        self
    }

    /// Makes the JWS.
    pub(super) fn mint(self, shared: &Shared) -> String {
        let settings = &shared.settings;
        let algorithm = self.algorithm.unwrap_or_else(|| shared.algorithm_for(&self.audience));
        let key = match &self.signature {
            Signature::Own | Signature::Empty => shared.key_for(&self.audience, algorithm),
            Signature::UnknownKey => Arc::new(SigningKey::generate(algorithm)),
            Signature::Secret(secret) => Arc::new(SigningKey::shared(algorithm, secret)),
        };

        let mut header = Map::new();
        header.insert("alg".to_owned(), algorithm.name().into());
        header.insert("typ".to_owned(), "at+jwt".into());
        if let Some(kid) = key.kid() {
            header.insert("kid".to_owned(), kid.into());
        }
        edit(&mut header, self.header);

        let issued_at = self.issued_at.unwrap_or_else(|| shared.now());
        let lifetime = self.lifetime.map(|lifetime| lifetime.as_secs());
        let lifetime = lifetime.unwrap_or_else(|| shared.lifetime_for(&self.audience));
        let mut claims = Map::new();
        for (name, value) in [
            ("iss", json!(settings.issuer)),
            ("aud", json!(self.audience)),
            ("sub", json!(self.subject.as_ref().unwrap_or(&self.client))),
            ("client_id", json!(self.client)),
            ("iat", json!(issued_at)),
            ("exp", json!(issued_at.saturating_add(lifetime))),
            ("jti", json!(random_id())),
        ] {
            claims.insert(name.to_owned(), value);
        }
        edit(&mut claims, self.claims);

        let mut state = shared.lock();
        state.longest_lifetime = state.longest_lifetime.max(lifetime);
        drop(state);

        let (header, claims) = (Value::from(header), Value::from(claims));
        let unsigned = signing_input(header.to_string(), claims.to_string());
        match self.signature {
            Signature::Empty => format!("{unsigned}."),
            _ => signed(unsigned, &key),
        }
    }
}

fn edit(members: &mut Map<String, Value>, edits: Vec<(String, Option<Value>)>) {
    for (name, value) in edits {
        match value {
            Some(value) => members.insert(name, value),
            None => members.remove(&name),
        };
    }
}

/// The part of a JWS that its signature covers.
pub(super) fn signing_input(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", base64url(header), base64url(payload))
}

/// The whole JWS.
pub(super) fn signed(signing_input: String, key: &SigningKey) -> String {
    let signature = base64url(key.sign(signing_input.as_bytes()));
    signing_input + "." + &signature
}
