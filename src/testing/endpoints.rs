//! Metadata, JWK set and revocation feed over HTTP, and the router of all endpoints.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use serde::Deserialize;
use serde_json::{Value, json};

use super::encoding::entity_tag;
use super::feed::Page;
use super::reply::count_and_lie;
use super::state::{FeedCredentials, Shared, path};
use super::token::{signed, signing_input};
use super::{management, oauth};

/// The longest that a poll is held, in seconds, whatever it asks for.
const LONGEST_WAIT: u64 = 60;

/// All endpoints.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route(path::METADATA, get(metadata))
        .route(path::OPENID_METADATA, get(metadata))
        .route(path::JWKS, get(jwks))
        .route(path::FEED, get(revocations))
        .merge(oauth::router())
        .merge(management::router(&shared))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), count_and_lie))
        .with_state(shared)
}

/// RFC 8414, with the feed beside the endpoints that it knows.
async fn metadata(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let base = &shared.settings.base;
    let url = |path: &str| format!("{base}{path}");
    Json(json!({
        "issuer": shared.settings.issuer,
        "jwks_uri": url(path::JWKS),
        "token_endpoint": url(path::TOKEN),
        "authorization_endpoint": url(path::AUTHORIZE),
        "device_authorization_endpoint": url(path::DEVICE),
        "revocation_endpoint": url(path::REVOKE),
        "revocation_feed_uri": url(path::FEED),
        "grant_types_supported": [
            "authorization_code", "client_credentials", "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code",
        ],
        "response_types_supported": ["code"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
    }))
}

async fn jwks(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let body = shared.lock().keys.jwks().to_string();
    let tag = entity_tag(body.as_bytes());
    let about = [(header::CACHE_CONTROL, "max-age=60".to_owned()), (header::ETAG, tag.clone())];
    if already_has(&headers, &tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let media_type = [(header::CONTENT_TYPE, "application/jwk-set+json")];
    (about, media_type, body).into_response()
}

/// Where to read the feed from, and for how many seconds to wait while there is nothing new.
#[derive(Deserialize)]
struct Read {
    cursor: Option<String>,
    #[serde(default)]
    wait: u64,
}

async fn revocations(
    State(shared): State<Arc<Shared>>,
    Query(read): Query<Read>,
    headers: HeaderMap,
) -> Response {
    const NO_CACHE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-cache")];
    if let Some(demanded) = &shared.settings.feed_credentials
        && !is_authorized(&shared, &headers, demanded)
    {
        let scheme = if let FeedCredentials::Fixed(scheme, _) = demanded { scheme } else { "Bearer" };
        let challenge = [(header::WWW_AUTHENTICATE, format!("{scheme} realm=\"feed\""))];
        return (StatusCode::UNAUTHORIZED, challenge).into_response();
    }
    match read.cursor {
        None => (NO_CACHE, full_state(&shared, &headers)).into_response(),
        Some(cursor) => (NO_CACHE, news(&shared, &cursor, read.wait).await).into_response(),
    }
}

fn full_state(shared: &Shared, headers: &HeaderMap) -> Response {
    let now = shared.now();
    let mut state = shared.lock();
    let tag = state.feed.entity_tag(now);
    let about = [(header::ETAG, tag.clone())];
    if already_has(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let page = state.feed.page(None, now);
    drop(state);
    (about, answer(shared, page)).into_response()
}

async fn news(shared: &Shared, cursor: &str, wait: u64) -> Response {
    let read = || {
        let now = shared.now();
        shared.lock().feed.page(Some(cursor), now)
    };
    let mut changes = shared.changes();
    let mut page = read();
    if wait > 0 && page.as_ref().is_some_and(Page::is_heartbeat) {
        // Whatever wakes this, the answer is what there is then: news, a heartbeat or 410.
        let wait = Duration::from_secs(wait.min(LONGEST_WAIT));
        tokio::select! {
            _ = changes.changed() => {}
            () = shared.sleep(wait) => {}
        }
        page = read();
    }
    answer(shared, page)
}

fn answer(shared: &Shared, page: Option<Page>) -> Response {
    let Some(page) = page else { return StatusCode::GONE.into_response() };
    if !shared.lock().feed_is_signed {
        return Json(page).into_response();
    }
    let key = shared.key_for("", shared.settings.algorithm);
    let header = json!({ "alg": key.algorithm().name(), "kid": key.kid(), "typ": "revocation-feed+jwt" });
    let signed = signed(signing_input(header.to_string(), json!(page).to_string()), &key);
    ([(header::CONTENT_TYPE, "application/revocation-feed+jwt")], signed).into_response()
}

fn is_authorized(shared: &Shared, headers: &HeaderMap, demanded: &FeedCredentials) -> bool {
    let given = headers.get(header::AUTHORIZATION);
    let Some((by, what)) = given.and_then(|given| given.to_str().ok()?.split_once(' ')) else { return false };
    match demanded {
        FeedCredentials::Fixed(scheme, credentials) => by.eq_ignore_ascii_case(scheme) && what == credentials,
        FeedCredentials::TokenFor(wanted) => {
            let now = shared.now();
            let state = shared.lock();
            let known = state.client_tokens.get(what);
            known.is_some_and(|(audience, ends)| audience == wanted && now < *ends)
        }
    }
}

fn already_has(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get(header::IF_NONE_MATCH);
    let known = known.and_then(|known| known.to_str().ok()).unwrap_or("");
    let mut known = known.split(',').map(|known| known.trim().trim_start_matches("W/"));
    known.any(|known| known == tag || known == "*")
}
