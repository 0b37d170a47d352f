//! Refresh token in, tokens out (RFC 6749 §6), with rotation and with reuse noticed (RFC 9700 §4.14.2).

use axum::response::Response;
use serde_json::json;

use super::super::encoding::random_id;
use super::super::state::Shared;
use super::issue::{Holder, Order};
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::token::limited;

pub(super) fn exchange(shared: &Shared, asked: &Parameters) -> Result<Response, Refusal> {
    let mut state = shared.lock();
    let now = shared.wall();
    let client_id = asked.authenticate(&state.tenant)?;
    let Some(token) = &asked.refresh_token else {
        return Err(Refusal("invalid_request", "refresh_token is missing"));
    };
    let mut families = state.tenant.families.iter();
    let place = families.position(|it| it.parties.client_id == client_id && it.tokens.contains(token));
    let unknown = || Refusal("invalid_grant", "the refresh token is unknown or invalid");
    let place = place.ok_or_else(unknown)?;
    let family = state.tenant.families.get(place).ok_or_else(unknown)?;
    let (parties, granted) = (family.parties.clone(), family.scope.clone());
    let details = json!({ "familyId": family.id, "refresh_token": { "session_id": family.session_id } });
    if family.tokens.last() != Some(token) {
        // Somebody has a copy, and who it is cannot be told: nobody may go on.
        let members = json!({
            "client_id": client_id, "user_id": parties.user, "details": { "familyId": family.id },
        });
        state.tenant.logs.add("ferrt", members, now);
        state.delete_user_grant(&parties, now);
        drop(state);
        shared.wake();
        return Err(unknown());
    }
    if asked.audience.as_ref().is_some_and(|audience| *audience != parties.audience) {
        return Err(Refusal("invalid_request", "the refresh token is for another audience"));
    }
    if state.tenant.user(&parties.user).is_none_or(|user| user.blocked) {
        return Err(Refusal("invalid_grant", "the user is gone or blocked"));
    }
    let scope = limited(&granted, asked.scope.as_deref())?;
    let order = Order::new(shared, &mut state, Holder::User(&parties), &parties.audience, scope, now)?;
    let holder = json!({ "client_id": client_id, "user_id": parties.user, "details": details });
    order.note(&mut state, "sertft", holder, &parties.audience, now);
    let mut others = json!({});
    if let Some(family) = state.tenant.families.get_mut(place) {
        if family.rotates {
            let next = random_id();
            others = json!({ "refresh_token": next });
            family.tokens.push(next);
        }
        family.access_tokens.extend(order.jti.clone().map(|jti| (jti, order.exp)));
    }
    drop(state);
    Ok(order.answer(shared, others))
}
