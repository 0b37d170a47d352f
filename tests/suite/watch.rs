//! Tokens of streams, watched after they were admitted.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use serde_json::json;
use tokio::task::{JoinHandle, JoinSet};
use tower_bearer::clock::{Clock as _, UnixTime};
use tower_bearer::testing::{Reply, Token};
use tower_bearer::{
    AccessToken, Policy, Rejection, RejectionKind as Kind, ResourceServer, Revocation, Watch, WhenStale,
    any_token, scope,
};

use super::world::{NOW, POLL, World, ask, builder, clock, feed, in_time, issuer, request, token};

/// The longest that a token is not looked at.
const LOOK: Duration = Duration::from_secs(30);
/// Nothing else ends within such a test.
const LONG: Duration = Duration::from_secs(12 * 3600);

async fn admitted(api: &ResourceServer, jwt: &str) -> AccessToken {
    ask(api, any_token(), request(jwt)).await.token.expect("it is admitted")
}

/// What its watch says, in a task of its own. The watch is there when this returns.
async fn watched(world: &World, jwt: &str, policy: Policy) -> JoinHandle<Rejection> {
    tokio::spawn(world.api.watch(&admitted(&world.api, jwt).await, policy))
}

/// What a watch says before patience ends.
async fn told(watch: impl Future<Output = Rejection>) -> Kind {
    in_time(watch).await.kind()
}

/// Lets everybody who is to wake do so.
async fn calm() {
    for _ in 0..200 {
        tokio::task::yield_now().await;
    }
}

async fn kind(world: &World, watched: JoinHandle<Rejection>) -> Kind {
    world.until(|_| watched.is_finished()).await;
    watched.await.unwrap().kind()
}

fn long() -> Token {
    token().lifetime(LONG)
}

fn jti(id: &str) -> Revocation {
    Revocation::identifier("jti", id)
}

#[test]
fn it_can_be_moved_and_kept_anywhere() {
    fn check<T: Send + Unpin + 'static>() {}
    check::<Watch>();
}

#[tokio::test]
async fn it_ends_when_a_request_would_be_refused_as_expired() {
    let world = World::new().await;
    let jwt = world.issuer.mint(token().lifetime(Duration::from_secs(70)));
    let token = admitted(&world.api, &jwt).await;
    let watch = world.api.watch(&token, any_token());
    assert_eq!(format!("{watch:?}"), format!("Watch {{ token: {token:?}, .. }}"));
    let mut watch = pin!(watch);
    let mut at = world.clock.uptime();
    loop {
        let outcome = watch.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let admitted = world.status(&jwt).await == 200;
        match outcome {
            Poll::Pending => assert!(admitted, "it is late: {at:?}"),
            Poll::Ready(rejection) => {
                assert!(!admitted, "it is early: {at:?}");
                assert_eq!(rejection.kind(), Kind::Expired);
                break;
            }
        }
        // Not by so much that the feed becomes stale.
        world.poll().await;
        at = world.clock.uptime();
    }
    assert!(at >= Duration::from_secs(70));
}

#[tokio::test]
async fn what_the_policy_refuses_at_once_ends_at_once() {
    let world = World::new().await;
    let jwt = world.issuer.mint(token());
    let watched = watched(&world, &jwt, scope("write:events")).await;
    assert_eq!(kind(&world, watched).await, Kind::InsufficientScope);
}

#[tokio::test]
async fn a_stepped_wall_clock_is_noticed_in_time() {
    let world = World::new().await;
    let jwt = world.issuer.mint(long());
    let watched = watched(&world, &jwt, any_token().when_stale(WhenStale::Admit)).await;
    // The keys' task, the feed's, and the watch.
    world.settle(3).await;
    world.clock.step_wall(UnixTime::from_secs(NOW).plus(LONG + Duration::from_secs(3600)));
    calm().await;
    assert!(!watched.is_finished());
    world.clock.advance(LOOK);
    assert_eq!(kind(&world, watched).await, Kind::Expired);
}

#[tokio::test]
async fn news_of_the_feed_end_it() {
    let world = World::new().await;
    let mint = |id: &str| world.issuer.mint(long().claim("jti", id));
    let by_id = watched(&world, &mint("a"), any_token()).await;
    let by_user = watched(&world, &mint("b"), any_token()).await;
    let other = watched(&world, &world.issuer.mint(long().subject("user-2")), any_token()).await;
    calm().await;
    world.issuer.revoke_token("a");
    world.poll().await;
    assert_eq!(kind(&world, by_id).await, Kind::Revoked);
    world.issuer.revoke_subject("user-1");
    assert!(!by_user.is_finished());
    world.poll().await;
    assert_eq!(kind(&world, by_user).await, Kind::Revoked);
    calm().await;
    assert!(!other.is_finished());
}

/// Nobody has revoked anything in process before the watch began: the place for it does not exist yet.
#[tokio::test]
async fn the_first_word_of_this_process_ends_it() {
    for with_feed in [false, true] {
        let clock = clock();
        let server = issuer(&clock).await;
        let started = builder(&server, &clock);
        let started =
            if with_feed { started.revocation(feed(&server)) } else { started.without_revocation() };
        let world = World { api: started.start().await.unwrap(), issuer: server, clock };
        let watched = watched(&world, &world.issuer.mint(long().claim("jti", "a")), any_token()).await;
        calm().await;
        world.api.revocations().revoke(jti("b")).unwrap();
        calm().await;
        assert!(!watched.is_finished());
        world.api.revocations().revoke(jti("a")).unwrap();
        assert_eq!(kind(&world, watched).await, Kind::Revoked, "with a feed: {with_feed}");
    }
}

