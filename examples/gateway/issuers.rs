//! From the file's issuers to a running resource server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tower_bearer::{Builder, Complete, Feed, List, NeedsAudience, NeedsRevocation, Profile, ResourceServer};

use crate::config::{Config, ConfigError, Issuer, Revocation};
use crate::values::{Period, Source};

/// Starts without waiting for anybody, so that the gateway comes up while an authorization server is down.
pub(crate) fn start(config: &Config, file: &Path) -> Result<ResourceServer, ConfigError> {
    let mut issuers = config.issuers();
    let Some(first) = issuers.next() else { return Err(ConfigError("there is no issuer".to_owned())) };
    let mut builder = describe(first, ResourceServer::builder().issuer(&first.url), file)?;
    for issuer in issuers {
        builder = describe(issuer, builder.issuer(&issuer.url), file)?;
    }
    builder.start_lazily().map_err(|error| ConfigError(format!("{}: {error}", file.display())))
}

fn describe(
    issuer: &Issuer,
    builder: Builder<NeedsAudience>,
    file: &Path,
) -> Result<Builder<Complete>, ConfigError> {
    let mut audiences = issuer.audience.iter();
    let builder = builder.audience(audiences.next().map(String::as_str).unwrap_or_default());
    let builder = audiences.fold(builder, Builder::<NeedsRevocation>::audience);
    let builder = with_keys(issuer, builder, file)?;
    let builder = with_rules(issuer, builder);
    Ok(match &issuer.revocation {
        Some(revocation) if revocation.source == Source::Feed => builder.revocation(feed(revocation)),
        Some(revocation) if revocation.source == Source::List => builder.revocation(list(revocation, file)),
        _ => builder.without_revocation(),
    })
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
        Some(path) => builder.shared_secret(secret(path, file)?),
        None => builder,
    })
}

fn with_rules(issuer: &Issuer, builder: Builder<NeedsRevocation>) -> Builder<NeedsRevocation> {
    let profile = issuer.profile.map_or_else(Profile::default, |profile| profile.0);
    let builder = builder.profile(profile);
    let builder = if issuer.allow_loopback_http { builder.allow_loopback_http() } else { builder };
    let builder = apply(builder, period(issuer.leeway), Builder::leeway);
    let builder = apply(builder, period(issuer.max_token_lifetime), Builder::max_token_lifetime);
    let builder = apply(builder, issuer.require_jti, Builder::require_jti);
    match &issuer.scope_claims {
        Some(claims) => builder.scope_claims(claims.iter().map(String::as_str)),
        None => builder,
    }
}

fn feed(revocation: &Revocation) -> Feed {
    let feed = Feed::new(revocation.url.as_deref().unwrap_or_default());
    let feed = apply(feed, period(revocation.poll_interval), Feed::poll_interval);
    let feed = apply(feed, period(revocation.max_staleness), Feed::max_staleness);
    let feed = apply(feed, revocation.when_stale.map(Into::into), Feed::when_stale);
    let feed = apply(feed, period(revocation.long_poll), Feed::long_poll);
    if revocation.dry_run { feed.dry_run() } else { feed }
}

fn list(revocation: &Revocation, config: &Path) -> List {
    let list = match &revocation.file {
        Some(file) => List::file(beside(config, file)),
        None => List::new(revocation.url.as_deref().unwrap_or_default()),
    };
    let list = apply(list, revocation.claim.as_ref(), List::claim);
    let list = apply(list, period(revocation.poll_interval), List::poll_interval);
    let list = apply(list, period(revocation.max_staleness), List::max_staleness);
    let list = apply(list, revocation.when_stale.map(Into::into), List::when_stale);
    if revocation.dry_run { list.dry_run() } else { list }
}

/// Only what the file says; the rest keeps its default.
fn apply<B, T>(builder: B, setting: Option<T>, set: impl FnOnce(B, T) -> B) -> B {
    match setting {
        Some(value) => set(builder, value),
        None => builder,
    }
}

fn period(setting: Option<Period>) -> Option<Duration> {
    setting.map(|period| period.0)
}

/// A path in the configuration is as seen from there.
fn beside(config: &Path, path: &str) -> PathBuf {
    config.parent().unwrap_or_else(|| Path::new("")).join(path)
}

/// The newline that an editor puts at the end of a text is not part of the secret.
fn secret(path: &str, config: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut secret = std::fs::read(beside(config, path)).map_err(|error| {
        let remedy = "name a file that the gateway may read, as seen from the configuration";
        ConfigError(format!("{}: shared_secret_file `{path}`: {error}: {remedy}", config.display()))
    })?;
    if let Ok(text) = std::str::from_utf8(&secret) {
        secret.truncate(text.trim_end_matches(['\r', '\n']).len());
    }
    Ok(secret)
}
