//! Authorization code in, tokens out (RFC 6749 §4.1.3, with PKCE by RFC 7636).

use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::super::Token;
use super::super::encoding::{random_id, s256};
use super::super::state::{Shared, State};
use super::super::tenant::{Code, Family, Parties};
use super::issue::{Holder, Order};
use super::parameters::Parameters;
use super::refusal::Refusal;
use crate::clock::UnixTime;

/// The longest that RFC 6749 §4.1.2 recommends.
const CODE_LIFETIME: Duration = Duration::from_secs(600);

pub(super) fn exchange(shared: &Shared, asked: &Parameters) -> Result<Response, Refusal> {
    let mut state = shared.lock();
    let now = shared.wall();
    let client_id = asked.authenticate(&state.tenant)?;
    let Some(name) = &asked.code else {
        return Err(Refusal("invalid_request", "code is missing"));
    };
    let code = state.tenant.codes.get(name).filter(|code| code.parties.client_id == client_id).cloned();
    let code = code.ok_or(Refusal("invalid_grant", "the code is not known"))?;
    if code.used {
        // Whoever came second may be the one that it was meant for (RFC 6749 §4.1.2).
        state.delete_user_grant(&code.parties, now);
        drop(state);
        shared.wake();
        return Err(Refusal("invalid_grant", "the code was used before"));
    }
    check(&code, asked)?;
    if now > code.issued.plus(CODE_LIFETIME) {
        return Err(Refusal("invalid_grant", "the code has expired"));
    }
    let (parties, scope) = (&code.parties, code.scope.as_str());
    if state.tenant.user(&parties.user).is_none_or(|user| user.blocked) {
        return Err(Refusal("invalid_grant", "the user is gone or blocked"));
    }
    let (order, mut others) = tokens(shared, &mut state, parties, scope, "seacft", now)?;
    if let Some(code) = state.tenant.codes.get_mut(name) {
        code.used = true;
    }
    drop(state);
    if has(scope, "openid") {
        others.insert("id_token".to_owned(), id_token(shared, &code).into());
    }
    Ok(order.answer(shared, others.into()))
}

/// What a user has consented to: the access token, and the refresh token that may stand beside it. `kind` is the log's.
pub(super) fn tokens(
    shared: &Shared,
    state: &mut State,
    parties: &Parties,
    scope: &str,
    kind: &str,
    now: UnixTime,
) -> Result<(Order, Map<String, Value>), Refusal> {
    let order = Order::new(shared, state, Holder::User(parties), &parties.audience, scope, now)?;
    let holder = json!({ "client_id": parties.client_id, "user_id": parties.user });
    order.note(state, kind, holder, &parties.audience, now);
    let mut others = Map::new();
    if has(scope, "offline_access") {
        state.tenant.families_made += 1;
        let family = family(shared, parties, scope, &order, state.tenant.families_made);
        others.insert("refresh_token".to_owned(), family.tokens.last().cloned().into());
        state.tenant.families.push(family);
    }
    Ok((order, others))
}

fn has(scope: &str, name: &str) -> bool {
    scope.split(' ').any(|it| it == name)
}

fn check(code: &Code, asked: &Parameters) -> Result<(), Refusal> {
    if asked.redirect_uri.as_ref() != Some(&code.redirect_uri) {
        return Err(Refusal("invalid_grant", "redirect_uri is not the one that the code was sent to"));
    }
    match (&code.challenge, &asked.code_verifier) {
        (None, None) => Ok(()),
        (Some(_), None) => Err(Refusal("invalid_request", "code_verifier is missing")),
        (Some(challenge), Some(verifier)) if s256(verifier) == *challenge => Ok(()),
        // A verifier without a challenge: somebody took the challenge out of the request (RFC 9700 §2.1.1).
        (None | Some(_), Some(_)) => Err(Refusal("invalid_grant", "the code_verifier is wrong")),
    }
}

fn family(shared: &Shared, parties: &Parties, scope: &str, order: &Order, number: u64) -> Family {
    Family {
        id: random_id(),
        number,
        credential_id: format!("dcr_{}", random_id()),
        session_id: random_id(),
        parties: parties.clone(),
        scope: scope.to_owned(),
        rotates: shared.settings.rotate_refresh_tokens,
        tokens: vec![random_id()],
        access_tokens: order.jti.clone().map(|jti| (jti, order.exp)).into_iter().collect(),
    }
}

/// Who signed in (OpenID Connect Core §2), for the client and nobody else.
fn id_token(shared: &Shared, code: &Code) -> String {
    let token = Token::new(&code.parties.client_id).subject(&code.parties.user).header("typ", "JWT");
    let token = token.without("client_id").without("jti");
    match &code.nonce {
        Some(nonce) => token.claim("nonce", nonce.as_str()),
        None => token,
    }
    .mint(shared)
}
