//! The log of an Auth0 tenant as a part of the source: the tenant in process, and one whose every answer is written here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::clock::{Clock, ManualClock};
use tower_bearer::testing::{Api, AuthorizationServer, RateLimit, Reply, Token, TokenProfile};
use tower_bearer::{Auth0, FreshnessState, ResourceServer};

use super::auth0::{OTHER, base, call, machine, source, statuses, tenant};
use super::auth0_events::{until_in_time, while_time_passes};
use super::folder::Folder;
use super::scripted::{Asked, Script, Scripted};
use super::tenant_client::{BACK, administer, both, exchange, sign_in};
use super::world::{AUDIENCE, NOW, PATIENCE, POLL, World, builder, clock, issuer, token};

const USER: &str = "auth0|u1";

/// Nothing but the log.
fn only_logs(auth0: Auth0) -> Auth0 {
    auth0.without_blacklist().without_client_grants().logs()
}

async fn watched(clock: &ManualClock) -> AuthorizationServer {
    let server = tenant(clock).await;
    let scopes = ["blacklist:tokens", "read:client_grants", "read:grants", "read:logs"];
    server.grant("watcher", &server.management_audience(), scopes);
    server
}

async fn start(server: &AuthorizationServer, clock: &ManualClock, source: Auth0) -> ResourceServer {
    builder(server, clock).audience(OTHER).revocation(source.audience(OTHER)).start().await.unwrap()
}

/// For answers of megabytes: a page may take a quarter of this, in real time.
fn unhurried(auth0: Auth0) -> Auth0 {
    auth0.max_staleness(4 * PATIENCE)
}

async fn world_of(set: impl FnOnce(Auth0) -> Auth0) -> World {
    let clock = clock();
    let issuer = watched(&clock).await;
    let api = start(&issuer, &clock, set(source(&base(&issuer)))).await;
    World { issuer, clock, api }
}

async fn world() -> World {
    world_of(only_logs).await
}

/// Of a user's application, of another one, of another user, of a partner, and of the first application elsewhere.
fn five(issuer: &AuthorizationServer) -> Vec<String> {
    let minted = |audience: &str, user: &str, client: &str, jti: &str| {
        issuer.mint(Token::new(audience).subject(user).client(client).claim("jti", jti))
    };
    vec![
        minted(AUDIENCE, USER, "app", "t-1"),
        minted(AUDIENCE, USER, "tv", "t-2"),
        minted(AUDIENCE, "auth0|u2", "app", "t-3"),
        minted(AUDIENCE, "partner@clients", "partner", "t-4"),
        minted(OTHER, USER, "app", "t-5"),
    ]
}

fn operation(method: &str, path: &str, body: &Value) -> Value {
    let request = json!({ "method": method, "path": format!("/api/v2/{path}"), "query": {}, "body": body });
    // Who did it loses nothing.
    json!({ "user_id": "auth0|u2", "client_id": "tv", "details": { "request": request } })
}

fn removal(path: &str) -> (&'static str, Value) {
    ("sapi", operation("delete", path, &Value::Null))
}

const NONE: [u16; 5] = [200; 5];
const ALL: [u16; 5] = [401; 5];
const THE_USER: [u16; 5] = [401, 401, 200, 200, 401];
const THE_CLIENT: [u16; 5] = [401, 200, 401, 200, 401];
const BOTH: [u16; 5] = [401, 200, 200, 200, 401];
const FIRST: [u16; 5] = [401, 200, 200, 200, 200];

