//! Refresh tokens by themselves, and the sessions that they came from.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::state::Shared;
use super::super::tenant::Family;
use super::params::Params;
use super::problem::Problem;

const MOST_IDS: usize = 100;

/// `GET /api/v2/refresh-tokens?user_id=`, by checkpoint.
pub(super) async fn list(State(shared): State<Arc<Shared>>, params: Params) -> Result<Json<Value>, Problem> {
    params.only(&["user_id", "client_id", "from", "take"])?;
    let user = params.text("user_id")?.ok_or_else(|| Problem::query("user_id is missing"))?;
    let state = shared.lock();
    let mut items = Vec::new();
    for family in &state.tenant.families {
        if family.parties.user == user && params.admits("client_id", &family.parties.client_id)? {
            items.push((family.number, item(family)));
        }
    }
    drop(state);
    params.slice("refresh_tokens", items)
}

fn item(family: &Family) -> Value {
    let (parties, scopes) = (&family.parties, family.scope.split(' ').collect::<Vec<_>>());
    json!({
        "id": family.credential_id, "user_id": parties.user, "client_id": parties.client_id,
        "session_id": family.session_id, "rotating": family.rotates,
        "resource_servers": [{ "audience": parties.audience, "scopes": scopes }],
    })
}

/// `DELETE /api/v2/refresh-tokens/{id}`: 202 also where there is none.
pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    delete(&shared, |family| family.credential_id == id)
}

#[derive(Deserialize)]
pub(super) struct Which {
    ids: Option<Vec<String>>,
    user_id: Option<String>,
    client_id: Option<String>,
    audience: Option<String>,
}

/// `POST /api/v2/refresh-tokens/revoke`: by ids, or all of a user, of one of their clients, for one of its audiences.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    body: Result<Json<Which>, JsonRejection>,
) -> Result<StatusCode, Problem> {
    let Json(which) = body.map_err(|error| Problem::body(error.body_text()))?;
    match which {
        Which { ids: Some(ids), user_id: None, client_id: None, audience: None } if ids.len() <= MOST_IDS => {
            Ok(delete(&shared, |family| ids.contains(&family.credential_id)))
        }
        Which { ids: None, user_id: Some(user), client_id, audience }
            if client_id.is_some() || audience.is_none() =>
        {
            Ok(delete(&shared, |Family { parties, .. }| {
                parties.user == user
                    && client_id.as_ref().is_none_or(|client| *client == parties.client_id)
                    && audience.as_ref().is_none_or(|audience| *audience == parties.audience)
            }))
        }
        _ => Err(Problem::body(format!(
            "it names neither at most {MOST_IDS} ids, nor a user, a user and a client, or these and an audience"
        ))),
    }
}

/// `POST /api/v2/sessions/{id}/revoke`: with the refresh tokens that came from it.
pub(super) async fn revoke_session(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> StatusCode {
    delete(&shared, |family| family.session_id == id)
}

fn delete(shared: &Shared, which: impl Fn(&Family) -> bool) -> StatusCode {
    let mut state = shared.lock();
    let now = shared.wall();
    let families = state.tenant.families.iter().filter(|family| which(family));
    let ended: Vec<_> = families.map(|family| family.id.clone()).collect();
    for id in ended {
        state.delete_family(&id, now);
    }
    drop(state);
    shared.wake();
    StatusCode::ACCEPTED
}
