//! `source = "auth0"`: the gateway in front of an Auth0 tenant in process.

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::testing::{Api, AuthorizationServer, ClientAuthentication, TokenProfile};

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::setup::{AUDIENCE, ROUTES, Setup, listeners, until};
use crate::tenant_client::{self, BACK, both, client, text};
use crate::upstream::Upstream;

const SECRET: &str = "the secret of the gateway";
const SCOPES: [&str; 5] =
    ["blacklist:tokens", "read:client_grants", "read:grants", "read:logs", "read:events"];

/// A tenant with two partners, and an application for the gateway.
async fn tenant() -> AuthorizationServer {
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).issuer_with_slash();
    let server = builder.start().await.unwrap();
    server.add_api(Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).allow_offline_access());
    for partner in ["partner", "neighbour"] {
        server.add_client(partner, "secret");
        server.grant(partner, AUDIENCE, ["read:events"]);
    }
    server.add_client("gateway", SECRET);
    server.set_client_authentication("gateway", ClientAuthentication::Post);
    server.grant("gateway", &server.management_audience(), SCOPES);
    server
}

/// Its poll interval is short, unless the settings have one.
async fn gateway(server: AuthorizationServer, settings: &str) -> Setup {
    let interval = if settings.contains("poll_interval") { "" } else { "poll_interval = '50ms'\n" };
    let upstream = Upstream::start().await;
    let issuer = server.issuer();
    let domain = issuer.trim_end_matches('/');
    let config = format!(
        "{}[[issuer]]\nurl = '{issuer}'\naudience = ['{AUDIENCE}']\nprofile = 'auth0'\nallow_loopback_http = true\n\
         [issuer.revocation]\nsource = 'auth0'\ndomain = '{domain}'\nclient_id = 'gateway'\n\
         client_secret_file = 'secret'\n{interval}{settings}\n{ROUTES}",
        listeners(upstream.port),
    );
    let dir = Dir::new();
    dir.write("secret", format!("{SECRET}\n").as_bytes());
    Setup { gateway: Gateway::start_in(dir, &config).await, server, upstream }
}

/// What the token endpoint answers to a partner.
async fn exchange(setup: &Setup, partner: &str) -> Value {
    tenant_client::machine(&setup.server, partner, AUDIENCE).await
}

async fn machine(setup: &Setup, partner: &str) -> String {
    text(&exchange(setup, partner).await, "access_token")
}

/// A call of the tenant's administrator.
async fn administer(setup: &Setup, method: Method, path: &str, body: Option<Value>) -> Value {
    let scope = "blacklist:tokens read:client_grants delete:client_grants create:client_grants";
    tenant_client::administer(&setup.server, method, path, scope, body).await
}

async fn feed(setup: &Setup) -> Value {
    Ask::get("/status").of(setup.gateway.admin).await.json()["issuers"][0]["feeds"][0].clone()
}

#[tokio::test]
async fn tokens_end_with_the_client_grant() {
    let setup = gateway(tenant().await, "").await;
    setup.ready().await;
    let status = async |token: &str| setup.get("/events", token).await.status;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(machine(&setup, "partner").await);
    }
    let neighbour = machine(&setup, "neighbour").await;
    for token in tokens.iter().chain([&neighbour]) {
        assert_eq!(status(token).await, 200);
    }

    let query = format!("client-grants?client_id=partner&audience={AUDIENCE}");
    let id = administer(&setup, Method::GET, &query, None).await[0]["id"].as_str().unwrap().to_owned();
    administer(&setup, Method::DELETE, &format!("client-grants/{id}"), None).await;
    until("the refusal", async || status(&tokens[0]).await == 401).await;
    for token in &tokens {
        assert_eq!(status(token).await, 401);
    }
    assert_eq!(status(&neighbour).await, 200);
    assert_eq!(feed(&setup).await["cut_offs"], 1);
    assert_eq!(exchange(&setup, "partner").await["error"], "access_denied", "no new tokens");

    let anew = json!({ "client_id": "partner", "audience": AUDIENCE, "scope": ["read:events"] });
    administer(&setup, Method::POST, "client-grants", Some(anew)).await;
    // Tokens of the cut-off's own seconds are refused, or not given out.
    until("a good token", async || match exchange(&setup, "partner").await["access_token"].as_str() {
        Some(token) => status(token).await == 200,
        None => false,
    })
    .await;
    assert_eq!(status(&tokens[9]).await, 401, "nothing comes back");
    assert!(!setup.gateway.log().contains(SECRET));
}

