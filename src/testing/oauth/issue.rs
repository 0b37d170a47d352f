//! An access token in the shape that its API wants, and the answer that it comes in.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::super::Token;
use super::super::api::TokenProfile;
use super::super::encoding::random_id;
use super::super::ending::secs;
use super::super::state::{Shared, State};
use super::super::tenant::Parties;
use super::refusal::{CUT_OFF_THIS_SECOND, Refusal};
use crate::clock::UnixTime;

/// Whom a token is for.
pub(super) enum Holder<'a> {
    /// A client in its own name, by this grant.
    Machine { client_id: &'a str, grant_id: &'a str, permissions: Vec<String> },
    /// A client in a user's name.
    User(&'a Parties),
}

/// An access token that is decided on, so that it can be signed after the lock is gone.
pub(super) struct Order {
    token: Token,
    /// None in the profile without.
    pub(super) jti: Option<String>,
    pub(super) exp: u64,
    lifetime: u64,
    audience: String,
    scope: String,
}

impl Order {
    /// Decides on a token. The lock is held since before the grant was looked at and until the `iat` is fixed: what
    /// ends the grant later ends this token too.
    pub(super) fn new(
        shared: &Shared,
        state: &mut State,
        holder: Holder<'_>,
        audience: &str,
        scope: &str,
        now: UnixTime,
    ) -> Result<Self, Refusal> {
        let (client_id, subject) = match &holder {
            Holder::Machine { client_id, .. } => (*client_id, format!("{client_id}@clients")),
            Holder::User(parties) => (parties.client_id.as_str(), parties.user.clone()),
        };
        let api = state.tenant.api(audience).cloned();
        let subject = if api.is_some() { subject } else { client_id.to_owned() };
        let claims = [("sub", subject.as_str()), ("client_id", client_id), ("aud", audience)];
        if state.tenant.dead_at_once(&claims, secs(now)) {
            return Err(CUT_OFF_THIS_SECOND);
        }

        let lifetime = api.as_ref().map_or(shared.settings.token_lifetime, |api| api.token_lifetime);
        state.longest_lifetime = state.longest_lifetime.max(lifetime);
        state.last_issued = state.last_issued.max(secs(now));
        let profile = api.as_ref().map(|api| api.profile);
        let jti = (profile != Some(TokenProfile::Auth0)).then(random_id);
        let mut token = Token::new(audience)
            .client(client_id)
            .subject(&subject)
            .issued_at(secs(now))
            .lifetime(Duration::from_secs(lifetime));
        if !scope.is_empty() || api.is_none() {
            token = token.scope(scope);
        }
        if scope.split(' ').any(|it| it == "openid") {
            token = token.claim("aud", json!([audience, format!("{}/userinfo", shared.settings.base)]));
        }
        token = match (&jti, profile) {
            (Some(jti), _) => token.claim("jti", jti.as_str()),
            (None, _) => {
                token.without("jti").without("client_id").header("typ", "JWT").claim("azp", client_id)
            }
        };
        let permissions = match holder {
            Holder::Machine { permissions, grant_id, .. } => {
                token = match profile {
                    None => token.grant(grant_id),
                    Some(TokenProfile::Auth0) => token.claim("gty", "client-credentials"),
                    Some(TokenProfile::Rfc9068) => token,
                };
                permissions
            }
            Holder::User(parties) => state.tenant.permissions(&parties.user, audience),
        };
        if api.is_some_and(|api| api.rbac) {
            token = token.claim("permissions", permissions);
        }
        let exp = secs(now).saturating_add(lifetime);
        Ok(Self { token, jti, exp, lifetime, audience: audience.to_owned(), scope: scope.to_owned() })
    }

    /// Writes down which token a client got.
    pub(super) fn note(&self, state: &mut State, kind: &str, holder: Value, audience: &str, now: UnixTime) {
        let mut members = holder;
        if let Some(members) = members.as_object_mut() {
            members.insert("audience".to_owned(), audience.into());
            members.insert("scope".to_owned(), self.scope.clone().into());
            let details = members.entry("details").or_insert_with(|| json!({}));
            if let (Some(details), Some(jti)) = (details.as_object_mut(), &self.jti) {
                details.insert("access_token_jti".to_owned(), jti.as_str().into());
            }
        }
        state.tenant.logs.add(kind, members, now);
    }

    /// Signs it, and answers with it and with what else came of the exchange.
    pub(super) fn answer(self, shared: &Shared, others: Value) -> Response {
        let token = self.token.mint(shared);
        shared.lock().client_tokens.insert(token.clone(), (self.audience, self.exp));
        let mut body = json!({
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": self.lifetime,
            "scope": self.scope,
        });
        if let (Some(body), Value::Object(others)) = (body.as_object_mut(), others) {
            body.extend(others);
        }
        Json(body).into_response()
    }
}
