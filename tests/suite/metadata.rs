//! Protected resource metadata, as a client finds and uses it: PR rows.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_bearer::{ProtectedResource, scope};

use super::world::{AUDIENCE, builder, clock, issuer};

/// PR-01 to PR-06: from the refusal to the document, and from there to the authorization server.
#[tokio::test]
async fn a_refused_client_learns_whom_to_ask() {
    let clock = clock();
    let server = issuer(&clock).await;
    let resource = ProtectedResource::new(AUDIENCE).scopes(["read:events"]).name("Calendar");
    let api = builder(&server, &clock).without_revocation().resource(resource).start().await.unwrap();
    let metadata = api.resource_metadata().unwrap();
    assert_eq!(metadata.path(), "/.well-known/oauth-protected-resource/calendar/v1");
    let path = metadata.path().to_owned();
    let events = get(async || "events").layer(api.protect(scope("read:events")));
    let app = Router::new().route("/calendar/v1/events", events).route_service(&path, metadata);
    let call = async |uri: &str| {
        let request = Request::builder().uri(uri).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap()
    };

    let refused = call("https://api.example.com/calendar/v1/events").await;
    assert_eq!(refused.status(), 401);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    let url = challenge.split_once("resource_metadata=\"").unwrap().1.trim_end_matches('"');
    assert_eq!(url, "https://api.example.com/.well-known/oauth-protected-resource/calendar/v1");

    let answer = call(url).await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let document: Value = serde_json::from_slice(&body).unwrap();
    let expected = json!({
        "resource": AUDIENCE,
        "authorization_servers": [server.issuer()],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read:events"],
        "resource_name": "Calendar",
    });
    assert_eq!(document, expected);
}

#[tokio::test]
async fn a_resource_that_cannot_be_described_is_said_at_start() {
    let clock = clock();
    let server = issuer(&clock).await;
    let start = async |resource: ProtectedResource| {
        builder(&server, &clock).without_revocation().resource(resource).start().await.unwrap_err()
    };
    let error = start(ProtectedResource::new("http://api.example.com/")).await;
    assert_eq!((error.setting(), error.value()), ("resource", "http://api.example.com/"));
    let error = start(ProtectedResource::new(AUDIENCE).scopes(["offline_access"])).await;
    assert!(error.to_string().contains("offline_access"), "PR-10: {error}");
}

#[tokio::test]
async fn nothing_is_described_unless_it_is_asked_for() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).without_revocation().start().await.unwrap();
    assert!(api.resource_metadata().is_none());
}
