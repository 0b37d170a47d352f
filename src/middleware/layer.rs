//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::Gate;
use super::body::EmptyBody;
use super::service::Protected;
use crate::policy::Policy;

/// Protects a service: made by `ResourceServer::protect`.
///
/// Where layers of one resource server are nested, only the outermost verifies the token; each judges its own policy,
/// the time and revocation. A browser's preflight (`OPTIONS`) carries no credentials and is refused like any request
/// without: put a CORS layer outside of this one. `Body` makes the bodies of refusals.
#[derive(Clone, Debug)]
pub struct Protect<Body = EmptyBody> {
    gate: Arc<Gate>,
    policy: Arc<Policy>,
    body: Body,
}

impl Protect {
    pub(crate) fn new(gate: Arc<Gate>, policy: Policy) -> Self {
        Self { gate, policy: Arc::new(policy), body: EmptyBody }
    }
}

impl<Body> Protect<Body> {
    /// Answers refused requests with bodies from a [`RejectionBody`](super::RejectionBody), such as
    /// [`ProblemJson`](super::ProblemJson), in place of empty ones.
    #[must_use]
    pub fn with_body<Other>(self, body: Other) -> Protect<Other> {
        Protect { gate: self.gate, policy: self.policy, body }
    }
}

impl<S, Body: Clone> Layer<S> for Protect<Body> {
    type Service = Protected<S, Body>;

    fn layer(&self, inner: S) -> Protected<S, Body> {
        Protected::new(inner, Arc::clone(&self.gate), Arc::clone(&self.policy), self.body.clone())
    }
}
