//! All parts of an Auth0 tenant at once, and where they meet.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::json;
use tower_bearer::clock::{Clock, ManualClock};
use tower_bearer::testing::{AuthorizationServer, RateLimit, Reply};
use tower_bearer::{Auth0, ClientCredentials, FreshnessState};

use super::auth0::{OTHER, SECRET, base, delete_client_grant, machine, ten, tenant};
use super::auth0_events::{status, statuses, until_in_time, while_time_passes};
use super::folder::Folder;
use super::world::{AUDIENCE, World, builder, clock, token};

const PARTS: [&str; 4] = ["blacklists/tokens", "logs", "client-grants", "grants"];

fn everything(server: &AuthorizationServer) -> Auth0 {
    let auth0 = Auth0::new(base(server), ClientCredentials::new("watcher", SECRET)).audience(AUDIENCE);
    auth0.user_grants().logs().events()
}

async fn watched(clock: &ManualClock) -> AuthorizationServer {
    let server = tenant(clock).await;
    let scopes = ["blacklist:tokens", "read:client_grants", "read:grants", "read:logs", "read:events"];
    server.grant("watcher", &server.management_audience(), scopes);
    server
}

async fn start(server: &AuthorizationServer, clock: &ManualClock, snapshot: Option<&Path>) -> World {
    let source = everything(server);
    let source = if let Some(path) = snapshot { source.snapshot(path) } else { source };
    let started = builder(server, clock).audience(OTHER).revocation(source).start();
    let api = while_time_passes(server, clock, started).await.unwrap();
    World { issuer: server.clone(), clock: clock.clone(), api }
}

fn calls(world: &World) -> [usize; 4] {
    PARTS.map(|path| world.issuer.requests(&world.issuer.management_url(path)))
}

fn streams(world: &World) -> usize {
    world.issuer.requests(&world.issuer.management_url("events"))
}

fn of(server: &AuthorizationServer, user: &str) -> String {
    server.mint(token().subject(user))
}

fn state(world: &World) -> FreshnessState {
    world.api.health().issuers[0].feeds[0].state
}

async fn polled(world: &World) {
    let before = calls(world)[3];
    until_in_time(world, |world| {
        // Ten seconds lie between the beginnings of two polls.
        calls(world)[3] > before && world.last_error().is_none() && world.feed_age().unwrap() < 9.0
    })
    .await;
}

/// A free tenant allows two calls a second, and ten at once.
#[tokio::test]
async fn all_of_it_stays_within_the_rate_limit_of_a_free_tenant() {
    let clock = clock();
    let server = watched(&clock).await;
    server.set_rate_limit(RateLimit::new(2, 10));
    let world = start(&server, &clock, None).await;
    let (before, opened) = (calls(&world), streams(&world));
    // The stream ends meanwhile, as it does every five minutes.
    until_in_time(&world, |world| calls(world)[0] >= before[0] + 40).await;
    polled(&world).await;
    let made: Vec<_> = calls(&world).iter().zip(before).map(|(after, before)| after - before).collect();
    assert!(made.iter().all(|count| *count == made[0]), "nothing was refused and asked again: {made:?}");
    assert!((1..=2).contains(&(streams(&world) - opened)), "{}", streams(&world) - opened);
    assert_eq!((state(&world), world.last_error()), (FreshnessState::Fresh, None));
}

#[tokio::test]
async fn a_partner_leaves_and_users_go_while_the_tenant_refuses_every_call() {
    let clock = clock();
    let server = watched(&clock).await;
    for user in ["auth0|u1", "auth0|u2"] {
        server.add_user(user);
    }
    let world = start(&server, &clock, None).await;
    let (partner, good) = (ten(&server).await, machine(&server, "neighbour", AUDIENCE).await);
    let users = ["auth0|u1", "auth0|u2", "auth0|u3"].map(|user| of(&server, user));
    assert_eq!((statuses(&world, &partner), statuses(&world, &users)), (vec![200; 10], vec![200; 3]));
    // The stream tells it at once, and the log says the same later.
    server.block_user("auth0|u1");
    server.write_log("sdu", json!({ "user_id": "auth0|u1" }));
    world.until(|world| statuses(world, &users) == [401, 200, 200]).await;
    delete_client_grant(&server, "partner", AUDIENCE).await;
    polled(&world).await;
    assert_eq!((statuses(&world, &partner), status(&world, &good)), (vec![401; 10], 200));
    // Every endpoint refuses, and the stream ends.
    let urls: Vec<_> = PARTS.iter().chain(&["events"]).map(|path| server.management_url(path)).collect();
    for url in &urls {
        server.set_reply(url, Reply::status(429).header("retry-after", "1"));
    }
    let asked = calls(&world).iter().sum::<usize>() + streams(&world);
    server.end_event_streams("connection_timeout");
    server.delete_user("auth0|u2");
    server.write_log("sdu", json!({ "user_id": "auth0|u3" }));
    until_in_time(&world, |world| state(world) == FreshnessState::Stale).await;
    let asked = calls(&world).iter().sum::<usize>() + streams(&world) - asked;
    assert!(asked <= 40, "{asked} calls in a minute of refusals");
    assert_eq!((statuses(&world, &partner), statuses(&world, &users)), (vec![401; 10], vec![401, 503, 503]));
    assert_eq!(status(&world, &good), 503);
    for url in &urls {
        server.clear_reply(url);
    }
    until_in_time(&world, |world| state(world) == FreshnessState::Fresh && world.last_error().is_none())
        .await;
    assert_eq!((statuses(&world, &partner), statuses(&world, &users)), (vec![401; 10], vec![401; 3]));
    assert_eq!((status(&world, &good), status(&world, &of(&server, "auth0|u3"))), (200, 200));
}

