//! An API of the tenant: what its access tokens look like, and who may have which of them.

use std::fmt;
use std::time::Duration;

use crate::algorithm::Algorithm;

/// Which claims an API's access tokens carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum TokenProfile {
    /// Auth0's default: `typ: JWT`, the client in `azp`, `gty` in tokens of machines, and **no `jti`**.
    #[default]
    Auth0,
    /// RFC 9068: `typ: at+jwt`, the client in `client_id`, and a `jti`.
    Rfc9068,
}

/// An API for [`AuthorizationServer::add_api`](super::AuthorizationServer::add_api), with Auth0's defaults.
///
/// ```
/// # use tower_bearer::testing::{Api, TokenProfile};
/// # use std::time::Duration;
/// let calendar = Api::new("https://api.example.com/calendar/v1/")
///     .scopes(["read:events", "write:events"])
///     .profile(TokenProfile::Rfc9068)
///     .token_lifetime(Duration::from_secs(30 * 24 * 3600))
///     .allow_offline_access();
/// ```
#[derive(Clone)]
#[must_use = "an API is nothing until it is added"]
pub struct Api {
    pub(super) identifier: String,
    /// None: whatever is asked for.
    pub(super) scopes: Option<Vec<String>>,
    /// Seconds.
    pub(super) token_lifetime: u64,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) secret: Option<Vec<u8>>,
    pub(super) profile: TokenProfile,
    pub(super) rbac: bool,
    pub(super) offline_access: bool,
}

impl Api {
    /// An API; the identifier is the `aud` of its tokens.
    pub fn new(identifier: &str) -> Self {
        Self {
            identifier: identifier.to_owned(),
            scopes: None,
            token_lifetime: 86_400,
            algorithm: None,
            secret: None,
            profile: TokenProfile::default(),
            rbac: false,
            offline_access: false,
        }
    }

    /// The scopes that users may consent to. Default: whatever a client asks for.
    pub fn scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = Some(scopes.into_iter().map(Into::into).collect());
        self
    }

    /// How long its tokens live, in whole seconds. Default: 24 hours.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime.as_secs();
        self
    }

    /// The algorithm that signs its tokens. Default: the server's first one.
    pub fn signing_alg(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = Some(algorithm);
        self
    }

    /// Signs its tokens with HS256 and this secret, unless [`signing_alg`](Self::signing_alg) says otherwise.
    pub fn shared_secret(mut self, secret: impl AsRef<[u8]>) -> Self {
        self.secret = Some(secret.as_ref().to_vec());
        self.algorithm = self.algorithm.or(Some(Algorithm::HS256));
        self
    }

    /// Which claims its tokens carry. Default: [`TokenProfile::Auth0`].
    pub fn profile(mut self, profile: TokenProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Turns role-based access control on: tokens carry `permissions`, and a user's scopes are limited to them. A
    /// machine's are the scopes of its grant, a user's those of
    /// [`set_permissions`](super::AuthorizationServer::set_permissions).
    pub fn rbac(mut self) -> Self {
        self.rbac = true;
        self
    }

    /// Lets users' clients have refresh tokens by asking for the scope `offline_access`.
    pub fn allow_offline_access(mut self) -> Self {
        self.offline_access = true;
        self
    }
}

/// Without the secret.
impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Api");
        shown.field("identifier", &self.identifier).field("profile", &self.profile);
        shown.finish_non_exhaustive()
    }
}
