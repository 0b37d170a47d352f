//! The answer to a refused request (RFC 6750 §3, RFC 9110 §11.6.1), over plain HTTP and gRPC.

use std::fmt;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, TE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version};

use super::body::RejectionBody;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};

/// What every challenge of a resource server says of it, quoted already (RFC 9110 §11.5, RFC 9728 §5.1).
#[derive(Clone)]
pub(crate) struct Realm {
    realm: Box<str>,
    resource_metadata: Option<Box<str>>,
    /// The challenge for each kind of rejection, at its place, where it names no scope: made once.
    challenges: Box<[Option<HeaderValue>]>,
}

impl Realm {
    pub(crate) fn new(realm: &str, resource_metadata: Option<&str>) -> Self {
        let mut made = Self {
            realm: quoted(realm),
            resource_metadata: resource_metadata.map(quoted),
            challenges: Box::default(),
        };
        let make = |kind: &RejectionKind| made.make(&Rejection::new(*kind));
        made.challenges = RejectionKind::ALL.iter().map(make).collect();
        made
    }

    fn challenge(&self, rejection: &Rejection) -> Option<HeaderValue> {
        match self.challenges.get(rejection.kind() as usize) {
            Some(made) if rejection.needed_scope().is_none() => made.clone(),
            _ => self.make(rejection),
        }
    }

    fn make(&self, rejection: &Rejection) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(Bytes::from(challenge(rejection, self))).ok()
    }
}

impl fmt::Debug for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Realm");
        shown.field("realm", &self.realm).field("resource_metadata", &self.resource_metadata);
        shown.finish_non_exhaustive()
    }
}

/// A quoted string; characters that cannot stand in one are left out.
fn quoted(text: &str) -> Box<str> {
    let mut quoted = String::from("\"");
    for character in text.chars().filter(|character| matches!(character, ' '..='~')) {
        if matches!(character, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted.into()
}

/// What must be known of a request to answer it after it has gone.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Its content type, where that is gRPC's: such a client reads trailers, not statuses.
    grpc: Option<HeaderValue>,
}

impl Asked {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let is_grpc = |content: &&HeaderValue| match content.as_bytes().split_at_checked(16) {
            Some((start, rest)) => {
                start.eq_ignore_ascii_case(b"application/grpc")
                    && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
            }
            None => false,
        };
        // Whoever reads the status alone must not take a refusal for a success because of a content type that a stranger
        // sent: only what is gRPC in every respect is answered as gRPC is.
        let trailers =
            || request.headers().get(TE).is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
        let speaks_grpc =
            request.method() == Method::POST && request.version() == Version::HTTP_2 && trailers();
        let content = || request.headers().get(CONTENT_TYPE).filter(is_grpc).cloned();
        Self { grpc: if speaks_grpc { content() } else { None } }
    }
}

/// The whole answer.
pub(super) fn answer<B: Default>(
    rejection: Rejection,
    realm: &Realm,
    policy: &Policy,
    asked: Asked,
    body: &impl RejectionBody<B>,
) -> Response<B> {
    tracing::debug!(
        target: "tower_bearer::rejection",
        kind = ?rejection.kind(),
        status = rejection.status().as_u16(),
        "{}",
        rejection.log_words()
    );
    let bare = rejection.status() == StatusCode::UNAUTHORIZED && rejection.error_code().is_none();
    let rejection = if bare { rejection.needing(policy.needed()) } else { rejection };
    let mut headers = HeaderMap::new();
    let (status, body) = match asked.grpc {
        Some(content) => {
            grpc_trailers(&rejection, content, &mut headers);
            (StatusCode::OK, B::default())
        }
        None => (rejection.status(), body.body(&rejection, &mut headers)),
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if rejection.status() == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = rejection.retry_after_hint().map_or(1, |after| after.as_secs().max(1));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        headers.remove(WWW_AUTHENTICATE);
    } else if let Some(challenge) = realm.challenge(&rejection) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(rejection);
    response
}

fn challenge(rejection: &Rejection, realm: &Realm) -> String {
    let mut text = String::with_capacity(256 + realm.realm.len());
    let mut add = |parts: &[&str]| parts.iter().for_each(|part| text.push_str(part));
    // Scope values and our own words need no escapes.
    add(&["Bearer realm=", &realm.realm]);
    if let Some(scope) = rejection.needed_scope().filter(|scope| !scope.is_empty()) {
        add(&[", scope=\"", scope, "\""]);
    }
    if let (Some(code), Some(words)) = (rejection.error_code(), rejection.public_words()) {
        add(&[", error=\"", code, "\", error_description=\"", words, "\""]);
    }
    if let Some(url) = &realm.resource_metadata {
        add(&[", resource_metadata=", url]);
    }
    text
}

/// A "trailers only" answer: gRPC's own status in the headers of an empty 200. A bare 401 would do for some clients, but
/// gRPC's mapping of HTTP statuses is for proxies, not for servers.
fn grpc_trailers(rejection: &Rejection, content: HeaderValue, headers: &mut HeaderMap) {
    const UNAUTHENTICATED: u16 = 16;
    const PERMISSION_DENIED: u16 = 7;
    const UNAVAILABLE: u16 = 14;
    let code = match rejection.status() {
        StatusCode::FORBIDDEN => PERMISSION_DENIED,
        StatusCode::SERVICE_UNAVAILABLE => UNAVAILABLE,
        _ => UNAUTHENTICATED,
    };
    headers.insert(CONTENT_TYPE, content);
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from(code));
    let words = rejection.public_words().unwrap_or("An access token is required");
    headers.insert(HeaderName::from_static("grpc-message"), HeaderValue::from_static(words));
}

#[cfg(test)]
mod tests;
