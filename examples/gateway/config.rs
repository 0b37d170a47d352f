//! The file: what may stand in it, and what is said where something else does.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::forward::Forward;
use crate::resource::Resource;
use crate::revocation::Sources;
use crate::transport::TransportSettings;
use crate::values::{
    Address, AlgorithmName, Names, Period, Prefix, ProfileName, Scope, StaleChoice, Upstream, Verb,
};

/// A file that cannot be used: the words for the operator.
#[derive(Debug)]
pub(crate) struct ConfigError(pub(crate) String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.trim_end())
    }
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: Address,
    pub(crate) upstream: Upstream,
    pub(crate) admin: Address,
    pub(crate) realm: Option<String>,
    pub(crate) resource: Option<Resource>,
    /// In bytes.
    pub(crate) verdict_cache: Option<usize>,
    #[serde(rename = "issuer")]
    issuers: Vec<Spanned<Issuer>>,
    #[serde(rename = "route")]
    routes: Vec<Spanned<Route>>,
    #[serde(default)]
    pub(crate) forward: Forward,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Issuer {
    /// None where there are tenants, and only there.
    pub(crate) url: Option<String>,
    pub(crate) tenants: Option<Names>,
    pub(crate) max_tenants: Option<NonZeroUsize>,
    pub(crate) idle_after: Option<Period>,
    pub(crate) audience: Vec<String>,
    pub(crate) jwks_url: Option<String>,
    pub(crate) keys_file: Option<String>,
    pub(crate) shared_secret_file: Option<String>,
    pub(crate) keys_stale_after: Option<Period>,
    pub(crate) algorithms: Option<Vec<AlgorithmName>>,
    pub(crate) profile: Option<ProfileName>,
    pub(crate) scope_claims: Option<Vec<String>>,
    pub(crate) leeway: Option<Period>,
    pub(crate) max_token_lifetime: Option<Period>,
    pub(crate) require_jti: Option<bool>,
    #[serde(default)]
    pub(crate) allow_loopback_http: bool,
    #[serde(default)]
    pub(crate) transport: TransportSettings,
    /// At least one in every issuer that passed [`Issuer::check`].
    #[serde(default)]
    pub(crate) revocation: Sources,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    #[serde(rename = "path")]
    pub(crate) prefix: Prefix,
    pub(crate) methods: Option<Vec<Verb>>,
    #[serde(default)]
    public: bool,
    /// None in a public route, and only there.
    pub(crate) require: Option<Require>,
    pub(crate) when_stale: Option<StaleChoice>,
}

/// What a route demands of a token.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RequireTable")]
pub(crate) enum Require {
    All(Vec<Scope>),
    Any(Vec<Scope>),
    AnyToken,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a table: { all = [\"…\"] }, { any = [\"…\"] } or { none = true } for any valid token"
)]
struct RequireTable {
    all: Option<Vec<Scope>>,
    any: Option<Vec<Scope>>,
    none: Option<bool>,
}

impl TryFrom<RequireTable> for Require {
    type Error = &'static str;

