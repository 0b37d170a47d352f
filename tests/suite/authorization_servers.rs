//! The recipes of docs/authorization-servers: their settings, held against tokens with the claims that the servers document.
//! Every block of Rust on those pages stands in this file or beside them, so it compiles; the settings are run here.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{HeaderMap, Uri};
use serde_json::{Value, json};
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::testing::{Api, AuthorizationServer, Token, TokenProfile};
use tower_bearer::{
    Auth0, Builder, ClientCredentials, Complete, Feed, Polled, Profile, RejectionKind as Kind,
    ResourceServer, Revocation, RevokeError, any_token, scope,
};

use super::folder::Folder;
use super::world::{AUDIENCE, NOW, PATIENCE, ask, clock, issuer, request, serve};

#[path = "../../docs/authorization-servers/keycloak/not_before.rs"]
mod not_before;
use not_before::NotBefore;

#[path = "../../docs/authorization-servers/glewlwyd/disabled.rs"]
mod disabled;
use disabled::Disabled;

fn oidc_provider(issuer: &str, audience: &str, feed: &str, bearer: &str) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // "https://as.example"
        .audience(audience)
        .profile(Profile::OidcProvider)
        .revocation(Feed::new(feed).bearer(bearer).long_poll(Duration::from_secs(25)))
}

fn auth0(tenant: &str, audience: &str, id: &str, secret: &str, state: &Path) -> Builder<Complete> {
    let source = Auth0::new(tenant, ClientCredentials::new(id, secret)).audience(audience);
    ResourceServer::builder()
        .issuer(format!("{tenant}/")) // "https://tenant.eu.auth0.com", and the slash
        .audience(audience)
        .profile(Profile::Auth0)
        .revocation(source.logs().events().snapshot(state.join("auth0.bin")))
}

fn auth0_without_jti(
    tenant: &str,
    audience: &str,
    id: &str,
    secret: &str,
    state: &Path,
) -> Builder<Complete> {
    let source = Auth0::new(tenant, ClientCredentials::new(id, secret)).audience(audience);
    ResourceServer::builder()
        .issuer(format!("{tenant}/"))
        .audience(audience)
        .profile(Profile::Auth0)
        .require_jti(false) // the default token profile has none: no single token can be revoked
        .revocation(source.without_blacklist().logs().events().snapshot(state.join("auth0.bin")))
}

fn keycloak(issuer: &str, audience: &str, feed: &str, bearer: &str) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // "https://keycloak.example/realms/shop", without a slash
        .audience(audience)
        .profile(Profile::Keycloak)
        .revocation(Feed::new(feed).bearer(bearer).long_poll(Duration::from_secs(25)))
}

fn keycloak_polled(issuer: &str, audience: &str, realm: NotBefore) -> Builder<Complete> {
    let realm = Polled::new("not-before", realm);
    ResourceServer::builder()
        .issuer(issuer)
        .audience(audience)
        .profile(Profile::Keycloak)
        .revocation(realm.poll_interval(Duration::from_secs(10)).max_staleness(Duration::from_secs(60)))
}

fn okta(issuer: &str, audience: &str, feed: &str, bearer: &str) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // "https://org.okta.com/oauth2/default", without a slash
        .audience(audience) // "api://default"
        .profile(Profile::Okta)
        .revocation(Feed::new(feed).bearer(bearer).claim("uid").long_poll(Duration::from_secs(25)))
}

fn entra(issuer: &str, audience: &str, feed: &str, bearer: &str) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // "https://login.microsoftonline.com/{tenant id}/v2.0"
        .audience(audience) // the application (client) id of the API
        .profile(Profile::EntraV2)
        .revocation(Feed::new(feed).bearer(bearer).long_poll(Duration::from_secs(25)))
}

fn cognito(issuer: &str, app_client: &str, feed: &str, bearer: &str) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool"
        .audience(app_client) // once for each app client that may call
        .profile(Profile::Cognito)
        .revocation(Feed::new(feed).bearer(bearer).long_poll(Duration::from_secs(25)))
}

fn hydra(issuer: &str, audience: &str, feed: &str, bearer: &str) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // as in the tokens' `iss`, mostly with a slash
        .audience(audience) // never the id of a client
        .profile(Profile::Generic)
        .revocation(Feed::new(feed).bearer(bearer).long_poll(Duration::from_secs(25)))
}

