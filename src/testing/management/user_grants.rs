//! What users granted to clients.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::super::state::Shared;
use super::super::tenant::UserGrant;
use super::params::Params;
use super::problem::Problem;

/// `GET /api/v2/grants`.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["page", "per_page", "include_totals", "user_id", "client_id", "audience"])?;
    let state = shared.lock();
    let mut items = Vec::new();
    for UserGrant { id, parties, scopes } in &state.tenant.user_grants {
        if params.admits("user_id", &parties.user)?
            && params.admits("client_id", &parties.client_id)?
            && params.admits("audience", &parties.audience)?
        {
            items.push(json!({
                "id": id, "clientID": parties.client_id, "user_id": parties.user,
                "audience": parties.audience, "scope": scopes,
            }));
        }
    }
    drop(state);
    params.page("grants", items)
}

/// `DELETE /api/v2/grants/{id}`: 204 also where there is none.
pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    delete(&shared, |grant| grant.id == id);
    StatusCode::NO_CONTENT
}

/// `DELETE /api/v2/grants?user_id=`: all of one user.
pub(super) async fn remove_of_user(
    State(shared): State<Arc<Shared>>,
    params: Params,
) -> Result<StatusCode, Problem> {
    params.only(&["user_id"])?;
    let user = params.text("user_id")?.ok_or_else(|| Problem::query("user_id is missing"))?;
    delete(&shared, |grant| grant.parties.user == user);
    Ok(StatusCode::NO_CONTENT)
}

fn delete(shared: &Shared, which: impl Fn(&UserGrant) -> bool) {
    let mut state = shared.lock();
    let now = shared.wall();
    let grants = state.tenant.user_grants.iter().filter(|grant| which(grant));
    let ended: Vec<_> = grants.map(|grant| grant.parties.clone()).collect();
    for parties in ended {
        state.delete_user_grant(&parties, now);
    }
    drop(state);
    shared.wake();
}
