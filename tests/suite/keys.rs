//! Keys that come and go.

use std::time::Duration;

use serde_json::json;
use tower_bearer::testing::Reply;
use tower_bearer::{RejectionKind as Kind, any_token, scope};

use super::world::{World, ask, builder, clock, issuer, request, token};

#[tokio::test]
async fn a_rotation_without_overlap_refuses_nobody_who_has_a_new_token() {
    let world = World::new().await;
    let old = world.issuer.mint(token());
    assert_eq!(world.status(&old).await, 200);
    world.issuer.rotate_keys().await.unwrap();
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
    // One set without its key may come from a replica that is behind: it takes a second one to refuse it.
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.ask(&old).await.rejection.unwrap().kind(), Kind::UnknownKey);
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    let fetched = world.issuer.requests(&world.issuer.jwks_url());
    for _ in 0..10 {
        assert_eq!(world.ask(&old).await.rejection.unwrap().kind(), Kind::UnknownKey, "settled");
    }
    assert_eq!(world.issuer.requests(&world.issuer.jwks_url()), fetched);
}

/// A set from a replica that is behind must not condemn the tokens of a key that is there.
#[tokio::test]
async fn one_answer_of_a_lagging_replica_takes_no_key_away() {
    let world = World::new().await;
    let jwks = world.issuer.jwks_url();
    let behind = fetch(&jwks).await;
    world.issuer.rotate_keys().await.unwrap();
    let good = world.issuer.mint(token());
    assert_eq!(world.status(&good).await, 200);
    world.issuer.set_reply(&jwks, Reply::status(200).content_type("application/json").body(behind));
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.status(&world.issuer.mint(token().header("kid", "made-up"))).await, 401);
    world.issuer.clear_reply(&jwks);
    // Within the cooldown nobody knows; then the issuer is asked, and has it.
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.status(&good).await, 200);
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

/// ADR 3: absence is proven for the token that asked, and for a while nobody is asked again.
#[tokio::test]
async fn a_kid_that_the_issuer_has_not_is_asked_for_once_in_a_while() {
    let world = World::new().await;
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    let forged = world.issuer.mint(token().header("kid", "made-up"));
    for round in 1..=3 {
        let answer = world.ask(&forged).await;
        assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::UnknownKey));
        for _ in 0..10 {
            let answer = world.ask(&forged).await;
            assert_eq!((answer.status, answer.rejection.unwrap().kind()), (503, Kind::KeysPending));
            assert!(answer.retry_after.unwrap() <= 5);
        }
        assert_eq!(world.issuer.requests(&jwks), before + round);
        world.settle(2).await;
        world.clock.advance(Duration::from_secs(5));
    }
}

/// An issuer that signs with a key before it publishes it: its tokens are too early, never invalid for long.
#[tokio::test]
async fn a_key_that_is_published_late_is_found_after_the_cooldown() {
    let world = World::new().await;
    let jwks = world.issuer.jwks_url();
    let old = fetch(&jwks).await;
    world.issuer.rotate_keys().await.unwrap();
    world.issuer.set_reply(&jwks, Reply::status(200).content_type("application/json").body(old));
    assert_eq!(world.status(&world.issuer.mint(token())).await, 401, "proven absent");
    world.issuer.clear_reply(&jwks);
    for _ in 0..4 {
        assert_eq!(world.status(&world.issuer.mint(token())).await, 503, "undecided, not invalid");
        world.clock.advance(Duration::from_secs(1));
    }
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
}

/// Without a `kid` the right key may be one that has not been seen yet.
#[tokio::test]
async fn tokens_without_a_kid_survive_a_rotation_too() {
    let world = World::new().await;
    let nameless = || world.issuer.mint(token().without_header("kid"));
    assert_eq!(world.status(&nameless()).await, 200);
    world.issuer.rotate_keys().await.unwrap();
    assert_eq!(world.status(&nameless()).await, 200);
    let forged = world.issuer.mint(token().signed_by_unknown_key().without_header("kid"));
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.status(&forged).await, 401, "proven by a fetch of its own");
}