fn rows() -> Vec<((&'static str, Value), [u16; 5])> {
    let (user, both) = (json!({ "user_id": USER }), json!({ "user_id": USER, "client_id": "app" }));
    let at = |value: &Value, audience: Value| {
        let mut value = value.clone();
        value["details"] = json!({ "audience": audience, "credential_id": "dcr_1" });
        value
    };
    let post = |path: &str, body: Value| ("sapi", operation("post", path, &body));
    let patch = |body: Value| ("sapi", operation("patch", "users/auth0%7Cu1", &body));
    let query = |name: &str| {
        let mut entry = operation("delete", "grants", &Value::Null);
        entry["details"]["request"][name] = json!({ "user_id": USER });
        ("sapi", entry)
    };
    let at_full_url = {
        let mut entry = operation("DELETE", "", &Value::Null);
        entry["details"]["request"]["path"] = "https://tenant.example/api/v2/users/auth0|u1?x=1".into();
        ("sapi", entry)
    };
    let strange_path = {
        let mut entry = operation("delete", "", &Value::Null);
        entry["details"]["request"]["path"] = json!(["users", USER]);
        ("sapi", entry)
    };
    vec![
        (("srrt", at(&both, json!(AUDIENCE))), FIRST),
        (("srrt", at(&both, Value::Null)), BOTH),
        (("srrt", both.clone()), BOTH),
        (("srrt", user.clone()), THE_USER),
        (("srrt", json!({ "user_id": "", "client_id": "app" })), THE_CLIENT),
        (("srrt", at(&json!({ "user_id": 7 }), json!(AUDIENCE))), ALL),
        (("srrt", json!({})), ALL),
        (("ferrt", json!({ "user_id": USER, "client_id": "app", "details": { "familyId": "f" } })), BOTH),
        // Anybody can make an exchange fail.
        (("ferrt", json!({ "client_id": "app" })), NONE),
        (("ferrt", json!({ "client_id": "app", "user_id": "", "details": { "familyId": "f" } })), NONE),
        (("ferrt", json!({})), NONE),
        (("sdu", user.clone()), THE_USER),
        (("sdu", json!({})), ALL),
        (("universal_logout_succeeded", user.clone()), THE_USER),
        (("universal_logout_succeeded", json!({ "user_id": null })), ALL),
        (removal("users/auth0%7Cu1"), THE_USER),
        (at_full_url, THE_USER),
        (removal("users/auth0%7Cu1/sessions"), THE_USER),
        (removal("users/auth0%7Cu1/refresh-tokens"), THE_USER),
        (removal("users/auth0%7Cu1/roles"), NONE),
        (removal("users/%FF"), ALL),
        (removal("users"), ALL),
        (removal("clients/app"), THE_CLIENT),
        (removal("grants?user_id=auth0%7Cu1"), THE_USER),
        (query("query"), THE_USER),
        (query("queryParams"), THE_USER),
        (removal("grants"), ALL),
        (patch(json!({ "blocked": true })), THE_USER),
        (patch(json!({ "blocked": "yes" })), THE_USER),
        (patch(Value::Null), THE_USER),
        (patch(json!({ "blocked": false })), NONE),
        (patch(json!({ "name": "blocked" })), NONE),
        (post("users/auth0%7Cu1/revoke-access", json!({})), THE_USER),
        (post("refresh-tokens/revoke", user), THE_USER),
        (post("refresh-tokens/revoke", both.clone()), BOTH),
        (
            post(
                "refresh-tokens/revoke",
                json!({ "user_id": USER, "client_id": "app", "audience": AUDIENCE }),
            ),
            FIRST,
        ),
        (post("refresh-tokens/revoke", json!({ "audience": AUDIENCE })), ALL),
        (post("refresh-tokens/revoke", json!({ "ids": [7] })), ALL),
        (post("blacklists/tokens", json!({ "jti": "t-1" })), FIRST),
        (post("blacklists/tokens", json!({ "aud": AUDIENCE })), ALL),
        (post("users", json!({ "user_id": USER })), NONE),
        (("sapi", json!({ "user_id": USER })), ALL),
        (("sapi", json!({ "details": { "request": "delete" } })), ALL),
        (strange_path, ALL),
        // Nobody can tell here whose these were.
        (removal("grants/cgr_7"), NONE),
        (removal("client-grants/cgr_7"), NONE),
        (removal("sessions/7"), NONE),
        (removal("device-credentials/dcr_7"), NONE),
        // What failed, and what ends no access.
        (("fapi", removal("users/auth0%7Cu1").1), NONE),
        (("frrt", both.clone()), NONE),
        (("slo", both), NONE),
        (("sertft", json!({ "user_id": USER, "details": { "access_token_jti": "t-1" } })), NONE),
    ]
}

#[tokio::test]
async fn each_entry_ends_what_it_says() {
    for ((kind, members), expected) in rows() {
        let world = world().await;
        let tokens = five(&world.issuer);
        world.issuer.write_log(kind, members.clone());
        world.poll().await;
        assert_eq!(statuses(&world, &tokens).await, expected, "{kind} {members}");
        // The second of the entry and one more are cut off, and nothing after it.
        world.clock.advance(Duration::from_secs(1));
        let mut again = five(&world.issuer);
        // A token on the blacklist stays there.
        let named = again.iter_mut().take(usize::from(members.to_string().contains("\"jti\""))).count();
        assert_eq!(statuses(&world, &again[named..]).await, vec![200; 5 - named], "{kind} {members}");
    }
}

async fn listed(server: &AuthorizationServer, path: &str, scope: &str) -> Value {
    administer(server, Method::GET, path, scope, None).await
}

#[tokio::test]
async fn what_is_done_in_the_tenant_is_seen() {
    type Act = (&'static str, &'static str, &'static str);
    // Method, path with an id of the user's device, and scope.
    let acts: [Act; 6] = [
        ("DELETE", "device-credentials/{id}", "delete:device_credentials"),
        ("DELETE", "refresh-tokens/{id}", "delete:refresh_tokens"),
        ("POST", "sessions/{session_id}/revoke", "delete:sessions"),
        ("POST", "refresh-tokens/revoke", "delete:refresh_tokens"),
        ("DELETE", "grants?user_id=auth0%7Cu1", "delete:grants"),
        ("", "", ""),
    ];
    for (method, path, scope) in acts {
        let world = world().await;
        let server = &world.issuer;
        let lifetime = Duration::from_secs(86_400);
        let api = Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).token_lifetime(lifetime);
        server.add_api(api.allow_offline_access());
        server.add_client("app", "secret");
        server.allow_redirect("app", BACK);
        for user in [USER, "auth0|u2"] {
            server.add_user(user);
        }
        let (first, refresh) = both(&sign_in(server, AUDIENCE, USER).await);
        let body = json!({
            "grant_type": "refresh_token", "client_id": "app", "client_secret": "secret",
            "refresh_token": refresh,
        });
        let (second, _) = both(&exchange(server, body).await);
        let (other, _) = both(&sign_in(server, AUDIENCE, "auth0|u2").await);
        world.poll().await;
        let devices = listed(server, "refresh-tokens?user_id=auth0%7Cu1", "read:refresh_tokens").await;
        let device = &devices["refresh_tokens"][0];
        let text = |name: &str| device[name].as_str().unwrap();
        let path = path.replace("{id}", text("id")).replace("{session_id}", text("session_id"));
        match method {
            "" => drop(server.delete_user(USER)),
            method => {
                let body = path.ends_with("s/revoke").then(|| json!({ "ids": [text("id")] }));
                administer(server, method.parse().unwrap(), &path, scope, body).await;
            }
        }
        world.poll().await;
        assert_eq!(statuses(&world, &[first, second, other]).await, [401, 401, 200], "{path}");
    }
}

/// The partner story: its grant is known by its id, and the listing is not waited for.
#[tokio::test]
async fn a_deleted_client_grant_is_seen_while_listings_fail() {
    let world = world_of(|source| source.without_blacklist().logs()).await;
    let partner = machine(&world.issuer, "partner", AUDIENCE).await;
    let others =
        [machine(&world.issuer, "neighbour", AUDIENCE).await, machine(&world.issuer, "partner", OTHER).await];
    world.poll().await;
    let path = format!("client-grants?client_id=partner&audience={AUDIENCE}");
    let grants = listed(&world.issuer, &path, "read:client_grants").await;
    world.issuer.set_reply(&world.issuer.management_url("client-grants"), Reply::status(500));
    let path = format!("client-grants/{}", grants[0]["id"].as_str().unwrap());
    administer(&world.issuer, Method::DELETE, &path, "delete:client_grants", None).await;
    world.poll_in_vain().await;
    assert_eq!(world.last_error().unwrap(), "client-grants answered 500");
    assert_eq!((world.status(&partner).await, statuses(&world, &others).await), (401, vec![200, 200]));
}

/// Tokens that a cut-off misses, because whoever stamped them was ahead of whoever stamped the log.
#[tokio::test]
async fn tokens_are_named_too() {
    let partner = json!({ "client_id": "partner", "user_id": "", "audience": AUDIENCE });
    let user = json!({ "client_id": "app", "user_id": USER, "audience": AUDIENCE });
    let of_session = json!({ "familyId": "f-1", "refresh_token": { "session_id": "s-1" } });
    let revoked = json!({ "ids": ["f-0", "f-1"] });
    let end_of_family = json!({ "user_id": "auth0|u9", "client_id": "app", "details": { "familyId": "f-1", "audience": OTHER } });
    let table = [
        ("seccft", &partner, json!({}), removal("clients/partner"), true),
        ("seccft", &partner, json!({}), removal("clients/neighbour"), false),
        ("seacft", &user, json!({}), removal("users/auth0%7Cu1"), true),
        ("secte", &user, json!({}), ("srrt", user.clone()), true),
        ("sepft", &user, json!({}), ("srrt", partner.clone()), false),
        ("sertft", &user, of_session.clone(), removal("sessions/s-1"), true),
        ("sertft", &user, of_session.clone(), removal("refresh-tokens/f-1"), true),
        (
            "sertft",
            &user,
            of_session.clone(),
            ("sapi", operation("post", "refresh-tokens/revoke", &revoked)),
            true,
        ),
        ("sertft", &user, of_session.clone(), ("ferrt", end_of_family), true),
        ("sertft", &user, of_session, removal("sessions/s-2"), false),
        ("sede", &user, json!({ "grant_id": "g-1" }), removal("grants/g-1"), true),
        ("feacft", &user, json!({}), removal("users/auth0%7Cu1"), false),
    ];
    for (kind, members, details, (end, ending), expected) in table {
        let world = world().await;
        let mut members = members.clone();
        members["details"] = details;
        members["details"]["access_token_jti"] = "t-1".into();
        world.issuer.write_log(kind, members.clone());
        // Others that were received after the end, whichever came into the log first.
        let mut later = members.clone();
        later["details"]["access_token_jti"] = "t-3".into();
        later["date"] = "2026-11-18T11:06:43.000Z".into();
        world.issuer.write_log(kind, later);
        world.issuer.write_log(end, ending.clone());
        world.clock.advance(Duration::from_secs(2));
        members["details"]["access_token_jti"] = "t-2".into();
        world.issuer.write_log(kind, members);
        let ahead = |jti: &str| token().claim("jti", jti).issued_at(NOW as u64 + 3);
        let tokens = ["t-1", "t-2", "t-3"].map(|jti| world.issuer.mint(ahead(jti)));
        world.poll().await;
        let first = if expected { 401 } else { 200 };
        assert_eq!(statuses(&world, &tokens).await, [first, 200, 200], "{kind} {end} {ending}");
    }
}

/// The partner story: with its grant end the tokens that it was seen to receive, by name, whoever's clock was ahead.
#[tokio::test]
async fn ending_a_partners_grant_names_its_tokens() {
    let world = world_of(|source| source.without_blacklist().logs()).await;
    world.poll().await;
    let exchange = json!({
        "client_id": "partner", "user_id": "", "audience": AUDIENCE, "details": { "access_token_jti": "t-1" },
    });
    world.issuer.write_log("seccft", exchange);
    let now = world.clock.wall().as_secs() as u64;
    let ahead = |jti: &str| world.issuer.mint(token().client("partner").claim("jti", jti).issued_at(now + 5));
    let tokens = ["t-1", "t-2"].map(ahead);
    let path = format!("client-grants?client_id=partner&audience={AUDIENCE}");
    let grants = listed(&world.issuer, &path, "read:client_grants").await;
    let path = format!("client-grants/{}", grants[0]["id"].as_str().unwrap());
    administer(&world.issuer, Method::DELETE, &path, "delete:client_grants", None).await;
    world.poll().await;
    assert_eq!(
        statuses(&world, &tokens).await,
        [401, 200],
        "the other one was never seen, and no cut-off reaches it"
    );
}

/// An exchange tells whose the tokens of a session are, also if they have no name.
#[tokio::test]
async fn a_session_is_turned_into_its_user_and_client() {
    let world = world().await;
    let tokens = five(&world.issuer);
    let details = json!({ "refresh_token": { "session_id": "s-1" } });
    let members = json!({ "client_id": "app", "user_id": USER, "audience": AUDIENCE, "details": details });
    world.issuer.write_log("sertft", members);
    let (kind, ending) = removal("sessions/s-1");
    world.issuer.write_log(kind, ending);
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, FIRST);
}

