//! Several sources for one issuer, and sources that users write.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tower_bearer::clock::UnixTime;
use tower_bearer::testing::Reply;
use tower_bearer::{
    FreshnessState, Polled, Pulled, RejectionKind as Kind, Revocation, RevocationSource, SourceError,
};

use super::world::{NOW, POLL, World, builder, clock, feed, issuer, token};

/// Answers in the order in which a test gives them, then with nothing new. Remembers the cursors.
#[derive(Clone, Default)]
struct Told {
    answers: Arc<Mutex<VecDeque<Result<Pulled, SourceError>>>>,
    cursors: Arc<Mutex<Vec<Option<String>>>>,
}

impl RevocationSource for Told {
    async fn pull(&mut self, cursor: Option<&str>) -> Result<Pulled, SourceError> {
        self.cursors.lock().unwrap().push(cursor.map(str::to_owned));
        let next = self.answers.lock().unwrap().pop_front();
        next.unwrap_or_else(|| match cursor {
            Some(cursor) => Ok(Pulled::news([]).cursor(cursor)),
            None => Ok(Pulled::whole([])),
        })
    }
}

impl Told {
    fn tell(&self, answer: Result<Pulled, SourceError>) {
        self.answers.lock().unwrap().push_back(answer);
    }

    fn asked(&self) -> usize {
        self.cursors.lock().unwrap().len()
    }
}

/// One that never answers.
struct Silent;

impl RevocationSource for Silent {
    async fn pull(&mut self, _: Option<&str>) -> Result<Pulled, SourceError> {
        std::future::pending().await
    }
}

async fn world(source: Polled) -> World {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let builder = builder(&issuer, &clock).revocation(feed(&issuer)).revocation(source);
    let api = builder.start().await.unwrap();
    World { issuer, clock, api }
}

fn jti(id: &str) -> Revocation {
    Revocation::identifier("jti", id).expires_at(UnixTime::from_secs(NOW + 3600))
}

/// Lets a poll interval pass, and waits until the source was asked and the feed too.
async fn poll(world: &World, told: &Told) {
    world.settle(3).await;
    let before = told.asked();
    world.clock.advance(POLL);
    world.until(|world| told.asked() > before && world.clock.sleepers() >= 3).await;
}

#[tokio::test]
async fn a_source_of_ones_own_goes_on_from_its_cursors() {
    let told = Told::default();
    told.tell(Ok(Pulled::whole([jti("a")]).cursor("1")));
    let world = world(Polled::new("mine", told.clone())).await;
    let mint = |id: &str| world.issuer.mint(token().claim("jti", id));
    assert_eq!((world.status(&mint("a")).await, world.status(&mint("b")).await), (401, 200));
    told.tell(Ok(Pulled::news([jti("b")]).cursor("2")));
    poll(&world, &told).await;
    assert_eq!((world.status(&mint("a")).await, world.status(&mint("b")).await), (401, 401));
    // Without a cursor the next question is for everything; what that lacks stays.
    told.tell(Ok(Pulled::whole([])));
    poll(&world, &told).await;
    poll(&world, &told).await;
    let cursors = told.cursors.lock().unwrap().clone();
    assert_eq!(cursors, [None, Some("1".to_owned()), Some("2".to_owned()), None]);
    assert_eq!(world.status(&mint("a")).await, 401);
    let user = Revocation::cut_off(UnixTime::from_secs(NOW + 60)).claim("sub", "user-1").claim("azp", "app");
    told.tell(Ok(Pulled::whole([user])));
    poll(&world, &told).await;
    assert_eq!(world.status(&mint("c")).await, 401);
    assert_eq!(world.status(&world.issuer.mint(token().subject("user-2"))).await, 200);
}

