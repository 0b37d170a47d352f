//! The operator's side: `/healthz`, `/readyz` and `/status`. Everything else, `/metrics` included, is 404 in this version.

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use tower_bearer::{IssuerHealth, ResourceServer};

#[derive(Clone, Debug)]
struct Admin {
    api: ResourceServer,
    routes: Value,
}

#[derive(Serialize)]
struct Readiness {
    ready: bool,
    issuers: Vec<IssuerHealth>,
}

#[derive(Serialize)]
struct Status {
    ready: bool,
    issuers: Vec<IssuerHealth>,
    routes: Value,
}

/// `routes` is the route table as it is to be shown.
pub(crate) fn router(api: ResourceServer, routes: Value) -> Router {
    Router::new()
        .route("/healthz", get("ok"))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .with_state(Admin { api, routes })
}

/// Whether every issuer's tokens can be judged.
async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    let health = admin.api.health();
    let ready = health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, issuers: health.issuers }))
}

async fn status(State(admin): State<Admin>) -> impl IntoResponse {
    let health = admin.api.health();
    Json(Status { ready: health.is_ready(), issuers: health.issuers, routes: admin.routes })
}
