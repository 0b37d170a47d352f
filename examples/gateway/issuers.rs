//! From the file's issuers to a running resource server.

use std::path::Path;
use std::time::Duration;

use tower_bearer::{Builder, Complete, NeedsAudience, NeedsRevocation, Profile, ResourceServer, Tenants};

use crate::config::{Config, ConfigError, Issuer};
use crate::files::{beside, secret};
use crate::resource::Resource;
use crate::transport::in_our_words;
use crate::values::{Names, Period};

/// Starts without waiting for anybody, so that the gateway comes up while an authorization server is down.
pub(crate) fn start(config: &Config, file: &Path) -> Result<ResourceServer, ConfigError> {
    let mut issuers = config.issuers();
    let Some(first) = issuers.next() else { return Err(ConfigError("there is no issuer".to_owned())) };
    let builder = ResourceServer::builder();
    let builder = apply(builder, config.realm.as_ref(), Builder::realm);
    let builder = apply(builder, config.resource.as_ref().map(Resource::described), Builder::resource);
    let builder = apply(builder, config.verdict_cache, Builder::verdict_cache);
    let named = match tenants(first) {
        Some(tenants) => builder.tenants(tenants),
        None => builder.issuer(first.url.as_deref().unwrap_or_default()),
    };
    let mut builder = describe(first, named, file)?;
    for issuer in issuers {
        let named = match tenants(issuer) {
            Some(tenants) => builder.tenants(tenants),
            None => builder.issuer(issuer.url.as_deref().unwrap_or_default()),
        };
        builder = describe(issuer, named, file)?;
    }
    builder
        .start_lazily()
        .map_err(|error| ConfigError(format!("{}: {}", file.display(), in_our_words(&error))))
}

fn tenants(issuer: &Issuer) -> Option<Tenants> {
    let tenants = match issuer.tenants.as_ref()? {
        Names::Pattern(pattern) => Tenants::matching(pattern),
        Names::Listed(names) => Tenants::listed(names),
    };
    let tenants = apply(tenants, issuer.max_tenants.map(Into::into), Tenants::max);
    Some(apply(tenants, period(issuer.idle_after), Tenants::idle_after))
}

fn describe(
    issuer: &Issuer,
    builder: Builder<NeedsAudience>,
    file: &Path,
) -> Result<Builder<Complete>, ConfigError> {
    let mut audiences = issuer.audience.iter();
    let builder = builder.audience(audiences.next().map(String::as_str).unwrap_or_default());
    let builder = audiences.fold(builder, Builder::<NeedsRevocation>::audience);
    let builder = with_keys(issuer, builder, file)?.transport(issuer.transport.read(file)?);
    let mut sources = issuer.revocation.settings(&issuer.audience, file)?.into_iter();
    let builder = with_rules(issuer, builder);
    let builder = match sources.next() {
        Some(source) => builder.revocation(source),
        None => builder.without_revocation(),
    };
    Ok(sources.fold(builder, Builder::<Complete>::revocation))
}

fn with_keys(
    issuer: &Issuer,
    builder: Builder<NeedsRevocation>,
    file: &Path,
) -> Result<Builder<NeedsRevocation>, ConfigError> {
    let builder = match &issuer.algorithms {
        Some(names) => builder.algorithms(names.iter().map(|name| name.0)),
        None => builder,
    };
    let builder = match &issuer.jwks_url {
        Some(url) => builder.jwks_url(url),
        None => builder,
    };
    let builder = match &issuer.keys_file {
        Some(path) => builder.keys_file(beside(file, path)),
        None => builder,
    };
    Ok(match &issuer.shared_secret_file {
        Some(path) => builder.shared_secret(secret("shared_secret_file", path, file)?),
        None => builder,
    })
}

fn with_rules(issuer: &Issuer, builder: Builder<NeedsRevocation>) -> Builder<NeedsRevocation> {
    let profile = issuer.profile.map_or_else(Profile::default, |profile| profile.0);
    let builder = builder.profile(profile);
    let builder = if issuer.allow_loopback_http { builder.allow_loopback_http() } else { builder };
    let builder = apply(builder, period(issuer.leeway), Builder::leeway);
    let builder = apply(builder, period(issuer.keys_stale_after), Builder::keys_stale_after);
    let builder = apply(builder, period(issuer.max_token_lifetime), Builder::max_token_lifetime);
    let builder = apply(builder, issuer.require_jti, Builder::require_jti);
    match &issuer.scope_claims {
        Some(claims) => builder.scope_claims(claims.iter().map(String::as_str)),
        None => builder,
    }
}

/// Only what the file says; the rest keeps its default.
pub(crate) fn apply<B, T>(builder: B, setting: Option<T>, set: impl FnOnce(B, T) -> B) -> B {
    match setting {
        Some(value) => set(builder, value),
        None => builder,
    }
}

pub(crate) fn period(setting: Option<Period>) -> Option<Duration> {
    setting.map(|period| period.0)
}
