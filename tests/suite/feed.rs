//! Revocations on their way from the authorization server: FD rows.

use std::time::Duration;

use serde_json::json;
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{FreshnessState, RejectionKind as Kind, WhenStale, any_token};

use super::world::{AUDIENCE, NOW, POLL, World, ask, builder, clock, feed, issuer, request, token};

#[tokio::test]
async fn a_revoked_token_is_refused_after_the_next_poll() {
    let world = World::new().await;
    let (one, other) = (world.issuer.mint(token()), world.issuer.mint(token()));
    world.issuer.revoke_jwt(&one);
    assert_eq!(world.status(&one).await, 200, "nobody has told us yet");
    world.poll().await;
    let answer = world.ask(&one).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::Revoked));
    assert!(
        answer
            .challenge
            .unwrap()
            .contains(r#"error="invalid_token", error_description="The access token was revoked""#)
    );
    assert_eq!(world.status(&other).await, 200);
}

#[tokio::test]
async fn grants_clients_and_users_end_with_all_their_tokens() {
    let world = World::new().await;
    world.issuer.add_client("partner", "secret");
    let grant = world.issuer.grant("partner", AUDIENCE, ["read:events"]);
    let of_grant: Vec<_> = (0..10).map(|_| world.issuer.mint(token().grant(&grant))).collect();
    let of_client = world.issuer.mint(token().client("other"));
    let of_user = world.issuer.mint(token().subject("user-2").client("third"));
    world.issuer.delete_grant(&grant);
    world.poll().await;
    for token in &of_grant {
        assert_eq!(world.status(token).await, 401);
    }
    assert_eq!((world.status(&of_client).await, world.status(&of_user).await), (200, 200));
    let again = world.issuer.grant("partner", AUDIENCE, ["read:events"]);
    assert_eq!(world.status(&world.issuer.mint(token().grant(&again))).await, 200, "granted again");

    world.issuer.revoke_client("other");
    world.issuer.revoke_subject("user-2");
    world.poll().await;
    assert_eq!((world.status(&of_client).await, world.status(&of_user).await), (401, 401));
    // The poll moved the clock past the second of the cut-off: who logs in again is welcome.
    let fresh = world.issuer.mint(token().subject("user-2").client("other"));
    assert_eq!(world.status(&fresh).await, 200);
}

#[tokio::test]
async fn nothing_is_admitted_before_the_first_complete_answer() {
    let clock = clock();
    let server = issuer(&clock).await;
    server.set_reply(&server.feed_url(), Reply::status(500));
    let api = builder(&server, &clock).revocation(feed(&server)).start_lazily().unwrap();
    let world = World { issuer: server, clock, api };
    world.until(|world| world.api.health().issuers[0].keys.usable && world.last_error().is_some()).await;
    let answer = world.ask(&world.issuer.mint(token())).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (503, Kind::RevocationsUnknown));
    assert_eq!((answer.challenge, answer.retry_after), (None, Some(1)));
    assert!(!world.api.health().is_ready());
    world.issuer.clear_reply(&world.issuer.feed_url());
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(30));
    world.api.ready().await;
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
}

/// FD-04: what is known stays in force, and from a bound on nobody is let in on it.
#[tokio::test]
async fn an_unreachable_feed_forgets_nothing_and_goes_stale() {
    let world = World::new().await;
    let (revoked, live) = (world.issuer.mint(token()), world.issuer.mint(token()));
    world.issuer.revoke_jwt(&revoked);
    world.poll().await;
    world.issuer.stop().await;
    world.poll_in_vain().await;
    assert_eq!((world.status(&revoked).await, world.status(&live).await), (401, 200));
    world.clock.advance(Duration::from_secs(30));
    let answer = world.ask(&live).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (503, Kind::RevocationsStale));
    assert!(answer.retry_after.is_some() && answer.challenge.is_none());
    assert_eq!(world.status(&revoked).await, 401, "a revoked token is no matter of freshness");

    let lenient = any_token().when_stale(WhenStale::Admit);
    assert_eq!(ask(&world.api, lenient.clone(), request(&live)).await.status, 200, "the route says so");
    assert_eq!(ask(&world.api, lenient.clone(), request(&revoked)).await.status, 401);
    assert_eq!(world.api.health().issuers[0].feeds[0].state, FreshnessState::Stale);

    world.issuer.restart().await.unwrap();
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(30));
    world.until(|world| world.feed_age() == Some(0.0)).await;
    assert_eq!((world.status(&revoked).await, world.status(&live).await), (401, 200));
}

