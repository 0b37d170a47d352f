//! Watching the token of a stream that outlives the request it was admitted with.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::watch::Receiver;

use crate::clock::Now;
use crate::limits;
use crate::middleware::Gate;
use crate::policy::Policy;
use crate::rejection::Rejection;
use crate::request::AccessToken;

/// Resolves when the token of a stream would no longer be admitted. Made by [`ResourceServer::watch`](crate::ResourceServer::watch).
///
/// A request is judged when it comes in; server-sent events, WebSockets and gRPC streams go on for hours after that. This
/// future resolves to the [`Rejection`] that a new request with the token would get: it has expired (leeway included), it or
/// its grant was revoked by a source or in process, or revocations are stale and `policy` refuses then. A revocation is
/// noticed when its page is in force; expiry on time; a stepped wall clock, a key that was withdrawn and keys that are too
/// old within 30 s. Scopes do not change. For want of the key the rejection is of kind
/// [`NoKeys`](crate::RejectionKind::NoKeys), since the token itself is not looked at again.
///
/// It ends nothing by itself: `select!` on it. What it costs while nothing happens is memory (a timer, and a waiter for each
/// source): it does not wake when a source is asked, only when one revokes something, or when time may have changed the
/// verdict. Each page with news judges each watched token again, in about the time of a cached request.
///
/// It must be polled on a tokio runtime. It keeps the background tasks running, and a tenant from being idle, until it
/// is dropped. Polled again after it has resolved, it watches on: stale revocations may become fresh again.
///
/// # Server-sent events
///
/// ```
/// # #[cfg(feature = "axum")] mod example {
/// use std::convert::Infallible;
///
/// use axum::extract::State;
/// use axum::response::sse::{Event, Sse};
/// use tokio::sync::{broadcast, mpsc};
/// use tokio_stream::{Stream, wrappers::ReceiverStream};
/// use tower_bearer::{AccessToken, ResourceServer, scope};
///
/// #[derive(Clone)]
/// struct App {
///     api: ResourceServer,
///     changes: broadcast::Sender<String>,
/// }
///
/// // .route("/events", get(events).layer(app.api.protect(scope("read:events"))))
/// async fn events(
///     State(app): State<App>,
///     token: AccessToken,
/// ) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
///     let (sender, receiver) = mpsc::channel(16);
///     tokio::spawn(async move {
///         let mut changes = app.changes.subscribe();
///         let mut watch = app.api.watch(&token, scope("read:events"));
///         loop {
///             tokio::select! {
///                 biased; // no event goes out after the end
///                 rejection = &mut watch => {
///                     let why = rejection.public_words().unwrap_or_default();
///                     let _ = sender.send(Ok(Event::default().event("end").data(why))).await;
///                     return; // drops the sender, which ends the stream
///                 }
///                 () = sender.closed() => return, // the client has gone
///                 Ok(change) = changes.recv() => {
///                     let _ = sender.try_send(Ok(Event::default().data(change)));
///                 }
///             }
///         }
///     });
///     Sse::new(ReceiverStream::new(receiver))
/// }
/// # }
/// ```
///
/// With `futures-util`, `stream.take_until(api.watch(&token, policy))` ends any stream without a word.
///
/// # WebSockets
///
/// ```
/// # use tower_bearer::{AccessToken, ResourceServer, scope};
/// # struct WebSocket;
/// # enum Message { Text(String), Close(u16, &'static str) }
/// # impl WebSocket {
/// #     async fn recv(&mut self) -> Option<Message> { None }
/// #     async fn send(&mut self, _: Message) {}
/// # }
/// // `token` and `api` come from the handler of the upgrade.
/// async fn converse(mut socket: WebSocket, token: AccessToken, api: ResourceServer) {
///     let mut watch = api.watch(&token, scope("chat"));
///     loop {
///         tokio::select! {
///             biased;
///             // RFC 6455 §7.4.1: policy violation.
///             rejection = &mut watch => {
///                 return socket.send(Message::Close(1008, rejection.public_words().unwrap_or_default())).await;
///             }
///             message = socket.recv() => match message {
///                 Some(Message::Text(text)) => socket.send(Message::Text(text)).await,
///                 _ => return,
///             }
///         }
///     }
/// }
/// ```
///
/// # gRPC
///
/// The same `select!` in the task that feeds the response's stream; the last item is `Err(Status::unauthenticated(…))`, or
/// `Err(Status::unavailable(…))` where [`Rejection::status`] is 503.
#[must_use = "a future does nothing unless it is polled"]
pub struct Watch {
    gate: Arc<Gate>,
    token: AccessToken,
    policy: Policy,
    /// One for each source, and one for this process.
    news: Box<[News]>,
    /// When time may have changed the verdict; none before the first look.
    due: Option<Sleep>,
}

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;
type News = Pin<Box<dyn Future<Output = Receiver<u64>> + Send>>;

/// Resolves at the next news, and hands the receiver on.
fn next(mut news: Receiver<u64>) -> News {
    Box::pin(async move {
        if news.changed().await.is_err() {
            // Its source has gone: nothing more comes from it.
            std::future::pending::<()>().await;
        }
        news
    })
}

impl Watch {
    pub(super) fn new(gate: Arc<Gate>, token: AccessToken, policy: Policy) -> Self {
        let issuer = token.trusted_issuer();
        // One on trial refuses nobody.
        let sources = issuer.revocations.iter().filter(|source| source.dry_run.is_none());
        let news = sources.map(|source| source.subscribe()).chain([issuer.in_process.subscribe()]);
        Self { news: news.map(next).collect(), gate, token, policy, due: None }
    }

    /// For how long the verdict holds unless there are news.
    fn holds_for(&self, now: Now) -> Duration {
        let issuer = self.token.trusted_issuer();
        let end = self.token.expires_at().plus(issuer.rules.leeway);
        let sources = issuer.revocations.iter().filter(|source| source.dry_run.is_none());
        let fresh = sources.map(|one| one.freshness.suffices_for(now.uptime, self.policy.stale_choice()));
        let shortest = fresh.fold(end.since(now.wall).min(limits::WATCH_LOOK), Duration::min);
        // News may have aged between two readings: never in a circle.
        shortest.max(Duration::from_millis(1))
    }
}

impl Future for Watch {
    type Output = Rejection;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Rejection> {
        let watch = self.get_mut();
        loop {
            let mut look = watch.due.as_mut().is_none_or(|due| due.as_mut().poll(cx).is_ready());
            // Heard before the look, so that what comes in during it is heard after it.
            for news in &mut watch.news {
                if let Poll::Ready(receiver) = news.as_mut().poll(cx) {
                    *news = next(receiver);
                    look = true;
                }
            }
            if !look {
                return Poll::Pending;
            }
            let now = watch.gate.clock.now();
            if let Err(rejection) = watch.gate.judge.judge_again(&watch.token, &watch.policy, now) {
                watch.due = None;
                return Poll::Ready(rejection);
            }
            watch.due = Some(watch.gate.clock.sleep(watch.holds_for(now)));
        }
    }
}

/// Whose token, and nothing that it says.
impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("token", &self.token).finish_non_exhaustive()
    }
}
