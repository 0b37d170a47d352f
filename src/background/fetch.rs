//! The one module that opens connections.
//!
//! Bounded in time and size, without redirects, and over TLS unless the other end is this very machine and the operator
//! allowed it. Nothing a token says ever becomes a URL.

use std::error::Error as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue,
    IF_NONE_MATCH,
};
use url::Url;

mod error;
mod headers;
mod permit;

pub(crate) use error::FetchError;
pub(crate) use headers::Rate;
pub(crate) use permit::{is_loopback, permits};

use super::transport::terms::Terms;
use super::transport::{ProxySetting, Transport, TransportError, proxy_url};
use crate::clock::UnixTime;
use crate::limits;
use crate::redact::Secret;

/// Fetches, as one issuer's transport says; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Fetcher {
    connections: Connections,
    terms: Arc<Terms>,
    loopback_http: bool,
}

#[derive(Clone)]
struct Connections {
    client: reqwest::Client,
    /// For this very machine: past any proxy, which would see the credentials in clear text.
    direct: reqwest::Client,
    /// Whether https to this very machine goes through the proxy too.
    proxied_loopback: bool,
}

/// They may know a proxy's password.
impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[connections]")
    }
}

/// The connections of issuers without settings of their own, made when the first one needs them: a machine without
/// roots can do without them.
#[derive(Default)]
pub(crate) struct Shared(Option<Connections>);

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
    /// What to post, form-encoded; none to get. It may hold a client's secret.
    pub(crate) form: Option<&'a Secret>,
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
    /// When the server made it (`Date`, RFC 9110 §6.6.1), less what it has spent in caches (`Age`).
    pub(crate) date: Option<UnixTime>,
    /// What is left of a rate limit, where the server tells.
    pub(crate) rate: Option<Rate>,
    pub(crate) body: Vec<u8>,
}

/// The rest of an answer with status 200 that goes on. Its connection ends with it.
#[derive(Debug)]
pub(crate) struct Flow(reqwest::Response);

impl Flow {
    /// What comes next, in parts of any size; none at the end. May be dropped while it waits, and nothing is lost.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.0.chunk().await.map_err(failure)
    }
}

impl Connections {
    fn of(transport: &Transport) -> Result<Self, TransportError> {
        let mut roots = Vec::new();
        for pem in &transport.roots {
            let wrong = |problem: String| TransportError::of_roots(pem, problem);
            let found = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| wrong(format!("root_certificate_pem cannot be read: {}", words(&error))))?;
            if found.is_empty() {
                return Err(wrong("root_certificate_pem holds no certificate".to_owned()));
            }
            // Alone, so that it is known which of them is wrong.
            let alone = builder().tls_certs_only(found.iter().cloned()).build();
            alone.map_err(|error| wrong(format!("root_certificate_pem is no root: {}", words(&error))))?;
            roots.extend(found);
        }
        if transport.only_these_roots && roots.is_empty() {
            return Err(TransportError::of_no_roots());
        }
        let with_roots = || {
            let timeout = transport.connect_timeout.unwrap_or(limits::CONNECT_TIMEOUT);
            let (builder, roots) = (builder().connect_timeout(timeout), roots.iter().cloned());
            if transport.only_these_roots {
                builder.tls_certs_only(roots)
            } else {
                builder.tls_certs_merge(roots)
            }
        };
        let direct = with_roots().no_proxy().build();
        let mut direct = direct.map_err(|error| TransportError::of_system_roots(words(&error)))?;
        let mut identity = None;
        if let Some(pem) = transport.identity.as_ref().map(Secret::expose) {
            let wrong = |error| TransportError::of_identity(pem, &words(&error));
            let read = reqwest::Identity::from_pem(pem).map_err(wrong)?;
            direct = with_roots().identity(read.clone()).no_proxy().build().map_err(wrong)?;
            identity = Some(read);
        }
        let complete = || match &identity {
            Some(identity) => with_roots().identity(identity.clone()),
            None => with_roots(),
        };
        let unusable = |error| TransportError::of_proxy("the proxy", words(&error));
        let client = match &transport.proxy {
            ProxySetting::Direct => direct.clone(),
            ProxySetting::Environment => complete().build().map_err(unusable)?,
            ProxySetting::Url(url) => {
                let proxy = reqwest::Proxy::all(proxy_url(url)?).map_err(unusable)?;
                complete().proxy(proxy).build().map_err(unusable)?
            }
        };
        let proxied_loopback = matches!(transport.proxy, ProxySetting::Url(_));
        Ok(Self { client, direct, proxied_loopback })
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that opens connections")]
fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
}

