//! Client credentials in, access token out (RFC 6749 §4.4).

use axum::response::Response;
use serde_json::json;

use super::super::state::Shared;
use super::issue::{Holder, Order};
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::token::limited;

pub(super) fn exchange(shared: &Shared, asked: &Parameters) -> Result<Response, Refusal> {
    let mut state = shared.lock();
    let now = shared.wall();
    let client_id = asked.authenticate(&state.tenant)?;
    if state.tenant.clients.get(&client_id).is_some_and(|client| client.secret.is_none()) {
        return Err(Refusal("unauthorized_client", "a public client has no credentials of its own"));
    }
    let Some(audience) = &asked.audience else {
        return Err(Refusal("invalid_request", "audience is missing"));
    };
    let Some(grant) = state.tenant.client_grant(&client_id, audience).cloned() else {
        return Err(match state.tenant.api(audience) {
            Some(_) => {
                Refusal("access_denied", "the client is not authorized for this API: it has no client grant")
            }
            None => Refusal("unauthorized_client", "the client has no grant for this audience"),
        });
    };
    let granted = grant.scopes.join(" ");
    let scope = limited(&granted, asked.scope.as_deref())?;
    let holder = Holder::Machine { client_id: &client_id, grant_id: &grant.id, permissions: grant.scopes };
    let order = Order::new(shared, &mut state, holder, audience, scope, now)?;
    order.note(&mut state, "seccft", json!({ "client_id": client_id }), audience, now);
    drop(state);
    Ok(order.answer(shared, json!({})))
}
