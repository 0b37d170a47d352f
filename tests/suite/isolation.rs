//! Several issuers in one resource server: what one of them does or does not do changes nothing for the others.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use serde_json::json;
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{
    Builder, Complete, Feed, FreshnessState, RejectionKind as Kind, ResourceServer, any_token,
};

use super::world::{
    AUDIENCE, Answer, NOW, PATIENCE, at_once, clock, feed, in_time, issuer, request, respond, token,
};

/// What is wrong with an issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Nothing,
    /// Takes every question and answers none.
    Hangs,
    /// Nobody listens.
    IsDead,
    /// Answers what is not so.
    Lies,
}

const FAULTS: [Fault; 5] = [Fault::Nothing, Fault::Hangs, Fault::IsDead, Fault::Lies, Fault::Nothing];

impl Fault {
    async fn befall(self, server: &AuthorizationServer) {
        let everything = |reply: Reply| {
            for url in [server.jwks_url(), server.feed_url()] {
                server.set_reply(&url, reply.clone());
            }
        };
        match self {
            Self::Nothing => {}
            Self::Hangs => everything(Reply::never()),
            Self::IsDead => server.stop().await,
            // No keys, and another's revocations.
            Self::Lies => everything(Reply::json(&json!({
                "keys": [],
                "iss": "https://other.example", "as_of": NOW, "full": true, "revocations": [],
            }))),
        }
    }
}

struct Federation {
    clock: ManualClock,
    servers: Vec<(Fault, AuthorizationServer)>,
}

impl Federation {
    async fn new() -> Self {
        let clock = clock();
        let mut servers = Vec::new();
        for fault in FAULTS {
            servers.push((fault, issuer(&clock).await));
        }
        Self { clock, servers }
    }

    fn builder(&self, feed: impl Fn(&AuthorizationServer) -> Feed) -> Builder<Complete> {
        let mut servers = self.servers.iter().map(|(_, server)| server);
        let first = servers.next().unwrap();
        let builder = ResourceServer::builder().clock(self.clock.clone()).issuer(first.issuer());
        let mut builder = builder.audience(AUDIENCE).allow_loopback_http().revocation(feed(first));
        for server in servers {
            let next = builder.issuer(server.issuer()).audience(AUDIENCE).allow_loopback_http();
            builder = next.revocation(feed(server));
        }
        builder
    }

    async fn until(&self, api: &ResourceServer, condition: impl Fn(&ResourceServer) -> bool) {
        let patience = SystemClock::new();
        while !condition(api) {
            assert!(patience.uptime() < PATIENCE, "waited in vain: {:?}", api.health());
            patience.sleep(Duration::from_millis(1)).await;
        }
    }

    fn of(&self, fault: Fault) -> impl Iterator<Item = &AuthorizationServer> {
        self.servers.iter().filter(move |(its, _)| *its == fault).map(|(_, server)| server)
    }
}

