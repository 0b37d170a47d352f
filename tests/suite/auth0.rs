//! Auth0's Management API as a source, against the tenant in process and against one whose every answer is written here.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::clock::{Clock, ManualClock};
use tower_bearer::testing::{Api, AuthorizationServer, ClientAuthentication, RateLimit, Reply, TokenProfile};
use tower_bearer::{Auth0, ClientCredentials, FreshnessState, RejectionKind as Kind, StartError};

use super::auth0_events::until_in_time;
use super::folder::Folder;
use super::scripted::{Asked, Script, Scripted};
use super::tenant_client::{self, BACK, text};
use super::world::{AUDIENCE, NOW, POLL, World, builder, clock, issuer, token};

pub(crate) const OTHER: &str = "https://api.example.com/other/";
pub(crate) const SECRET: &str = "hunter2";
const SCOPES: [&str; 3] = ["blacklist:tokens", "read:client_grants", "read:grants"];

pub(crate) fn source(base: &str) -> Auth0 {
    let auth0 = Auth0::new(base, ClientCredentials::new("watcher", SECRET)).audience(AUDIENCE);
    auth0.poll_interval(POLL).max_staleness(Duration::from_secs(30))
}

pub(crate) fn base(server: &AuthorizationServer) -> String {
    server.management_audience().trim_end_matches("/api/v2/").to_owned()
}

/// A tenant with two partners, and a client that may watch it.
pub(crate) async fn tenant(clock: &ManualClock) -> AuthorizationServer {
    let server = issuer(clock).await;
    for identifier in [AUDIENCE, OTHER] {
        let lifetime = Duration::from_secs(86_400);
        server.add_api(Api::new(identifier).profile(TokenProfile::Rfc9068).token_lifetime(lifetime));
    }
    server.add_client("watcher", SECRET);
    server.grant("watcher", &server.management_audience(), SCOPES);
    for partner in ["partner", "neighbour"] {
        server.add_client(partner, "secret");
        server.grant(partner, AUDIENCE, ["read:events"]);
        server.grant(partner, OTHER, ["read:events"]);
    }
    server
}

async fn world_of(set: impl FnOnce(Auth0) -> Auth0) -> World {
    let clock = clock();
    let issuer = tenant(&clock).await;
    let source = set(source(&base(&issuer)).audience(OTHER));
    let api = builder(&issuer, &clock).audience(OTHER).revocation(source).start().await.unwrap();
    World { issuer, clock, api }
}

async fn world() -> World {
    world_of(|source| source).await
}

/// A token of a partner in its own name.
pub(crate) async fn machine(server: &AuthorizationServer, partner: &str, audience: &str) -> String {
    text(&tenant_client::machine(server, partner, audience).await, "access_token")
}

/// A token of a user's application.
async fn sign_in(server: &AuthorizationServer, user: &str) -> String {
    text(&tenant_client::sign_in(server, AUDIENCE, user).await, "access_token")
}

/// A call of the tenant's administrator.
async fn administer(server: &AuthorizationServer, method: Method, path: &str, body: Option<Value>) -> Value {
    let scope = "blacklist:tokens read:client_grants delete:client_grants read:grants delete:grants";
    tenant_client::administer(server, method, path, scope, body).await
}

pub(crate) async fn delete_client_grant(server: &AuthorizationServer, partner: &str, audience: &str) {
    let path = format!("client-grants?client_id={partner}&audience={audience}");
    let listed = administer(server, Method::GET, &path, None).await;
    let id = listed[0]["id"].as_str().unwrap();
    administer(server, Method::DELETE, &format!("client-grants/{id}"), None).await;
}

pub(crate) async fn statuses(world: &World, tokens: &[String]) -> Vec<u16> {
    let mut statuses = Vec::new();
    for token in tokens {
        statuses.push(world.status(token).await);
    }
    statuses
}

pub(crate) async fn ten(server: &AuthorizationServer) -> Vec<String> {
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(machine(server, "partner", AUDIENCE).await);
    }
    tokens
}

