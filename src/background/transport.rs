//! How one issuer is reached: its settings, and what they mean for each question. Connections are made in `fetch`.

use std::fmt;
use std::time::Duration;

use http::header::{HeaderName, HeaderValue};
use url::Url;

use crate::redact::Secret;

pub(super) mod terms;

/// How an issuer's metadata, keys and feed are reached, where the defaults will not do: behind a private CA, with a client
/// certificate, through a proxy.
///
/// Each issuer has its own ([`Builder::transport`](crate::Builder::transport)). Redirects are never followed, and
/// certificates are always verified.
///
/// ```
/// # fn transport(ca: Vec<u8>, identity: Vec<u8>) -> tower_bearer::Transport {
/// use tower_bearer::Transport;
///
/// Transport::new()
///     .root_certificate_pem(ca)
///     .only_these_roots()
///     .client_certificate_pem(identity)
///     .proxy("http://proxy.internal:3128")
/// # }
/// ```
#[derive(Clone, Default)]
#[must_use = "settings do nothing before they are given to `Builder::transport`"]
pub struct Transport {
    pub(super) roots: Vec<Vec<u8>>,
    pub(super) only_these_roots: bool,
    pub(super) identity: Option<Secret>,
    pub(super) proxy: ProxySetting,
    pub(super) connect_timeout: Option<Duration>,
    total_timeout: Option<Duration>,
    headers: Vec<(HeaderName, HeaderValue)>,
    same_origin_keys: bool,
    keys_origins: Vec<String>,
}

#[derive(Clone, Default)]
pub(super) enum ProxySetting {
    /// What the environment says.
    #[default]
    Environment,
    Direct,
    /// May hold a password.
    Url(String),
}

impl Transport {
    /// The defaults: the system's roots, the environment's proxy, no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trusts the certificates of this PEM bundle as roots, besides the system's. May be called repeatedly.
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Does not trust the system's roots, only those that [`Transport::root_certificate_pem`] adds. The machine needs
    /// none of its own then.
    pub fn only_these_roots(mut self) -> Self {
        self.only_these_roots = true;
        self
    }

    /// Shows this certificate to servers that ask for one (mutual TLS). The PEM holds the certificate, then those
    /// between it and its root, and the private key, not encrypted (PKCS #8, PKCS #1 or SEC 1).
    pub fn client_certificate_pem(mut self, certificate_and_key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some(Secret::new(certificate_and_key.into()));
        self
    }

    /// Reaches everything over https through this HTTP proxy (`CONNECT`), this very machine included; user and password
    /// may stand in the URL. The environment's proxy settings, `NO_PROXY` too, count no more. Default: the environment's
    /// proxy, though never for this very machine. Loopback http goes past every proxy, which would see its credentials.
    /// A proxy that is reached over https must be trusted by the same roots.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = ProxySetting::Url(url.into());
        self
    }

    /// Uses no proxy, whatever the environment says. The last of this and [`Transport::proxy`] counts.
    pub fn no_proxy(mut self) -> Self {
        self.proxy = ProxySetting::Direct;
        self
    }

    /// A header on every question to this issuer: to its own origin, and to those of `jwks_url`, feed and
    /// [`Transport::keys_origin`]; not to another host that its metadata name. The value is treated as a secret.
    /// `Authorization` is the feed's ([`Feed::bearer`](crate::Feed::bearer)) and is refused here.
    pub fn header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.push((name, value));
        self
    }

    /// Until a connection stands, TLS included. Default 3 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = Some(timeout);
        self
    }

    /// Until a whole answer has come, connecting included. Default 10 s. For what is new since the last answer a feed is
    /// never given more than a quarter of its `max_staleness`, or 1 s if that is longer.
    pub fn total_timeout(mut self, timeout: Duration) -> Self {
        self.total_timeout = Some(timeout);
        self
    }

    /// Demands that the `jwks_uri` of the issuer's metadata has the issuer's own origin (scheme, host and port), or one
    /// that [`Transport::keys_origin`] lists. Default: any https URL. A pinned `jwks_url` is not concerned.
    pub fn same_origin_keys(mut self) -> Self {
        self.same_origin_keys = true;
        self
    }

    /// Allows the `jwks_uri` to have this origin. May be called repeatedly; as soon as one origin is listed, those that
    /// are not are refused, also the issuer's own unless [`Transport::same_origin_keys`] allows that.
    pub fn keys_origin(mut self, url: impl Into<String>) -> Self {
        self.keys_origins.push(url.into());
        self
    }
}