/// An authorization server that was restored from a backup must not revive tokens.
#[tokio::test]
async fn a_state_that_lacks_a_revocation_takes_nothing_back() {
    let world = World::new().await;
    let revoked = world.issuer.mint(token());
    let entry = world.issuer.revoke_jwt(&revoked).unwrap();
    world.poll().await;
    world.issuer.forget_revocations();
    world.issuer.forget_cursors();
    world.poll().await;
    assert_eq!(world.status(&revoked).await, 401);
    world.issuer.withdraw(&entry);
    world.poll().await;
    assert_eq!(world.status(&revoked).await, 200, "taking back is spoken");
}

/// FD-02: a cursor that the server no longer knows leads to everything, with nothing missing meanwhile.
#[tokio::test]
async fn a_gap_leads_to_the_full_state() {
    let world = World::new().await;
    let (before, during) = (world.issuer.mint(token()), world.issuer.mint(token()));
    world.issuer.revoke_jwt(&before);
    world.poll().await;
    world.issuer.forget_cursors();
    world.issuer.revoke_jwt(&during);
    world.poll().await;
    assert_eq!((world.status(&before).await, world.status(&during).await), (401, 401));
    assert_eq!(world.last_error(), None);
}

#[tokio::test]
async fn many_pages_are_one_answer() {
    let clock = clock();
    let builder_of_server = AuthorizationServer::builder().algorithms([tower_bearer::Algorithm::ES256]);
    let server = builder_of_server.clock(clock.clone()).feed_page_size(7).start().await.unwrap();
    server.publish_all((0..100).map(|n| json!({"jti": format!("t-{n}"), "exp": NOW + 60})));
    let api = builder(&server, &clock).revocation(feed(&server)).start().await.unwrap();
    for n in 0..100 {
        let token = server.mint(token().claim("jti", format!("t-{n}")));
        assert_eq!(ask(&api, any_token(), request(&token)).await.status, 401, "t-{n}");
    }
}

#[tokio::test]
async fn an_entry_that_is_not_understood_is_never_skipped_in_silence() {
    let world = World::new().await;
    let (live, revoked) = (world.issuer.mint(token()), world.issuer.mint(token()));
    world.issuer.publish(json!({"sub": "someone", "exp": NOW + 60}));
    world.issuer.revoke_jwt(&revoked);
    world.poll_in_vain().await;
    assert!(
        world.last_error().unwrap().contains("neither `issued_before` nor a claim"),
        "{:?}",
        world.last_error()
    );
    let answer = world.ask(&live).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::RevocationsStale);
    assert_eq!(
        world.ask(&revoked).await.rejection.unwrap().kind(),
        Kind::Revoked,
        "what is valid is in force"
    );
}

#[tokio::test]
async fn an_operator_may_ignore_entries_of_unknown_form() {
    let clock = clock();
    let server = issuer(&clock).await;
    server.publish(json!({"sub": "someone", "exp": NOW + 60}));
    let feed = feed(&server).ignore_unknown_entries();
    let api = builder(&server, &clock).revocation(feed).start().await.unwrap();
    assert_eq!(ask(&api, any_token(), request(&server.mint(token()))).await.status, 200);
}

