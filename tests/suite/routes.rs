//! Scopes, nested layers, extraction, and claims for handlers.

use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderName, Request, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::ServiceExt;
use tower_bearer::{
    AccessToken, Forward, ProblemJson, RejectionKind as Kind, all_of, any_of, any_token, scope,
};

use super::world::{World, ask, request, token};

#[tokio::test]
async fn scopes_decide_about_routes() {
    let world = World::new().await;
    let carrying = |scope: &str| world.issuer.mint(token().scope(scope));
    let table = [
        (scope("read:events"), carrying("read:events"), 200),
        (scope("read:events"), carrying("write:events read:events"), 200),
        (scope("read:events"), carrying("read:events2"), 403),
        (scope("read:events"), carrying("READ:EVENTS"), 403),
        (scope("read:events"), world.issuer.mint(token().without("scope")), 403),
        (scope("read:events"), world.issuer.mint(token().claim("scope", json!(5))), 403),
        (scope("read:events"), world.issuer.mint(token().claim("scope", json!(["read:events"]))), 200),
        (all_of(["a", "b"]), carrying("b a"), 200),
        (all_of(["a", "b"]), carrying("a"), 403),
        (any_of(["a", "b"]), carrying("b"), 200),
        (all_of([]), carrying("a"), 403),
        (any_token(), world.issuer.mint(token().without("scope")), 200),
        // Not configured as a claim of scopes.
        (scope("read:events"), world.issuer.mint(token().without("scope").claim("scp", "read:events")), 403),
    ];
    for (policy, token, status) in table {
        assert_eq!(ask(&world.api, policy.clone(), request(&token)).await.status, status, "{policy:?}");
    }
    let answer = ask(&world.api, all_of(["a", "b"]), request(&carrying("a"))).await;
    let challenge = answer.challenge.unwrap();
    assert!(challenge.contains(r#"scope="a b", error="insufficient_scope""#), "BR-08: {challenge}");
    assert_eq!(answer.rejection.unwrap().kind(), Kind::InsufficientScope);
}

async fn get_events(app: &Router, token: &str) -> (StatusCode, String) {
    let request = Request::builder().uri("/events").header("authorization", format!("Bearer {token}"));
    let response = app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[derive(Serialize, Deserialize)]
struct Mine {
    sub: String,
    tenant: Option<String>,
}

#[tokio::test]
async fn handlers_get_the_token_and_their_own_claims() {
    let world = World::new().await;
    let handler = async |token: AccessToken| Json(token.claims::<Mine>().unwrap());
    let app = Router::new().route("/events", get(handler).layer(world.api.protect(any_token())));
    let good = world.issuer.mint(token().claim("tenant", "t1"));
    assert_eq!(get_events(&app, &good).await, (StatusCode::OK, r#"{"sub":"user-1","tenant":"t1"}"#.into()));
}

#[tokio::test]
async fn an_unprotected_route_that_asks_for_a_token_is_a_mistake() {
    let world = World::new().await;
    let handler = async |token: AccessToken| token.issuer().to_owned();
    let optional = async |token: Option<AccessToken>| token.is_some().to_string();
    let good = world.issuer.mint(token());
    let app = Router::new().route("/events", get(handler));
    assert_eq!(get_events(&app, &good).await.0, StatusCode::INTERNAL_SERVER_ERROR);
    let app = Router::new().route("/events", get(optional));
    assert_eq!(get_events(&app, &good).await, (StatusCode::OK, "false".into()));
}

/// Only the outermost layer verifies: the inner ones would refuse a token whose header has been taken away.
#[tokio::test]
async fn nested_layers_do_not_verify_twice() {
    let world = World::new().await;
    let events = get(async |token: AccessToken| token.subject().unwrap_or_default().into_owned());
    let app = Router::new()
        .route("/events", events.layer(world.api.protect(scope("read:events"))))
        .layer(axum::middleware::map_request(async |mut request: Request<Body>| {
            request.headers_mut().remove("authorization");
            request
        }))
        .layer(world.api.protect(any_token()));
    assert_eq!(get_events(&app, &world.issuer.mint(token())).await, (StatusCode::OK, "user-1".into()));
    let weak = world.issuer.mint(token().scope("other"));
    assert_eq!(get_events(&app, &weak).await.0, StatusCode::FORBIDDEN, "the inner policy holds");
}

/// What an outer layer admitted is judged again by time and revocation, not trusted for good.
#[tokio::test]
async fn an_admitted_token_is_judged_again_by_the_next_layer() {
    let world = World::new().await;
    let good = world.issuer.mint(token().lifetime(Duration::from_secs(60)));
    let admitted = |request: Request<()>| ask(&world.api, any_token(), request);
    let mut kept = request(&good);
    {
        let inner = tower::service_fn(async |request: Request<()>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(
                request.extensions().get::<AccessToken>().cloned(),
            ))
        });
        let response = tower::Layer::layer(&world.api.protect(any_token()), inner)
            .oneshot(request(&good))
            .await
            .unwrap();
        kept.extensions_mut().insert(response.into_body().unwrap());
    }
    kept.headers_mut().clear();
    assert_eq!(admitted(kept.clone()).await.status, 200);
    world.issuer.revoke_jwt(&good);
    world.poll().await;
    assert_eq!(admitted(kept.clone()).await.rejection.unwrap().kind(), Kind::Revoked);
    world.clock.advance(Duration::from_secs(70));
    assert_eq!(admitted(kept).await.rejection.unwrap().kind(), Kind::Expired);
}

/// A token that another resource server admitted says nothing here.
#[tokio::test]
async fn tokens_admitted_elsewhere_do_not_count() {
    let (here, there) = (World::new().await, World::new().await);
    let inner = tower::service_fn(async |request: Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(
            request.extensions().get::<AccessToken>().cloned(),
        ))
    });
    let layer = there.api.protect(any_token());
    let answer =
        tower::Layer::layer(&layer, inner).oneshot(request(&there.issuer.mint(token()))).await.unwrap();
    let mut foreign = Request::new(());
    foreign.extensions_mut().insert(answer.into_body().unwrap());
    assert_eq!(ask(&here.api, any_token(), foreign).await.rejection.unwrap().kind(), Kind::NoCredentials);
}

#[tokio::test]
async fn identity_headers_come_from_the_token_and_from_nowhere_else() {
    let world = World::new().await;
    let forward = Forward::new()
        .claim(HeaderName::from_static("x-auth-subject"), "sub")
        .claim(HeaderName::from_static("x-auth-scope"), "scope")
        .claim(HeaderName::from_static("x-auth-client"), "client_id")
        .claim(HeaderName::from_static("x-auth-tenant"), "tenant");
    let echo = get(async |headers: http::HeaderMap| {
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}={}", value.to_str().unwrap())).collect();
        lines.sort();
        lines.join("\n")
    });
    let app = Router::new().route("/events", echo).layer(forward).layer(world.api.protect(any_token()));
    let request = Request::builder()
        .uri("/events")
        .header("authorization", format!("Bearer {}", world.issuer.mint(token().claim("tenant", "a\r\nb"))))
        .header("x-auth-subject", "root")
        .header("x_auth_tenant", "root")
        .body(Body::empty())
        .unwrap();
    let body = app.oneshot(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "x-auth-client=app\nx-auth-scope=read:events\nx-auth-subject=user-1");
}

#[tokio::test]
async fn refusals_can_have_bodies_of_their_own() {
    let world = World::new().await;
    let events = get(async || "events").layer(world.api.protect(any_token()).with_body(ProblemJson));
    let app = Router::new().route("/events", events);
    let expired = world.issuer.mint(token().issued_at(1_000_000));
    let request = Request::builder().uri("/events").header("authorization", format!("Bearer {expired}"));
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        problem,
        json!({"title": "Unauthorized", "status": 401, "detail": "The access token expired"})
    );
}
