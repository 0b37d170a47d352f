//! Telling an upstream who is asking, in headers that nobody else can set.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, CONNECTION};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use tower_layer::Layer;
use tower_service::Service;

use crate::request::AccessToken;

/// A layer that carries claims to an upstream as headers.
///
/// It belongs innermost, around the service that talks to the upstream, on protected and public routes alike: every
/// declared header is removed from the incoming request, in every spelling that some upstream reads as the same
/// (`X_Auth_Subject` for `x-auth-subject`), and set again only from a verified token.
#[derive(Clone, Debug, Default)]
pub struct Forward {
    declared: Arc<[(HeaderName, Box<str>)]>,
    keep_authorization: bool,
}

impl Forward {
    /// Forwards nothing, and drops `Authorization`: a token is for this resource server, not for those behind it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sends `claim` as `header`. Strings go as they are, arrays of strings with spaces between. Anything else is left
    /// out, and so is what would read otherwise behind a header: items with spaces, text that begins or ends with one,
    /// what no header can carry. The claim `client_id` stands for what
    /// the issuer calls it (`azp`, `appid`, `cid`).
    #[must_use]
    pub fn claim(mut self, header: HeaderName, claim: impl Into<Box<str>>) -> Self {
        let added = std::iter::once((header, claim.into()));
        self.declared = self.declared.iter().cloned().chain(added).collect();
        self
    }

    /// Leaves the `Authorization` header on the request.
    #[must_use]
    pub fn keep_authorization(mut self) -> Self {
        self.keep_authorization = true;
        self
    }

    fn apply<B>(&self, request: &mut Request<B>) {
        let token = request.extensions().get::<AccessToken>().cloned();
        let headers = request.headers_mut();
        if !self.keep_authorization {
            headers.remove(AUTHORIZATION);
        }
        self.remove_declared(headers);
        self.keep_from_connection(headers);
        for (header, claim) in self.declared.iter() {
            if let Some(value) = token.as_ref().and_then(|token| value(token, claim)) {
                headers.insert(header, value);
            }
        }
    }

    /// A client that names our headers in `Connection` would have the next hop remove them.
    fn keep_from_connection(&self, headers: &mut HeaderMap) {
        let ours = |name: &[u8]| {
            let name = name.trim_ascii();
            self.declared.iter().any(|(own, _)| spelled_alike(own.as_str().as_bytes(), name))
        };
        let names = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b',').any(ours);
        if headers.get_all(CONNECTION).iter().any(names) {
            let all: Vec<_> = headers.get_all(CONNECTION).iter().map(HeaderValue::as_bytes).collect();
            let all = all.join(&b',');
            let rest: Vec<_> = all.split(|byte| *byte == b',').filter(|name| !ours(name)).collect();
            headers.remove(CONNECTION);
            if let Ok(rest) = HeaderValue::from_bytes(&rest.join(&b',')) {
                headers.insert(CONNECTION, rest);
            }
        }
    }

    fn remove_declared(&self, headers: &mut HeaderMap) {
        let declared = |name: &HeaderName| {
            self.declared
                .iter()
                .any(|(own, _)| spelled_alike(own.as_str().as_bytes(), name.as_str().as_bytes()))
        };
        if headers.keys().any(declared) {
            let spoofed: Vec<_> = headers.keys().filter(|name| declared(name)).cloned().collect();
            for name in spoofed {
                headers.remove(name);
            }
        }
    }
}

/// Names are lower-case already. CGI and its heirs read `-` and `_`, some of them every other mark too, as one.
fn spelled_alike(a: &[u8], b: &[u8]) -> bool {
    let folded = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    a.iter().copied().map(folded).eq(b.iter().copied().map(folded))
}

fn value(token: &AccessToken, claim: &str) -> Option<HeaderValue> {
    let text = match claim {
        "client_id" => token.client_id().filter(|id| id.trim() == id).map(std::borrow::Cow::into_owned),
        _ => token.text_of(claim),
    };
    HeaderValue::try_from(text?).ok()
}

impl<S> Layer<S> for Forward {
    type Service = Forwarding<S>;

    fn layer(&self, inner: S) -> Forwarding<S> {
        Forwarding { inner, forward: self.clone() }
    }
}

/// A service behind [`Forward`].
#[derive(Clone, Debug)]
pub struct Forwarding<S> {
    inner: S,
    forward: Forward,
}

impl<S, B> Service<Request<B>> for Forwarding<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        self.forward.apply(&mut request);
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_token_declared_headers_only_go() {
        let forward = Forward::new()
            .claim(HeaderName::from_static("x-auth-subject"), "sub")
            .claim(HeaderName::from_static("x-auth-scope"), "scope");
        let mut request = Request::builder()
            .header("X-Auth-Subject", "root")
            .header("x_auth_subject", "root")
            .header("X-AUTH_SUBJECT", "root")
            .header("x.auth.subject", "root")
            .header("connection", HeaderValue::from_bytes(b"close, X-Auth-Subject, \xe9").unwrap())
            .header("x-auth-scope", "admin")
            .header("x-auth-other", "kept")
            .header("authorization", "Bearer x")
            .body(())
            .unwrap();
        forward.apply(&mut request);
        let mut names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["connection", "x-auth-other"]);
        assert_eq!(request.headers()[CONNECTION].as_bytes(), b"close, \xe9");

        let mut request = Request::builder().header("authorization", "Bearer x").body(()).unwrap();
        forward.keep_authorization().apply(&mut request);
        assert_eq!(request.headers().len(), 1);
    }
}
