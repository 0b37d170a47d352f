//! `[issuer.transport]`: how an issuer is reached, where the defaults will not do.

use std::collections::BTreeMap;
use std::path::Path;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;
use tower_bearer::{StartError, Transport};

use crate::config::ConfigError;
use crate::files::{secret, secret_text};
use crate::issuers::{apply, period};
use crate::values::Period;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TransportSettings {
    root_certificates_file: Option<String>,
    #[serde(default)]
    only_these_roots: bool,
    client_certificate_file: Option<String>,
    proxy: Option<String>,
    proxy_file: Option<String>,
    #[serde(default)]
    headers: BTreeMap<Header, String>,
    #[serde(default)]
    header_files: BTreeMap<Header, String>,
    connect_timeout: Option<Period>,
    total_timeout: Option<Period>,
    #[serde(default)]
    same_origin_keys: bool,
    #[serde(default)]
    keys_origins: Vec<String>,
}

/// A header that is sent with every question.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(try_from = "String")]
struct Header(String);

impl TryFrom<String> for Header {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match HeaderName::try_from(&text) {
            Ok(name) => Ok(Self(name.as_str().to_owned())),
            Err(_) => Err(format!("`{text}` is no header name: use one such as \"x-api-key\"")),
        }
    }
}

impl TransportSettings {
    /// What no single value shows.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.proxy.is_some() && self.proxy_file.is_some() {
            return Err(
                "`transport.proxy` and `transport.proxy_file` are two proxies: leave one out".to_owned()
            );
        }
        // The file that this stands in is read by many, and the complaint too.
        if self.proxy.as_ref().is_some_and(|url| url.contains('@')) {
            let remedy = "put the URL into a file of its own, and name that with `transport.proxy_file`";
            return Err(format!("`transport.proxy` has a user or password: {remedy}"));
        }
        if self.only_these_roots && self.root_certificates_file.is_none() {
            let remedy = "name them with `transport.root_certificates_file`";
            return Err(format!("`transport.only_these_roots` says which, but there are none: {remedy}"));
        }
        match self.headers.keys().find(|name| self.header_files.contains_key(name)) {
            Some(Header(name)) => Err(format!(
                "`{name}` is in `transport.headers` and in `transport.header_files`: leave one out"
            )),
            None => Ok(()),
        }
    }

    /// `file` is the configuration, beside which its files are.
    pub(crate) fn read(&self, file: &Path) -> Result<Transport, ConfigError> {
        let bytes = |setting, path: &Option<String>| {
            path.as_ref().map(|path| secret(setting, path, file)).transpose()
        };
        let transport = Transport::new();
        let roots = bytes("root_certificates_file", &self.root_certificates_file)?;
        let transport = apply(transport, roots, Transport::root_certificate_pem);
        let transport = if self.only_these_roots { transport.only_these_roots() } else { transport };
        let identity = bytes("client_certificate_file", &self.client_certificate_file)?;
        let transport = apply(transport, identity, Transport::client_certificate_pem);
        let proxy = self.proxy_file.as_ref().map(|path| secret_text("proxy_file", path, file)).transpose()?;
        let transport = apply(transport, proxy.as_ref().or(self.proxy.as_ref()), Transport::proxy);
        let transport = apply(transport, period(self.connect_timeout), Transport::connect_timeout);
        let transport = apply(transport, period(self.total_timeout), Transport::total_timeout);
        let transport = if self.same_origin_keys { transport.same_origin_keys() } else { transport };
        let transport = self.keys_origins.iter().fold(transport, Transport::keys_origin);
        let transport = self.headers.iter().try_fold(transport, |transport, (name, value)| {
            with_header(transport, "headers", name, value, file)
        })?;
        self.header_files.iter().try_fold(transport, |transport, (name, path)| {
            let value = secret_text("header_files", path, file)?;
            with_header(transport, "header_files", name, &value, file)
        })
    }
}

fn with_header(
    transport: Transport,
    setting: &str,
    Header(name): &Header,
    value: &str,
    file: &Path,
) -> Result<Transport, ConfigError> {
    match (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        (Ok(header), Ok(value)) => Ok(transport.header(header, value)),
        // The value may be a secret.
        _ => Err(ConfigError(format!(
            "{}: {setting} `{name}`: its value cannot stand in a header: give one line of visible characters",
            file.display()
        ))),
    }
}

/// The library speaks of its builder's settings, and an operator of the file's.
pub(crate) fn in_our_words(error: &StartError) -> String {
    let text = error.to_string();
    if error.setting() != "transport" {
        return text;
    }
    text.replace("root_certificate_pem", "root_certificates_file")
        .replace("client_certificate_pem", "client_certificate_file")
        .replace("keys_origin ", "keys_origins ")
        .replace("Feed::bearer or Feed::basic", "bearer_file or basic")
        .replace("the proxy's URL", "the URL in proxy_file")
}