#[tokio::test]
async fn what_was_ended_while_nobody_watched_is_seen_by_whoever_kept_a_checkpoint() {
    let folder = Folder::new();
    for (has_snapshot, expected) in [(true, THE_USER), (false, NONE)] {
        let clock = clock();
        let server = watched(&clock).await;
        let source = || {
            let source = only_logs(source(&base(&server)));
            if has_snapshot { source.snapshot(folder.join("logs.bin")) } else { source }
        };
        server.write_log("sdu", json!({ "user_id": "auth0|u2" }));
        drop(start(&server, &clock, source()).await);
        let tokens = five(&server);
        for number in 0..250 {
            server.write_log("s", json!({ "user_id": format!("user-{number}") }));
        }
        server.write_log("sdu", json!({ "user_id": USER }));
        let api = start(&server, &clock, source()).await;
        let world = World { issuer: server.clone(), clock: clock.clone(), api };
        assert_eq!(statuses(&world, &tokens).await, expected, "what came before the first look is not seen");
        drop(world);
        // It need not be looked for again.
        let api = start(&server, &clock, source()).await;
        let world = World { issuer: server, clock, api };
        assert_eq!(statuses(&world, &tokens).await, expected);
    }
}

#[tokio::test]
async fn an_empty_log_is_read_from_its_beginning() {
    let script = Tenant::default();
    let (world, _server) = script.world().await;
    world.poll().await;
    let tokens = five(&world.issuer);
    script.add("sdu", &json!({ "user_id": USER }), &world.clock);
    script.add("s", &json!({}), &world.clock);
    script.add("srrt", &json!({ "client_id": "partner" }), &world.clock);
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [401, 401, 200, 401, 401]);
}

