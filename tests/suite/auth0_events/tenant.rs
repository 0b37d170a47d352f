//! Against the tenant in process.

use super::*;
use crate::folder::Folder;

async fn tenant(clock: &ManualClock) -> AuthorizationServer {
    let server = issuer(clock).await;
    server.add_client("watcher", SECRET);
    server.grant(
        "watcher",
        &server.management_audience(),
        ["blacklist:tokens", "read:client_grants", "read:events"],
    );
    server
}

fn base(server: &AuthorizationServer) -> String {
    server.management_audience().trim_end_matches("/api/v2/").to_owned()
}

async fn world() -> World {
    let clock = clock();
    let issuer = tenant(&clock).await;
    let api = builder(&issuer, &clock).revocation(source(&base(&issuer))).start().await.unwrap();
    World { issuer, clock, api }
}

fn polls(world: &World) -> usize {
    world.issuer.requests(&world.issuer.management_url("client-grants"))
}

fn connections(world: &World) -> usize {
    world.issuer.requests(&world.issuer.management_url("events"))
}

/// Until everything that was told before has been heard.
async fn heard(world: &World, marker: &str) {
    let token = of(world, marker, None);
    world.issuer.emit_event("user.deleted", &json!({ "user_id": marker }));
    world.until(|world| status(world, &token) == 401).await;
}

#[tokio::test]
async fn events_end_what_they_name_without_a_poll() {
    let member =
        json!({ "organization": { "id": "o1" }, "user": { "user_id": "u1" }, "role": { "id": "r" } });
    let group =
        |kind: &str, id: &str| json!({ "group": { "id": "g" }, "member": { "member_type": kind, "id": id } });
    let (all, none) = ([401; 4], [200; 4]);
    let (user, both, organization) = ([401, 401, 200, 200], [200, 401, 200, 200], [200, 401, 401, 200]);
    let table: &[(&str, Value, [u16; 4])] = &[
        ("user.deleted", json!({ "user_id": "u1" }), user),
        ("user.updated", json!({ "user_id": "u1", "blocked": true }), user),
        ("user.updated", json!({ "user_id": "u1", "blocked": false }), none),
        ("user.updated", json!({ "user_id": "u1" }), none),
        ("user.created", json!({ "user_id": "u1" }), none),
        ("organization.member.deleted", member.clone(), both),
        ("organization.member.role.deleted", member.clone(), both),
        ("organization.member.added", member, none),
        ("organization.deleted", json!({ "id": "o1" }), organization),
        ("group.member.deleted", group("user", "u1"), user),
        // Nobody knows whose access has ended.
        ("group.member.deleted", group("connection", "con_1"), all),
        ("user.deleted", json!({ "email": "jane@example.com" }), all),
    ];
    for (kind, object, expected) in table {
        let world = world().await;
        let polled = polls(&world);
        let mint = || [("u1", None), ("u1", Some("o1")), ("u2", Some("o1")), ("u2", None)];
        let tokens = mint().map(|(subject, organization)| of(&world, subject, organization));
        assert_eq!(statuses(&world, &tokens), none);
        world.issuer.emit_event(kind, object);
        heard(&world, "marker").await;
        assert_eq!(statuses(&world, &tokens), expected, "{kind} {object}");
        assert_eq!(polls(&world), polled, "nothing else was asked");
        // Whose clock was right to the second is not known.
        world.clock.advance(Duration::from_secs(1));
        let close = mint().map(|(subject, organization)| of(&world, subject, organization));
        assert_eq!(statuses(&world, &close), expected, "{kind} {object}");
        world.clock.advance(Duration::from_secs(1));
        let new = mint().map(|(subject, organization)| of(&world, subject, organization));
        assert_eq!(statuses(&world, &new), none, "new tokens are good: {kind}");
    }
}

#[tokio::test]
async fn users_that_are_blocked_or_deleted_lose_access() {
    let world = world().await;
    world.issuer.add_user("auth0|u1");
    world.issuer.add_user("auth0|u2");
    let tokens = ["auth0|u1", "auth0|u2", "auth0|u3"].map(|user| of(&world, user, None));
    world.issuer.block_user("auth0|u1");
    world.until(|world| statuses(world, &tokens) == [401, 200, 200]).await;
    world.issuer.unblock_user("auth0|u1");
    world.issuer.delete_user("auth0|u2");
    world.until(|world| statuses(world, &tokens) == [401, 401, 200]).await;
}

