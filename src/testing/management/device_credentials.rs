//! Refresh tokens, as the devices that hold them.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::state::Shared;
use super::params::Params;
use super::problem::Problem;

const TYPES: [&str; 3] = ["public_key", "refresh_token", "rotating_refresh_token"];

/// `GET /api/v2/device-credentials`.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["type", "user_id", "client_id", "page", "per_page", "include_totals"])?;
    if params.text("type")?.is_some_and(|kind| !TYPES.contains(&kind)) {
        return Err(Problem::query("there is no such type"));
    }
    let state = shared.lock();
    let mut items = Vec::new();
    for family in &state.tenant.families {
        let kind = if family.rotates { "rotating_refresh_token" } else { "refresh_token" };
        let (user, client) = (&family.parties.user, &family.parties.client_id);
        if params.admits("type", kind)?
            && params.admits("user_id", user)?
            && params.admits("client_id", client)?
        {
            items.push(json!({
                "id": family.credential_id, "type": kind, "user_id": user, "client_id": client,
                "device_name": "a test's device",
            }));
        }
    }
    drop(state);
    params.page("device_credentials", items)
}

/// `DELETE /api/v2/device-credentials/{id}`: 204 also where there is none.
pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    let mut state = shared.lock();
    let mut families = state.tenant.families.iter();
    let family = families.find(|family| family.credential_id == id).map(|family| family.id.clone());
    if let Some(family) = family {
        state.delete_family(&family, shared.wall());
    }
    drop(state);
    shared.wake();
    StatusCode::NO_CONTENT
}