/// The log may have said the end of any token from before what it still keeps.
#[tokio::test]
async fn what_a_hole_in_the_log_may_have_ended_is_cut_off() {
    for kept in [0, 1, 2] {
        let world = world().await;
        world.issuer.write_log("s", json!({}));
        world.poll().await;
        let before = five(&world.issuer);
        world.clock.advance(Duration::from_secs(10));
        world.issuer.write_log("s", json!({}));
        world.issuer.write_log("s", json!({}));
        world.clock.advance(Duration::from_secs(10));
        let after = five(&world.issuer);
        world.issuer.expire_logs(kept);
        world.until(|world| world.api.health().issuers[0].feeds[0].cut_offs == 2).await;
        world.until(|world| world.feed_age() == Some(0.0)).await;
        assert_eq!(statuses(&world, &before).await, ALL, "{kept}");
        // Of an empty log it is not known since when.
        let expected = if kept == 0 { ALL } else { NONE };
        assert_eq!(statuses(&world, &after).await, expected, "{kept}");
        world.clock.advance(Duration::from_secs(2));
        let new = five(&world.issuer);
        world.issuer.write_log("sdu", json!({ "user_id": USER }));
        world.issuer.write_log("sdu", json!({ "user_id": "auth0|u2" }));
        world.poll().await;
        assert_eq!(statuses(&world, &new).await, [401, 401, 401, 200, 401], "{kept}: it goes on");
        assert_eq!((world.last_error(), world.status(&before[3]).await), (None, 401));
    }
}

/// Status and body; without one, what there is.
type Instead = (u16, Option<String>);

/// A tenant whose log is written here.
#[derive(Clone, Default)]
struct Tenant {
    entries: Arc<Mutex<Vec<Value>>>,
    /// What it answers instead.
    trouble: Arc<Mutex<Option<Instead>>>,
}

impl Tenant {
    fn add(&self, kind: &str, members: &Value, clock: &ManualClock) {
        let secs = clock.wall().as_secs().unsigned_abs();
        let date = httpdate::HttpDate::from(std::time::UNIX_EPOCH + Duration::from_secs(secs)).to_string();
        let time = date.split(' ').nth(4).unwrap().to_owned();
        let mut entries = self.entries.lock().unwrap();
        let id = format!("9{:08}", entries.len() + 1);
        // All tests play on one day, or the day after.
        let day = if date.contains("18 Nov") { "2026-11-18" } else { "2026-11-20" };
        let mut entry = json!({ "log_id": id, "type": kind, "date": format!("{day}T{time}.000Z") });
        for (name, value) in members.as_object().unwrap() {
            entry[name] = value.clone();
        }
        entries.push(entry);
    }

