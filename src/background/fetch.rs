//! The one module that opens connections.
//!
//! Bounded in time and size, without redirects, and over TLS unless the other end is this very machine and the operator
//! allowed it. Nothing a token says ever becomes a URL.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{
    ACCEPT, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH,
    RETRY_AFTER,
};
use url::{Host, Url};

use crate::limits;
use crate::redact::Secret;

/// Fetches; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    client: reqwest::Client,
    /// For this very machine: past any proxy, which would see the credentials in clear text.
    direct: reqwest::Client,
    loopback_http: bool,
}

/// What to ask for.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    pub(crate) url: &'a Url,
    pub(crate) accept: &'static str,
    /// The largest body that is read, after decompression, in bytes.
    pub(crate) limit: usize,
    /// The whole `Authorization` value.
    pub(crate) authorization: Option<&'a Secret>,
    /// The `ETag` of what is known already.
    pub(crate) known: Option<&'a str>,
    /// Until the whole answer must have come.
    pub(crate) within: Duration,
}

/// What came: any status, but nothing that breaks the bounds.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) etag: Option<String>,
    /// For how long the server says that this holds (`Cache-Control: max-age`, RFC 9111 §5.2.2.1).
    pub(crate) max_age: Option<Duration>,
    /// When the server wants to be asked again (`Retry-After` in seconds, RFC 9110 §10.2.3).
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("{0} is not https (http is only allowed to loopback, with allow_loopback_http)")]
    Insecure(Url),
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("no answer in time")]
    Timeout,
    #[error("no connection: {0}")]
    Connection(String),
}

impl Fetcher {
    /// # Errors
    /// If TLS cannot be set up on this machine, in words.
    #[expect(clippy::disallowed_methods, reason = "the one place that opens connections")]
    pub(crate) fn new() -> Result<Self, String> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(limits::CONNECT_TIMEOUT)
        };
        let build = |builder: reqwest::ClientBuilder| builder.build().map_err(|error| words(&error));
        Ok(Self { client: build(builder())?, direct: build(builder().no_proxy())?, loopback_http: false })
    }

    /// The same connections under another rule about http to this very machine.
    pub(crate) fn with_loopback_http(&self, allowed: bool) -> Self {
        Self { loopback_http: allowed, ..self.clone() }
    }

    /// Whether this URL may be asked at all.
    pub(crate) fn permits(&self, url: &Url) -> Result<(), FetchError> {
        let allowed = match url.scheme() {
            "https" => true,
            "http" => self.loopback_http && is_loopback(url),
            _ => false,
        };
        if allowed { Ok(()) } else { Err(FetchError::Insecure(url.clone())) }
    }

    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, FetchError> {
        self.permits(question.url)?;
        let client = if is_loopback(question.url) { &self.direct } else { &self.client };
        let mut request = client
            .get(question.url.clone())
            .header(ACCEPT, question.accept)
            // A cache in between must not answer for the server.
            .header(CACHE_CONTROL, "no-cache")
            .timeout(question.within);
        if let Some(mut value) = question.authorization.and_then(|s| HeaderValue::from_bytes(s.expose()).ok())
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        if let Some(etag) = question.known {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(failure)?;
        let status = response.status().as_u16();
        let content_type = text(response.headers(), &CONTENT_TYPE);
        let etag = text(response.headers(), &ETAG);
        let max_age = text(response.headers(), &CACHE_CONTROL).and_then(|value| max_age(&value));
        let retry_after = text(response.headers(), &RETRY_AFTER).and_then(|value| seconds(&value));
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > question.limit {
                return Err(FetchError::TooLarge(question.limit));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, content_type, etag, max_age, retry_after, body })
    }
}

/// Whether the host is this machine, by what the URL itself says: no name is looked up for that.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

fn text(headers: &HeaderMap, name: &reqwest::header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The `max-age` among the directives; zero where the answer must not be stored.
fn max_age(directives: &str) -> Option<Duration> {
    let mut directives = directives.split(',').map(str::trim);
    directives.find_map(|directive| match directive.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("max-age") => seconds(value.trim_matches('"')),
        None if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") => {
            Some(Duration::ZERO)
        }
        _ => None,
    })
}

/// A delay in seconds; dates are not read.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

#[expect(clippy::needless_pass_by_value, reason = "an adapter for map_err")]
fn failure(error: reqwest::Error) -> FetchError {
    if error.is_timeout() { FetchError::Timeout } else { FetchError::Connection(words(&error)) }
}

/// The innermost reason, which is the one that helps; the URL is said elsewhere.
fn words(error: &reqwest::Error) -> String {
    let mut reason = error.source();
    let mut words = None;
    while let Some(inner) = reason {
        words = Some(inner.to_string());
        reason = inner.source();
    }
    words.unwrap_or_else(|| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_from_cache_control() {
        let table = [
            ("max-age=300", Some(300)),
            ("public, Max-Age=60, must-revalidate", Some(60)),
            ("max-age=\"5\"", Some(5)),
            ("no-store", Some(0)),
            ("private", None),
            ("max-age=-1", None),
            ("max-age=soon", None),
            ("s-maxage=9", None),
            ("", None),
        ];
        for (value, secs) in table {
            assert_eq!(max_age(value), secs.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn http_is_for_loopback_and_only_when_allowed() {
        let table = [
            ("https://as.example/", true, true),
            ("http://as.example/", false, false),
            ("http://127.0.0.1:9000/", true, false),
            ("http://127.9.9.9/", true, false),
            ("http://[::1]:9000/", true, false),
            ("http://localhost:9000/", true, false),
            ("http://localhost.example/", false, false),
            ("http://127.0.0.1.example/", false, false),
            ("http://0.0.0.0/", false, false),
            ("http://169.254.169.254/", false, false),
            ("file:///etc/passwd", false, false),
            ("ftp://127.0.0.1/", false, false),
        ];
        let closed = Fetcher::new().unwrap();
        let open = closed.with_loopback_http(true);
        for (url, with_option, without) in table {
            let url = Url::parse(url).unwrap();
            assert_eq!(open.permits(&url).is_ok(), with_option, "{url}");
            assert_eq!(closed.permits(&url).is_ok(), without, "{url}");
        }
    }
}
