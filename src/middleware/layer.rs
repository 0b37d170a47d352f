//! The layer.

use std::sync::Arc;

use tower_layer::Layer;

use super::Gate;
use super::service::Protected;
use crate::policy::Policy;

/// Protects a service: made by `ResourceServer::protect`.
///
/// Where layers of one resource server are nested, only the outermost verifies the token; each judges its own policy,
/// the time and revocation.
#[derive(Clone, Debug)]
pub struct Protect {
    gate: Arc<Gate>,
    policy: Arc<Policy>,
}

impl Protect {
    pub(crate) fn new(gate: Arc<Gate>, policy: Policy) -> Self {
        Self { gate, policy: Arc::new(policy) }
    }
}

impl<S> Layer<S> for Protect {
    type Service = Protected<S>;

    fn layer(&self, inner: S) -> Protected<S> {
        Protected::new(inner, Arc::clone(&self.gate), Arc::clone(&self.policy))
    }
}
