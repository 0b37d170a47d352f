//! The operator's side: `/healthz`, `/readyz`, `/status` and `/metrics`. Everything else is 404.

use std::sync::Arc;

use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde_json::Value;
use tower_bearer::{IssuerHealth, ResourceServer, TenantsHealth};

use crate::knowledge;
use crate::metrics::Metrics;
use crate::prometheus::{self, Page};

#[derive(Clone, Debug)]
struct Admin {
    api: ResourceServer,
    routes: Value,
    metrics: Arc<Metrics>,
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
    tenants: Vec<TenantsHealth>,
    routes: Value,
}

/// `routes` is the route table as it is to be shown.
pub(crate) fn router(api: ResourceServer, routes: Value, metrics: Arc<Metrics>) -> Router {
    Router::new()
        .route("/healthz", get("ok"))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .route("/metrics", get(scrape))
        .with_state(Admin { api, routes, metrics })
}

/// Whether every named issuer's tokens can be judged. One tenant must not take the gateway out of rotation.
async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    let health = admin.api.health();
    let ready = health.is_ready();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Readiness { ready, issuers: health.issuers }))
}

async fn status(State(admin): State<Admin>) -> impl IntoResponse {
    let health = admin.api.health();
    let ready = health.is_ready();
    Json(Status { ready, issuers: health.issuers, tenants: health.tenants, routes: admin.routes })
}

async fn scrape(State(admin): State<Admin>) -> impl IntoResponse {
    let mut page = Page::default();
    knowledge::write(&admin.api.health(), &mut page);
    admin.metrics.write(&mut page);
    ([(CONTENT_TYPE, prometheus::CONTENT_TYPE)], page.into_text())
}
