//! The resource server under test, and how to ask it.

use std::convert::Infallible;
use std::time::Duration;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::{
    AccessToken, Builder, Complete, Feed, FeedHealth, Policy, Rejection, RejectionKind, ResourceServer,
    Transport, any_token,
};

use crate::driver::RESOURCES;
use crate::process::RealServer;

/// Longer than anything here takes on a busy machine; nobody who passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A resource server for all four resources.
pub(crate) fn builder(server: &RealServer) -> Builder<Complete> {
    with_feed(server, feed(server))
}

pub(crate) fn feed(server: &RealServer) -> Feed {
    Feed::new(&server.feed).bearer(&server.bearer).poll_interval(POLL_INTERVAL)
}

pub(crate) fn with_feed(server: &RealServer, feed: Feed) -> Builder<Complete> {
    let [(first, _), others @ ..] = RESOURCES;
    let builder = ResourceServer::builder().issuer(&server.issuer).audience(first);
    let builder = others.into_iter().fold(builder, |builder, (other, _)| builder.audience(other));
    builder.revocation(feed).allow_loopback_http().transport(Transport::new().total_timeout(PATIENCE))
}

pub(crate) async fn start(server: &RealServer) -> ResourceServer {
    builder(server).start().await.unwrap()
}

/// What came of one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: Option<RejectionKind>,
    pub(crate) challenge: String,
    pub(crate) retry_after: Option<u64>,
    /// What the inner service saw.
    pub(crate) token: Option<AccessToken>,
}

/// One request with `token`, to a service that needs any token.
pub(crate) async fn ask(api: &ResourceServer, token: &str) -> Answer {
    ask_for(api, any_token(), token).await
}

pub(crate) async fn ask_for(api: &ResourceServer, policy: Policy, token: &str) -> Answer {
    let service = api.protect(policy).layer(service_fn(inner));
    let request = Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let response = tokio::select! {
        Ok(response) = service.oneshot(request) => response,
        () = SystemClock::new().sleep(PATIENCE) => panic!("no answer within {PATIENCE:?}"),
    };
    let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    Answer {
        status: response.status().as_u16(),
        kind: response.extensions().get::<Rejection>().map(Rejection::kind),
        challenge: text(WWW_AUTHENTICATE).unwrap_or_default(),
        retry_after: text(RETRY_AFTER).map(|seconds| seconds.parse().unwrap()),
        token: response.extensions().get().cloned(),
    }
}

/// Gives back the token that the layer hands over; without one it fails.
async fn inner(mut request: Request<()>) -> Result<Response<()>, Infallible> {
    let mut response = Response::new(());
    response.extensions_mut().insert(request.extensions_mut().remove::<AccessToken>().expect("a token"));
    Ok(response)
}

pub(crate) async fn accepts(api: &ResourceServer, token: &str) -> AccessToken {
    let answer = ask(api, token).await;
    answer.token.unwrap_or_else(|| panic!("refused: {:?}, {:?}", answer.kind, api.health()))
}

pub(crate) async fn refuses(api: &ResourceServer, token: &str, kind: RejectionKind) {
    let answer = ask(api, token).await;
    assert_eq!((answer.status, answer.kind), (401, Some(kind)));
    assert!(answer.challenge.contains(r#"error="invalid_token""#), "{}", answer.challenge);
}

/// Waits until a token that was accepted counts as revoked. Tells how long that took.
pub(crate) async fn comes_to_refuse(api: &ResourceServer, token: &str) -> Duration {
    let ((), delay) = within("revoked", async || {
        let answer = ask(api, token).await;
        match (answer.status, answer.kind) {
            (200, None) => None,
            (401, Some(RejectionKind::Revoked)) => Some(()),
            other => panic!("neither accepted nor revoked: {other:?}, {:?}", api.health()),
        }
    })
    .await;
    delay
}

/// Looks again and again until there is something. Tells how long that took.
pub(crate) async fn within<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> (T, Duration) {
    let clock = SystemClock::new();
    loop {
        if let Some(found) = look().await {
            return (found, clock.uptime());
        }
        assert!(clock.uptime() < PATIENCE, "not within {PATIENCE:?}: {what}");
        clock.sleep(Duration::from_millis(10)).await;
    }
}

/// The health of the only feed.
pub(crate) fn feed_health(api: &ResourceServer) -> FeedHealth {
    api.health().issuers.remove(0).feeds.remove(0)
}
