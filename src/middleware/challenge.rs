//! The answer to a refused request (RFC 6750 §3, RFC 9110 §11.6.1).

use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::policy::Policy;
use crate::rejection::Rejection;

/// The protection space of the challenges, quoted already (RFC 9110 §11.5).
#[derive(Clone, Debug)]
pub(crate) struct Realm(Box<str>);

impl Realm {
    /// Characters that cannot stand in a quoted string are left out.
    pub(crate) fn new(realm: &str) -> Self {
        let mut quoted = String::from("\"");
        for character in realm.chars().filter(|character| matches!(character, ' '..='~')) {
            if matches!(character, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(character);
        }
        quoted.push('"');
        Self(quoted.into())
    }
}

/// Everything of the answer but its body, which is empty.
pub(super) fn answer(rejection: Rejection, realm: &Realm, policy: &Policy) -> Response<()> {
    tracing::debug!(
        target: "tower_bearer::rejection",
        kind = ?rejection.kind(),
        status = rejection.status().as_u16(),
        "{}",
        rejection.log_words()
    );
    let rejection = if rejection.status() == StatusCode::UNAUTHORIZED && rejection.error_code().is_none() {
        rejection.needing(policy.needed())
    } else {
        rejection
    };
    let mut response = Response::new(());
    *response.status_mut() = rejection.status();
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if rejection.status() == StatusCode::SERVICE_UNAVAILABLE {
        let seconds = rejection.retry_after_hint().map_or(1, |after| after.as_secs().max(1));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    } else if let Ok(challenge) = HeaderValue::from_maybe_shared(Bytes::from(challenge(&rejection, realm))) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    response.extensions_mut().insert(rejection);
    response
}

fn challenge(rejection: &Rejection, realm: &Realm) -> String {
    let mut text = String::with_capacity(256 + realm.0.len());
    // Writing into a string does not fail. Scope values and our own words need no escapes.
    let _ = write!(text, "Bearer realm={}", realm.0);
    if let Some(scope) = rejection.needed_scope().filter(|scope| !scope.is_empty()) {
        let _ = write!(text, ", scope=\"{scope}\"");
    }
    if let Some(code) = rejection.error_code() {
        let _ = write!(text, ", error=\"{code}\", error_description=\"{}\"", rejection.kind().row().public);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{all_of, any_token};
    use crate::rejection::RejectionKind;
    use std::time::Duration;

    fn headers(rejection: Rejection, policy: &Policy) -> (u16, Option<String>, Option<String>) {
        let response = answer(rejection, &Realm::new("a\"b\r\n"), policy);
        let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(text(CACHE_CONTROL).as_deref(), Some("no-store"));
        (response.status().as_u16(), text(WWW_AUTHENTICATE), text(RETRY_AFTER))
    }

    /// BR-04, BR-06, BR-08, BR-17, BR-25.
    #[test]
    fn answers() {
        let (any, needs) = (any_token(), all_of(["a", "b"]));
        let (status, challenge, _) = headers(RejectionKind::NoCredentials.into(), &any);
        assert_eq!((status, challenge.as_deref()), (401, Some(r#"Bearer realm="a\"b""#)));

        let (_, challenge, _) = headers(RejectionKind::NoCredentials.into(), &needs);
        assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="a\"b", scope="a b""#));

        let rejection = Rejection::new(RejectionKind::InsufficientScope).needing(needs.needed());
        let (status, challenge, _) = headers(rejection, &needs);
        assert_eq!(status, 403);
        assert_eq!(
            challenge.as_deref(),
            Some(
                r#"Bearer realm="a\"b", scope="a b", error="insufficient_scope", error_description="The request requires higher privileges than the access token has""#
            )
        );

        let (status, challenge, _) = headers(RejectionKind::Expired.into(), &needs);
        assert_eq!(status, 401);
        assert_eq!(
            challenge.as_deref(),
            Some(
                r#"Bearer realm="a\"b", error="invalid_token", error_description="The access token expired""#
            )
        );

        let (status, challenge, _) = headers(RejectionKind::RepeatedCredentials.into(), &needs);
        assert!(status == 400 && challenge.unwrap().contains(r#"error="invalid_request""#));

        let rejection = Rejection::new(RejectionKind::NoKeys).retry_after(Duration::from_secs(7));
        assert_eq!(headers(rejection, &any), (503, None, Some("7".to_owned())));
    }

    #[test]
    fn the_rejection_is_in_the_extensions() {
        let response = answer(RejectionKind::Revoked.into(), &Realm::new("api"), &any_token());
        assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), RejectionKind::Revoked);
    }

    #[test]
    fn unknown_key_and_wrong_signature_sound_alike() {
        let words = |kind: RejectionKind| headers(kind.into(), &any_token());
        assert_eq!(words(RejectionKind::UnknownKey), words(RejectionKind::WrongSignature));
    }
}
