//! Issuers that the configuration does not name one by one.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::AuthorizationServer;

use crate::client::Ask;
use crate::process::Gateway;
use crate::setup::{AUDIENCE, ROUTES, Setup, authorization_server, listeners, token, until};
use crate::upstream::Upstream;

/// An authorization server with an issuer for each tenant, at a path of its own: `acme` and `globex` exist, and have revoked
/// the session `s-NAME`.
async fn landlord(key_set: Value) -> String {
    let url = Arc::new(OnceLock::<String>::new());
    let own = Arc::clone(&url);
    let answer = move |uri: Uri| {
        let response = tenant(own.get().unwrap(), uri.path(), &key_set);
        async move { response }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bound = format!("http://{}", listener.local_addr().unwrap());
    url.set(bound.clone()).unwrap();
    tokio::spawn(async { axum::serve(listener, Router::new().fallback(answer)).await });
    bound
}

fn tenant(url: &str, path: &str, key_set: &Value) -> Response {
    let Some(tenant) = path.split('/').find(|part| ["acme", "globex"].contains(part)) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let name = format!("{url}/{tenant}");
    let now = SystemClock::new().wall().as_secs();
    let document = match path.rsplit('/').next() {
        Some("keys") => key_set.clone(),
        Some("revocations") => json!({
            "iss": name, "as_of": now, "full": true,
            "revocations": [{ "sid": format!("s-{tenant}"), "exp": now + 3600 }],
        }),
        _ => json!({ "issuer": name, "jwks_uri": format!("{name}/keys") }),
    };
    axum::Json(document).into_response()
}

pub(crate) async fn key_set(server: &AuthorizationServer) -> Value {
    let port = server.issuer().rsplit_once(':').unwrap().1.parse().unwrap();
    Ask::get("/jwks.json").of(port).await.json()
}

#[tokio::test]
async fn tenants_under_a_pattern_are_taken_in_as_their_tokens_come() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let url = landlord(key_set(&server).await).await;
    let config = format!(
        "{}[[issuer]]\ntenants = '{url}/{{tenant}}'\nmax_tenants = 2\nidle_after = '10m'\naudience = ['{AUDIENCE}/{{tenant}}']\n\
         allow_loopback_http = true\n[issuer.revocation]\nsource = 'feed'\nurl = '{url}/{{tenant}}/revocations'\n{ROUTES}",
        listeners(upstream.port),
    );
    let setup = Setup { gateway: Gateway::start(&config).await, server, upstream };
    setup.ready().await;
    let of = |tenant: &str, sid: &str| {
        let claims = token("read:events").claim("aud", format!("{AUDIENCE}/{tenant}")).claim("sid", sid);
        setup.server.mint(claims.claim("iss", format!("{url}/{tenant}")).lifetime(Duration::from_secs(600)))
    };
    // The answers that a first token waits for may take longer than it may wait.
    for tenant in ["acme", "globex"] {
        until(tenant, async || setup.get("/events", &of(tenant, "s-1")).await.status == 200).await;
    }
    for (tenant, sid, status) in [
        ("acme", "s-globex", 200),
        ("acme", "s-acme", 401),
        ("globex", "s-acme", 200),
        ("globex", "s-globex", 401),
        ("a.b", "s-1", 401),
        // There is no room for a third.
        ("initech", "s-1", 503),
    ] {
        assert_eq!(setup.get("/events", &of(tenant, sid)).await.status, status, "{tenant} {sid}");
    }
    let status = Ask::get("/status").of(setup.gateway.admin).await.json();
    let tenants = &status["tenants"][0];
    assert_eq!(tenants["tenants"], json!(format!("{url}/{{tenant}}")));
    assert_eq!([&tenants["known"], &tenants["on_probation"], &tenants["dormant"]], [2, 0, 0]);
    assert_eq!(tenants["limit"], 2);
    assert!(tenants["last_error"].is_string());
    assert_eq!(tenants["issuers"][1]["issuer"], json!(format!("{url}/globex")));
    assert_eq!(tenants["issuers"][1]["feeds"][0]["identifiers"], 1);
    assert_eq!((&status["ready"], &status["issuers"]), (&json!(true), &json!([])));

    let page = String::from_utf8(Ask::get("/metrics").of(setup.gateway.admin).await.body).unwrap();
    for (sample, value) in
        [("tower_bearer_tenants", 2), ("tower_bearer_tenants_limit", 2)].map(|(name, value)| {
            let state = if name.ends_with("limit") { "" } else { ",state=\"known\"" };
            (format!("{name}{{tenants=\"{url}/{{tenant}}\"{state}}} "), value)
        })
    {
        let line = page.lines().find_map(|line| line.strip_prefix(&sample));
        assert_eq!(line, Some(value.to_string().as_str()), "{sample} in {page}");
    }
    assert!(!page.contains("acme") && !page.contains("initech"), "a token's word is no label: {page}");
}

#[tokio::test]
async fn listed_tenants_are_trusted_and_no_others() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let url = landlord(key_set(&server).await).await;
    let config = format!(
        "{}[[issuer]]\ntenants = ['{url}/acme', '{url}/initech']\naudience = ['{AUDIENCE}']\n\
         allow_loopback_http = true\n[issuer.revocation]\nsource = 'feed'\nurl = '{{issuer}}/revocations'\n{ROUTES}",
        listeners(upstream.port),
    );
    let setup = Setup { gateway: Gateway::start(&config).await, server, upstream };
    let of = |tenant: &str| setup.server.mint(token("read:events").claim("iss", format!("{url}/{tenant}")));
    until("the tenant", async || setup.get("/events", &of("acme")).await.status == 200).await;
    assert_eq!(setup.get("/events", &of("globex")).await.status, 401);
    assert_eq!(setup.get("/events", &of("initech")).await.status, 503, "it may exist tomorrow");
}