#[tokio::test]
async fn a_feed_that_lies_is_not_believed() {
    let clock = clock();
    let server = issuer(&clock).await;
    let iss = server.issuer().to_owned();
    let page = |members: serde_json::Value| {
        let mut page = json!({"iss": iss, "as_of": NOW, "full": true, "revocations": []});
        page.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        Reply::json(&page)
    };
    let table = [
        (page(json!({"iss": "https://other.example"})), "not for this issuer"),
        (page(json!({"full": false})), "full: false"),
        (page(json!({"as_of": "now"})), "`as_of`"),
        (page(json!({"more": true})), "leads back to itself"),
        (page(json!({"revocations": [7]})), "not a JSON object"),
        (Reply::status(200).content_type("text/html").body("<html>"), "not strict JSON"),
        (Reply::status(404), "answered 404"),
        (Reply::redirect("http://127.0.0.1:1/"), "answered 30"),
        (Reply::json(&json!({"resync": true})), "start over"),
    ];
    for (reply, expected) in table {
        server.set_reply(&server.feed_url(), reply);
        let error = builder(&server, &clock).revocation(feed(&server)).start().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
        assert_eq!(error.setting(), "revocation");
    }
}

#[tokio::test]
async fn a_feed_that_goes_back_in_time_is_stale() {
    let world = World::new().await;
    let old = json!({"iss": world.issuer.issuer(), "as_of": NOW - 100, "full": true, "cursor": "x", "revocations": []});
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::json(&old));
    world.poll_in_vain().await;
    assert!(world.last_error().unwrap().contains("older than earlier ones"), "{:?}", world.last_error());
    let good = world.issuer.mint(token());
    assert_eq!(world.status(&good).await, 200, "what was known before is not older for it");
    world.clock.advance(Duration::from_secs(25));
    assert_eq!(world.status(&good).await, 503, "and it grows no younger");
}

#[tokio::test]
async fn the_feed_is_asked_with_its_credentials() {
    let clock = clock();
    let builder_of_server = AuthorizationServer::builder().algorithms([tower_bearer::Algorithm::ES256]);
    let server = builder_of_server.clock(clock.clone()).feed_bearer("feed-token").start().await.unwrap();
    let start = async |feed| builder(&server, &clock).revocation(feed).start().await;
    assert!(start(feed(&server)).await.unwrap_err().to_string().contains("answered 401"));
    assert!(start(feed(&server).bearer("wrong")).await.is_err());
    assert!(start(feed(&server).bearer("feed-token")).await.is_ok());
}

#[tokio::test]
async fn without_a_revocation_feed_nothing_is_asked() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).without_revocation().start().await.unwrap();
    let revoked = server.mint(token());
    server.revoke_jwt(&revoked);
    clock.advance(POLL * 10);
    assert_eq!(ask(&api, any_token(), request(&revoked)).await.status, 200);
    assert_eq!(server.requests(&server.feed_url()), 0);
}

/// A cache or a stuck replica that answers the same over and over: complete, well-formed, and old.
#[tokio::test]
async fn a_feed_whose_time_stands_still_grows_old() {
    let world = World::new().await;
    let good = world.issuer.mint(token().lifetime(Duration::from_secs(3600)));
    let frozen =
        json!({"iss": world.issuer.issuer(), "as_of": NOW, "full": true, "cursor": "x", "revocations": []});
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::json(&frozen));
    let asked = |world: &World| world.issuer.requests(&world.issuer.feed_url());
    let mut statuses = Vec::new();
    for _ in 0..40 {
        world.settle(2).await;
        let before = asked(&world);
        world.clock.advance(POLL);
        world.until(|world| asked(world) > before).await;
        statuses.push(world.status(&good).await);
    }
    assert!(statuses[..25].iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(statuses[39], 503, "{statuses:?}");
}