    fn fail(&self, status: u16, body: impl Into<Option<String>>) {
        *self.trouble.lock().unwrap() = Some((status, body.into()));
    }

    fn recover(&self) {
        *self.trouble.lock().unwrap() = None;
    }

    fn answer(&self, asked: &Asked, clock: &ManualClock) -> Script {
        let (headers, value) = match call(asked, clock) {
            Ok(call) => call,
            Err(token) => return token,
        };
        let entries = self.entries.lock().unwrap();
        let size = value("take").or_else(|| value("per_page")).unwrap().parse().unwrap();
        let listed: Vec<_> = match (value("sort").as_deref(), value("from")) {
            (Some("date:-1"), None) => entries.iter().rev().take(size).cloned().collect(),
            (Some("date:1"), None) => entries.iter().take(size).cloned().collect(),
            (None, Some(from)) => {
                // One that is not known any more is gone on from in silence.
                let later = entries.iter().filter(|entry| entry["log_id"].as_str().unwrap() > from.as_str());
                later.take(size).cloned().collect()
            }
            strange => panic!("{strange:?}"),
        };
        if let Some((status, body)) = &*self.trouble.lock().unwrap() {
            return (*status, headers, body.clone().unwrap_or_else(|| Value::from(listed).to_string()));
        }
        (200, headers, Value::from(listed).to_string())
    }

    async fn serve(&self, clock: &ManualClock) -> Scripted {
        let (tenant, clock) = (self.clone(), clock.clone());
        Scripted::start(move |asked| tenant.answer(asked, &clock)).await
    }

    async fn world(&self) -> (World, Scripted) {
        self.world_of(only_logs).await
    }

    async fn world_of(&self, set: impl FnOnce(Auth0) -> Auth0) -> (World, Scripted) {
        let clock = clock();
        let issuer = issuer(&clock).await;
        let server = self.serve(&clock).await;
        let api = start(&issuer, &clock, set(source(&server.url))).await;
        (World { issuer, clock, api }, server)
    }
}

#[tokio::test]
async fn trouble_keeps_what_is_known_and_says_so() {
    let entry =
        |id: &str| json!({ "log_id": id, "type": "sdu", "date": "2026-11-18T11:06:40Z", "user_id": "u" });
    let nameless = json!([{ "type": "sdu", "user_id": USER }]);
    let typeless = json!([{ "log_id": "9", "user_id": USER }]);
    let whole = json!([entry("900000009")]).to_string();
    let table = [
        (429, None, "the tenant's rate limit leaves no room"),
        (500, None, "logs answered 500"),
        (403, None, "scope read:logs"),
        (200, Some("<html>".to_owned()), "not what Auth0 documents"),
        (200, Some("{\"logs\":[]}".to_owned()), "not what Auth0 documents"),
        (200, Some(whole[..whole.len() - 1].to_owned()), "not what Auth0 documents"),
        (200, Some(nameless.to_string()), "not what Auth0 documents"),
        (200, Some(typeless.to_string()), "not what Auth0 documents"),
        (200, Some(json!([7]).to_string()), "not what Auth0 documents"),
        (200, Some(json!([entry("900000001"), entry("900000002")]).to_string()), "pages do not end"),
    ];
    for (status, body, expected) in table {
        let script = Tenant::default();
        let clock = clock();
        script.add("s", &json!({}), &clock);
        let (world, _server) = script.world().await;
        let tokens = five(&world.issuer);
        script.add("sdu", &json!({ "user_id": "auth0|u2" }), &world.clock);
        world.poll().await;
        assert_eq!(statuses(&world, &tokens).await, [200, 200, 401, 200, 200]);
        script.fail(status, body.clone());
        script.add("sdu", &json!({ "user_id": USER }), &world.clock);
        let feed = || world.api.health().issuers[0].feeds[0].clone();
        let is_told = || feed().last_error.is_some_and(|said| said.contains(expected));
        until_in_time(&world, |_| is_told() && feed().state == FreshnessState::Stale).await;
        assert_eq!(statuses(&world, &tokens).await, [503, 503, 401, 503, 503], "{status} {body:?}");
        script.recover();
        until_in_time(&world, |world| world.feed_age().unwrap() < 10.0).await;
        assert_eq!(statuses(&world, &tokens).await, [401, 401, 401, 200, 401], "{status} {body:?}");
    }
}

/// Entries whose dates cannot be relied on end what is there now, and no later token.
#[tokio::test]
async fn strange_dates_are_not_believed() {
    for date in [
        Value::Null,
        json!("yesterday"),
        json!(7),
        json!("2099-01-01T00:00:00Z"),
        json!("9999-12-31T23:59:59Z"),
        json!("1969-12-31T23:59:59Z"),
        json!("0000-01-01T00:00:00Z"),
    ] {
        let world = world().await;
        let tokens = five(&world.issuer);
        world.issuer.write_log("sdu", json!({ "user_id": USER, "date": date }));
        world.poll().await;
        assert_eq!(statuses(&world, &tokens).await, THE_USER, "{date}");
        assert_eq!(world.last_error(), None, "{date}");
        world.settle(2).await;
        world.clock.advance(Duration::from_secs(302));
        world.until(|world| world.feed_age() == Some(0.0)).await;
        assert_eq!(statuses(&world, &five(&world.issuer)).await, NONE, "{date}");
    }
}

