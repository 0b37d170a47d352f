//! The Management API (Auth0's, version 2), protected by this crate's own layer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch, post};
use axum::{Router, middleware};

use super::date::http_date;
use super::state::Shared;

mod blacklist;
mod client_grants;
mod device_credentials;
mod event_stream;
pub(super) mod guard;
mod handle;
mod logs;
mod params;
mod problem;
pub(super) mod rate_limit;
mod refresh_tokens;
mod user_grants;
mod users;

pub use rate_limit::RateLimit;

/// All paths, each method with the scope that it needs.
pub(super) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    type Route = MethodRouter<Arc<Shared>>;
    let needs = |scope, route: Route| {
        let state = (Arc::clone(shared), scope);
        route.route_layer(middleware::from_fn_with_state(state, guard::guard))
    };
    let limit = middleware::from_fn_with_state(Arc::clone(shared), rate_limit::limit);
    Router::new()
        .route(
            "/api/v2/blacklists/tokens",
            needs("blacklist:tokens", get(blacklist::list).post(blacklist::add)),
        )
        .route(
            "/api/v2/client-grants",
            needs("read:client_grants", get(client_grants::list))
                .merge(needs("create:client_grants", post(client_grants::create))),
        )
        .route("/api/v2/client-grants/{id}", needs("delete:client_grants", delete(client_grants::remove)))
        .route(
            "/api/v2/grants",
            needs("read:grants", get(user_grants::list))
                .merge(needs("delete:grants", delete(user_grants::remove_of_user))),
        )
        .route("/api/v2/grants/{id}", needs("delete:grants", delete(user_grants::remove)))
        .route("/api/v2/device-credentials", needs("read:device_credentials", get(device_credentials::list)))
        .route(
            "/api/v2/device-credentials/{id}",
            needs("delete:device_credentials", delete(device_credentials::remove)),
        )
        .route("/api/v2/refresh-tokens", needs("read:refresh_tokens", get(refresh_tokens::list)))
        .route("/api/v2/refresh-tokens/{id}", needs("delete:refresh_tokens", delete(refresh_tokens::remove)))
        .route("/api/v2/refresh-tokens/revoke", needs("delete:refresh_tokens", post(refresh_tokens::revoke)))
        .route("/api/v2/sessions/{id}/revoke", needs("delete:sessions", post(refresh_tokens::revoke_session)))
        .route("/api/v2/users/{id}", needs("update:users", patch(users::update)))
        .route("/api/v2/logs", needs("read:logs", get(logs::list)))
        .route("/api/v2/events", needs("read:events", get(event_stream::stream)))
        .route_layer(limit)
        .route_layer(middleware::from_fn_with_state(Arc::clone(shared), dated))
}

/// Stamps answers by the server's clock, as its tokens are.
async fn dated(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Ok(date) = HeaderValue::from_str(&http_date(shared.wall())) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}
