//! Users, of whom only `blocked` can be changed.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::state::Shared;
use super::problem::Problem;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    blocked: bool,
}

/// `PATCH /api/v2/users/{id}`.
pub(super) async fn update(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    body: Result<Json<Change>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let Json(Change { blocked }) = body.map_err(|error| Problem::body(error.body_text()))?;
    if shared.lock().tenant.user(&id).is_none() {
        return Err(Problem(StatusCode::NOT_FOUND, "inexistent_user", "The user does not exist.".to_owned()));
    }
    shared.set_blocked(&id, blocked);
    Ok(Json(json!({ "user_id": id, "blocked": blocked })))
}
