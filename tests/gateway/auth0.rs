//! `source = "auth0"`: the gateway in front of an Auth0 tenant in process.

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::testing::{Api, AuthorizationServer, ClientAuthentication, Token, TokenProfile};

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::setup::{AUDIENCE, ROUTES, Setup, listeners, until};
use crate::upstream::Upstream;

const SECRET: &str = "the secret of the gateway";
const SCOPES: [&str; 3] = ["blacklist:tokens", "read:client_grants", "read:grants"];

/// A tenant with two partners, and an application for the gateway.
async fn tenant() -> AuthorizationServer {
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).issuer_with_slash();
    let server = builder.start().await.unwrap();
    server.add_api(Api::new(AUDIENCE).profile(TokenProfile::Rfc9068));
    for partner in ["partner", "neighbour"] {
        server.add_client(partner, "secret");
        server.grant(partner, AUDIENCE, ["read:events"]);
    }
    server.add_client("gateway", SECRET);
    server.set_client_authentication("gateway", ClientAuthentication::Post);
    server.grant("gateway", &server.management_audience(), SCOPES);
    server
}

async fn gateway(server: AuthorizationServer, settings: &str) -> Setup {
    let upstream = Upstream::start().await;
    let issuer = server.issuer();
    let domain = issuer.trim_end_matches('/');
    let config = format!(
        "{}[[issuer]]\nurl = '{issuer}'\naudience = ['{AUDIENCE}']\nprofile = 'auth0'\nallow_loopback_http = true\n\
         [issuer.revocation]\nsource = 'auth0'\ndomain = '{domain}'\nclient_id = 'gateway'\n\
         client_secret_file = 'secret'\npoll_interval = '50ms'\n{settings}\n{ROUTES}",
        listeners(upstream.port),
    );
    let dir = Dir::new();
    dir.write("secret", format!("{SECRET}\n").as_bytes());
    Setup { gateway: Gateway::start_in(dir, &config).await, server, upstream }
}

#[expect(clippy::disallowed_methods, reason = "what clients of the tenant do")]
fn client() -> reqwest::Client {
    reqwest::Client::new()
}

/// What the token endpoint answers to a partner.
async fn exchange(setup: &Setup, partner: &str) -> Value {
    let body = json!({
        "grant_type": "client_credentials", "client_id": partner, "client_secret": "secret",
        "audience": AUDIENCE,
    });
    let request = client().post(setup.server.token_url()).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

async fn machine(setup: &Setup, partner: &str) -> String {
    let answer = exchange(setup, partner).await;
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// A call of the tenant's administrator.
async fn administer(setup: &Setup, method: Method, path: &str, body: Option<Value>) -> Value {
    let scope = "blacklist:tokens read:client_grants delete:client_grants create:client_grants";
    let token = Token::new(&setup.server.management_audience()).client("admin").scope(scope);
    let mut request = client().request(method, setup.server.management_url(path));
    request = request.bearer_auth(setup.server.mint(token));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {answer:?}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
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
    type Expected = (&'static str, [usize; 3]);
    let table: [Expected; 3] = [
        ("", [1, 1, 0]),
        ("blacklist = false\nclient_grants = false\nuser_grants = true", [0, 0, 1]),
        ("blacklist = true\nclient_grants = true\nuser_grants = false", [1, 1, 0]),
    ];
    for (settings, expected) in table {
        let setup = gateway(tenant().await, &format!("snapshot = 'auth0.bin'\n{settings}")).await;
        setup.ready().await;
        let asked = ["blacklists/tokens", "client-grants", "grants"]
            .map(|path| setup.server.requests(&setup.server.management_url(path)).min(1));
        assert_eq!(asked, expected, "{settings}");
    }

    // Asked about another API only, it does not see what ends for this one.
    let setup = gateway(tenant().await, "audience = ['https://other.example/']").await;
    setup.ready().await;
    let token = machine(&setup, "partner").await;
    let body = json!({ "aud": AUDIENCE, "jti": "t-1" });
    administer(&setup, Method::POST, "blacklists/tokens", Some(body)).await;
    let body = json!({ "aud": "https://other.example/", "jti": "t-2" });
    administer(&setup, Method::POST, "blacklists/tokens", Some(body)).await;
    until("the other API's entry", async || feed(&setup).await["identifiers"] == 1).await;
    assert_eq!(setup.get("/events", &token).await.status, 200);
}

/// It comes up, and says what is wrong where operators look.
#[tokio::test]
async fn what_the_tenant_refuses_is_on_the_status_page() {
    let (grant, basic) = (tenant().await, tenant().await);
    grant.grant("gateway", &grant.management_audience(), SCOPES.iter().take(2).copied());
    basic.set_client_authentication("gateway", ClientAuthentication::Basic);
    let table = [
        (grant, "user_grants = true", "with the scope read:grants"),
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
