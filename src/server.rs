//! The door: what a user of this crate writes first.

use std::fmt;
use std::sync::Arc;

use tokio::sync::watch::Sender;

use crate::background::tenancy::Tenancy;
use crate::issuer::TrustedIssuer;
use crate::middleware::metadata::ResourceMetadata;
use crate::middleware::{Gate, Protect};
use crate::policy::Policy;
use crate::request::AccessToken;

mod builder;
pub mod danger;
mod error;
mod health;
mod prepared;
mod revocations;
mod settings;
mod sources;
mod start;
mod tenants;
mod watch;

pub use builder::{Builder, Complete, NeedsAudience, NeedsIssuer, NeedsRevocation};
pub use error::StartError;
pub use health::{
    FeedHealth, Health, IssuerHealth, KeyHealth, KeysHealth, SnapshotHealth, TenantsHealth, VerdictsHealth,
    WouldRefuse,
};
pub use revocations::{InProcessRevocations, RevokeError};
pub use watch::Watch;

/// An OAuth 2.0 resource server: whom it trusts, what it demands, and what has been revoked.
///
/// Cheap to clone. Background tasks keep its knowledge fresh; they end when the last clone, the last layer and the
/// last waiting request are gone.
///
/// ```no_run
/// # async fn run() -> Result<(), tower_bearer::StartError> {
/// use tower_bearer::{Feed, ResourceServer};
///
/// let api = ResourceServer::builder()
///     .issuer("https://tenant.example/")
///     .audience("https://api.example.com/calendar/v1/")
///     .revocation(Feed::new("https://tenant.example/revocations"))
///     .start()
///     .await?;
/// # Ok(()) }
/// ```
///
/// Leaving out the issuer, the audience or the word on revocation does not compile:
///
/// ```compile_fail
/// # async fn run() {
/// tower_bearer::ResourceServer::builder()
///     .issuer("https://tenant.example/")
///     .audience("https://api.example.com/")
///     .start() // neither `.revocation(…)` nor `.without_revocation()`
///     .await;
/// # }
/// ```
#[derive(Clone)]
pub struct ResourceServer {
    gate: Arc<Gate>,
    issuers: Arc<[Arc<TrustedIssuer>]>,
    news: Sender<()>,
    metadata: Option<ResourceMetadata>,
}

/// The issuers, and nothing that a stranger may have sent.
impl fmt::Debug for ResourceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<_> = self.issuers.iter().map(|issuer| &issuer.name).collect();
        f.debug_struct("ResourceServer").field("issuers", &issuers).finish_non_exhaustive()
    }
}

impl ResourceServer {
    /// Starts to say what this resource server trusts and demands.
    pub fn builder() -> Builder<NeedsIssuer> {
        Builder::new()
    }

    /// A layer that lets through requests with a token that `policy` accepts.
    #[must_use]
    pub fn protect(&self, policy: Policy) -> Protect {
        Protect::new(Arc::clone(&self.gate), policy)
    }

    /// Watches a token that was admitted to a stream: resolves when a new request with it would be refused. See [`Watch`].
    ///
    /// `policy` is the route's: it says what stale revocations mean for the stream.
    pub fn watch(&self, token: &AccessToken, policy: Policy) -> Watch {
        Watch::new(Arc::clone(&self.gate), token.clone(), policy)
    }

    /// The service for the document that describes this resource server (RFC 9728); none without
    /// [`Builder::resource`]. Mount it unprotected at its own path:
    ///
    /// ```
    /// # fn routes(api: &tower_bearer::ResourceServer, app: axum::Router) -> Option<axum::Router> {
    /// let metadata = api.resource_metadata()?;
    /// let path = metadata.path().to_owned();
    /// let app = app.route_service(&path, metadata);
    /// # Some(app) }
    /// ```
    #[must_use]
    pub fn resource_metadata(&self) -> Option<ResourceMetadata> {
        self.metadata.clone()
    }

    /// Revokes tokens in this process, where one issuer is trusted; where there are several, see
    /// [`ResourceServer::revocations_of`].
    #[must_use]
    pub fn revocations(&self) -> InProcessRevocations {
        InProcessRevocations::new(self, None)
    }

    /// Revokes tokens of this issuer, or tenant, in this process.
    ///
    /// # Errors
    /// If it is not trusted here.
    pub fn revocations_of(&self, issuer: &str) -> Result<InProcessRevocations, RevokeError> {
        let permits = |tenancy: &Arc<Tenancy>| tenancy.map.permission.permits(issuer);
        if !self.issuers.iter().any(|one| one.name.as_str() == issuer)
            && !self.gate.tenancies.iter().any(permits)
        {
            return Err(RevokeError::UnknownIssuer);
        }
        Ok(InProcessRevocations::new(self, Some(issuer.into())))
    }

    /// How old the knowledge about each issuer is, and what went wrong last.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::of(&self.issuers, &self.gate.tenancies, self.gate.judge.kept(), self.gate.clock.uptime())
    }

    /// Waits until the keys and revocations of every issuer that was named are known; tenants are not waited for. Returns at once after [`Builder::start`]; meant for
    /// [`Builder::start_lazily`].
    pub async fn ready(&self) {
        let mut news = self.news.subscribe();
        while !self.health().is_ready() {
            if news.changed().await.is_err() {
                return;
            }
        }
    }
}
