//! What the transport's settings mean for each question.

use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap,
    HeaderName, IF_NONE_MATCH, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use url::{Origin, Url};

use super::{Transport, TransportError};
use crate::limits;
use crate::redact::Shown;

const REMEDY: &str = "Give scheme, host and port of where the keys are, as https://keys.example";
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(300);

/// What is the same for all questions under one transport.
#[derive(Debug)]
pub(crate) struct Terms {
    /// All sensitive.
    headers: HeaderMap,
    /// Who is told the headers.
    told: Vec<Origin>,
    /// Where metadata may say that keys are; anywhere if this is none.
    keys_at: Option<Vec<Origin>>,
    pub(in crate::background) within: Duration,
}

impl Terms {
    /// The extra headers for whoever answers at `url`.
    pub(in crate::background) fn headers_for(&self, url: &Url) -> HeaderMap {
        if self.told.contains(&url.origin()) { self.headers.clone() } else { HeaderMap::new() }
    }

    /// Whether metadata may say that keys are here; otherwise why not.
    pub(in crate::background) fn permit_keys(&self, url: &Url) -> Result<(), String> {
        let allowed = self.keys_at.as_ref().is_none_or(|origins| origins.contains(&url.origin()));
        if allowed {
            return Ok(());
        }
        let origin = url.origin().ascii_serialization();
        Err(format!("keys at {} are not allowed by same_origin_keys and keys_origin", Shown(&origin)))
    }
}

impl Transport {
    /// `named` are the other URLs that the operator has given.
    pub(crate) fn terms<'a>(
        &self,
        issuer: &str,
        named: impl IntoIterator<Item = &'a str>,
    ) -> Result<Terms, TransportError> {
        for timeout in [self.connect_timeout, self.total_timeout].into_iter().flatten() {
            if !TIMEOUTS.contains(&timeout) {
                let remedy =
                    "From 1 ms to 300 s is possible; the defaults are 3 s to connect and 10 s in all";
                return Err(TransportError::new(format!("{timeout:?}"), "it is no usable timeout", remedy));
            }
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            permit_header(name)?;
            headers.append(name, value.clone());
        }
        let origin = |url: &str| Url::parse(url).ok().map(|url| url.origin());
        let listed = self.keys_origins.iter().map(|url| keys_origin(url)).collect::<Result<Vec<_>, _>>()?;
        let own = origin(issuer);
        let restricted = self.same_origin_keys || !listed.is_empty();
        let keys_at = listed.iter().chain(own.as_ref().filter(|_| self.same_origin_keys)).cloned().collect();
        let told = own.iter().chain(&listed).cloned().chain(named.into_iter().filter_map(origin)).collect();
        let within = self.total_timeout.unwrap_or(limits::TOTAL_TIMEOUT);
        Ok(Terms { headers, told, keys_at: restricted.then_some(keys_at), within })
    }
}

fn permit_header(name: &HeaderName) -> Result<(), TransportError> {
    let refuse = |problem: &str, remedy| Err(TransportError::new(name.as_str(), problem, remedy));
    if *name == AUTHORIZATION {
        let remedy = "Give Feed::bearer or Feed::basic what the feed asks for; metadata and keys are public";
        return refuse("the header would be shown to all of the issuer's hosts", remedy);
    }
    if *name == PROXY_AUTHORIZATION {
        return refuse("the header is the proxy's", "Put user and password into the proxy's URL");
    }
    let ours = [ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, IF_NONE_MATCH];
    let https = [CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE];
    if ours.contains(name) || https.contains(name) {
        return refuse("the header is set by this crate, or by HTTP itself", "Leave it out");
    }
    Ok(())
}

fn keys_origin(text: &str) -> Result<Origin, TransportError> {
    let wrong = |value: String, problem: &str| TransportError::new(value, problem, REMEDY);
    let url = Url::parse(text).map_err(|error| {
        let password = text.contains('@');
        let value = if password { format!("[{} bytes]", text.len()) } else { Shown(text).to_string() };
        wrong(value, &format!("keys_origin is no URL: {error}"))
    })?;
    let origin = url.origin();
    let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    if !bare || !url.username().is_empty() || url.password().is_some() || !origin.is_tuple() {
        return Err(wrong(origin.ascii_serialization(), "keys_origin says something else than an origin"));
    }
    Ok(origin)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn headers_are_told_to_whom_the_operator_named() {
        let header = (HeaderName::from_static("x-api-key"), HeaderValue::from_static("k"));
        let transport = Transport::new().header(header.0, header.1).keys_origin("https://keys.example");
        let terms = transport.terms("https://as.example/t1", ["https://feed.example/x?y"]).unwrap();
        let table = [
            ("https://as.example/jwks", true),
            ("https://as.example:443/", true),
            ("https://keys.example/a", true),
            ("https://feed.example/", true),
            ("https://as.example:8443/", false),
            ("http://as.example/", false),
            ("https://cdn.example/", false),
            ("https://as.example.evil.example/", false),
        ];
        for (url, told) in table {
            assert_eq!(!terms.headers_for(&Url::parse(url).unwrap()).is_empty(), told, "{url}");
        }
    }

    #[test]
    fn keys_are_where_they_may_be() {
        let (own, listed, other) =
            ("https://as.example/jwks", "https://keys.example/jwks", "https://c.example/");
        let table = [
            (Transport::new(), [true, true, true]),
            (Transport::new().same_origin_keys(), [true, false, false]),
            (Transport::new().same_origin_keys().keys_origin("https://keys.example"), [true, true, false]),
            (Transport::new().keys_origin("https://keys.example/"), [false, true, false]),
        ];
        for (transport, expected) in table {
            let terms = transport.terms("https://as.example/t1", []).unwrap();
            let permitted = |url: &str| terms.permit_keys(&Url::parse(url).unwrap()).is_ok();
            assert_eq!([own, listed, other].map(permitted), expected, "{transport:?}");
        }
    }
}
