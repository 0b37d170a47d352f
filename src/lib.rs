//! A Tower layer that makes any service an OAuth 2.0 resource server: it checks the issuer, audience, expiry, signature
//! and scopes of bearer JWTs, then refuses those that have been revoked, one by one or with their whole grant.
//!
//! Everything a request needs is in memory. Everything that talks to the authorization server happens in the
//! background, and its age is known, bounded and shown: a revoked token is refused within a bounded delay, also after a
//! restart and while the authorization server is down.
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn run() -> Result<(), tower_bearer::StartError> {
//! use axum::{Router, routing::get};
//! use tower_bearer::{AccessToken, Feed, ResourceServer, scope};
//!
//! let api = ResourceServer::builder()
//!     .issuer("https://tenant.example/") // its metadata tell where its keys are
//!     .audience("https://api.example.com/calendar/v1/")
//!     .revocation(Feed::new("https://tenant.example/revocations")) // or .without_revocation()
//!     .start()
//!     .await?;
//!
//! async fn list(token: AccessToken) -> String {
//!     format!("events of {}", token.subject().unwrap_or_default())
//! }
//! let app: Router = Router::new().route("/events", get(list).layer(api.protect(scope("read:events"))));
//! # Ok(()) }
//! ```
//!
//! A refused request gets the status and `WWW-Authenticate` challenge of RFC 6750 §3; where the resource server cannot
//! decide (no keys, stale revocations) it answers 503, never 401, so that clients keep good tokens.

#![forbid(unsafe_code)]

// Floor 0: ground.
mod binary;
pub mod clock;
mod json;
mod limits;
// Floor 1: words.
mod algorithm;
mod names;
mod numeric_date;
mod redact;
mod scope;
// Floor 2: law.
mod policy;
mod rejection;
// Floor 3: knowledge.
mod issuer;
mod keys;
mod revocation;
// Floor 4: the request's way.
mod request;
// Floor 5: the background's way.
mod background;
// Floor 6: skin.
#[cfg(feature = "axum")]
mod extract;
#[cfg(feature = "tonic")]
mod grpc;
mod middleware;
// Floor 7: door.
mod server;
// Beside the house.
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod simulation;
#[cfg(feature = "testing")]
pub mod testing;

#[cfg(all(doctest, feature = "axum"))]
#[doc = include_str!("../README.md")]
struct Readme;
#[cfg(doctest)]
#[doc = include_str!("../docs/tenants.md")]
struct TenantsPage;

pub use algorithm::Algorithm;
pub use background::source::{
    Auth0, ClientCredentials, Feed, List, Polled, Pulled, RevocationSource, SourceError, SourceSettings,
};
pub use background::transport::Transport;
#[cfg(feature = "axum")]
pub use extract::Unprotected;
#[cfg(feature = "tonic")]
pub use grpc::GrpcRequest;
pub use middleware::forward::{Forward, Forwarding};
pub use middleware::metadata::{ProtectedResource, ResourceMetadata};
pub use middleware::{EmptyBody, ProblemJson, Protect, Protected, RejectionBody, ResponseFuture};
pub use policy::profile::Profile;
pub use policy::tenants::Tenants;
pub use policy::{Policy, WhenStale, all_of, any_of, any_token, scope};
pub use rejection::{Rejection, RejectionKind};
pub use request::{AccessToken, ClaimsError};
pub use revocation::freshness::FreshnessState;
pub use revocation::stated::Revocation;
pub use scope::{ScopeError, ScopeToken};
pub use server::{
    Builder, Complete, FeedHealth, Health, InProcessRevocations, IssuerHealth, KeyHealth, KeysHealth,
    NeedsAudience, NeedsIssuer, NeedsRevocation, ResourceServer, RevokeError, SnapshotHealth, StartError,
    TenantsHealth, VerdictsHealth, Watch, WouldRefuse, danger,
};