/// The partner story, by the way that the article recommends.
#[tokio::test]
async fn deleting_the_client_grant_ends_its_tokens() {
    let world = world().await;
    let tokens = ten(&world.issuer).await;
    let others =
        [machine(&world.issuer, "neighbour", AUDIENCE).await, machine(&world.issuer, "partner", OTHER).await];
    assert_eq!(statuses(&world, &tokens).await, [200; 10]);
    delete_client_grant(&world.issuer, "partner", AUDIENCE).await;
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [401; 10]);
    assert_eq!(world.ask(&tokens[0]).await.rejection.unwrap().kind(), Kind::Revoked);
    assert_eq!(statuses(&world, &others).await, [200; 2], "neither its neighbour nor its other grant");
    // Granted again: what is given out from the second after the cut-off on is good, and nothing comes back.
    world.poll().await;
    world.poll().await;
    world.issuer.grant("partner", AUDIENCE, ["read:events"]);
    let anew = machine(&world.issuer, "partner", AUDIENCE).await;
    assert_eq!(world.status(&anew).await, 200);
    world.poll().await;
    assert_eq!((world.status(&anew).await, world.status(&tokens[9]).await), (200, 401));
    assert_eq!(world.last_error(), None);
}

/// The partner story, by the other way.
#[tokio::test]
async fn blacklisting_every_token_ends_them() {
    let world = world().await;
    let tokens = ten(&world.issuer).await;
    let kept = machine(&world.issuer, "partner", AUDIENCE).await;
    for token in &tokens {
        let jti = claims(token)["jti"].clone();
        let body = json!({ "aud": AUDIENCE, "jti": jti });
        administer(&world.issuer, Method::POST, "blacklists/tokens", Some(body)).await;
    }
    // An API that this is not about.
    let body = json!({ "aud": "https://elsewhere.example/", "jti": claims(&kept)["jti"] });
    administer(&world.issuer, Method::POST, "blacklists/tokens", Some(body)).await;
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [401; 10]);
    assert_eq!(world.status(&kept).await, 200);
    assert_eq!(world.api.health().issuers[0].feeds[0].identifiers, 10);
}

fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
}

/// An entry of the blacklist has no end: it holds for as long as it is listed, and one token's life after.
#[tokio::test]
async fn a_listed_token_stays_refused_for_as_long_as_it_is_listed() {
    let world = world().await;
    let day = Duration::from_secs(86_400);
    // So many that they are put in bulk, whose ends the manual clock decides.
    let listed: Value = (0..20_000).map(|n| json!({ "aud": AUDIENCE, "jti": format!("t-{n}") })).collect();
    world.issuer.set_reply(&world.issuer.management_url("blacklists/tokens"), Reply::json(&listed));
    for _ in 0..6 {
        world.settle(2).await;
        world.clock.advance(day / 2);
        world.until(|world| world.feed_age() == Some(0.0)).await;
        let token = world.issuer.mint(token().claim("jti", "t-1"));
        assert_eq!(world.status(&token).await, 401);
    }
}

#[tokio::test]
async fn a_grant_that_was_made_anew_between_two_polls_does_not_hide_that_it_was_deleted() {
    let world = world().await;
    let old = machine(&world.issuer, "partner", AUDIENCE).await;
    world.settle(2).await;
    delete_client_grant(&world.issuer, "partner", AUDIENCE).await;
    world.issuer.grant("partner", AUDIENCE, ["read:events"]);
    world.poll().await;
    assert_eq!(world.status(&old).await, 401);
}

/// Token, deletion and listing in one second; and a token stamped by a clock that is a second ahead of the listing's.
#[tokio::test]
async fn a_cut_off_misses_no_token_of_its_second() {
    let clock = clock();
    clock.advance(POLL / 2);
    let issuer = tenant(&clock).await;
    let api = builder(&issuer, &clock).revocation(source(&base(&issuer))).start().await.unwrap();
    let world = World { issuer, clock, api };
    world.settle(2).await;
    world.clock.advance(POLL * 9 / 10);
    let now = world.clock.wall().as_secs() as u64;
    let ahead = |secs: u64| world.issuer.mint(token().client("partner").issued_at(now + secs));
    let tokens = [machine(&world.issuer, "partner", AUDIENCE).await, ahead(1), ahead(2)];
    assert_eq!(statuses(&world, &tokens).await, [200; 3]);
    delete_client_grant(&world.issuer, "partner", AUDIENCE).await;
    world.clock.advance(POLL / 10);
    world.until(|world| world.api.health().issuers[0].feeds[0].cut_offs == 1).await;
    assert_eq!(world.clock.wall().as_secs() as u64, now);
    assert_eq!(statuses(&world, &tokens).await, [401, 401, 200]);
}

