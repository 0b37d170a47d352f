//! The token endpoint (RFC 6749 §3.2).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::super::state::Shared;
use super::parameters::Parameters;
use super::refusal::Refusal;
use super::{client_credentials, code, device, refresh};

/// `POST /oauth/token`.
pub(super) async fn token(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (no_store, issue(&shared, request).await).into_response()
}

async fn issue(shared: &Shared, request: Request) -> Result<Response, Refusal> {
    let asked = Parameters::read(request).await?;
    match asked.grant_type.as_deref() {
        Some("client_credentials") => client_credentials::exchange(shared, &asked),
        Some("authorization_code") => code::exchange(shared, &asked),
        Some("refresh_token") => refresh::exchange(shared, &asked),
        Some("urn:ietf:params:oauth:grant-type:device_code") => device::exchange(shared, &asked),
        Some(_) => Err(Refusal("unsupported_grant_type", "this grant type is not served here")),
        None => Err(Refusal("invalid_request", "grant_type is missing")),
    }
}

/// The scopes to put into the token: all that are granted, or the ones asked for.
pub(super) fn limited<'a>(granted: &'a str, asked: Option<&'a str>) -> Result<&'a str, Refusal> {
    let Some(asked) = asked.filter(|scope| !scope.is_empty()) else {
        return Ok(granted);
    };
    if asked.split(' ').all(|scope| granted.split(' ').any(|it| it == scope)) {
        Ok(asked)
    } else {
        Err(Refusal("invalid_scope", "a scope is not granted"))
    }
}
