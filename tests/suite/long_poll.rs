//! A feed whose questions are held while there is nothing new.

use std::time::Duration;

use serde_json::json;
use tower_bearer::Feed;
use tower_bearer::clock::Clock as _;
use tower_bearer::testing::Reply;

use super::scripted::{Asked, Scripted};
use super::world::{NOW, POLL, World, builder, clock, feed, issuer, token};

const WAIT: Duration = Duration::from_secs(25);

fn held(world: &tower_bearer::testing::AuthorizationServer) -> Feed {
    feed(world).long_poll(WAIT).max_staleness(Duration::from_secs(35))
}

async fn world() -> World {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let api = builder(&issuer, &clock).revocation(held(&issuer)).start().await.unwrap();
    World { issuer, clock, api }
}

fn asked(world: &World) -> usize {
    world.issuer.requests(&world.issuer.feed_url())
}

#[tokio::test]
async fn a_revocation_is_in_force_without_any_time_passing() {
    let world = world().await;
    for round in 0..3 {
        // The keys' task, and the server that holds the question.
        world.until(|world| asked(world) == 2 + round && world.clock.sleepers() == 2).await;
        let revoked = world.issuer.mint(token());
        assert_eq!(world.status(&revoked).await, 200);
        world.issuer.revoke_jwt(&revoked);
        world.until(|world| world.api.health().issuers[0].feeds[0].identifiers == 1 + round as u64).await;
        assert_eq!(world.status(&revoked).await, 401);
        world.settle(2).await;
        world.clock.advance(Duration::from_millis(10));
    }
}

/// Its answers tell of the time at which they were made, not of the time at which they were asked for.
#[tokio::test]
async fn an_idle_feed_stays_fresh_while_its_questions_are_answered() {
    let world = world().await;
    let good = world.issuer.mint(token().lifetime(Duration::from_secs(3600)));
    for round in 0..4 {
        world.until(|world| asked(world) == 2 + round && world.clock.sleepers() == 2).await;
        world.clock.advance(WAIT - Duration::from_secs(1));
        assert_eq!(world.status(&good).await, 200, "round {round}");
        world.clock.advance(Duration::from_secs(1));
        world.until(|world| world.feed_age().unwrap() < 2.0).await;
    }
    world.until(|world| asked(world) == 6 && world.clock.sleepers() == 2).await;
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::never());
    world.clock.advance(Duration::from_secs(37));
    assert_eq!(world.status(&good).await, 503, "silence is no answer");
}

#[tokio::test]
async fn a_server_that_holds_nothing_is_asked_each_interval() {
    let world = world().await;
    world.until(|world| asked(world) == 2 && world.clock.sleepers() == 2).await;
    let empty = json!({"iss": world.issuer.issuer(), "as_of": NOW, "cursor": "x", "revocations": []});
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::json(&empty));
    for round in 0..3 {
        // Nobody holds anything: it is the feed's own task that sleeps.
        world.settle(2).await;
        let before = asked(&world);
        world.clock.advance(POLL - Duration::from_millis(1));
        world.asleep(2).await;
        assert_eq!(asked(&world), before, "round {round}");
        world.clock.advance(Duration::from_millis(1));
        world.until(|world| asked(world) == before + 1).await;
    }
}

#[tokio::test]
async fn after_trouble_an_answer_is_wanted_at_once() {
    let clock = clock();
    let server = issuer(&clock).await;
    let iss = server.issuer().to_owned();
    let time = clock.clone();
    let page = move |asked: &Asked| {
        let full = asked.query.is_empty();
        let page = json!({"iss": iss, "as_of": time.wall().as_secs(), "cursor": "c", "full": full, "revocations": []});
        (200, vec![], page.to_string())
    };
    let scripted = Scripted::start(page.clone()).await;
    let feed = Feed::new(&scripted.url).long_poll(WAIT).max_staleness(Duration::from_secs(35));
    let api = builder(&server, &clock).revocation(feed).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    world.until(|_| scripted.last().query == "cursor=c&wait=25").await;
    scripted.answers(|_| (503, vec![("retry-after", "3".to_owned())], String::new()));
    world.settle(2).await;
    world.clock.advance(POLL);
    world.until(|world| world.last_error().is_some()).await;
    scripted.answers(page);
    world.settle(2).await;
    let before = scripted.asked().len();
    world.clock.advance(Duration::from_millis(2900));
    world.asleep(2).await;
    assert_eq!(scripted.asked().len(), before, "the server wants to be left alone for 3 s");
    world.clock.advance(Duration::from_millis(100));
    world.until(|world| world.last_error().is_none()).await;
    assert_eq!(scripted.last().query, "cursor=c", "not held");
    world.settle(2).await;
    world.clock.advance(Duration::from_millis(10));
    world.until(|_| scripted.last().query == "cursor=c&wait=25").await;
    assert!(world.clock.uptime() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_wait_that_leaves_no_room_is_refused_at_the_start() {
    let clock = clock();
    let server = issuer(&clock).await;
    let table = [
        (25_000, 29_000, ["`25s`", "max_staleness of 29s"]),
        (0, 30_000, ["`0ns`", "from 1 s to 60 s"]),
        (61_000, 120_000, ["`61s`", "from 1 s to 60 s"]),
        (1_500, 30_000, ["`1.5s`", "Whole seconds"]),
    ];
    for (wait, staleness, words) in table {
        let feed = feed(&server).long_poll(Duration::from_millis(wait));
        let feed = feed.max_staleness(Duration::from_millis(staleness));
        let error = builder(&server, &clock).revocation(feed).start().await.unwrap_err();
        assert_eq!(error.setting(), "long_poll");
        assert!(words.iter().all(|word| error.to_string().contains(word)), "{error}");
    }
    let just = feed(&server).long_poll(WAIT).max_staleness(Duration::from_secs(30));
    assert!(builder(&server, &clock).revocation(just).start().await.is_ok());
}
