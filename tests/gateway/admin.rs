//! The operator's side.

use serde_json::{Value, json};
use tower_bearer::Algorithm;

use crate::client::{Answer, Ask};
use crate::process::Gateway;
use crate::setup::{ROUTES, Setup, authorization_server, issuer, listeners, until};
use crate::upstream::Upstream;

async fn admin(setup: &Setup, path: &str) -> Answer {
    Ask::get(path).of(setup.gateway.admin).await
}

#[tokio::test]
async fn the_gateway_comes_up_before_the_authorization_server() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    server.stop().await;
    let gateway = Gateway::start(&format!("{}{}{ROUTES}", listeners(upstream.port), issuer(&server))).await;
    let setup = Setup { server, upstream, gateway };
    let token = setup.token("read:events");

    let health = admin(&setup, "/healthz").await;
    assert_eq!((health.status, health.body.as_slice()), (200, b"ok".as_slice()));
    let unready = admin(&setup, "/readyz").await;
    assert_eq!(unready.status, 503);
    assert_eq!(unready.json()["ready"], json!(false));
    assert_eq!(unready.json()["issuers"][0]["keys"]["usable"], json!(false));
    assert_eq!(unready.json()["issuers"][0]["feeds"][0]["state"], json!("unknown"));
    let refused = setup.get("/events", &token).await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some() && refused.header("www-authenticate").is_none());
    assert_eq!(setup.ask(Ask::get("/open")).await.status, 200);
    until("an error in health", async || {
        admin(&setup, "/status").await.json()["issuers"][0]["keys"]["last_error"].is_string()
    })
    .await;

    setup.server.restart().await.unwrap();
    setup.ready().await;
    assert_eq!(admin(&setup, "/readyz").await.json()["ready"], json!(true));
    assert_eq!(setup.get("/events", &token).await.status, 200);
}

#[tokio::test]
async fn status_shows_issuers_and_routes() {
    let routes = r#"
        [[route]]
        path = "/events"
        methods = ["GET", "POST"]
        require = { all = ["b", "a"] }
        when_stale = "admit"

        [[route]]
        path = "/events/any"
        require = { any = ["a"] }

        [[route]]
        path = "/"
        public = true

        [[route]]
        path = "/me"
        require = { none = true }
    "#;
    let setup = Setup::start(routes).await;
    setup.server.revoke_subject("somebody");
    until("a revocation in health", async || {
        admin(&setup, "/status").await.json()["issuers"][0]["feeds"][0]["cut_offs"] == json!(1)
    })
    .await;
    let answer = admin(&setup, "/status").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let status = answer.json();
    let issuer = &status["issuers"][0];
    assert_eq!(issuer["issuer"], json!(setup.server.issuer()));
    assert_eq!(issuer["keys"]["keys"][0]["algorithms"], json!(["ES256"]));
    assert_eq!(issuer["keys"]["keys"][0]["kid"], json!(setup.server.key_id(Algorithm::ES256)));
    assert_eq!((&issuer["keys"]["usable"], &issuer["keys"]["left_out"]), (&json!(true), &json!([])));
    assert!(issuer["keys"]["age"].is_number() && issuer["keys"]["last_error"].is_null());
    assert!(issuer["keys"]["next_refresh"].as_f64().unwrap() > 0.0);
    assert_eq!(issuer["feeds"][0]["source"], json!(setup.server.feed_url()));
    assert!(issuer["feeds"][0]["last_error"].is_null());
    assert_eq!(status["tenants"], json!([]));
    assert_eq!(issuer["feeds"][0]["state"], json!("fresh"));
    assert!(issuer["feeds"][0]["age"].is_number());
    let readiness = admin(&setup, "/readyz").await.json();
    let members = |of: &Value| of.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for part in ["/keys", "/keys/keys/0", "/feeds/0"] {
        let shown = |page: &Value| members(page["issuers"][0].pointer(part).unwrap());
        assert_eq!(shown(&readiness), shown(&status), "/readyz tells as much of an issuer: {part}");
    }
    let expected = json!([
        { "path": "/events/any", "methods": null, "public": false, "require": { "any": ["a"] }, "when_stale": null },
        { "path": "/events", "methods": ["GET", "POST"], "public": false, "require": { "all": ["b", "a"] }, "when_stale": "admit" },
        { "path": "/me", "methods": null, "public": false, "require": { "none": true }, "when_stale": null },
        { "path": "/", "methods": null, "public": true, "require": null, "when_stale": null },
    ]);
    assert_eq!(status["routes"], expected);
}

#[tokio::test]
async fn nothing_else_is_there() {
    let setup = Setup::start(ROUTES).await;
    for path in ["/", "/events", "/open", "/healthz/", "/status/x", "/metrics/x"] {
        assert_eq!(admin(&setup, path).await.status, 404, "{path}");
    }
    for path in ["/healthz", "/readyz", "/status", "/metrics"] {
        assert_eq!(setup.ask(Ask::get(path)).await.status, 404, "{path} is not the public's");
    }
    assert_eq!(setup.upstream.requests(), 0);
}
