//! Grants of clients in their own name.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::encoding::random_id;
use super::super::state::Shared;
use super::super::tenant::ClientGrant;
use super::params::Params;
use super::problem::Problem;

fn item(grant: &ClientGrant) -> Value {
    json!({
        "id": grant.id, "client_id": grant.client_id, "audience": grant.audience, "scope": grant.scopes,
    })
}

/// `GET /api/v2/client-grants`, by page or by checkpoint.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["audience", "client_id", "page", "per_page", "include_totals", "from", "take"])?;
    let state = shared.lock();
    let mut items = Vec::new();
    for grant in &state.tenant.client_grants {
        if params.admits("audience", &grant.audience)? && params.admits("client_id", &grant.client_id)? {
            items.push((grant.number, item(grant)));
        }
    }
    drop(state);
    if params.by_checkpoint()? {
        return params.slice("client_grants", items);
    }
    params.page("client_grants", items.into_iter().map(|(_, item)| item).collect())
}

#[derive(Deserialize)]
pub(super) struct New {
    client_id: String,
    audience: String,
    scope: Vec<String>,
}

/// `POST /api/v2/client-grants`.
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<New>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let Json(New { client_id, audience, scope }) = body.map_err(|error| Problem::body(error.body_text()))?;
    let mut state = shared.lock();
    if !state.tenant.clients.contains_key(&client_id) {
        return Err(Problem(
            StatusCode::NOT_FOUND,
            "inexistent_client",
            "there is no such client".to_owned(),
        ));
    }
    if state.tenant.client_grant(&client_id, &audience).is_some() {
        let why = "a resource with the same identifier already exists".to_owned();
        return Err(Problem(StatusCode::CONFLICT, "already_exists", why));
    }
    state.tenant.grant(format!("cgr_{}", random_id()), &client_id, &audience, scope);
    let made = state.tenant.client_grant(&client_id, &audience).map(item);
    Ok((StatusCode::CREATED, Json(made.into())))
}

/// `DELETE /api/v2/client-grants/{id}`: 204 also where there is none.
pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    let mut state = shared.lock();
    state.delete_client_grant(&id, shared.wall());
    drop(state);
    shared.wake();
    StatusCode::NO_CONTENT
}