#[tokio::test]
async fn a_long_log_is_read_over_several_polls() {
    let script = Tenant::default();
    let (world, server) = script.world().await;
    let tokens = five(&world.issuer);
    let at = world.clock.clone();
    script.add("s", &json!({}), &at);
    world.poll().await;
    for number in 0..17_000 {
        let user = if number == 10 { "auth0|u2" } else { "nobody" };
        script.add("sdu", &json!({ "user_id": user }), &at);
    }
    script.add("sdu", &json!({ "user_id": USER }), &at);
    // On time each, as long as it goes on.
    for polls in 1..=3 {
        let asked = server.asked().len();
        world.settle(2).await;
        world.clock.advance(POLL);
        world.until(|_| server.asked().len() == asked + 50).await;
        world.until(|world| world.last_error().is_some()).await;
        world.settle(2).await;
        assert!(world.last_error().unwrap().contains("more than one poll reads"), "{polls}");
        assert_eq!(world.feed_age(), Some(polls as f64), "it is not fresh before the end");
        assert_eq!(statuses(&world, &tokens).await, [200, 200, 401, 200, 200]);
    }
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [401, 401, 401, 200, 401]);
}

/// A burst is over in as many seconds as polls, however far apart they are otherwise.
#[tokio::test]
async fn a_burst_is_read_without_the_pauses_between_polls() {
    let (script, clock) = (Tenant::default(), clock());
    let server = issuer(&clock).await;
    let tenant = script.serve(&clock).await;
    let (interval, soon) = (Duration::from_secs(10), Duration::from_secs(1));
    script.add("s", &json!({}), &clock);
    let api = start(&server, &clock, only_logs(source(&tenant.url)).poll_interval(interval)).await;
    let world = World { issuer: server, clock: clock.clone(), api };
    let tokens = five(&world.issuer);
    for _ in 0..10_000 {
        script.add("f", &json!({}), &clock);
    }
    script.add("sdu", &json!({ "user_id": USER }), &clock);
    for (pause, expected) in [(interval, 50), (soon, 50), (soon, 1)] {
        let asked = tenant.asked().len();
        world.settle(2).await;
        clock.advance(pause);
        world.until(|_| tenant.asked().len() == asked + expected).await;
    }
    world.until(|world| world.feed_age() == Some(0.0)).await;
    assert_eq!((statuses(&world, &tokens).await, world.last_error()), (THE_USER.to_vec(), None));
}

/// What the tenant's rate limit leaves for later is read later, by a start too.
#[tokio::test]
async fn a_long_log_is_read_as_fast_as_the_rate_limit_allows() {
    let folder = Folder::new();
    let clock = clock();
    let server = watched(&clock).await;
    server.write_log("s", json!({}));
    let source = || only_logs(source(&base(&server))).snapshot(folder.join("auth0.bin"));
    drop(start(&server, &clock, source()).await);
    let tokens = five(&server);
    for _ in 0..6000 {
        server.write_log("f", json!({}));
    }
    server.write_log("sdu", json!({ "user_id": USER }));
    // What the snapshot says is too old to be relied on.
    clock.advance(Duration::from_secs(60));
    server.set_rate_limit(RateLimit::new(1, 10));
    let api = while_time_passes(&server, &clock, start(&server, &clock, source())).await;
    let world = World { issuer: server, clock, api };
    assert_eq!((statuses(&world, &tokens).await, world.last_error()), (THE_USER.to_vec(), None));
}

/// What later entries refer to is read again: a few thousand entries before the checkpoint, and nothing that is gone.
#[tokio::test]
async fn exchanges_are_known_after_a_restart() {
    let folder = Folder::new();
    let details = |number: usize| {
        let exchange = json!({ "access_token_jti": format!("t-{number}"), "refresh_token": { "session_id": format!("s-{number}") } });
        json!({ "client_id": "app", "user_id": format!("auth0|u{number}"), "audience": AUDIENCE, "details": exchange })
    };
    // Entries after the exchange, whether what came before them is still kept, and what is known then.
    let table =
        [(0, true, true), (250, true, true), (4800, true, true), (5200, true, false), (250, false, false)];
    for (number, (others, is_kept, is_known)) in table.into_iter().enumerate() {
        let (script, clock) = (Tenant::default(), clock());
        let server = issuer(&clock).await;
        let tenant = script.serve(&clock).await;
        let start = async || {
            let source = only_logs(source(&tenant.url)).snapshot(folder.join(format!("{number}.bin")));
            let api = start(&server, &clock, source).await;
            World { issuer: server.clone(), clock: clock.clone(), api }
        };
        script.add("s", &json!({}), &clock);
        let world = start().await;
        script.add("sertft", &details(1), &clock);
        // No more at once than one poll reads.
        for half in [others / 2, others - others / 2] {
            for _ in 0..half {
                script.add("s", &json!({}), &clock);
            }
            world.poll().await;
        }
        drop(world);
        // A second restart knows as much as the first one.
        drop(start().await);
        let (kind, ending) = removal("sessions/s-1");
        script.add(kind, &ending, &clock);
        if !is_kept {
            let entries = script.entries.lock().unwrap().split_off(200);
            *script.entries.lock().unwrap() = entries;
        }
        let asked = tenant.asked().len();
        let world = start().await;
        let token = |jti: &str| world.issuer.mint(token().subject("auth0|u1").claim("jti", jti));
        let expected = if is_known { 401 } else { 200 };
        assert_eq!(world.status(&token("t-1")).await, expected, "{others} {is_kept}");
        let unnamed = world.api.health().issuers[0].feeds[0].unnamed;
        assert_eq!((unnamed == 0, world.last_error()), (is_known, None), "{others} {is_kept}");
        assert!(tenant.asked().len() - asked <= 60, "{}", tenant.asked().len() - asked);
    }
}