#[tokio::test]
async fn deleting_a_users_grant_ends_what_the_application_may_do_for_that_user() {
    let world = world_of(Auth0::user_grants).await;
    world.issuer.add_client("app", "secret");
    world.issuer.allow_redirect("app", BACK);
    for user in ["auth0|u1", "auth0|u2"] {
        world.issuer.add_user(user);
    }
    let tokens = [sign_in(&world.issuer, "auth0|u1").await, sign_in(&world.issuer, "auth0|u2").await];
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [200, 200]);
    let path = "grants?user_id=auth0%7Cu1";
    let listed = administer(&world.issuer, Method::GET, path, None).await;
    let id = listed[0]["id"].as_str().unwrap();
    administer(&world.issuer, Method::DELETE, &format!("grants/{id}"), None).await;
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [401, 200]);
    for _ in 0..3 {
        world.poll().await;
    }
    let anew = sign_in(&world.issuer, "auth0|u1").await;
    world.poll().await;
    assert_eq!(world.status(&anew).await, 200);
}

#[tokio::test]
async fn a_grant_deleted_while_nobody_watched_is_seen_by_whoever_kept_a_snapshot() {
    let clock = clock();
    let server = tenant(&clock).await;
    let folder = Folder::new();
    let start = async || {
        let source = source(&base(&server)).snapshot(folder.join("auth0.bin"));
        builder(&server, &clock).revocation(source).start().await.unwrap()
    };
    let token = machine(&server, "partner", AUDIENCE).await;
    let neighbour = machine(&server, "neighbour", AUDIENCE).await;
    drop(start().await);
    delete_client_grant(&server, "partner", AUDIENCE).await;
    let world = World { api: start().await, issuer: server.clone(), clock: clock.clone() };
    assert_eq!((world.status(&token).await, world.status(&neighbour).await), (401, 200));
}

#[tokio::test]
async fn a_part_that_fails_takes_nothing_back_and_keeps_nothing_from_the_others() {
    let world = world().await;
    let (gone, listed) = (
        machine(&world.issuer, "partner", AUDIENCE).await,
        machine(&world.issuer, "neighbour", AUDIENCE).await,
    );
    let good = machine(&world.issuer, "neighbour", AUDIENCE).await;
    delete_client_grant(&world.issuer, "partner", AUDIENCE).await;
    world.poll().await;
    let grants = world.issuer.management_url("client-grants");
    world.issuer.set_reply(&grants, Reply::status(500));
    let body = json!({ "aud": AUDIENCE, "jti": claims(&listed)["jti"] });
    administer(&world.issuer, Method::POST, "blacklists/tokens", Some(body)).await;
    world.poll_in_vain().await;
    assert_eq!(world.last_error().unwrap(), "client-grants answered 500");
    assert_eq!((world.status(&gone).await, world.status(&listed).await), (401, 401));
    assert_eq!(world.status(&good).await, 200);
    for _ in 0..4 {
        world.poll_in_vain().await;
    }
    let feed = world.api.health().issuers[0].feeds[0].clone();
    assert!(feed.age.unwrap() >= 30.0 && feed.state == FreshnessState::Stale, "{feed:?}");
    assert_eq!((world.status(&good).await, world.status(&gone).await), (503, 401));
    world.issuer.clear_reply(&grants);
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(30));
    world.until(|world| world.feed_age() == Some(0.0)).await;
    assert_eq!(statuses(&world, &[good, gone, listed]).await, [200, 401, 401]);
}

