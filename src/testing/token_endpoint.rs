//! The token endpoint: client credentials in, access token out (RFC 6749 §4.4, §5).

use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use serde::Deserialize;
use serde_json::json;

use super::Token;
use super::encoding::from_basic;
use super::state::{Grant, Shared};

/// The parameters, in a form or as JSON.
#[derive(Deserialize)]
struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    /// The API's identifier; RFC 8707 calls it `resource`.
    #[serde(alias = "resource")]
    audience: Option<String>,
    scope: Option<String>,
}

/// An error of RFC 6749 §5.2 and what it says to a human.
#[derive(Debug)]
struct Refusal(&'static str, &'static str);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error, error_description) = self;
        let body = Json(json!({ "error": error, "error_description": error_description }));
        if error == "invalid_client" {
            // Demanded only of those who came with a header, allowed for all.
            let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"token\"")];
            return (StatusCode::UNAUTHORIZED, challenge, body).into_response();
        }
        (StatusCode::BAD_REQUEST, body).into_response()
    }
}

/// `POST /oauth/token`.
pub(super) async fn token(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let no_store = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
    (no_store, issue(&shared, request).await).into_response()
}

async fn issue(shared: &Shared, request: Request) -> Result<Response, Refusal> {
    let basic = basic_credentials(request.headers());
    let asked = read(request).await?;

    match asked.grant_type.as_deref() {
        Some("client_credentials") => {}
        Some(_) => {
            let why = "only client_credentials is served here";
            return Err(Refusal("unsupported_grant_type", why));
        }
        None => return Err(Refusal("invalid_request", "grant_type is missing")),
    }
    let client_id = authenticate(shared, basic, &asked)?;
    let Some(audience) = asked.audience else {
        return Err(Refusal("invalid_request", "audience is missing"));
    };
    let of_both = |it: &&Grant| it.client_id == client_id && it.audience == audience;
    let grant = shared.lock().grants.iter().find(of_both).cloned();
    let grant = grant.ok_or(Refusal("unauthorized_client", "the client has no grant for this audience"))?;
    let scope = scope_of(&grant, asked.scope.as_deref())?;

    let token = Token::new(&audience).client(&client_id).scope(&scope).grant(&grant.id).mint(shared);
    let ends = shared.now().saturating_add(shared.settings.token_lifetime);
    shared.lock().client_tokens.insert(token.clone(), (audience, ends));
    let body = json!({
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": shared.settings.token_lifetime,
        "scope": scope,
    });
    Ok(Json(body).into_response())
}

async fn read(request: Request) -> Result<TokenRequest, Refusal> {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    let is_json = media_type.is_some_and(|it| it.as_bytes().starts_with(b"application/json"));
    let read = if is_json {
        let json = Json::<TokenRequest>::from_request(request, &()).await;
        json.ok().map(|Json(asked)| asked)
    } else {
        let form = Form::<TokenRequest>::from_request(request, &()).await;
        form.ok().map(|Form(asked)| asked)
    };
    read.ok_or(Refusal("invalid_request", "the body is neither a form nor JSON with each parameter once"))
}

/// The client that the request proves to come from.
fn authenticate(
    shared: &Shared,
    basic: Option<Credentials>,
    asked: &TokenRequest,
) -> Result<String, Refusal> {
    let (client_id, secret) = match (basic, &asked.client_id, &asked.client_secret) {
        (Some(_), _, Some(_)) => {
            let why = "the client may authenticate in one way only";
            return Err(Refusal("invalid_request", why));
        }
        (Some(Some(credentials)), _, None) => credentials,
        (None, Some(client_id), Some(secret)) => (client_id.clone(), secret.clone()),
        _ => return Err(Refusal("invalid_client", "credentials are missing")),
    };
    if shared.lock().clients.get(&client_id) == Some(&secret) {
        Ok(client_id)
    } else {
        Err(Refusal("invalid_client", "the credentials are wrong"))
    }
}

/// Client id and secret; nothing where the header does not say them.
type Credentials = Option<(String, String)>;

fn basic_credentials(headers: &HeaderMap) -> Option<Credentials> {
    let header = headers.get(header::AUTHORIZATION)?;
    let read = header.to_str().ok().and_then(|text| {
        let (scheme, credentials) = text.split_once(' ')?;
        let is_basic = scheme.eq_ignore_ascii_case("basic");
        is_basic.then(|| from_basic(credentials)).flatten()
    });
    Some(read)
}

/// The scopes to put into the token: all that are granted, or the ones asked for.
fn scope_of(grant: &Grant, asked: Option<&str>) -> Result<String, Refusal> {
    let Some(asked) = asked.filter(|scope| !scope.is_empty()) else {
        return Ok(grant.scopes.join(" "));
    };
    let granted = |scope: &str| grant.scopes.iter().any(|it| it == scope);
    if asked.split(' ').all(granted) {
        Ok(asked.to_owned())
    } else {
        Err(Refusal("invalid_scope", "a scope is not granted"))
    }
}