/// A world with a snapshot, which has seen a first entry of the log, and tokens of five users.
struct Kept {
    folder: Folder,
    path: PathBuf,
    clock: ManualClock,
    server: AuthorizationServer,
    tokens: [String; 5],
    world: World,
}

async fn kept() -> Kept {
    let (folder, clock) = (Folder::new(), clock());
    let path = folder.join("auth0.bin");
    let server = watched(&clock).await;
    let tokens = ["u1", "u2", "u3", "u4", "u5"].map(|user| of(&server, user));
    let world = start(&server, &clock, Some(&path)).await;
    let started = places(&path);
    server.write_log("s", json!({}));
    polled(&world).await;
    // It is in force before it is written.
    world.until(|_| places(&path) != started).await;
    Kept { folder, path, clock, server, tokens, world }
}

/// Each part goes on from its own place, whichever of them wrote the cursor last.
#[tokio::test]
async fn a_restart_goes_on_from_both_places() {
    let Kept { folder: _folder, path, clock, server, tokens, world } = kept().await;
    server.write_log("sdu", json!({ "user_id": "u1" }));
    polled(&world).await;
    // Between two polls: the cursor is written by what the stream says.
    server.emit_event("user.deleted", &json!({ "user_id": "u2" }));
    world.until(|world| statuses(world, &tokens) == [401, 401, 200, 200, 200]).await;
    drop(world);
    server.write_log("sdu", json!({ "user_id": "u3" }));
    server.emit_event("user.deleted", &json!({ "user_id": "u4" }));
    let world = start(&server, &clock, Some(&path)).await;
    assert_eq!(statuses(&world, &tokens), [401, 401, 401, 401, 200]);
}

/// What a poll read before it failed is in force and moves nothing that is written; the stream goes on meanwhile.
#[tokio::test]
async fn a_checkpoint_is_written_only_with_all_that_lies_before_it() {
    let Kept { folder: _folder, path, clock, server, tokens, world } = kept().await;
    let written = places(&path);
    server.write_log("sdu", json!({ "user_id": "u1" }));
    server.set_reply(&server.management_url("grants"), Reply::status(500));
    until_in_time(&world, |world| status(world, &tokens[0]) == 401 && world.last_error().is_some()).await;
    let age = world.feed_age().unwrap();
    assert!(age >= 10.0, "{age}");
    server.emit_event("user.deleted", &json!({ "user_id": "u2" }));
    world.until(|world| status(world, &tokens[1]) == 401).await;
    assert!(world.feed_age().unwrap() >= age, "the stream makes no listing younger");
    // Another process on the same path, as if this one had been killed here; what was written has both, and no new place.
    assert_eq!(places(&path), written, "no other place beside a poll that failed");
    server.clear_reply(&server.management_url("grants"));
    server.write_log("sdu", json!({ "user_id": "u3" }));
    server.emit_event("user.deleted", &json!({ "user_id": "u4" }));
    let other = start(&server, &clock, Some(&path)).await;
    assert_eq!(statuses(&other, &tokens), [401, 401, 401, 401, 200]);
}

/// Of the log, as they were written: the stream writes them again beside its own.
fn places(path: &Path) -> BTreeSet<String> {
    let bytes = std::fs::read(journal(path)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split("\"logs\":").skip(1).map(|rest| rest.split('}').next().unwrap().to_owned()).collect()
}

fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

/// A stream that stands tells nothing of grants: polls that fail make the source old.
#[tokio::test]
async fn no_part_lends_its_freshness_to_another() {
    for broken in PARTS.iter().chain(&["events"]) {
        let clock = clock();
        let server = watched(&clock).await;
        let world = start(&server, &clock, None).await;
        polled(&world).await;
        let began = clock.uptime();
        server.set_reply(&server.management_url(broken), Reply::status(500));
        if *broken == "events" {
            server.end_event_streams("connection_timeout");
        }
        let (number, token) = (std::cell::Cell::new(0), of(&server, "u"));
        until_in_time(&world, |world| {
            // Something is told all the time.
            if *broken != "events" {
                number.set(number.get() + 1);
                server.emit_event("user.deleted", &json!({ "user_id": format!("n{}", number.get()) }));
            }
            state(world) == FreshnessState::Stale
        })
        .await;
        assert_eq!(status(&world, &token), 503, "{broken}");
        let lasted = clock.uptime() - began;
        assert!(lasted <= std::time::Duration::from_secs(64), "{broken}: {lasted:?}");
    }
}
