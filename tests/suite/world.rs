//! One resource server and the authorization server it trusts, under one clock.

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{
    AccessToken, Algorithm, Builder, Feed, NeedsRevocation, Policy, Rejection, ResourceServer, Transport,
};

pub(crate) const AUDIENCE: &str = "https://api.example.com/calendar/v1/";
pub(crate) const NOW: i64 = 1_795_000_000;
pub(crate) const POLL: Duration = Duration::from_secs(1);
/// Longer than anything here takes on a busy machine; nobody who passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct World {
    pub(crate) issuer: AuthorizationServer,
    pub(crate) clock: ManualClock,
    pub(crate) api: ResourceServer,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) challenge: Option<String>,
    pub(crate) retry_after: Option<u64>,
    pub(crate) rejection: Option<Rejection>,
    /// The subject that the inner service saw.
    pub(crate) subject: Option<String>,
    pub(crate) token: Option<AccessToken>,
}

pub(crate) fn clock() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(NOW))
}

/// ES256 alone: making an RSA key takes a tenth of a second.
pub(crate) async fn issuer(clock: &ManualClock) -> AuthorizationServer {
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).clock(clock.clone());
    builder.start().await.unwrap()
}

/// Up to the word on revocation. Answers are waited for in real time, which a busy machine has plenty of.
pub(crate) fn builder(issuer: &AuthorizationServer, clock: &ManualClock) -> Builder<NeedsRevocation> {
    ResourceServer::builder()
        .clock(clock.clone())
        .issuer(issuer.issuer())
        .audience(AUDIENCE)
        .allow_loopback_http()
        .transport(Transport::new().total_timeout(PATIENCE))
}

pub(crate) fn feed(issuer: &AuthorizationServer) -> Feed {
    Feed::new(issuer.feed_url()).poll_interval(POLL).max_staleness(Duration::from_secs(30))
}

pub(crate) fn token() -> Token {
    Token::new(AUDIENCE).subject("user-1").client("app").scope("read:events")
}

pub(crate) fn request(token: &str) -> Request<()> {
    Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap()
}

pub(crate) async fn ask(api: &ResourceServer, policy: Policy, request: Request<()>) -> Answer {
    // The manual clock may be what it waits for: see `World::patiently`.
    in_time(respond(api, policy, request)).await
}

/// Fails where patience ends first.
pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = future => outcome,
        () = SystemClock::new().sleep(PATIENCE) => panic!("awaited in vain"),
    }
}

/// [`ask`] without an end to its patience. Does nothing before it is polled.
pub(crate) async fn respond(api: &ResourceServer, policy: Policy, request: Request<()>) -> Answer {
    let inner = service_fn(async |request: Request<()>| {
        let token = request.extensions().get::<AccessToken>().expect("an admitted request carries its token");
        let mut response = Response::new(String::new());
        response.extensions_mut().insert(token.clone());
        Ok::<_, Infallible>(response)
    });
    let Ok(response) = api.protect(policy).layer(inner).oneshot(request).await;
    let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let admitted = response.extensions().get::<AccessToken>();
    assert_eq!(admitted.is_some(), response.status() == 200, "only the inner service says 200");
    Answer {
        status: response.status().as_u16(),
        challenge: header("www-authenticate"),
        retry_after: header("retry-after").map(|value| value.parse().unwrap()),
        rejection: response.extensions().get::<Rejection>().cloned(),
        subject: admitted.and_then(|token| token.subject().map(std::borrow::Cow::into_owned)),
        token: admitted.cloned(),
    }
}

/// The answer that is there when its future is polled exactly once.
#[track_caller]
pub(crate) fn at_once(api: &ResourceServer, token: &str) -> Answer {
    let answer = std::pin::pin!(respond(api, tower_bearer::any_token(), request(token)));
    match answer.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("it waits"),
    }
}

/// Serves a test's own idea of an authorization server; its URL ends without a slash.
pub(crate) async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

impl World {
    pub(crate) async fn new() -> Self {
        let clock = clock();
        let issuer = issuer(&clock).await;
        let api = builder(&issuer, &clock).revocation(feed(&issuer)).start().await.unwrap();
        Self { issuer, clock, api }
    }

    pub(crate) async fn ask(&self, token: &str) -> Answer {
        ask(&self.api, tower_bearer::any_token(), request(token)).await
    }

    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.ask(token).await.status
    }

    /// Lets the poll interval pass, and waits until the next complete answer has been taken in.
    pub(crate) async fn poll(&self) {
        self.settle(2).await;
        self.clock.advance(POLL);
        self.until(|world| world.feed_age() == Some(0.0)).await;
    }

    /// Lets the poll interval pass, and waits until the next attempt has failed.
    pub(crate) async fn poll_in_vain(&self) {
        self.settle(2).await;
        let before = self.last_error();
        self.clock.advance(Duration::from_secs(8));
        self.until(|world| {
            world.last_error().is_some() && (before.is_some() || world.last_error() != before)
        })
        .await;
    }

    /// Waits until so many tasks sleep.
    pub(crate) async fn settle(&self, sleepers: usize) {
        self.until(|world| world.clock.sleepers() >= sleepers).await;
    }

    /// Lets whoever is to wake now do so: then exactly so many still sleep.
    pub(crate) async fn asleep(&self, sleepers: usize) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(self.clock.sleepers(), sleepers, "somebody woke early");
    }

    pub(crate) async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let patience = SystemClock::new();
        while !condition(self) {
            assert!(patience.uptime() < PATIENCE, "waited in vain: {:?}", self.api.health());
            patience.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets time pass on the manual clock while something is awaited that waits for it.
    pub(crate) async fn patiently<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                biased;
                outcome = &mut future => return outcome,
                () = tokio::task::yield_now() => self.clock.advance(Duration::from_millis(1)),
            }
        }
    }

    pub(crate) fn feed_age(&self) -> Option<f64> {
        self.api.health().issuers[0].feeds[0].age
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.api.health().issuers[0].feeds[0].last_error.clone()
    }
}