/// What is said between two looks, or before the first, is not missed.
#[tokio::test]
async fn what_came_before_the_first_look_counts() {
    let world = World::new().await;
    let token = admitted(&world.api, &world.issuer.mint(long().claim("jti", "a"))).await;
    let watch = world.api.watch(&token, any_token());
    world.api.revocations().revoke(jti("a")).unwrap();
    assert_eq!(told(watch).await, Kind::Revoked);
}

#[tokio::test]
async fn stale_news_end_it_where_the_policy_refuses_then() {
    let world = World::new().await;
    let jwt = world.issuer.mint(long());
    let refuse = watched(&world, &jwt, any_token()).await;
    let admit = watched(&world, &jwt, any_token().when_stale(WhenStale::Admit)).await;
    world.settle(4).await;
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::never());
    world.clock.advance(Duration::from_secs(30));
    calm().await;
    assert!(!refuse.is_finished(), "thirty seconds are not too old");
    world.settle(4).await;
    world.clock.advance(Duration::from_millis(1));
    world.until(|_| refuse.is_finished()).await;
    let rejection = refuse.await.unwrap();
    assert_eq!(rejection.kind(), Kind::RevocationsStale);
    assert!(rejection.retry_after_hint().is_some());
    calm().await;
    assert!(!admit.is_finished());
    world.clock.advance(Duration::from_secs(3600));
    assert_eq!(kind(&world, admit).await, Kind::RevocationsStale);
}

/// It goes stale from one moment to the next, with time to spare.
#[tokio::test]
async fn an_answer_that_is_not_understood_ends_it() {
    let world = World::new().await;
    let token = admitted(&world.api, &world.issuer.mint(long())).await;
    let mut watch = world.api.watch(&token, any_token());
    assert!(pin!(&mut watch).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    world.issuer.publish(json!({"colour": "blue"}));
    world.settle(3).await;
    world.clock.advance(POLL);
    assert_eq!(told(&mut watch).await, Kind::RevocationsStale);
    // Polled again, it watches on.
    world.issuer.forget_revocations();
    world.until(|world| world.clock.sleepers() == 2).await;
    world.clock.advance(Duration::from_secs(20));
    world.until(|world| world.api.health().is_ready() && world.last_error().is_none()).await;
    world.until(|world| world.feed_age() == Some(0.0)).await;
    assert!(pin!(&mut watch).poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// A source on trial counts each look at a token that it would refuse.
#[tokio::test]
async fn many_watches_look_only_when_something_may_have_changed() {
    const WATCHES: u64 = 200;
    let clock = clock();
    let server = issuer(&clock).await;
    let on_trial = Revocation::identifier("jti", "on-trial");
    let source = Told(Some(on_trial.expires_at(UnixTime::from_secs(NOW).plus(LONG))));
    let source = tower_bearer::Polled::new("trial", source).dry_run();
    let api = builder(&server, &clock).revocation(feed(&server)).revocation(source).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    let jwt = world.issuer.mint(long().claim("jti", "on-trial"));
    let token = admitted(&world.api, &jwt).await;
    let looks =
        || world.api.health().issuers[0].feeds[1].would_refuse.as_ref().map_or(0, |count| count.revoked);
    let before = looks();
    let mut watches = JoinSet::new();
    for _ in 0..WATCHES {
        watches.spawn(world.api.watch(&token, any_token()));
    }
    world.until(|_| looks() == before + WATCHES).await;
    for _ in 0..5 {
        world.poll().await;
    }
    calm().await;
    assert_eq!(looks(), before + WATCHES, "polls without news wake nobody");
    world.issuer.revoke_token("somebody else's");
    world.poll().await;
    world.until(|_| looks() == before + 2 * WATCHES).await;
    calm().await;
    assert_eq!(looks(), before + 2 * WATCHES, "once each");
    assert!(watches.try_join_next().is_none());
    world.issuer.revoke_token("on-trial");
    world.poll().await;
    for _ in 0..WATCHES {
        let watch = async { watches.join_next().await.unwrap().unwrap() };
        assert_eq!(told(watch).await, Kind::Revoked);
    }
}

struct Told(Option<Revocation>);

impl tower_bearer::RevocationSource for Told {
    async fn pull(&mut self, _: Option<&str>) -> Result<tower_bearer::Pulled, tower_bearer::SourceError> {
        Ok(tower_bearer::Pulled::whole(self.0.clone()))
    }
}

#[tokio::test]
async fn it_keeps_the_tasks_alive_until_it_is_dropped() {
    let world = World::new().await;
    world.settle(2).await;
    let token = admitted(&world.api, &world.issuer.mint(long())).await;
    let watch = tokio::spawn(world.api.watch(&token, any_token()));
    world.settle(3).await;
    let World { api, clock, issuer } = world;
    drop(api);
    calm().await;
    assert_eq!(clock.sleepers(), 3);
    // It still learns what happens.
    issuer.revoke_subject("user-1");
    clock.advance(POLL);
    assert_eq!(told(async { watch.await.unwrap() }).await, Kind::Revoked);
    in_time(async {
        while clock.sleepers() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_dropped_one_leaves_nothing_behind() {
    let world = World::new().await;
    world.settle(2).await;
    let token = admitted(&world.api, &world.issuer.mint(long())).await;
    let mut watch = world.api.watch(&token, any_token());
    assert!(pin!(&mut watch).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(world.clock.sleepers(), 3);
    drop(watch);
    assert_eq!(world.clock.sleepers(), 2);
}