#[tokio::test]
async fn each_source_must_be_fresh_enough() {
    let told = Told::default();
    let world = world(Polled::new("mine", told.clone()).max_staleness(Duration::from_secs(10))).await;
    let (good, revoked) = (world.issuer.mint(token()), world.issuer.mint(token()));
    world.issuer.revoke_jwt(&revoked);
    poll(&world, &told).await;
    for _ in 0..50 {
        told.tell(Err(SourceError::new("the database is away")));
    }
    for _ in 0..4 {
        poll(&world, &told).await;
        world.clock.advance(Duration::from_secs(3));
    }
    let feeds = |world: &World| world.api.health().issuers[0].feeds.clone();
    world.until(|world| feeds(world)[0].age.unwrap() < 4.0).await;
    let answer = world.ask(&good).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::RevocationsStale, "the feed alone is not enough");
    assert_eq!(world.ask(&revoked).await.rejection.unwrap().kind(), Kind::Revoked);
    let [feed, mine] = <[_; 2]>::try_from(feeds(&world)).unwrap();
    assert_eq!((feed.source, feed.state), (world.issuer.feed_url(), FreshnessState::Fresh));
    assert_eq!((mine.source.as_str(), mine.state), ("mine", FreshnessState::Stale));
    assert!(mine.last_error.unwrap().contains("the database is away"));
    assert!(!world.api.health().is_ready());
}

#[tokio::test]
async fn no_source_takes_back_what_another_said() {
    let told = Told::default();
    let world = world(Polled::new("mine", told.clone())).await;
    let revoked = world.issuer.mint(token().claim("jti", "a"));
    world.issuer.revoke_token("a");
    let taken_back = jti("a").said_at(UnixTime::from_secs(NOW + 100)).withdrawn();
    told.tell(Ok(Pulled::whole([taken_back])));
    poll(&world, &told).await;
    world.until(|world| world.api.health().issuers[0].feeds[0].identifiers == 1).await;
    assert_eq!(world.status(&revoked).await, 401);
}

#[tokio::test]
async fn a_source_that_breaks_its_word_is_not_believed() {
    let clock = clock();
    let server = issuer(&clock).await;
    let long = format!("line one\nline two {}", "x".repeat(10_000));
    let of_claim = |name: &str| Ok(Pulled::whole([Revocation::identifier(name, "x")]));
    let at = UnixTime::from_secs;
    let table = [
        (Ok(Pulled::news([])), "full: false"),
        (of_claim("sub"), "neither"),
        (of_claim("device"), "known here"),
        (Ok(Pulled::whole([jti(&"x".repeat(5000))])), "longer than"),
        (Ok(Pulled::whole([jti("x").expires_at(at(NOW * 1000))])), "not a date in seconds"),
        (Ok(Pulled::whole([Revocation::cut_off(at(NOW + 200_000))])), "more than a day ahead"),
        (Ok(Pulled::whole([jti("x").said_at(at(NOW + 400))])), "ahead of the page"),
        (Ok(Pulled::whole([jti("x").withdrawn()])), "without `at`"),
        (Err(SourceError::new(&long)), "line one\\nline two"),
    ];
    for (answer, expected) in table {
        let told = Told::default();
        told.tell(answer);
        let error = builder(&server, &clock).revocation(Polled::new("mine", told)).start().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert!(error.to_string().len() < 600 && error.value() == "mine", "{error}");
    }
    let told = Told::default();
    told.tell(of_claim("device"));
    let known = Polled::new("mine", told).identifier("device");
    assert!(builder(&server, &clock).revocation(known).start().await.is_ok());
}

#[tokio::test]
async fn what_a_source_admits_to_be_old_is_old() {
    let told = Told::default();
    told.tell(Ok(Pulled::whole([]).age(Duration::from_secs(31))));
    let world = world(Polled::new("a replica", told.clone())).await;
    let good = world.issuer.mint(token());
    assert_eq!(world.status(&good).await, 503);
    poll(&world, &told).await;
    assert_eq!(world.status(&good).await, 200);
}

#[tokio::test]
async fn a_source_that_hangs_is_given_up_after_a_while() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).revocation(Polled::new("mine", Silent)).start_lazily().unwrap();
    let world = World { issuer: server, clock, api };
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(60));
    world.until(|world| world.last_error().is_some_and(|error| error.contains("in time"))).await;
}

/// One of a feed's troubles is not the other source's.
#[tokio::test]
async fn a_flaw_in_one_source_leaves_the_other_alone() {
    let told = Told::default();
    let world = world(Polled::new("mine", told.clone())).await;
    let bad = json!({"iss": world.issuer.issuer(), "as_of": NOW, "cursor": "x", "revocations": [7]});
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::json(&bad));
    poll(&world, &told).await;
    world.until(|world| world.last_error().is_some()).await;
    let feeds = world.api.health().issuers[0].feeds.clone();
    assert_eq!((feeds[0].state, feeds[1].state), (FreshnessState::Stale, FreshnessState::Fresh));
    assert_eq!(feeds[1].last_error, None);
}
