//! Keys that come and go.

use std::time::Duration;

use serde_json::json;
use tower_bearer::clock::Clock;
use tower_bearer::testing::Reply;
use tower_bearer::{RejectionKind as Kind, any_token};

use super::world::{World, ask, builder, clock, issuer, request, token};

#[tokio::test]
async fn a_rotation_without_overlap_refuses_nobody_who_has_a_new_token() {
    let world = World::new().await;
    let old = world.issuer.mint(token());
    assert_eq!(world.status(&old).await, 200);
    world.issuer.rotate_keys().await.unwrap();
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
    let answer = world.ask(&old).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::UnknownKey, "its key has been taken away");
}

/// JK-09.
#[tokio::test]
async fn one_fetch_answers_all_requests_with_an_unknown_kid() {
    let world = World::new().await;
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    world.issuer.rotate_keys().await.unwrap();
    let tokens: Vec<_> = (0..200).map(|_| world.issuer.mint(token())).collect();
    let mut requests = tokio::task::JoinSet::new();
    for token in tokens {
        let api = world.api.clone();
        requests.spawn(async move { ask(&api, any_token(), request(&token)).await.status });
    }
    assert!(requests.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(world.issuer.requests(&jwks), before + 1);
}

#[tokio::test]
async fn a_kid_that_the_issuer_has_not_is_refused_and_asked_for_once() {
    let world = World::new().await;
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    let forged = world.issuer.mint(token().header("kid", "made-up"));
    for _ in 0..10 {
        let answer = world.ask(&forged).await;
        assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::UnknownKey));
    }
    assert_eq!(world.issuer.requests(&jwks), before + 1);
}

/// A flood of made-up kids neither fetches more than once in a while, nor touches those with a known kid.
#[tokio::test]
async fn a_storm_of_unknown_kids_costs_one_fetch_at_a_time() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    let mut storm = tokio::task::JoinSet::new();
    for n in 0..500 {
        let forged = world.issuer.mint(token().header("kid", format!("made-up-{n}")));
        let api = world.api.clone();
        storm.spawn(async move { ask(&api, any_token(), request(&forged)).await.status });
        if n % 100 == 0 {
            assert_eq!(world.status(&good).await, 200);
        }
    }
    // Whoever came too late for the first fetch is told to come back when its time is up.
    let statuses = world.patiently(storm.join_all()).await;
    assert!(statuses.iter().all(|status| matches!(status, 401 | 503)), "{statuses:?}");
    let windows = 1 + world.clock.uptime().as_secs() as usize / 5;
    let fetches = world.issuer.requests(&jwks) - before;
    assert!(fetches <= windows + 1, "{fetches} fetches in {windows} windows");
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_stay_until_they_are_too_old() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).without_revocation().start().await.unwrap();
    let long = token().lifetime(Duration::from_secs(86_400));
    let good = server.mint(long);
    server.stop().await;
    clock.advance(Duration::from_secs(3599));
    assert_eq!(ask(&api, any_token(), request(&good)).await.status, 200);
    clock.advance(Duration::from_secs(1));
    let answer = ask(&api, any_token(), request(&good)).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (503, Kind::NoKeys));
}

#[tokio::test]
async fn an_answer_without_usable_keys_does_not_empty_the_ring() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let jwks = world.issuer.jwks_url();
    for reply in [Reply::json(&json!({"keys": []})), Reply::status(200).body("<html>"), Reply::status(500)] {
        let before = world.issuer.requests(&jwks);
        world.issuer.set_reply(&jwks, reply);
        world.settle(2).await;
        world.clock.advance(Duration::from_secs(300));
        world.until(|world| world.issuer.requests(&jwks) > before).await;
        world.until(|world| world.api.health().issuers[0].keys.last_error.is_some()).await;
        world.issuer.clear_reply(&world.issuer.feed_url());
        world.until(|world| world.feed_age() == Some(0.0)).await;
        assert_eq!(world.status(&good).await, 200);
    }
}

#[tokio::test]
async fn given_keys_need_nobody() {
    let clock = clock();
    let server = issuer(&clock).await;
    let jwks = server.jwks_url();
    let set = reqwest_text(&jwks).await;
    let fetched = server.requests(&jwks);
    let api = builder(&server, &clock).keys(set).without_revocation().start().await.unwrap();
    assert_eq!(ask(&api, any_token(), request(&server.mint(token()))).await.status, 200);
    let forged = server.mint(token().header("kid", "made-up"));
    assert_eq!(ask(&api, any_token(), request(&forged)).await.rejection.unwrap().kind(), Kind::UnknownKey);
    assert_eq!(server.requests(&jwks), fetched);
}

#[expect(clippy::disallowed_methods, reason = "a test's own client")]
async fn reqwest_text(url: &str) -> String {
    let body = reqwest::Client::new().get(url).send().await.unwrap().bytes().await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}
