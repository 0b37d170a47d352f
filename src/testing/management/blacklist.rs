//! The blacklist of tokens: bare, without pages and without ends.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::state::Shared;
use super::params::Params;
use super::problem::Problem;

const LONGEST_JTI: usize = 255;

/// `GET /api/v2/blacklists/tokens`.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["aud"])?;
    let asked = params.text("aud")?;
    let state = shared.lock();
    let listed = state.tenant.blacklist.iter().filter(|(aud, _)| asked.is_none() || aud.as_deref() == asked);
    let items = listed.map(|(aud, jti)| match aud {
        Some(aud) => json!({ "aud": aud, "jti": jti }),
        None => json!({ "jti": jti }),
    });
    Ok(Json(items.collect()))
}

#[derive(Deserialize)]
pub(super) struct Listed {
    aud: Option<String>,
    jti: String,
}

/// `POST /api/v2/blacklists/tokens`.
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Listed>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(Listed { aud, jti }) = body.map_err(|error| Problem::body(error.body_text()))?;
    if jti.is_empty() || jti.len() > LONGEST_JTI {
        return Err(Problem::body(format!("jti is empty or longer than {LONGEST_JTI} bytes")));
    }
    let mut state = shared.lock();
    state.blacklist(aud, jti, shared.wall());
    drop(state);
    shared.wake();
    Ok(StatusCode::NO_CONTENT)
}
