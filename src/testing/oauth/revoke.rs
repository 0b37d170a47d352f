//! The revocation endpoint (RFC 7009), for refresh tokens.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::super::state::Shared;
use super::parameters::Parameters;
use super::refusal::Refusal;

/// `POST /oauth/revoke`: 200 with an empty body also where there was nothing to revoke (RFC 7009 §2.2).
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    request: Request,
) -> Result<StatusCode, Refusal> {
    let asked = Parameters::read(request).await?;
    if asked.client_id.is_none() && asked.basic.is_none() {
        return Err(Refusal("invalid_request", "client_id is missing"));
    }
    let mut state = shared.lock();
    let now = shared.wall();
    let client_id = asked.authenticate(&state.tenant)?;
    let token = asked.token.as_ref().filter(|token| !token.is_empty());
    let token = token.ok_or(Refusal("invalid_request", "token is missing"))?;
    let mut families = state.tenant.families.iter();
    let found = families.find(|it| it.parties.client_id == client_id && it.tokens.contains(token));
    if let Some((id, parties)) = found.map(|family| (family.id.clone(), family.parties.clone())) {
        state.delete_family(&id, now);
        if shared.settings.revocation_deletes_grant {
            state.delete_user_grant(&parties, now);
        }
    }
    drop(state);
    shared.wake();
    Ok(StatusCode::OK)
}
