//! The response future: named, and boxed only where a request has to wait for keys.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::Gate;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::request::Stop;

pin_project! {
    /// The future of [`super::Protected`].
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Forward { #[pin] future: S::Future },
        Refuse { answer: Option<S::Response> },
        Wait { waiting: Option<Box<Waiting<S, B>>> },
        Ready { waiting: Option<Box<Waiting<S, B>>> },
    }
}

type Refuse<R> = Box<dyn FnOnce(Rejection) -> R + Send>;

/// A request whose key or tenant is being looked for. It holds the gate, and with it the task that looks.
struct Waiting<S, B>
where
    S: Service<Request<B>>,
{
    missing: Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send>>,
    /// Whether it may wait for a key yet: the answers that a new tenant's first token waited for may be older than it.
    once_more: bool,
    service: S,
    request: Request<B>,
    gate: Arc<Gate>,
    policy: Arc<Policy>,
    refuse: Refuse<S::Response>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn forward(future: S::Future) -> Self {
        Self { state: State::Forward { future } }
    }

    pub(super) fn refuse(answer: S::Response) -> Self {
        Self { state: State::Refuse { answer: Some(answer) } }
    }

    pub(super) fn wait(
        service: S,
        request: Request<B>,
        gate: Arc<Gate>,
        policy: Arc<Policy>,
        stop: Stop,
        refuse: Refuse<S::Response>,
    ) -> Self {
        let once_more = matches!(stop, Stop::NewTenant(_));
        let missing = Box::pin(Arc::clone(&gate).wait(stop));
        let waiting = Box::new(Waiting { missing, once_more, service, request, gate, policy, refuse });
        Self { state: State::Wait { waiting: Some(waiting) } }
    }
}

impl<S, B> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    type Output = Result<S::Response, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Forward { future } => return future.poll(cx),
                // A future that is polled after it has ended may do anything but harm: it never ends again.
                StateProjection::Refuse { answer } => {
                    return answer.take().map_or(Poll::Pending, |answer| Poll::Ready(Ok(answer)));
                }
                StateProjection::Wait { waiting } => {
                    let Some(wait) = waiting else { return Poll::Pending };
                    let found = ready!(wait.missing.as_mut().poll(cx));
                    match waiting.take() {
                        Some(wait) => wait.go_on(found),
                        None => return Poll::Pending,
                    }
                }
                StateProjection::Ready { waiting } => {
                    let Some(wait) = waiting else { return Poll::Pending };
                    ready!(wait.service.poll_ready(cx))?;
                    match waiting.take() {
                        Some(wait) => wait.call(),
                        None => return Poll::Pending,
                    }
                }
            };
            state.set(next);
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// Once the keys are there: whoever is refused now need not wait for the inner service.
    fn go_on(mut self: Box<Self>, found: Result<(), Rejection>) -> State<S, B> {
        if std::mem::take(&mut self.once_more)
            && found.is_ok()
            && let Err(stop @ Stop::UnknownKey(_)) = self.gate.admit(&mut self.request, &self.policy)
        {
            self.missing = Box::pin(Arc::clone(&self.gate).wait(stop));
            return State::Wait { waiting: Some(self) };
        }
        let judged = match found {
            Ok(()) => self.gate.admit_after_wait(&mut self.request, &self.policy),
            // A fetch that began before the token came proves no absence, but it may have brought the key: without a `kid`
            // only this shows it.
            Err(rejection) => {
                let undecided = rejection.status() == StatusCode::SERVICE_UNAVAILABLE;
                self.gate.admit(&mut self.request, &self.policy).map_err(|stop| match stop {
                    // What the key shows about the token outweighs that it was not found in time.
                    Stop::Refused(refusal) if undecided => refusal,
                    _ => rejection,
                })
            }
        };
        match judged {
            Ok(()) => State::Ready { waiting: Some(self) },
            Err(rejection) => State::Refuse { answer: Some((self.refuse)(rejection)) },
        }
    }

    /// Once the inner service is ready, which may have taken long: the token may have ended meanwhile.
    fn call(self) -> State<S, B> {
        let Self { mut service, mut request, gate, policy, refuse, .. } = self;
        match gate.admit_after_wait(&mut request, &policy) {
            Ok(()) => State::Forward { future: service.call(request) },
            Err(rejection) => State::Refuse { answer: Some(refuse(rejection)) },
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