/// Whichever part has whatever trouble: what was revoked stays so, and the age tells of it.
#[tokio::test]
async fn no_trouble_takes_anything_back() {
    let half = || Reply::status(200).body(r#"[{"jti":"t-1"},"#);
    for path in ["blacklists/tokens", "client-grants", "grants"] {
        for reply in [Reply::status(429), Reply::status(500), Reply::status(503), Reply::status(404), half()]
        {
            let world = world_of(Auth0::user_grants).await;
            world.issuer.add_client("app", "secret");
            world.issuer.allow_redirect("app", BACK);
            world.issuer.add_user("auth0|u1");
            let [listed, good] = [(); 2].map(|()| machine(&world.issuer, "neighbour", AUDIENCE));
            let (listed, good) = (listed.await, good.await);
            let tokens = [
                listed,
                machine(&world.issuer, "partner", AUDIENCE).await,
                sign_in(&world.issuer, "auth0|u1").await,
                good,
            ];
            world.poll().await;
            assert_eq!(statuses(&world, &tokens).await, [200; 4]);
            let body = json!({ "aud": AUDIENCE, "jti": claims(&tokens[0])["jti"] });
            administer(&world.issuer, Method::POST, "blacklists/tokens", Some(body)).await;
            delete_client_grant(&world.issuer, "partner", AUDIENCE).await;
            administer(&world.issuer, Method::DELETE, "grants?user_id=auth0%7Cu1", None).await;
            world.poll().await;
            assert_eq!(statuses(&world, &tokens).await, [401, 401, 401, 200]);

            let url = world.issuer.management_url(path);
            world.issuer.set_reply(&url, reply.clone());
            let state = |world: &World| world.api.health().issuers[0].feeds[0].state;
            until_in_time(&world, |world| state(world) == FreshnessState::Stale).await;
            assert!(world.last_error().unwrap().contains(path), "{:?}", world.last_error());
            assert_eq!(statuses(&world, &tokens).await, [401, 401, 401, 503], "{path} {reply:?}");
            world.issuer.clear_reply(&url);
            until_in_time(&world, |world| world.feed_age().unwrap() < 10.0).await;
            assert_eq!(statuses(&world, &tokens).await, [401, 401, 401, 200], "{path} {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_missing_scope_is_named_at_the_start() {
    let clock = clock();
    let server = tenant(&clock).await;
    let start = async |source: Auth0| -> Result<_, StartError> {
        builder(&server, &clock).revocation(source).start().await
    };
    for (scopes, missing) in [
        (&SCOPES[1..], "scope blacklist:tokens"),
        (&SCOPES[..1], "scope read:client_grants"),
        (&SCOPES[..2], "scope read:grants"),
    ] {
        server.grant("watcher", &server.management_audience(), scopes.iter().copied());
        let error = start(source(&base(&server)).user_grants()).await.unwrap_err().to_string();
        assert!(error.contains(missing) && !error.contains(SECRET), "{missing}: {error}");
    }
    server.grant("watcher", &server.management_audience(), [SCOPES[1]]);
    assert!(start(source(&base(&server)).without_blacklist()).await.is_ok(), "only what it needs");
    let wrong =
        Auth0::new(base(&server), ClientCredentials::new("watcher", "wrong hunter2")).audience(AUDIENCE);
    assert!(!format!("{wrong:?}").contains(SECRET));
    let error = start(wrong).await.unwrap_err().to_string();
    assert!(error.contains("answered 401 (invalid_client)") && !error.contains(SECRET), "{error}");
}

/// Auth0's documentation and clients send the secret in the body; an application may be set to Basic.
#[tokio::test]
async fn the_client_authenticates_in_the_body_unless_it_is_said_otherwise() {
    let clock = clock();
    let server = tenant(&clock).await;
    for (registered, in_header, works) in [
        (ClientAuthentication::Post, false, true),
        (ClientAuthentication::Post, true, false),
        (ClientAuthentication::Basic, false, false),
        (ClientAuthentication::Basic, true, true),
    ] {
        server.set_client_authentication("watcher", registered);
        let client = ClientCredentials::new("watcher", SECRET);
        let client = if in_header { client.in_header() } else { client };
        let source = Auth0::new(base(&server), client).audience(AUDIENCE);
        let started = builder(&server, &clock).revocation(source).start().await;
        assert_eq!(started.is_ok(), works, "{registered:?} {in_header}");
        if let Err(error) = started {
            let error = error.to_string();
            assert!(error.contains("401 (invalid_client)") && !error.contains(SECRET), "{error}");
        }
    }
}

#[tokio::test]
async fn settings_that_ask_for_nothing_are_refused() {
    let clock = clock();
    let server = issuer(&clock).await;
    let client = || ClientCredentials::new("watcher", SECRET);
    let table = [
        (Auth0::new("https://tenant.example", client()), "no audience"),
        (Auth0::new("http://tenant.example", client()).audience(AUDIENCE), "not https"),
        (
            Auth0::new("tenant.example", client())
                .audience(AUDIENCE)
                .without_blacklist()
                .without_client_grants(),
            "nothing of it is asked for",
        ),
    ];
    for (source, expected) in table {
        let error = builder(&server, &clock).revocation(source).start().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// Auth0's own profile has none.
#[tokio::test]
async fn tokens_without_jti_are_refused_unless_that_is_given_up() {
    let clock = clock();
    let server = tenant(&clock).await;
    let nameless = server.mint(token().without("jti"));
    for (choice, status) in [(None, 401), (Some(true), 401), (Some(false), 200)] {
        let profile = tower_bearer::Profile::Generic;
        let mut builder = builder(&server, &clock).profile(profile).revocation(source(&base(&server)));
        if let Some(choice) = choice {
            builder = builder.require_jti(choice);
        }
        let api = builder.start().await.unwrap();
        let world = World { issuer: server.clone(), clock: clock.clone(), api };
        assert_eq!(world.status(&nameless).await, status, "{choice:?}");
    }
}

#[tokio::test]
async fn the_token_is_renewed_where_it_is_refused() {
    let world = world().await;
    let before = world.issuer.requests(&world.issuer.token_url());
    world.issuer.rotate_keys().await.unwrap();
    world.poll().await;
    assert_eq!(world.issuer.requests(&world.issuer.token_url()), before + 1);
    assert_eq!(world.last_error(), None);
}

/// Four calls a poll, of which the tenant allows one a second.
#[tokio::test]
async fn the_rate_limit_is_kept_and_the_time_that_it_takes_is_told() {
    let world = world().await;
    let token = machine(&world.issuer, "partner", AUDIENCE).await;
    world.settle(2).await;
    delete_client_grant(&world.issuer, "partner", AUDIENCE).await;
    world.issuer.set_rate_limit(RateLimit::new(1, 1));
    let calls = |world: &World| {
        let paths = ["blacklists/tokens", "client-grants"];
        paths.iter().map(|path| world.issuer.requests(&world.issuer.management_url(path))).sum::<usize>()
    };
    let before = calls(&world);
    for expected in 1..=4 {
        world.clock.advance(POLL);
        world.until(|world| calls(world) == before + expected).await;
        world.settle(2).await;
    }
    world.until(|world| world.api.health().issuers[0].feeds[0].cut_offs == 1).await;
    assert_eq!(world.status(&token).await, 401);
    assert_eq!((world.feed_age(), world.last_error()), (Some(3.0), None), "as old as its first call");
}

/// What the scripted tenant answers: its grants, page by page; none for a page that fails.
type Pages = Arc<Mutex<Vec<Option<Vec<&'static str>>>>>;

pub(crate) fn date(clock: &ManualClock) -> (&'static str, String) {
    let since = Duration::from_millis(u64::try_from(clock.wall().as_millis()).unwrap());
    ("date", httpdate::fmt_http_date(std::time::UNIX_EPOCH + since))
}

pub(crate) type Headers = Vec<(&'static str, String)>;

/// The headers and the query of a call, as a function of names; or the answer to a question for a token, which has none.
pub(crate) fn call(
    asked: &Asked,
    clock: &ManualClock,
) -> Result<(Headers, impl Fn(&str) -> Option<String> + use<>), Script> {
    let headers = vec![("content-type", "application/json".to_owned()), date(clock)];
    if asked.query.is_empty() {
        let token = json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 86_400 });
        return Err((200, headers, token.to_string()));
    }
    let query: Vec<_> = url::form_urlencoded::parse(asked.query.as_bytes()).into_owned().collect();
    let value = move |name: &str| query.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    Ok((headers, value))
}

fn answer(asked: &Asked, clock: &ManualClock, pages: &Pages) -> Script {
    let (headers, value) = match call(asked, clock) {
        Ok(call) => call,
        Err(token) => return token,
    };
    let pages = pages.lock().unwrap();
    let number: usize = value("from").or_else(|| value("page")).map_or(0, |place| place.parse().unwrap());
    let Some(page) = &pages[number] else { return (503, headers, String::new()) };
    let total: usize = pages.iter().map(|page| page.as_ref().map_or(1, Vec::len)).sum();
    let items = page.iter().map(|name| {
        json!({
            "id": format!("grant-{name}"), "client_id": name, "clientID": name, "user_id": "user-1",
            "audience": AUDIENCE, "scope": [],
        })
    });
    let items: Value = items.collect();
    let body = match value("include_totals") {
        Some(_) => json!({ "grants": items, "total": total, "start": 0, "limit": 100 }),
        None if number + 1 < pages.len() => {
            json!({ "client_grants": items, "next": (number + 1).to_string() })
        }
        None => json!({ "client_grants": items }),
    };
    (200, headers, body.to_string())
}

/// A world whose tenant lists what `pages` says, of clients or of users.
async fn scripted(pages: &Pages, of_users: bool) -> (World, Scripted) {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let (own, known) = (clock.clone(), Arc::clone(pages));
    let tenant = Scripted::start(move |asked| answer(asked, &own, &known)).await;
    let source = source(&tenant.url).without_blacklist();
    let source = if of_users { source.without_client_grants().user_grants() } else { source };
    let api = builder(&issuer, &clock).revocation(source).start().await.unwrap();
    (World { issuer, clock, api }, tenant)
}

#[tokio::test]
async fn half_a_listing_says_nothing() {
    for of_users in [false, true] {
        let pages = Pages::new(Mutex::new(vec![Some(vec!["a", "b"]), Some(vec!["c", "d"])]));
        let (world, _tenant) = scripted(&pages, of_users).await;
        let tokens = ["a", "b", "c", "d"].map(|client| world.issuer.mint(token().client(client)));
        assert_eq!(statuses(&world, &tokens).await, [200; 4]);
        // `a` is gone, but the second page does not come.
        *pages.lock().unwrap() = vec![Some(vec!["b", "c"]), None];
        world.poll_in_vain().await;
        assert!(world.last_error().unwrap().contains("503"), "{:?}", world.last_error());
        assert_eq!(statuses(&world, &tokens).await, [200; 4], "nothing is concluded");
        *pages.lock().unwrap() = vec![Some(vec!["b", "c"]), Some(vec!["d"])];
        world.settle(2).await;
        world.clock.advance(Duration::from_secs(30));
        world.until(|world| world.feed_age() == Some(0.0)).await;
        assert_eq!(statuses(&world, &tokens).await, [401, 200, 200, 200]);
    }
}

/// Offsets move when a grant on an earlier page goes: one that lives is then on no page that was read.
#[tokio::test]
async fn a_grant_that_moved_between_two_pages_is_looked_for_again() {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let (own, pages) =
        (clock.clone(), Pages::new(Mutex::new(vec![Some(vec!["a", "b"]), Some(vec!["c", "d"])])));
    let mut later = vec![
        // `a` went and `e` came, after the first page was read: `c` is on no page, and the totals agree.
        vec![Some(vec!["a", "b"]), Some(vec!["d", "e"])],
        vec![Some(vec!["b", "c"]), Some(vec!["d", "e"])],
    ]
    .into_iter();
    let tenant = Scripted::start(move |asked| {
        let answer = answer(asked, &own, &pages);
        if asked.query.contains("&page=1&")
            && let Some(next) = later.next()
        {
            *pages.lock().unwrap() = next;
        }
        answer
    })
    .await;
    let source = source(&tenant.url).without_blacklist().without_client_grants().user_grants();
    let api = builder(&issuer, &clock).revocation(source).start().await.unwrap();
    let world = World { issuer, clock, api };
    let tokens = ["a", "c", "d"].map(|client| world.issuer.mint(token().client(client)));
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [200; 3], "`a` was still listed");
    world.poll().await;
    assert_eq!(statuses(&world, &tokens).await, [401, 200, 200]);
}

#[tokio::test]
async fn a_listing_that_is_not_to_be_relied_on_is_refused() {
    let page =
        |audience: &str| json!({ "client_grants": [{ "id": "g", "client_id": "a", "audience": audience }] });
    let endless = json!({ "client_grants": [], "next": "1" });
    let dated = ("date", "Wed, 18 Nov 2026 11:06:40 GMT".to_owned());
    let table = [
        ("<html>".to_owned(), vec![dated.clone()], "not what Auth0 documents"),
        ("[]".to_owned(), vec![dated.clone()], "not what Auth0 documents"),
        (page("https://another.example").to_string(), vec![dated.clone()], "not what Auth0 documents"),
        (endless.to_string(), vec![dated], "its pages do not end"),
        (page(AUDIENCE).to_string(), vec![("date", "yesterday".to_owned())], "without `Date`"),
    ];
    for (body, headers, expected) in table {
        let clock = clock();
        let issuer = issuer(&clock).await;
        let pages = Pages::default();
        let own = clock.clone();
        let tenant = Scripted::start(move |asked| {
            if asked.query.is_empty() {
                answer(asked, &own, &pages)
            } else {
                (200, headers.clone(), body.clone())
            }
        })
        .await;
        let source = source(&tenant.url).without_blacklist();
        let error = builder(&issuer, &clock).revocation(source).start().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

/// A limit that is used up for longer than the source may be silent.
#[tokio::test]
async fn a_long_429_is_waited_for_and_told() {
    let pages = Pages::new(Mutex::new(vec![Some(vec!["a"])]));
    let closed = Arc::new(Mutex::new(false));
    let clock = clock();
    let issuer = issuer(&clock).await;
    let (own, known, shut) = (clock.clone(), Arc::clone(&pages), Arc::clone(&closed));
    let tenant = Scripted::start(move |asked| {
        if !*shut.lock().unwrap() {
            return answer(asked, &own, &known);
        }
        let reset = (NOW + 100).to_string();
        let headers =
            vec![date(&own), ("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset)];
        (429, headers, json!({ "statusCode": 429, "errorCode": "too_many_requests" }).to_string())
    })
    .await;
    let source = source(&tenant.url).without_blacklist();
    let api = builder(&issuer, &clock).revocation(source).start().await.unwrap();
    let world = World { issuer, clock, api };
    *closed.lock().unwrap() = true;
    world.settle(2).await;
    world.clock.advance(POLL);
    world.until(|world| world.last_error().is_some()).await;
    let said = world.last_error().unwrap();
    assert!(
        said.contains("client-grants: the tenant's rate limit leaves no room; the next call is in 15s"),
        "{said}"
    );
    let asked = tenant.asked().len();
    // Half of max_staleness is the longest pause, whatever the tenant says.
    for round in 1..=5 {
        world.settle(2).await;
        world.clock.advance(Duration::from_secs(14));
        world.settle(2).await;
        assert_eq!(tenant.asked().len(), asked + round - 1);
        world.clock.advance(Duration::from_secs(1));
        world.until(|_| tenant.asked().len() == asked + round).await;
    }
    let feed = world.api.health().issuers[0].feeds[0].clone();
    assert_eq!((feed.age, feed.state), (Some(76.0), FreshnessState::Stale));
    *closed.lock().unwrap() = false;
    for _ in 0..3 {
        world.settle(2).await;
        world.clock.advance(Duration::from_secs(15));
    }
    world.until(|world| world.feed_age().unwrap() < 30.0).await;
}