/// A wait that ends without an answer may still have brought the key: what that shows about the token is said, and no
/// "ask again" in its place.
#[tokio::test]
async fn a_wait_for_nothing_hides_no_refusal() {
    let world = World::new().await;
    world.settle(2).await;
    world.issuer.rotate_keys().await.unwrap();
    let jwks = world.issuer.jwks_url();
    let set = Reply::status(200).content_type("application/json").body(fetch(&jwks).await);
    let before = world.issuer.requests(&jwks);
    world.issuer.set_reply(&jwks, set.delay(Duration::from_millis(1500)));
    let start = |token: String, policy| {
        let api = world.api.clone();
        tokio::spawn(async move { ask(&api, policy, request(&token)).await })
    };
    let first = start(world.issuer.mint(token()), any_token());
    world.until(|world| world.issuer.requests(&jwks) > before).await;
    // That fetch began before this one came, and the next one is not due for a while.
    let weak = start(world.issuer.mint(token().without_header("kid")), scope("write:events"));
    // The feed, the held answer, and both requests.
    world.settle(4).await;
    world.clock.advance(Duration::from_millis(1500));
    assert_eq!(first.await.unwrap().status, 200);
    world.clock.advance(Duration::from_millis(500));
    let answer = weak.await.unwrap();
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (403, Kind::InsufficientScope));
}

#[tokio::test]
async fn a_shared_secret_fits_any_kid() {
    let clock = clock();
    let server = issuer(&clock).await;
    let secret = b"0123456789abcdef0123456789abcdef";
    let api = builder(&server, &clock).shared_secret(*secret).without_revocation().start().await.unwrap();
    let signed =
        token().algorithm(tower_bearer::Algorithm::HS256).header("kid", "k1").signed_with_secret(secret);
    assert_eq!(ask(&api, any_token(), request(&server.mint(signed))).await.status, 200);
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_stay_until_they_are_too_old() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).without_revocation().start().await.unwrap();
    let long = token().lifetime(Duration::from_secs(86_400));
    let good = server.mint(long);
    server.stop().await;
    // The set says that it holds for a minute; from then on the bound counts.
    clock.advance(Duration::from_secs(60 + 3599));
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
    let set = fetch(&jwks).await;
    let fetched = server.requests(&jwks);
    let api = builder(&server, &clock).keys(set).without_revocation().start().await.unwrap();
    assert_eq!(ask(&api, any_token(), request(&server.mint(token()))).await.status, 200);
    let forged = server.mint(token().header("kid", "made-up"));
    assert_eq!(ask(&api, any_token(), request(&forged)).await.rejection.unwrap().kind(), Kind::UnknownKey);
    assert_eq!(server.requests(&jwks), fetched);
}

#[expect(clippy::disallowed_methods, reason = "a test's own client")]
pub(crate) async fn fetch(url: &str) -> String {
    let body = reqwest::Client::new().get(url).send().await.unwrap().bytes().await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

/// JK-10: the set is asked for again when it says, and an unchanged one is not sent again.
#[tokio::test]
async fn an_unchanged_set_is_confirmed_without_being_sent() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    world.settle(2).await;
    // Only a question with the tag of the known set may be answered so.
    world.issuer.set_reply(&jwks, Reply::status(304));
    world.clock.advance(Duration::from_secs(60));
    world.until(|world| world.issuer.requests(&jwks) > before).await;
    world.until(|world| world.api.health().issuers[0].keys.age == Some(0.0)).await;
    world.settle(2).await;
    let keys = &world.api.health().issuers[0].keys;
    assert_eq!((keys.last_error.as_deref(), keys.keys.len(), keys.usable), (None, 1, true));
    assert!(keys.next_refresh.unwrap() > 0.0, "{keys:?}");
    world.until(|world| world.feed_age() == Some(0.0)).await;
    assert_eq!(world.status(&good).await, 200);
}

/// JK-10: an issuer that wants to be left alone is, within bounds, and its keys stay.
#[tokio::test]
async fn retry_after_is_honoured() {
    let world = World::new().await;
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    world.settle(2).await;
    world.issuer.set_reply(&jwks, Reply::status(429).header("retry-after", "20"));
    world.clock.advance(Duration::from_secs(60));
    world.until(|world| world.issuer.requests(&jwks) == before + 1).await;
    world.until(|world| world.api.health().issuers[0].keys.last_error.is_some()).await;
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(19));
    world.until(|world| world.feed_age() == Some(0.0)).await;
    assert_eq!(world.issuer.requests(&jwks), before + 1, "not before its time");
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(1));
    world.until(|world| world.issuer.requests(&jwks) == before + 2).await;
}

#[tokio::test]
async fn how_long_old_keys_are_relied_on_is_a_setting() {
    let clock = clock();
    let server = issuer(&clock).await;
    let bound = Duration::from_secs(7200);
    let api = builder(&server, &clock).keys_stale_after(bound).without_revocation().start().await.unwrap();
    let good = server.mint(token().lifetime(Duration::from_secs(86_400)));
    server.stop().await;
    clock.advance(Duration::from_secs(60 + 7199));
    assert_eq!(ask(&api, any_token(), request(&good)).await.status, 200);
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&api, any_token(), request(&good)).await.rejection.unwrap().kind(), Kind::NoKeys);
}
