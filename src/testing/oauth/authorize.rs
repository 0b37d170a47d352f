//! The authorization endpoint (RFC 6749 §4.1.1), where every user is signed in and consents already.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use url::Url;

use super::super::api::Api;
use super::super::encoding::random_id;
use super::super::state::Shared;
use super::super::tenant::{Code, Parties, Tenant, UserGrant};
use super::refusal::Refusal;

/// Scopes that every API has (OpenID Connect Core §5.4).
const OPENID: [&str; 3] = ["openid", "profile", "email"];

#[derive(Deserialize)]
pub(super) struct Asked {
    response_type: Option<String>,
    client_id: Option<String>,
    redirect_uri: Option<String>,
    audience: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
    login_hint: Option<String>,
}

/// `GET /authorize`.
pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let Ok(Query(asked)) = asked else {
        return Refusal("invalid_request", "a parameter comes twice").into_response();
    };
    let mut state = shared.lock();
    // Where the redirect URI is not the client's, nothing may be sent there (§4.1.2.1).
    let client = asked.client_id.as_ref().and_then(|id| state.tenant.clients.get(id));
    let uri =
        asked.redirect_uri.as_ref().filter(|uri| client.is_some_and(|it| it.redirect_uris.contains(uri)));
    let Some(Ok(mut back)) = uri.map(|uri| Url::parse(uri)) else {
        return Refusal("invalid_request", "the client or its redirect_uri is not known").into_response();
    };
    let outcome = sign_in(&shared, &mut state.tenant, &asked);
    drop(state);
    let mut query = back.query_pairs_mut();
    match &outcome {
        Ok(code) => query.append_pair("code", code),
        Err(Refusal(error, why)) => query.append_pair("error", error).append_pair("error_description", why),
    };
    if let Some(state) = &asked.state {
        query.append_pair("state", state);
    }
    drop(query);
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

fn sign_in(shared: &Shared, tenant: &mut Tenant, asked: &Asked) -> Result<String, Refusal> {
    if asked.response_type.as_deref() != Some("code") {
        return Err(Refusal("unsupported_response_type", "response_type must be code"));
    }
    let client_id = asked.client_id.clone().unwrap_or_default();
    let is_public = tenant.clients.get(&client_id).is_some_and(|client| client.secret.is_none());
    match (&asked.code_challenge, asked.code_challenge_method.as_deref()) {
        (Some(_), Some("S256")) => {}
        (None, None) if !is_public => {}
        _ => return Err(Refusal("invalid_request", "a code_challenge by S256 is needed")),
    }
    let Some(audience) = &asked.audience else {
        return Err(Refusal("invalid_request", "audience is missing"));
    };
    tenant.api(audience).ok_or(Refusal("access_denied", "there is no such API"))?;
    let user = match &asked.login_hint {
        Some(id) => Some(id.clone()),
        None => tenant.users.first().map(|user| user.id.clone()),
    };
    let user = user.ok_or(Refusal("login_required", "there is no user"))?;
    check_user(tenant, &user)?;
    let parties = Parties { user, client_id, audience: audience.clone() };
    let scope = consent(tenant, &parties, asked.scope.as_deref().unwrap_or(""))?;
    let code = Code {
        parties,
        scope,
        redirect_uri: asked.redirect_uri.clone().unwrap_or_default(),
        challenge: asked.code_challenge.clone(),
        nonce: asked.nonce.clone(),
        issued: shared.wall(),
        used: false,
    };
    let name = random_id();
    tenant.codes.insert(name.clone(), code);
    Ok(name)
}

/// Whether this user can sign in.
pub(super) fn check_user(tenant: &Tenant, id: &str) -> Result<(), Refusal> {
    let user = tenant.user(id).ok_or(Refusal("login_required", "there is no such user"))?;
    if user.blocked {
        return Err(Refusal("access_denied", "the user is blocked"));
    }
    Ok(())
}

/// Makes or widens the user's grant, and answers with the scopes that this consent is for.
pub(super) fn consent(tenant: &mut Tenant, parties: &Parties, asked: &str) -> Result<String, Refusal> {
    let api = tenant.api(&parties.audience).ok_or(Refusal("access_denied", "there is no such API"))?;
    let scopes = granted(api, &tenant.permissions(&parties.user, &parties.audience), asked);
    let scope = scopes.join(" ");
    match tenant.user_grants.iter_mut().find(|grant| grant.parties == *parties) {
        Some(grant) => {
            let new: Vec<_> = scopes.into_iter().filter(|scope| !grant.scopes.contains(scope)).collect();
            grant.scopes.extend(new);
        }
        None => {
            let grant = UserGrant { id: random_id(), parties: parties.clone(), scopes };
            tenant.user_grants.push(grant);
        }
    }
    Ok(scope)
}

/// Of the scopes asked for, those that this API and this user can give; the others are left out in silence.
fn granted(api: &Api, permissions: &[String], asked: &str) -> Vec<String> {
    let known = |scope: &String| api.scopes.as_ref().is_none_or(|own| own.contains(scope));
    let permitted = |scope: &String| !api.rbac || permissions.contains(scope);
    let scopes = asked.split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned);
    let may = |scope: &String| match scope.as_str() {
        "offline_access" => api.offline_access,
        openid if OPENID.contains(&openid) => true,
        _ => known(scope) && permitted(scope),
    };
    scopes.filter(may).collect()
}