/// What is only read again is no hole where it is gone.
#[tokio::test]
async fn exchanges_that_the_log_no_longer_has_end_nothing() {
    let folder = Folder::new();
    let clock = clock();
    let server = watched(&clock).await;
    server.write_log("s", json!({}));
    let source = || only_logs(source(&base(&server))).snapshot(folder.join("auth0.bin"));
    let world = async || {
        let api = start(&server, &clock, source()).await;
        World { issuer: server.clone(), clock: clock.clone(), api }
    };
    let first = world().await;
    for _ in 0..3 {
        server.write_log("s", json!({}));
    }
    first.poll().await;
    drop(first);
    server.expire_logs(1);
    let tokens = five(&server);
    let logs = server.management_url("logs");
    let before = server.requests(&logs);
    let next = world().await;
    assert_eq!((statuses(&next, &tokens).await, next.last_error()), (NONE.to_vec(), None));
    assert_eq!(server.requests(&logs) - before, 2, "it was asked for");
    next.poll().await;
    server.write_log("sdu", json!({ "user_id": USER }));
    next.poll().await;
    assert_eq!((statuses(&next, &tokens).await, next.last_error()), (THE_USER.to_vec(), None));
}

/// Nothing is cut off for what cannot be named, but it is not passed over either.
#[tokio::test]
async fn what_cannot_be_named_is_counted() {
    let world = world().await;
    let unnamed = || world.api.health().issuers[0].feeds[0].unnamed;
    let tokens = five(&world.issuer);
    let exchange = json!({ "client_id": "tv", "user_id": USER, "details": { "familyId": "f-1" } });
    let named =
        json!({ "client_id": "c", "user_id": "u", "details": { "audience": "a", "credential_id": "x" } });
    let revoked = |ids: Value| ("sapi", operation("post", "refresh-tokens/revoke", &json!({ "ids": ids })));
    let table = [
        (("sertft", exchange), 0),
        (removal("sessions/7"), 1),
        (removal("grants/7"), 2),
        (removal("client-grants/7"), 3),
        (revoked(json!(["f-2", "f-1", "f-3"])), 5),
        (revoked(json!(["f-1"])), 5),
        (("srrt", named), 5),
        (("ferrt", json!({ "details": { "familyId": "f-4" } })), 6),
    ];
    for ((kind, members), expected) in table {
        world.issuer.write_log(kind, members.clone());
        world.poll().await;
        assert_eq!(unnamed(), expected, "{kind} {members}");
    }
    assert_eq!(statuses(&world, &tokens).await, [200, 401, 200, 200, 200]);
}

/// A start that gave up in the middle of a long log would give up there each time.
#[tokio::test]
async fn a_start_reads_all_that_was_logged_since_the_last_process() {
    let folder = Folder::new();
    let (script, clock) = (Tenant::default(), clock());
    let server = issuer(&clock).await;
    let tenant = script.serve(&clock).await;
    script.add("s", &json!({}), &clock);
    let source = || only_logs(source(&tenant.url)).snapshot(folder.join("auth0.bin"));
    drop(start(&server, &clock, source()).await);
    let tokens = five(&server);
    for _ in 0..11_000 {
        script.add("f", &json!({}), &clock);
    }
    script.add("sdu", &json!({ "user_id": USER }), &clock);
    // What the snapshot says is too old to be relied on.
    clock.advance(Duration::from_secs(60));
    let api = start(&server, &clock, source()).await;
    let world = World { issuer: server, clock, api };
    assert_eq!(statuses(&world, &tokens).await, THE_USER);
    assert_eq!((world.feed_age(), world.last_error()), (Some(0.0), None));
}

/// Who was away for longer than the log is kept must not rely on the server's saying so.
#[tokio::test]
async fn a_hole_of_which_the_server_says_nothing_is_noticed() {
    let folder = Folder::new();
    for (is_lost, expected) in [(true, 401), (false, 200)] {
        let script = Tenant::default();
        let clock = clock();
        let server = issuer(&clock).await;
        let tenant = script.serve(&clock).await;
        script.add("s", &json!({}), &clock);
        let path = folder.join(format!("{is_lost}.bin"));
        let day = Duration::from_secs(86_400);
        let start = async || {
            let source = only_logs(source(&tenant.url)).snapshot(&path).audience(OTHER);
            let builder = builder(&server, &clock).audience(OTHER).max_token_lifetime(day * 7);
            builder.revocation(source).start().await.unwrap()
        };
        drop(start().await);
        let lived = Token::new(AUDIENCE).subject(USER).client("app").lifetime(day * 7);
        let token = server.mint(lived);
        clock.advance(day * 2);
        if is_lost {
            for _ in 0..3 {
                script.add("s", &json!({}), &clock);
            }
            script.entries.lock().unwrap().drain(..2);
        }
        let api = start().await;
        let world = World { issuer: server.clone(), clock: clock.clone(), api };
        assert_eq!(world.status(&token).await, expected, "{is_lost}");
    }
}