/// Shows what was set, and nothing that may be a secret.
impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proxy = match &self.proxy {
            ProxySetting::Environment => "the environment's",
            ProxySetting::Direct => "none",
            ProxySetting::Url(_) => "[given]",
        };
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Transport")
            .field("roots", &self.roots.len())
            .field("only_these_roots", &self.only_these_roots)
            .field("client_certificate", &self.identity.is_some())
            .field("proxy", &proxy)
            .field("headers", &headers)
            .field("connect_timeout", &self.connect_timeout)
            .field("total_timeout", &self.total_timeout)
            .field("same_origin_keys", &self.same_origin_keys)
            .finish_non_exhaustive()
    }
}

/// A setting of the transport that does not work, in the words of a `StartError`.
#[derive(Debug)]
pub(crate) struct TransportError {
    /// Never a secret.
    pub(crate) value: String,
    pub(crate) problem: String,
    pub(crate) remedy: &'static str,
}

impl TransportError {
    pub(super) fn new(value: impl Into<String>, problem: impl Into<String>, remedy: &'static str) -> Self {
        Self { value: value.into(), problem: problem.into(), remedy }
    }

    pub(super) fn of_roots(pem: &[u8], problem: impl Into<String>) -> Self {
        let remedy = "Give a PEM bundle of root certificates (-----BEGIN CERTIFICATE-----)";
        Self::new(format!("[{} bytes]", pem.len()), problem, remedy)
    }

    pub(super) fn of_no_roots() -> Self {
        let remedy = "Give root_certificate_pem too";
        Self::new("only_these_roots", "there is none, so that nobody could be trusted", remedy)
    }

    pub(super) fn of_system_roots(problem: impl Into<String>) -> Self {
        let remedy =
            "Install root certificates on this machine, or give root_certificate_pem and only_these_roots";
        Self::new("the system's roots", problem, remedy)
    }

    pub(super) fn of_identity(pem: &[u8], problem: &str) -> Self {
        let problem = format!("client_certificate_pem cannot be used: {problem}");
        let remedy = "Give one PEM with the certificate, those between it and its root, and the private key, not encrypted";
        Self::new(format!("[{} bytes]", pem.len()), problem, remedy)
    }

    /// `value` shows no password.
    pub(super) fn of_proxy(value: impl Into<String>, problem: impl Into<String>) -> Self {
        let remedy = "Give the URL of an HTTP proxy, as http://proxy.internal:3128";
        Self::new(value, problem, remedy)
    }
}

impl Transport {
    /// Whether the connections are those that every other issuer without such settings uses.
    pub(super) fn shares_connections(&self) -> bool {
        self.roots.is_empty()
            && !self.only_these_roots
            && self.identity.is_none()
            && matches!(self.proxy, ProxySetting::Environment)
            && self.connect_timeout.is_none()
    }
}

/// The proxy's URL, if it can be one.
pub(super) fn proxy_url(text: &str) -> Result<Url, TransportError> {
    let wrong = |problem: String| TransportError::of_proxy(format!("[{} bytes]", text.len()), problem);
    let url = Url::parse(text).map_err(|error| wrong(format!("the proxy is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        // `user:password@host` is a URL too, whose scheme is the user.
        return Err(wrong("the proxy is not at an http or https URL".to_owned()));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_shown_without_secrets() {
        let transport = Transport::new()
            .client_certificate_pem("hunter2")
            .proxy("http://user:hunter2@proxy.example")
            .header(HeaderName::from_static("x-api-key"), HeaderValue::from_static("hunter2"))
            .root_certificate_pem("hunter2");
        let terms = transport.terms("https://as.example", []).unwrap();
        for shown in [format!("{transport:?}"), format!("{terms:?}")] {
            assert!(!shown.contains("hunter2"), "{shown}");
            assert!(shown.contains("x-api-key"), "{shown}");
        }
    }

    #[test]
    fn connections_are_shared_unless_they_differ() {
        let second = Duration::from_secs(1);
        let header = (HeaderName::from_static("x-api-key"), HeaderValue::from_static("k"));
        let shared = Transport::new().header(header.0, header.1).total_timeout(second).same_origin_keys();
        assert!(shared.keys_origin("https://keys.example").shares_connections());
        let own = [
            Transport::new().root_certificate_pem(""),
            Transport::new().only_these_roots(),
            Transport::new().client_certificate_pem(""),
            Transport::new().proxy(""),
            Transport::new().no_proxy(),
            Transport::new().connect_timeout(second),
        ];
        assert!(own.iter().all(|transport| !transport.shares_connections()));
    }
}
