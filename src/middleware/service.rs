//! The service.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::Gate;
use super::challenge;
use super::future::ResponseFuture;
use crate::policy::Policy;
use crate::request::Stop;

/// A service behind [`super::Protect`].
///
/// An admitted request is handed to the inner service at once, with an [`crate::AccessToken`] in its extensions. A
/// refused one is answered with an empty body; the reason is in the extensions of the response. Only a token with an
/// unknown key id waits, and only for that is the inner service cloned.
#[derive(Clone, Debug)]
pub struct Protected<S> {
    inner: S,
    gate: Arc<Gate>,
    policy: Arc<Policy>,
}

impl<S> Protected<S> {
    pub(super) fn new(inner: S, gate: Arc<Gate>, policy: Arc<Policy>) -> Self {
        Self { inner, gate, policy }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Protected<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        match self.gate.admit(&mut request, &self.policy) {
            Ok(()) => ResponseFuture::forward(self.inner.call(request)),
            Err(Stop::Refused(rejection)) => {
                ResponseFuture::refuse(challenge::answer(rejection, &self.gate.realm, &self.policy))
            }
            Err(Stop::UnknownKey(unknown)) => {
                // The one that was polled ready must be the one that is called.
                let fresh = self.inner.clone();
                let ready = mem::replace(&mut self.inner, fresh);
                let (gate, policy) = (Arc::clone(&self.gate), Arc::clone(&self.policy));
                ResponseFuture::wait(ready, request, gate, policy, unknown)
            }
        }
    }
}