#[tokio::test]
async fn the_log_is_not_read_unless_it_is_asked_for() {
    let world = world_of(|source| source).await;
    let tokens = five(&world.issuer);
    world.issuer.write_log("sdu", json!({ "user_id": USER }));
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, NONE);
    assert_eq!(world.issuer.requests(&world.issuer.management_url("logs")), 0);
}

#[tokio::test]
async fn a_log_that_may_not_be_read_keeps_nothing_from_the_other_parts() {
    let long = Reply::status(200).body(vec![b' '; 33 * 1024 * 1024]);
    for (reply, expected) in [(Reply::status(403), "scope read:logs"), (long, "logs: the answer is larger")] {
        let world = world_of(|auth0| unhurried(auth0).logs()).await;
        let token = machine(&world.issuer, "partner", AUDIENCE).await;
        world.poll().await;
        world.issuer.set_reply(&world.issuer.management_url("logs"), reply);
        let path = format!("client-grants?client_id=partner&audience={AUDIENCE}");
        let grants = listed(&world.issuer, &path, "read:client_grants").await;
        let path = format!("client-grants/{}", grants[0]["id"].as_str().unwrap());
        administer(&world.issuer, Method::DELETE, &path, "delete:client_grants", None).await;
        world.poll_in_vain().await;
        assert!(world.last_error().unwrap().contains(expected), "{:?}", world.last_error());
        assert_eq!(world.status(&token).await, 401, "{expected}");
    }
}

/// What somebody typed at a sign-in is in the log: it must not stand between us and what comes after it.
#[tokio::test]
async fn what_strangers_write_into_the_log_keeps_nothing_from_being_read() {
    let deep = "[".repeat(500) + &"]".repeat(500);
    for made_up in [r#""\ud800""#, r#""a\udfffb\ud83d""#, r#"{"\ud800":1}"#, &deep] {
        let script = Tenant::default();
        let (world, _server) = script.world().await;
        let tokens = five(&world.issuer);
        script.add("s", &json!({}), &world.clock);
        world.poll().await;
        let date = "2026-11-18T11:06:41.000Z";
        let page = format!(
            r#"[{{"log_id":"900000002","type":"fu","date":"{date}","details":{{"body":{made_up}}}}},
                {{"log_id":"900000003","type":"sdu","date":"{date}","user_id":"{USER}"}}]"#
        );
        script.fail(200, page);
        world.poll().await;
        assert_eq!(statuses(&world, &tokens).await, THE_USER, "{made_up}");
        assert_eq!(world.last_error(), None, "{made_up}");
    }
}

/// More than was asked for is no page, however well it reads.
#[tokio::test]
async fn a_page_has_no_more_entries_than_were_asked_for() {
    let script = Tenant::default();
    let (world, _server) = script.world().await;
    script.add("s", &json!({}), &world.clock);
    world.poll().await;
    let entry =
        |id: usize| json!({ "log_id": format!("9{id:08}"), "type": "s", "date": "2026-11-18T11:06:41Z" });
    script.fail(200, Value::from_iter((2..103).map(entry)).to_string());
    world.poll_in_vain().await;
    assert!(world.last_error().unwrap().contains("not what Auth0 documents"));
}

/// What one operation sent may be in the log, so that a page has no bound.
#[tokio::test]
async fn a_page_that_is_too_large_is_read_entry_by_entry() {
    let script = Tenant::default();
    let (world, server) = script.world_of(|auth0| only_logs(unhurried(auth0))).await;
    let tokens = five(&world.issuer);
    let large = json!({ "details": { "body": "x".repeat(20 * 1024 * 1024) } });
    script.add("s", &json!({}), &world.clock);
    world.poll().await;
    script.add("s", &large, &world.clock);
    script.add("sdu", &json!({ "user_id": USER }), &world.clock);
    script.add("s", &large, &world.clock);
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, THE_USER);
    let single = server.asked().iter().filter(|asked| asked.query.ends_with("take=1")).count();
    assert_eq!((single, world.last_error()), (1, None));
}

#[tokio::test]
async fn asking_for_everything_takes_nothing_back_and_keeps_the_checkpoint() {
    let script = Tenant::default();
    let (world, server) = script.world().await;
    let tokens = five(&world.issuer);
    script.add("s", &json!({}), &world.clock);
    world.poll().await;
    script.add("sdu", &json!({ "user_id": USER }), &world.clock);
    world.poll().await;
    // Three failures in a row, and the next question is for everything.
    script.fail(500, None);
    until_in_time(&world, |world| world.feed_age().unwrap() > 31.0).await;
    script.recover();
    until_in_time(&world, |world| world.feed_age().unwrap() < 10.0).await;
    assert_eq!(statuses(&world, &tokens).await, THE_USER);
    let beginnings = server.asked().iter().filter(|asked| asked.query.contains("sort=date%3A-1")).count();
    assert_eq!(beginnings, 1, "the checkpoint stays");
}
