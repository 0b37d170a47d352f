//! The body of an answer to a refused request. Status, challenge and caching are not for it to choose.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};

use crate::rejection::Rejection;

/// Makes the body of a refusal, and may add headers that go with it, such as `Content-Type`.
///
/// The status, `WWW-Authenticate`, `Retry-After` and `Cache-Control` are set after it, so that no body can make them
/// wrong. Any `Fn(&Rejection, &mut HeaderMap) -> Body` is one.
///
/// ```
/// # fn layer(api: &tower_bearer::ResourceServer) {
/// use http::HeaderMap;
/// use tower_bearer::{ProblemJson, Rejection, scope};
///
/// let layer = api.protect(scope("read:events")).with_body(ProblemJson);
/// let own = |rejection: &Rejection, _: &mut HeaderMap| format!("no: {}", rejection.status());
/// let layer = api.protect(scope("read:events")).with_body(own);
/// # }
/// ```
pub trait RejectionBody<B> {
    /// The body for `rejection`. What it says reaches the client: [`Rejection::public_words`] may, its kind must not.
    fn body(&self, rejection: &Rejection, headers: &mut HeaderMap) -> B;
}

/// No body: the challenge says it all. The default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to it")]
pub struct EmptyBody;

impl<B: Default> RejectionBody<B> for EmptyBody {
    fn body(&self, _: &Rejection, _: &mut HeaderMap) -> B {
        B::default()
    }
}

/// A problem details object (RFC 9457): `{"title": …, "status": …, "detail": …}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "there is nothing to it")]
pub struct ProblemJson;

impl<B: From<Bytes>> RejectionBody<B> for ProblemJson {
    fn body(&self, rejection: &Rejection, headers: &mut HeaderMap) -> B {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let status = rejection.status();
        let mut problem = serde_json::json!({
            "title": status.canonical_reason().unwrap_or_default(),
            "status": status.as_u16(),
        });
        if let (Some(words), Some(problem)) = (rejection.public_words(), problem.as_object_mut()) {
            problem.insert("detail".to_owned(), words.into());
        }
        B::from(Bytes::from(problem.to_string()))
    }
}

impl<F, B> RejectionBody<B> for F
where
    F: Fn(&Rejection, &mut HeaderMap) -> B,
{
    fn body(&self, rejection: &Rejection, headers: &mut HeaderMap) -> B {
        self(rejection, headers)
    }
}