#[tokio::test]
async fn it_is_not_read_unless_asked_for_and_a_missing_scope_is_named() {
    let clock = clock();
    let server = tenant(&clock).await;
    let client = || ClientCredentials::new("watcher", SECRET);
    let without = Auth0::new(base(&server), client()).audience(AUDIENCE);
    let api = builder(&server, &clock).revocation(without).start().await.unwrap();
    let world = World { issuer: server.clone(), clock: clock.clone(), api };
    assert_eq!(connections(&world), 0);
    let hasty = source(&base(&server)).max_staleness(Duration::from_secs(14));
    let error = builder(&server, &clock).revocation(hasty).start().await.unwrap_err().to_string();
    assert!(error.contains("max_staleness") && error.contains("15 s"), "{error}");
    let only = source(&base(&server)).without_blacklist().without_client_grants();
    assert!(builder(&server, &clock).revocation(only).start().await.is_ok(), "it may be the only part");
    server.grant("watcher", &server.management_audience(), ["blacklist:tokens", "read:client_grants"]);
    let refused = builder(&server, &clock).revocation(source(&base(&server))).start().await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("scope read:events") && !error.contains(SECRET), "{error}");
}

#[tokio::test]
async fn streams_that_the_server_ends_are_gone_on_with() {
    let world = world().await;
    let tokens = ["u1", "u2", "u3", "u4"].map(|user| of(&world, user, None));
    let mut expected = [200; 4];
    for (at, code) in ["connection_timeout", "timeout", "processing_error"].into_iter().enumerate() {
        let before = connections(&world);
        world.issuer.end_event_streams(code);
        // While nobody listens.
        world.issuer.emit_event("user.deleted", &json!({ "user_id": format!("u{}", at + 1) }));
        expected[at] = 401;
        until_in_time(&world, |world| statuses(world, &tokens) == expected).await;
        assert!(connections(&world) > before);
    }
    until_in_time(&world, |world| state(world) == FreshnessState::Fresh && world.last_error().is_none())
        .await;
    assert_eq!(statuses(&world, &tokens), expected, "nothing is taken back");
}

#[tokio::test]
async fn what_was_missed_for_good_ends_everybody_s_tokens() {
    let world = world().await;
    let tokens = [of(&world, "u1", None), of(&world, "u2", Some("o1"))];
    heard(&world, "marker").await;
    assert_eq!(statuses(&world, &tokens), [200, 200]);
    world.issuer.expire_events();
    until_in_time(&world, |world| statuses(world, &tokens) == [401, 401]).await;
    world.clock.advance(Duration::from_secs(2));
    let new = of(&world, "u1", None);
    assert_eq!(status(&world, &new), 200, "they can get others");
    // And from there on everything is heard.
    world.issuer.emit_event("user.deleted", &json!({ "user_id": "u1" }));
    world.until(|world| status(world, &new) == 401).await;
    assert_eq!((state(&world), world.last_error()), (FreshnessState::Fresh, None));
}

#[tokio::test]
async fn a_restart_goes_on_where_the_last_process_stopped() {
    for has_offset in [false, true] {
        let folder = Folder::new();
        let (clock, path) = (clock(), folder.join("auth0.bin"));
        let server = tenant(&clock).await;
        let start = async || {
            let source = source(&base(&server)).snapshot(&path);
            let api = while_time_passes(&server, &clock, builder(&server, &clock).revocation(source).start())
                .await
                .unwrap();
            World { issuer: server.clone(), clock: clock.clone(), api }
        };
        let world = start().await;
        let tokens = ["u1", "u2", "u3"].map(|user| of(&world, user, None));
        if has_offset {
            world.issuer.emit_event("user.deleted", &json!({ "user_id": "u1" }));
            world.until(|world| status(world, &tokens[0]) == 401).await;
        }
        let polled = polls(&world);
        until_in_time(&world, |world| polls(world) > polled + 1).await;
        drop(world);
        server.emit_event("user.deleted", &json!({ "user_id": "u2" }));
        let world = start().await;
        let first = if has_offset { 401 } else { 200 };
        assert_eq!(statuses(&world, &tokens), [first, 401, 200], "with an offset: {has_offset}");
        drop(world);
        // What came before is too old to be told.
        server.emit_event("user.deleted", &json!({ "user_id": "u3" }));
        server.expire_events();
        let world = start().await;
        until_in_time(&world, |world| statuses(world, &tokens) == [401; 3]).await;
        drop(world);
    }
}

/// One call a second for everything: connecting waits for its turn, and so do the polls.
#[tokio::test]
async fn the_rate_limit_is_kept_for_all_parts() {
    let world = world().await;
    let token = of(&world, "u1", None);
    heard(&world, "marker").await;
    world.issuer.set_rate_limit(RateLimit::new(1, 1));
    world.issuer.end_event_streams("connection_timeout");
    world.issuer.emit_event("user.deleted", &json!({ "user_id": "u1" }));
    until_in_time(&world, |world| status(world, &token) == 401).await;
    assert_ne!(state(&world), FreshnessState::Stale);
}
