//! The service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::Gate;
use super::body::{EmptyBody, RejectionBody};
use super::challenge::{self, Asked};
use super::future::ResponseFuture;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::request::Stop;

/// A service behind [`super::Protect`].
///
/// An admitted request is handed to the inner service at once, with an [`crate::AccessToken`] in its extensions. A
/// refused one is answered here; the reason is in the extensions of the response. Only a token with an unknown key id,
/// or of a tenant that nobody has asked about yet, waits, holding nothing of the inner service meanwhile, and only for that is it cloned.
///
/// gRPC requests (`POST` over HTTP/2 with `te: trailers` and content type `application/grpc`) are refused in gRPC's own way: status 200, no body, and `grpc-status`
/// 16 (unauthenticated), 7 (permission denied) or 14 (unavailable).
#[derive(Clone, Debug)]
pub struct Protected<S, Body = EmptyBody> {
    inner: S,
    gate: Arc<Gate>,
    policy: Arc<Policy>,
    body: Body,
}

impl<S, Body> Protected<S, Body> {
    pub(super) fn new(inner: S, gate: Arc<Gate>, policy: Arc<Policy>, body: Body) -> Self {
        Self { inner, gate, policy, body }
    }
}

impl<S, Body, ReqBody, ResBody> Service<Request<ReqBody>> for Protected<S, Body>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    Body: RejectionBody<ResBody> + Clone + Send + 'static,
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
                let asked = Asked::of(&request);
                let answer = challenge::answer(rejection, &self.gate.realm, &self.policy, asked, &self.body);
                ResponseFuture::refuse(answer)
            }
            Err(stop @ (Stop::UnknownKey(_) | Stop::NewTenant(_))) => {
                // What the inner service has reserved must not be held by a token that may be forged: let go of it, and
                // become ready again once the key is there.
                let waiting = self.inner.clone();
                self.inner = waiting.clone();
                let (gate, policy) = (Arc::clone(&self.gate), Arc::clone(&self.policy));
                let (asked, body) = (Asked::of(&request), self.body.clone());
                let refuse = {
                    let (gate, policy) = (Arc::clone(&gate), Arc::clone(&policy));
                    move |rejection: Rejection| {
                        challenge::answer(rejection, &gate.realm, &policy, asked, &body)
                    }
                };
                ResponseFuture::wait(waiting, request, gate, policy, stop, Box::new(refuse))
            }
        }
    }
}