/// The parts that are asked for, and for which APIs.
#[tokio::test]
async fn its_parts_are_chosen_and_its_audiences_may_be_named() {
    type Expected = (&'static str, [usize; 5]);
    let table: [Expected; 5] = [
        ("", [1, 1, 0, 0, 0]),
        ("blacklist = false\nclient_grants = false\nuser_grants = true", [0, 0, 1, 0, 0]),
        ("blacklist = true\nclient_grants = true\nuser_grants = false", [1, 1, 0, 0, 0]),
        ("logs = true\nevents = false", [1, 1, 0, 1, 0]),
        ("logs = false\nevents = true", [1, 1, 0, 0, 1]),
    ];
    for (settings, expected) in table {
        let setup = gateway(tenant().await, &format!("snapshot = 'auth0.bin'\n{settings}")).await;
        setup.ready().await;
        let asked = ["blacklists/tokens", "client-grants", "grants", "logs", "events"]
            .map(|path| setup.server.requests(&setup.server.management_url(path)).min(1));
        assert_eq!(asked, expected, "{settings}");
    }

    // Asked about another API only, it does not see what ends for this one.
    let setup = gateway(tenant().await, "audience = ['https://other.example/']").await;
    setup.ready().await;
    let token = machine(&setup, "partner").await;
    let payload = token.split('.').nth(1).unwrap();
    let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let body = json!({ "aud": AUDIENCE, "jti": claims["jti"] });
    administer(&setup, Method::POST, "blacklists/tokens", Some(body)).await;
    let body = json!({ "aud": "https://other.example/", "jti": "t-2" });
    administer(&setup, Method::POST, "blacklists/tokens", Some(body)).await;
    until("the other API's entry", async || feed(&setup).await["identifiers"] == 1).await;
    assert_eq!(setup.get("/events", &token).await.status, 200);
}

/// Two users of one application, each with an access token and a refresh token.
async fn users(server: &AuthorizationServer) -> [(String, String); 2] {
    server.add_client("app", "secret");
    server.allow_redirect("app", BACK);
    let mut tokens = Vec::new();
    for user in ["auth0|u1", "auth0|u2"] {
        server.add_user(user);
        tokens.push(both(&tenant_client::sign_in(server, AUDIENCE, user).await));
    }
    tokens.try_into().unwrap()
}

/// A blocked user is refused by an event, while no poll is due for an hour.
#[tokio::test]
async fn a_blocked_user_is_refused_at_once_by_events() {
    let server = tenant().await;
    let [(blocked, _), (other, _)] = users(&server).await;
    let setup = gateway(server, "events = true\npoll_interval = '1h'\nmax_staleness = '3h'").await;
    setup.ready().await;
    for token in [&blocked, &other] {
        assert_eq!(setup.get("/events", token).await.status, 200);
    }
    let polls = || setup.server.requests(&setup.server.management_url("client-grants"));
    let polled = polls();
    setup.server.block_user("auth0|u1");
    until("the refusal", async || setup.get("/events", &blocked).await.status == 401).await;
    assert_eq!(setup.get("/events", &other).await.status, 200);
    assert_eq!(polls(), polled, "nothing but the stream was asked");
}

#[tokio::test]
async fn a_revoked_refresh_token_is_refused_by_logs() {
    let server = tenant().await;
    let [(ended, refresh), (other, _)] = users(&server).await;
    let setup = gateway(server, "logs = true").await;
    setup.ready().await;
    for token in [&ended, &other] {
        assert_eq!(setup.get("/events", token).await.status, 200);
    }
    let body = json!({ "client_id": "app", "client_secret": "secret", "token": refresh });
    let request = client().post(setup.server.revocation_url()).header("content-type", "application/json");
    assert_eq!(request.body(body.to_string()).send().await.unwrap().status(), 200);
    until("the refusal", async || setup.get("/events", &ended).await.status == 401).await;
    assert_eq!(setup.get("/events", &other).await.status, 200);
}

/// It comes up, and says what is wrong where operators look.
#[tokio::test]
async fn what_the_tenant_refuses_is_on_the_status_page() {
    let (grant, basic) = (tenant().await, tenant().await);
    grant.grant("gateway", &grant.management_audience(), SCOPES.iter().take(2).copied());
    basic.set_client_authentication("gateway", ClientAuthentication::Basic);
    let (logs, events) = (tenant().await, tenant().await);
    for server in [&logs, &events] {
        server.grant("gateway", &server.management_audience(), SCOPES.iter().take(2).copied());
    }
    let table = [
        (grant, "user_grants = true", "with the scope read:grants"),
        (logs, "logs = true", "scope read:logs"),
        (events, "events = true", "scope read:events"),
        (basic, "", "401 (invalid_client): check the client's id, its secret, and how it authenticates"),
    ];
    for (server, settings, words) in table {
        let setup = gateway(server, settings).await;
        until(words, async || feed(&setup).await["last_error"].as_str().is_some_and(|it| it.contains(words)))
            .await;
        assert_eq!(Ask::get("/readyz").of(setup.gateway.admin).await.status, 503);
        let token = machine(&setup, "partner").await;
        assert_eq!(setup.get("/events", &token).await.status, 503, "undecidable");
        assert!(!setup.gateway.log().contains(SECRET));
        // The other way around it is the operator's to say.
        if settings.is_empty() {
            let setup = gateway(setup.server, "client_authentication = 'basic'").await;
            setup.ready().await;
        }
    }
}