/// What cannot be placed in time cannot be told from what was revoked.
#[tokio::test]
async fn a_token_without_iat_needs_a_server_without_a_feed() {
    let clock = clock();
    let server = issuer(&clock).await;
    let timeless = server.mint(token().without("iat"));
    let profile = tower_bearer::Profile::Generic;
    let with = builder(&server, &clock).profile(profile).revocation(feed(&server)).start().await.unwrap();
    let without = builder(&server, &clock).profile(profile).without_revocation().start().await.unwrap();
    assert_eq!(
        ask(&with, any_token(), request(&timeless)).await.rejection.unwrap().kind(),
        Kind::MissingClaim
    );
    assert_eq!(ask(&without, any_token(), request(&timeless)).await.status, 200);
}

/// A note that an operator adds to an entry must not turn it into one that matches nothing.
#[tokio::test]
async fn unknown_members_of_an_entry_are_not_silently_claims() {
    let world = World::new().await;
    let (noted, disarmed) = (world.issuer.mint(token()), world.issuer.mint(token()));
    let entry = |token: &str, member: &str| {
        let jti: serde_json::Value = serde_json::from_slice(
            &base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1).unwrap()).unwrap(),
        )
        .unwrap();
        json!({"jti": jti["jti"], "exp": NOW + 60, member: "admin"})
    };
    world.issuer.publish(entry(&noted, "x_revoked_by"));
    world.poll().await;
    assert_eq!(world.ask(&noted).await.rejection.unwrap().kind(), Kind::Revoked, "room for notes");
    world.issuer.publish(entry(&disarmed, "revoked_by"));
    world.poll_in_vain().await;
    assert_eq!(world.ask(&disarmed).await.rejection.unwrap().kind(), Kind::RevocationsStale);
    assert!(world.last_error().unwrap().contains("Feed::claim"), "{:?}", world.last_error());
}

/// One unanswered question does not cost the cursor: a server in trouble is not asked for everything.
#[tokio::test]
async fn after_an_outage_the_feed_goes_on_from_its_cursor() {
    let world = World::new().await;
    let before = world.issuer.mint(token());
    world.issuer.revoke_jwt(&before);
    world.poll().await;
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::status(503));
    world.poll_in_vain().await;
    // Only a question with the cursor can be answered with less than everything.
    let news = json!({"iss": world.issuer.issuer(), "as_of": NOW + 20, "cursor": "y", "revocations": []});
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::json(&news));
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(8));
    world.until(|world| world.last_error().is_none()).await;
    assert_eq!(world.status(&before).await, 401);
}

/// A first state that is not understood in part and then breaks off is no answer: nobody is admitted on it, not even where
/// a stale feed would do.
#[tokio::test]
async fn a_whole_state_that_breaks_off_is_asked_for_again_from_its_start() {
    let clock = clock();
    let server = issuer(&clock).await;
    let bad = json!({"sub": "someone", "exp": NOW + 60});
    // Its second page leads back to itself.
    let broken = json!({"iss": server.issuer(), "as_of": NOW, "full": true, "more": true, "cursor": "m", "revocations": [bad]});
    server.set_reply(&server.feed_url(), Reply::json(&broken));
    let api = builder(&server, &clock)
        .revocation(feed(&server).poll_interval(Duration::from_millis(10)))
        .start_lazily()
        .unwrap();
    let world = World { issuer: server, clock, api };
    world.until(|world| world.api.health().issuers[0].keys.usable && world.last_error().is_some()).await;
    // No answer to a question for everything, but one to a question with the cursor.
    let delta = json!({"iss": world.issuer.issuer(), "as_of": NOW, "cursor": "n", "revocations": []});
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::json(&delta));
    let asked = world.issuer.requests(&world.issuer.feed_url());
    world.settle(2).await;
    // Before the time at which everything would be asked for in any case.
    world.clock.advance(Duration::from_millis(20));
    world.until(|world| world.issuer.requests(&world.issuer.feed_url()) > asked).await;
    world.until(|world| world.last_error().unwrap().contains("full: false")).await;
    let lenient = any_token().when_stale(WhenStale::Admit);
    let answer = ask(&world.api, lenient, request(&world.issuer.mint(token()))).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::RevocationsUnknown);
}
