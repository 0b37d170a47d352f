//! Questions to the feed.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, IF_NONE_MATCH};
use reqwest::{Certificate, Client, ClientBuilder};
use tower_bearer::clock::Clock;
use url::{Host, Url};

/// The largest page, in bytes after decompression.
pub(crate) const PAGE_BYTES: usize = 64 * 1024 * 1024;
pub(crate) const JSON: &str = "application/json";
pub(crate) const SIGNED: &str = "application/revocation-feed+jwt";

/// What the feed is asked with. There is no `Debug`: these are secrets.
pub(crate) enum Credentials {
    Bearer(String),
    Basic { user: String, password: String },
}

/// How to reach the feed.
pub(crate) struct Asker {
    client: Client,
    /// Leaves compressed bodies as they are, so that the header that tells is not taken away.
    raw: Client,
    url: Url,
    credentials: Option<Credentials>,
    patience: Duration,
    clock: Arc<dyn Clock>,
}

/// One question. The default is for the full state.
#[derive(Clone, Copy, Default)]
pub(crate) struct Question<'a> {
    pub(crate) cursor: Option<&'a str>,
    pub(crate) wait: Option<u64>,
    /// The `ETag` of what is known.
    pub(crate) known: Option<&'a str>,
    pub(crate) signed: bool,
    pub(crate) raw: bool,
    pub(crate) anonymous: bool,
}

/// What came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Asker {
    /// # Errors
    /// If `ca` cannot be read.
    #[expect(clippy::disallowed_methods, reason = "a client beside the crate, not part of it")]
    pub(crate) fn new(
        url: Url,
        credentials: Option<Credentials>,
        ca: Option<&[u8]>,
        patience: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Box<dyn Error>> {
        let roots = ca.map(Certificate::from_pem_bundle).transpose()?.unwrap_or_default();
        let client = |builder: ClientBuilder| {
            let builder = builder.redirect(reqwest::redirect::Policy::none()).tls_certs_merge(roots.clone());
            if is_loopback(&url) { builder.no_proxy().build() } else { builder.build() }
        };
        let (read, raw) = (client(Client::builder())?, client(Client::builder().no_gzip())?);
        Ok(Self { client: read, raw, url, credentials, patience, clock })
    }

    /// # Errors
    /// If no answer came, or not in time, or it is too large: in words.
    pub(crate) async fn ask(&self, question: Question<'_>) -> Result<Answer, String> {
        let mut url = self.url.clone();
        if let Some(cursor) = question.cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        if let Some(wait) = question.wait {
            url.query_pairs_mut().append_pair("wait", &wait.to_string());
        }
        let client = if question.raw { &self.raw } else { &self.client };
        let within = self.patience + Duration::from_secs(question.wait.unwrap_or(0));
        let mut request = client.get(url).timeout(within);
        request = request.header(ACCEPT, if question.signed { SIGNED } else { JSON });
        if question.raw {
            request = request.header(ACCEPT_ENCODING, "gzip");
        }
        if let Some(etag) = question.known {
            request = request.header(IF_NONE_MATCH, etag);
        }
        request = match self.credentials.as_ref().filter(|_| !question.anonymous) {
            Some(Credentials::Bearer(token)) => request.bearer_auth(token),
            Some(Credentials::Basic { user, password }) => request.basic_auth(user, Some(password)),
            None => request,
        };
        let asked = self.clock.uptime();
        let mut response = request.send().await.map_err(words)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(words)? {
            body.extend_from_slice(&chunk);
            if body.len() > PAGE_BYTES {
                return Err(format!("the answer is larger than {PAGE_BYTES} bytes"));
            }
        }
        Ok(Answer { status, headers, body, took: self.clock.uptime().saturating_sub(asked) })
    }

    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Without parameters, in lower case.
    pub(crate) fn media_type(&self) -> String {
        let value = self.header(CONTENT_TYPE.as_str()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }
}

/// Whether the URL itself names this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The innermost reason, without the URL, which may hold a key.
fn words(error: reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let error = error.without_url();
    let mut reason: &dyn Error = &error;
    while let Some(inner) = reason.source() {
        reason = inner;
    }
    reason.to_string()
}