    fn try_from(table: RequireTable) -> Result<Self, Self::Error> {
        match table {
            RequireTable { all: Some(scopes), any: None, none: None } if !scopes.is_empty() => {
                Ok(Self::All(scopes))
            }
            RequireTable { all: None, any: Some(scopes), none: None } if !scopes.is_empty() => {
                Ok(Self::Any(scopes))
            }
            RequireTable { all: None, any: None, none: Some(true) } => Ok(Self::AnyToken),
            _ => Err(
                "`require` needs exactly one of `all` and `any`, with at least one scope, and `none = true`, which is for any valid token",
            ),
        }
    }
}

impl Config {
    pub(crate) fn read(file: &Path) -> Result<Self, ConfigError> {
        let named = |problem: String| ConfigError(format!("{}: {problem}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| named(error.to_string()))?;
        let config: Self = toml::from_str(&text).map_err(|error| named(error.to_string()))?;
        config.check(&text).map_err(named)?;
        Ok(config)
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &Issuer> {
        self.issuers.iter().map(Spanned::get_ref)
    }

    pub(crate) fn routes(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map(Spanned::get_ref)
    }

    /// What no single value shows.
    fn check(&self, text: &str) -> Result<(), String> {
        if self.issuers.is_empty() {
            return Err("`issuer` is empty: name at least one, with [[issuer]]".to_owned());
        }
        for (place, route) in self.routes.iter().enumerate() {
            let earlier = self.routes.iter().take(place).map(Spanned::get_ref);
            let problem = route.get_ref().check().and_then(|()| route.get_ref().check_against(earlier));
            let prefix = &route.get_ref().prefix.text;
            problem.map_err(|problem| format!("line {}: route `{prefix}`: {problem}", line(text, route)))?;
        }
        for issuer in &self.issuers {
            let (name, problem) = (issuer.get_ref().name(), issuer.get_ref().check());
            problem.map_err(|problem| format!("line {}: issuer `{name}`: {problem}", line(text, issuer)))?;
        }
        Ok(())
    }
}

fn line<T>(text: &str, place: &Spanned<T>) -> usize {
    text.bytes().take(place.span().start).filter(|byte| *byte == b'\n').count() + 1
}

impl Route {
    fn check(&self) -> Result<(), &'static str> {
        if self.public == self.require.is_some() {
            return Err("it needs either `require` or `public = true`, and not both");
        }
        if self.public && self.when_stale.is_some() {
            return Err("`when_stale` has no meaning where `public = true`: leave it out");
        }
        if self.methods.as_ref().is_some_and(Vec::is_empty) {
            return Err("`methods` is empty: name at least one, or leave it out for all of them");
        }
        Ok(())
    }

    fn check_against<'a>(&self, mut earlier: impl Iterator<Item = &'a Self>) -> Result<(), &'static str> {
        let collides = |other: &Self| match (&self.methods, &other.methods) {
            _ if self.prefix != other.prefix => false,
            (Some(own), Some(others)) => own.iter().any(|method| others.contains(method)),
            _ => true,
        };
        if earlier.any(collides) {
            return Err(
                "an earlier route has the same path and a method in common: give each its own `methods`",
            );
        }
        Ok(())
    }
}

impl Issuer {
    /// For the operator.
    fn name(&self) -> &str {
        self.names().first().map_or("", String::as_str)
    }

    /// What it is called, or its tenants are.
    fn names(&self) -> &[String] {
        match (&self.url, &self.tenants) {
            (Some(url), _) => std::slice::from_ref(url),
            (None, Some(Names::Pattern(pattern))) => std::slice::from_ref(pattern),
            (None, Some(Names::Listed(names))) => names,
            (None, None) => &[],
        }
    }

    fn check(&self) -> Result<(), String> {
        self.check_names()?;
        if self.audience.is_empty() {
            return Err("`audience` is empty: name this API as the issuer does".to_owned());
        }
        let sources = [
            ("jwks_url", &self.jwks_url),
            ("keys_file", &self.keys_file),
            ("shared_secret_file", &self.shared_secret_file),
        ];
        let mut sources = sources.into_iter().filter(|(_, value)| value.is_some()).map(|(key, _)| key);
        let source = sources.next();
        if let (Some(one), Some(other)) = (source, sources.next()) {
            return Err(format!("`{one}` and `{other}` are two sources of keys: leave one out"));
        }
        if let (Some(file), Some(_)) = (&self.shared_secret_file, self.keys_stale_after) {
            return Err(format!(
                "`keys_stale_after` has no meaning beside `shared_secret_file = \"{file}\"`, which is read once: leave it out"
            ));
        }
        self.transport.check()?;
        self.revocation.check()?;
        let key = if self.tenants.is_some() { "tenants" } else { "url" };
        let own = self.names().iter().filter(|_| source.is_none()).map(|name| (key, name));
        let keys = self.jwks_url.iter().map(|url| ("jwks_url", url));
        let plain = |(_, url): &(&str, &String)| {
            url.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http:"))
        };
        match own.chain(keys).chain(self.revocation.urls()).find(plain) {
            Some((key, url)) if !self.allow_loopback_http => Err(format!(
                "`{key}` is `{url}`: use https; for this very machine http is possible with `allow_loopback_http = true`"
            )),
            _ => Ok(()),
        }
    }

    fn check_names(&self) -> Result<(), &'static str> {
        if self.url.is_some() == self.tenants.is_some() {
            return Err("it needs either `url`, for one issuer, or `tenants`, for many, and not both");
        }
        if self.tenants.is_none() && (self.max_tenants.is_some() || self.idle_after.is_some()) {
            return Err(
                "`max_tenants` and `idle_after` have a meaning beside `tenants` only: leave them out",
            );
        }
        Ok(())
    }
}