/// Issue 4: each issuer that is well is as well as if it were alone; the others are named by health.
#[tokio::test]
async fn issuers_that_never_came_up_hold_up_nobody_else() {
    let federation = Federation::new().await;
    for (fault, server) in &federation.servers {
        fault.befall(server).await;
    }
    let api = federation.builder(feed).start_lazily().unwrap();
    federation
        .until(&api, |api| {
            let health = api.health();
            FAULTS.iter().zip(&health.issuers).all(|(fault, issuer)| match fault {
                Fault::Nothing => issuer.keys.usable && issuer.feeds[0].usable,
                Fault::Hangs => true,
                Fault::IsDead | Fault::Lies => {
                    issuer.keys.last_error.is_some() && issuer.feeds[0].last_error.is_some()
                }
            })
        })
        .await;
    for (fault, server) in &federation.servers {
        let answer = at_once(&api, &server.mint(token()));
        match fault {
            Fault::Nothing => assert_eq!(answer.status, 200),
            _ => assert_eq!(
                (answer.status, answer.rejection.unwrap().kind()),
                (503, Kind::NoKeys),
                "{fault:?}"
            ),
        }
    }
    let health = api.health();
    for ((fault, server), issuer) in federation.servers.iter().zip(&health.issuers) {
        assert_eq!(issuer.issuer, server.issuer());
        let well = *fault == Fault::Nothing;
        assert_eq!((issuer.keys.usable, issuer.feeds[0].usable), (well, well), "{issuer:?}");
        let (of_keys, of_feed) = (issuer.keys.last_error.clone(), issuer.feeds[0].last_error.clone());
        let [of_keys, of_feed] = [of_keys, of_feed].map(Option::unwrap_or_default);
        match fault {
            Fault::Nothing | Fault::Hangs => assert_eq!((&*of_keys, &*of_feed), ("", "")),
            Fault::IsDead => {
                assert!(of_keys.contains("refused") && of_feed.contains("refused"), "{issuer:?}")
            }
            Fault::Lies => {
                assert!(of_keys.contains("no usable key"), "{issuer:?}");
                assert!(of_feed.contains("speaks for `https://other.example`"), "{issuer:?}");
            }
        }
    }
    // Not ready, and that is said by name; ready for those whom it does not concern.
    assert!(!health.is_ready());
    let mut ready = std::pin::pin!(api.ready());
    assert!(ready.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// The same to issuers that were well: what is known of them grows old, of them alone.
#[tokio::test]
async fn an_issuer_that_dies_ends_for_itself_alone() {
    let federation = Federation::new().await;
    let slow = |server: &AuthorizationServer| feed(server).poll_interval(Duration::from_secs(10));
    let api = federation.builder(slow).start().await.unwrap();
    let long = || token().lifetime(Duration::from_secs(86_400));
    let tokens: Vec<_> =
        federation.servers.iter().map(|(fault, server)| (*fault, server.mint(long()))).collect();
    for (fault, server) in &federation.servers {
        fault.befall(server).await;
    }
    // Two tasks for each issuer.
    federation.until(&api, |_| federation.clock.sleepers() == 2 * FAULTS.len()).await;
    federation.clock.advance(Duration::from_secs(31));
    let fresh = |api: &ResourceServer| {
        let health = api.health();
        FAULTS.iter().zip(&health.issuers).all(|(fault, issuer)| {
            *fault != Fault::Nothing || (issuer.feeds[0].age == Some(0.0) && issuer.keys.usable)
        })
    };
    federation.until(&api, fresh).await;
    for (fault, token) in &tokens {
        let answer = at_once(&api, token);
        match fault {
            Fault::Nothing => assert_eq!(answer.status, 200),
            _ => {
                let kind = answer.rejection.unwrap().kind();
                assert_eq!((answer.status, kind), (503, Kind::RevocationsStale), "{fault:?}");
            }
        }
    }
    for (fault, issuer) in FAULTS.iter().zip(&api.health().issuers) {
        let state = if *fault == Fault::Nothing { FreshnessState::Fresh } else { FreshnessState::Stale };
        assert_eq!((issuer.feeds[0].state, issuer.keys.usable), (state, true), "{fault:?}: keys last longer");
    }
    assert!(!api.health().is_ready());
}

/// JK-09: the places to wait, the cooldown and the fetches are each issuer's own.
#[tokio::test]
async fn a_storm_at_one_issuer_is_not_felt_at_another() {
    let federation = Federation::new().await;
    let api = federation.builder(feed).start().await.unwrap();
    for (fault, server) in &federation.servers {
        fault.befall(server).await;
    }
    let hanging = federation.of(Fault::Hangs).next().unwrap();
    let mut storm: Vec<Pin<Box<dyn Future<Output = Answer> + Send>>> = Vec::new();
    for n in 0..1100 {
        let (api, forged) =
            (api.clone(), request(&hanging.mint(token().header("kid", format!("made-up-{n}")))));
        let mut answer = Box::pin(async move { respond(&api, any_token(), forged).await });
        if answer.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            storm.push(answer);
        }
    }
    assert_eq!(storm.len(), 1024, "every place is taken");
    for server in federation.of(Fault::Nothing) {
        assert_eq!(at_once(&api, &server.mint(token())).status, 200);
        // A rotation there is noticed as if nothing were.
        let before = server.requests(&server.jwks_url());
        server.rotate_keys().await.unwrap();
        let new = in_time(respond(&api, any_token(), request(&server.mint(token())))).await;
        assert_eq!((new.status, server.requests(&server.jwks_url())), (200, before + 1));
    }
    assert_eq!(federation.clock.uptime(), Duration::ZERO, "and at once");
}