fn glewlwyd(issuer: &str, audience: &str, database: Disabled) -> Builder<Complete> {
    ResourceServer::builder()
        .issuer(issuer) // as in the plugin's settings
        .audience(audience)
        .profile(Profile::Rfc9068)
        .revocation(Polled::new("glewlwyd", database))
}

fn logged_out(api: &ResourceServer, sid: &str) -> Result<(), RevokeError> {
    api.revocations().revoke(Revocation::identifier("sid", sid))
}

type Settings = fn(&str, &str, &str, &str) -> Builder<Complete>;

/// `null` stands for a claim that is not there.
struct Recipe {
    page: &'static str,
    settings: Settings,
    typ: Option<&'static str>,
    claims: Value,
    /// What a token of another grant has instead.
    other: Value,
    /// What ends the first token and not the other.
    revocation: Value,
    /// What ends both: in which words the page says that a user or a client is cut off.
    cut_off: Value,
    /// Other JWTs of the same issuer and for the same audience: `typ`, what they have instead, why they are refused.
    wrong: Vec<(Option<&'static str>, Value, Kind)>,
}

fn recipes() -> Vec<Recipe> {
    vec![
        Recipe {
            page: "oidc-provider",
            settings: oidc_provider,
            typ: Some("at+jwt"),
            claims: json!({"jti": "j-1", "sub": "u", "client_id": "app", "scope": "read:events", "grant_id": "g-1"}),
            other: json!({"jti": "j-2", "grant_id": "g-2"}),
            revocation: json!({"grant_id": "g-1"}),
            cut_off: json!({"client_id": "app"}),
            wrong: vec![(
                Some("JWT"),
                json!({"nonce": "n", "at_hash": "h", "scope": null, "client_id": null, "grant_id": null}),
                Kind::WrongType,
            )],
        },
        Recipe {
            page: "keycloak",
            settings: keycloak,
            typ: Some("JWT"),
            claims: json!({"jti": "onrtac:7f1c", "typ": "Bearer", "azp": "app", "sid": "s-1", "sub": "u", "acr": "1",
                "aud": [AUDIENCE, "account"], "realm_access": {"roles": ["offline_access"]}, "scope": "email read:events"}),
            other: json!({"jti": "onrtac:0e2b", "sid": "s-2"}),
            revocation: json!({"sid": "s-1"}),
            cut_off: json!({"client_id": "app"}),
            wrong: vec![
                (Some("JWT"), json!({"typ": "ID", "scope": null, "at_hash": "h"}), Kind::WrongType),
                (Some("JWT"), json!({"typ": "ID", "scope": null}), Kind::WrongType),
                (Some("JWT"), json!({"typ": "Refresh"}), Kind::WrongType),
                (
                    Some("JWT"),
                    json!({"typ": "Logout", "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
                    Kind::WrongType,
                ),
            ],
        },
        Recipe {
            page: "okta",
            settings: okta,
            typ: None,
            claims: json!({"ver": 1, "jti": "AT.x.oar1", "cid": "0oa1", "uid": "00u1", "sub": "u@example.com",
                "auth_time": NOW, "scp": ["read:events", "offline_access"]}),
            other: json!({"jti": "AT.y.oar2", "uid": "00u2", "sub": "v@example.com"}),
            revocation: json!({"uid": "00u1", "client_id": "0oa1", "issued_before": NOW}),
            cut_off: json!({"client_id": "0oa1"}),
            wrong: vec![
                (
                    None,
                    json!({"jti": "ID.x", "cid": null, "uid": null, "scp": null, "sub": "00u1", "amr": ["pwd"]}),
                    Kind::MissingClaim,
                ),
                (Some("application/okta-internal-at+jwt"), json!({}), Kind::WrongType),
            ],
        },
        Recipe {
            page: "entra",
            settings: entra,
            typ: Some("JWT"),
            claims: json!({"ver": "2.0", "azp": "app", "azpacr": "1", "oid": "o-1", "tid": "t", "sub": "p-1", "uti": "u-1",
                "sid": "s-1", "scp": "read:events"}),
            other: json!({"oid": "o-2", "sub": "p-2", "uti": "u-2", "sid": "s-2"}),
            revocation: json!({"tid": "t", "oid": "o-1", "issued_before": NOW}),
            cut_off: json!({"client_id": "app"}),
            wrong: vec![
                (Some("JWT"), json!({"azp": null, "scp": null, "name": "N", "nonce": "n"}), Kind::WrongType),
                (Some("JWT"), json!({"azp": null, "scp": null, "name": "N"}), Kind::MissingClaim),
                (Some("JWT"), json!({"ver": "1.0", "azp": null, "appid": "app"}), Kind::WrongType),
            ],
        },
        Recipe {
            page: "cognito",
            settings: cognito,
            typ: None,
            claims: json!({"sub": "u", "aud": null, "client_id": AUDIENCE, "origin_jti": "o-1", "event_id": "e",
                "token_use": "access", "auth_time": NOW, "jti": "j-1", "username": "u", "version": 2,
                "scope": "openid read:events"}),
            other: json!({"origin_jti": "o-2", "jti": "j-2"}),
            revocation: json!({"origin_jti": "o-1"}),
            cut_off: json!({"username": "u"}),
            wrong: vec![
                (
                    None,
                    json!({"token_use": "id", "aud": AUDIENCE, "client_id": null, "scope": null}),
                    Kind::WrongType,
                ),
                (None, json!({"token_use": "id"}), Kind::WrongType),
                (None, json!({"client_id": "another-app"}), Kind::WrongAudience),
            ],
        },
        Recipe {
            page: "hydra",
            settings: hydra,
            typ: Some("JWT"),
            claims: json!({"aud": [AUDIENCE], "client_id": "app", "ext": {"grant_id": "g-1"}, "grant_id": "g-1", "jti": "j-1",
                "nbf": NOW, "scp": ["read:events", "offline"], "sub": "u"}),
            other: json!({"ext": {"grant_id": "g-2"}, "grant_id": "g-2", "jti": "j-2"}),
            revocation: json!({"grant_id": "g-1"}),
            cut_off: json!({"sub": "u", "client_id": "app"}),
            wrong: vec![
                (Some("JWT"), json!({"at_hash": "h", "sid": "s", "rat": NOW}), Kind::WrongType),
                (Some("JWT"), json!({"aud": ["app"], "sid": "s", "rat": NOW}), Kind::WrongAudience),
            ],
        },
    ]
}

fn with(claims: &Value, others: &Value) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().extend(others.as_object().unwrap().clone());
    claims
}

/// A token with nothing but these claims; `iss`, `iat` and `exp` come from the server.
fn mint(server: &AuthorizationServer, typ: Option<&str>, claims: &Value) -> String {
    let bare = Token::new(AUDIENCE).without("sub").without("client_id").without("jti");
    let token = claims.as_object().unwrap().iter().fold(bare, |token, (name, value)| match value {
        Value::Null => token.without(name),
        value => token.claim(name, value.clone()),
    });
    server.mint(match typ {
        Some(typ) => token.header("typ", typ),
        None => token.without_header("typ"),
    })
}

async fn refusal(api: &ResourceServer, token: &str) -> Option<Kind> {
    ask(api, any_token(), request(token)).await.rejection.map(|rejection| rejection.kind())
}

/// Waits until a token is refused, and then for being revoked.
async fn revoked(clock: &ManualClock, api: &ResourceServer, token: &str, page: &str) {
    let patience = SystemClock::new();
    loop {
        match refusal(api, token).await {
            Some(Kind::Revoked) => return,
            None => assert!(patience.uptime() < PATIENCE, "{page}: {:?}", api.health()),
            other => panic!("{page}: {other:?}"),
        }
        // A reader draws breath between two questions that were answered at once.
        clock.advance(Duration::from_millis(1));
        patience.sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn each_recipe_admits_its_tokens_and_refuses_those_whose_grant_has_ended() {
    for recipe in recipes() {
        let Recipe { page, typ, claims, .. } = &recipe;
        let clock = clock();
        let server = AuthorizationServer::builder().algorithms([tower_bearer::Algorithm::ES256]);
        let server = server.clock(clock.clone()).feed_bearer("who may read it").start().await.unwrap();
        let settings = (recipe.settings)(server.issuer(), AUDIENCE, &server.feed_url(), "who may read it");
        let api = settings.clock(clock.clone()).allow_loopback_http().start().await.unwrap();
        let own = mint(&server, *typ, claims);
        let other = mint(&server, *typ, &with(claims, &recipe.other));
        for token in [&own, &other] {
            assert_eq!(ask(&api, scope("read:events"), request(token)).await.rejection, None, "{page}");
        }
        for (typ, instead, kind) in &recipe.wrong {
            let wrong = mint(&server, *typ, &with(claims, instead));
            assert_eq!(refusal(&api, &wrong).await, Some(*kind), "{page}: {instead}");
        }

        server.publish(with(&recipe.revocation, &json!({"exp": NOW + 3600})));
        revoked(&clock, &api, &own, page).await;
        assert_eq!(refusal(&api, &other).await, None, "{page}: another grant's");
        server.publish(with(&recipe.cut_off, &json!({"issued_before": NOW, "exp": NOW + 3600})));
        revoked(&clock, &api, &other, page).await;
        clock.advance(Duration::from_secs(1));
        let later = mint(&server, *typ, &with(claims, &recipe.other));
        assert_eq!(refusal(&api, &later).await, None, "{page}: issued after the cut-off");
    }
}

#[tokio::test]
async fn a_logout_that_a_webhook_tells_of_ends_the_session_s_tokens() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = keycloak(server.issuer(), AUDIENCE, &server.feed_url(), "anybody");
    let api = api.clock(clock).allow_loopback_http().start().await.unwrap();
    let recipe = recipes().into_iter().find(|recipe| recipe.page == "keycloak").unwrap();
    let own = mint(&server, recipe.typ, &recipe.claims);
    let other = mint(&server, recipe.typ, &with(&recipe.claims, &recipe.other));
    assert_eq!((refusal(&api, &own).await, refusal(&api, &other).await), (None, None));
    logged_out(&api, "s-1").unwrap();
    assert_eq!((refusal(&api, &own).await, refusal(&api, &other).await), (Some(Kind::Revoked), None));
}

#[tokio::test]
async fn auth0_s_recipes_refuse_what_ended_in_the_tenant() {
    type Settings = fn(&str, &str, &str, &str, &Path) -> Builder<Complete>;
    let table: [(&str, Settings, TokenProfile); 2] = [
        ("auth0-recipe", auth0, TokenProfile::Rfc9068),
        ("auth0-recipe-without-jti", auth0_without_jti, TokenProfile::Auth0),
    ];
    for (name, settings, profile) in table {
        let clock = clock();
        let server = AuthorizationServer::builder().algorithms([tower_bearer::Algorithm::ES256]);
        let server = server.issuer_with_slash().clock(clock.clone()).start().await.unwrap();
        server.add_api(Api::new(AUDIENCE).profile(profile));
        server.add_client("watcher", "its secret");
        let scopes = ["blacklist:tokens", "read:client_grants", "read:logs", "read:events"];
        server.grant("watcher", &server.management_audience(), scopes);
        server.add_client("partner", "secret");
        let grant = server.grant("partner", AUDIENCE, ["read:events"]);
        let partner = {
            let body = json!({
                "grant_type": "client_credentials", "client_id": "partner", "client_secret": "secret",
                "audience": AUDIENCE,
            });
            let request = http().post(server.token_url()).header("content-type", "application/json");
            let answer = request.body(body.to_string()).send().await.unwrap().text().await.unwrap();
            let answer: Value = serde_json::from_str(&answer).unwrap();
            answer["access_token"].as_str().unwrap().to_owned()
        };
        let of_user = |user: &str| {
            let claims = json!({ "sub": user, "azp": "app", "scope": "read:events" });
            mint(
                &server,
                Some("JWT"),
                &match profile {
                    TokenProfile::Auth0 => claims,
                    _ => with(&claims, &json!({ "jti": user })),
                },
            )
        };
        let [blocked, ended, other] = ["auth0|u1", "auth0|u2", "auth0|u3"].map(of_user);

        let state = Folder::new();
        let tenant = server.issuer().trim_end_matches('/');
        let api = settings(tenant, AUDIENCE, "watcher", "its secret", &state).clock(clock.clone());
        let api = api.allow_loopback_http().start().await.unwrap();
        for token in [&partner, &blocked, &ended, &other] {
            assert_eq!(refusal(&api, token).await, None, "{name}");
        }
        let nameless = mint(&server, Some("JWT"), &json!({ "sub": "auth0|u4", "azp": "app" }));
        let expected = matches!(profile, TokenProfile::Rfc9068).then_some(Kind::MissingClaim);
        assert_eq!(refusal(&api, &nameless).await, expected, "{name}");

        // By the stream of events, while no poll is due.
        server.block_user("auth0|u1");
        revoked(&clock, &api, &blocked, name).await;
        // By the listing of client grants, and by the log.
        server.delete_grant(&grant);
        server.write_log("srrt", json!({ "user_id": "auth0|u2", "client_id": "app" }));
        clock.advance(Duration::from_secs(10));
        revoked(&clock, &api, &partner, name).await;
        revoked(&clock, &api, &ended, name).await;
        assert_eq!(refusal(&api, &other).await, None, "{name}");
        drop(api);
        assert!(state.join("auth0.bin").exists(), "{name}");
    }
}

/// With the server, and its database, it is run by tests/real_as/glewlwyd.rs.
#[tokio::test]
async fn a_database_that_cannot_be_read_is_an_error_and_not_an_empty_answer() {
    let clock = clock();
    let server = issuer(&clock).await;
    let nowhere = Disabled { database: "/nowhere/glewlwyd.db".into(), plugin: "oidc", lifetime: 3600 };
    let api = glewlwyd(server.issuer(), AUDIENCE, nowhere).clock(clock).allow_loopback_http();
    let error = api.start().await.unwrap_err().to_string();
    assert!(error.contains("unable to open database") || error.contains("sqlite3 did not run"), "{error}");
}

/// As much of a realm as the source asks for: `notBefore` of the realm and of clients, in pages.
#[derive(Clone, Default)]
struct Realm(Arc<Mutex<RealmState>>);

#[derive(Default)]
struct RealmState {
    not_before: Value,
    clients: Vec<Value>,
    asked: Vec<String>,
}

impl Realm {
    async fn start(&self) -> String {
        let router = Router::new()
            .route("/realms/shop/protocol/openid-connect/token", post(token))
            .route("/admin/realms/shop", get(realm))
            .route("/admin/realms/shop/clients", get(clients));
        serve(router.with_state(self.clone())).await
    }

    /// Every question but the one for the token needs the token.
    fn note(&self, uri: &Uri, headers: &HeaderMap) {
        assert_eq!(headers["authorization"], "Bearer of-the-service-account");
        self.0.lock().unwrap().asked.push(uri.to_string());
    }
}

async fn token(headers: HeaderMap, body: String) -> Json<Value> {
    assert_eq!(headers["authorization"], "Basic d2F0Y2hlcjppdHMgc2VjcmV0", "watcher:its secret");
    assert_eq!(body, "grant_type=client_credentials");
    Json(json!({"access_token": "of-the-service-account", "expires_in": 60}))
}

async fn realm(State(realm): State<Realm>, uri: Uri, headers: HeaderMap) -> Json<Value> {
    realm.note(&uri, &headers);
    let mut about = json!({"realm": "shop"});
    let not_before = realm.0.lock().unwrap().not_before.clone();
    if !not_before.is_null() {
        about["notBefore"] = not_before;
    }
    Json(about)
}

async fn clients(State(realm): State<Realm>, uri: Uri, headers: HeaderMap) -> Json<Value> {
    realm.note(&uri, &headers);
    let number = |name: &str| {
        let pairs = url::form_urlencoded::parse(uri.query().unwrap().as_bytes());
        pairs.into_iter().find(|(key, _)| key == name).unwrap().1.parse::<usize>().unwrap()
    };
    let page =
        realm.0.lock().unwrap().clients.iter().skip(number("first")).take(number("max")).cloned().collect();
    Json(Value::Array(page))
}

#[expect(clippy::disallowed_methods, reason = "as a user of the crate would")]
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.timeout(Duration::from_secs(10)).build().unwrap()
}

/// Lets one poll interval pass and waits until the answer after it is complete.
async fn polled(clock: &ManualClock, api: &ResourceServer) {
    let patience = SystemClock::new();
    let age = || api.health().issuers[0].feeds[0].age;
    // Keys and source.
    while clock.sleepers() < 2 {
        assert!(patience.uptime() < PATIENCE, "{:?}", api.health());
        patience.sleep(Duration::from_millis(1)).await;
    }
    clock.advance(Duration::from_secs(10));
    while age() != Some(0.0) {
        assert!(patience.uptime() < PATIENCE, "{:?}", api.health());
        patience.sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn a_realm_s_and_a_client_s_not_before_are_read_from_keycloak_s_admin_api() {
    let clock = clock();
    let server = issuer(&clock).await;
    let realm = Realm::default();
    {
        let mut state = realm.0.lock().unwrap();
        state.not_before = json!(0);
        // More than a page, so that the last one is on the second.
        state.clients = (0..120).map(|n| json!({"clientId": format!("c-{n}"), "notBefore": 0})).collect();
    }
    let base = realm.start().await;
    let source = || NotBefore::new(http(), &base, "shop", ("watcher", "its secret"));
    let api = keycloak_polled(server.issuer(), AUDIENCE, source()).clock(clock.clone()).allow_loopback_http();
    let api = api.start().await.unwrap();
    let admin = "/admin/realms/shop";
    let pages = [
        admin.to_owned(),
        format!("{admin}/clients?first=0&max=100"),
        format!("{admin}/clients?first=100&max=100"),
    ];
    assert_eq!(realm.0.lock().unwrap().asked, pages);

    let claims = recipes().into_iter().find(|recipe| recipe.page == "keycloak").unwrap().claims;
    let mint = |client: &str, issued_at: i64| {
        mint(&server, Some("JWT"), &with(&claims, &json!({"azp": client, "iat": issued_at})))
    };
    let (before, since, other) = (mint("c-119", NOW - 60), mint("c-119", NOW - 30), mint("c-1", NOW - 60));
    for token in [&before, &since, &other] {
        assert_eq!(refusal(&api, token).await, None);
    }
    realm.0.lock().unwrap().clients[119]["notBefore"] = json!(NOW - 30);
    polled(&clock, &api).await;
    assert_eq!(refusal(&api, &before).await, Some(Kind::Revoked));
    assert_eq!(refusal(&api, &since).await, None, "Keycloak itself takes what was issued in that second");
    assert_eq!(refusal(&api, &other).await, None);

    // The realm's is older than the client's: both count.
    let older = mint("c-1", NOW - 50);
    realm.0.lock().unwrap().not_before = json!(NOW - 50);
    polled(&clock, &api).await;
    assert_eq!(refusal(&api, &other).await, Some(Kind::Revoked));
    assert_eq!(refusal(&api, &older).await, None);
    assert_eq!(refusal(&api, &before).await, Some(Kind::Revoked));

    // An account that may not see it is told less. That is an error, and nothing is taken back.
    realm.0.lock().unwrap().not_before = Value::Null;
    let blind =
        keycloak_polled(server.issuer(), AUDIENCE, source()).clock(clock.clone()).allow_loopback_http();
    let error = blind.start().await.unwrap_err().to_string();
    assert!(error.contains("notBefore is not told"), "{error}");
}

/// The blocks of a page that are fenced as `rust`.
fn blocks(page: &str) -> impl Iterator<Item = &str> {
    page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("rust\n"))
}

#[test]
fn every_block_of_rust_on_the_pages_is_compiled_here() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/authorization-servers");
    let compiled = [
        include_str!("authorization_servers.rs"),
        include_str!("../../docs/authorization-servers/keycloak/not_before.rs"),
    ];
    let mut pages = Vec::new();
    for entry in fs::read_dir(&home).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let (page, name) = (fs::read_to_string(&path).unwrap(), path.file_stem().unwrap().to_str().unwrap());
        for block in blocks(&page) {
            assert!(
                compiled.iter().any(|code| code.contains(block)),
                "{name}.md is not what is compiled:\n{block}"
            );
        }
        if name != "README" {
            assert!(blocks(&page).count() > 0, "{name}.md has no settings");
            assert!(page.contains("**What was run.**"), "{name}.md does not say what was run");
            pages.push(name.to_owned());
        }
    }
    pages.sort();
    assert_eq!(
        pages,
        ["auth0", "cognito", "entra", "glewlwyd", "hydra", "keycloak", "oidc-provider", "okta"]
    );
    let index = fs::read_to_string(home.join("README.md")).unwrap();
    for name in pages {
        assert!(index.contains(&format!("({name}.md)")), "{name}.md is not in the index");
    }
}