impl Fetcher {
    /// `named` are the URLs that the operator has given besides the issuer.
    ///
    /// # Errors
    /// If the settings do not work.
    pub(crate) fn of<'a>(
        transport: &Transport,
        issuer: &str,
        named: impl IntoIterator<Item = &'a str>,
        loopback_http: bool,
        shared: &mut Shared,
    ) -> Result<Self, TransportError> {
        let terms = Arc::new(transport.terms(issuer, named)?);
        let connections = match &shared.0 {
            _ if !transport.shares_connections() => Connections::of(transport)?,
            Some(connections) => connections.clone(),
            None => shared.0.insert(Connections::of(transport)?).clone(),
        };
        Ok(Self { connections, terms, loopback_http })
    }

    /// For another issuer under the same transport, over the same connections.
    pub(crate) fn under(&self, terms: Terms) -> Self {
        Self { terms: Arc::new(terms), ..self.clone() }
    }

    /// Whether this URL may be asked at all.
    pub(crate) fn permits(&self, url: &Url) -> Result<(), FetchError> {
        permits(url, self.loopback_http)
    }

    /// Whether metadata may say that the keys are here; otherwise why not.
    pub(crate) fn permits_keys(&self, url: &Url) -> Result<(), String> {
        self.permits(url).map_err(|error| error.to_string())?;
        self.terms.permit_keys(url)
    }

    /// How long a whole answer may take.
    pub(crate) fn within(&self) -> Duration {
        self.terms.within
    }

    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, FetchError> {
        self.permits(question.url)?;
        #[cfg(test)]
        if let Some(answer) = super::simulated::answer(&question).await {
            return answer;
        }
        let mut request = self.request(&question).timeout(question.within);
        if let Some(form) = question.form {
            request = request
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.expose().to_owned());
        }
        if let Some(etag) = question.known {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await.map_err(failure)?;
        let mut answer = Answer::head(response.status().as_u16(), response.headers());
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if answer.body.len() + chunk.len() > question.limit {
                return Err(FetchError::TooLarge(question.limit));
            }
            answer.body.extend_from_slice(&chunk);
        }
        Ok(answer)
    }

    /// Asks for a stream of events after `last`. Only its beginning must come in time; whoever reads on bounds what follows.
    pub(crate) async fn open(
        &self,
        question: Question<'_>,
        last: Option<&str>,
    ) -> Result<(Answer, Option<Flow>), FetchError> {
        self.permits(question.url)?;
        // What is compressed may wait for more to come.
        let mut request =
            self.request(&question).header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(last) = last {
            request = request.header(HeaderName::from_static("last-event-id"), last);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "the timeout of a connection, which reqwest has for whole answers"
        )]
        let sent = tokio::time::timeout(question.within, request.send()).await;
        let response = sent.map_err(|_| FetchError::Timeout)?.map_err(failure)?;
        let answer = Answer::head(response.status().as_u16(), response.headers());
        let flow = (answer.status == 200).then_some(Flow(response));
        Ok((answer, flow))
    }

    /// But for its body and the time it may take.
    fn request(&self, question: &Question<'_>) -> reqwest::RequestBuilder {
        let Connections { client, direct, proxied_loopback } = &self.connections;
        let proxied = *proxied_loopback && question.url.scheme() == "https";
        let client = if is_loopback(question.url) && !proxied { direct } else { client };
        let method = if question.form.is_some() { Method::POST } else { Method::GET };
        let mut request = client
            .request(method, question.url.clone())
            .headers(self.terms.headers_for(question.url))
            .header(ACCEPT, question.accept)
            // A cache in between must not answer for the server.
            .header(CACHE_CONTROL, "no-cache");
        if let Some(mut value) = question.authorization.and_then(|s| HeaderValue::from_bytes(s.expose()).ok())
        {
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
    }
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
