//! From settings to a running resource server.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::ResourceServer;
use super::error::StartError;
use super::settings::{self, IssuerSettings, Settings};
use crate::background::fetch::Fetcher;
use crate::background::jwks::KeyKeeper;
use crate::background::pull::Puller;
use crate::background::{Background, Surroundings};
use crate::issuer::TrustedIssuer;
use crate::middleware::metadata::ResourceMetadata;
use crate::middleware::{Gate, Realm};
use crate::request::Judge;
use crate::revocation::Revocations;
use crate::revocation::freshness::Freshness;

/// One issuer and the tasks that keep it; neither has run yet.
struct Prepared {
    issuer: Arc<TrustedIssuer>,
    keys: Option<KeyKeeper>,
    feed: Option<Puller>,
}

pub(super) async fn eagerly(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (around, prepared) = prepare(settings)?;
    let metadata = settings.resource_metadata(&around.fetcher)?;
    let mut background = Background::default();
    let mut issuers = Vec::new();
    for Prepared { issuer, keys, feed } in prepared {
        if let Some(mut keys) = keys {
            let pause = keys.refresh().await.map_err(|error| {
                let remedy = "Check that the issuer is spelled as in its metadata and can be reached, or use start_lazily";
                StartError::because("issuer", issuer.name.as_str(), error, remedy)
            })?;
            background.spawn(keys.run(Some(pause)));
        }
        if let Some(mut feed) = feed {
            feed.refresh().await.map_err(|error| {
                let remedy =
                    "Check that the feed can be reached and speaks for this issuer, or use start_lazily";
                StartError::because("revocation", feed.url().as_str(), error, remedy)
                    .about(issuer.name.as_str())
            })?;
            background.spawn(feed.run(true));
        }
        issuers.push(issuer);
    }
    Ok(assemble(settings, around, background, issuers, metadata))
}

pub(super) fn lazily(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (around, prepared) = prepare(settings)?;
    let metadata = settings.resource_metadata(&around.fetcher)?;
    let mut background = Background::default();
    let mut issuers = Vec::new();
    for Prepared { issuer, keys, feed } in prepared {
        if let Some(keys) = keys {
            background.spawn(keys.run(None));
        }
        if let Some(feed) = feed {
            background.spawn(feed.run(false));
        }
        issuers.push(issuer);
    }
    Ok(assemble(settings, around, background, issuers, metadata))
}

fn prepare(settings: &Settings) -> Result<(Surroundings, Vec<Prepared>), StartError> {
    if tokio::runtime::Handle::try_current().is_err() {
        let remedy = "Call start inside #[tokio::main] or a runtime's block_on";
        return Err(StartError::new("runtime", "none", "no tokio runtime is running", remedy));
    }
    let fetcher = Fetcher::new().map_err(|problem| {
        StartError::new("tls", "the system's roots", problem, "Install root certificates on this machine")
    })?;
    let around = Surroundings { clock: Arc::clone(&settings.clock), fetcher, news: watch::Sender::new(()) };
    let mut names = HashSet::new();
    let mut prepared = Vec::new();
    for issuer in &settings.issuers {
        if !names.insert(issuer.name.as_str()) {
            let remedy = "Name each issuer once; several audiences go into one";
            return Err(StartError::new("issuer", &issuer.name, "it is named twice", remedy));
        }
        prepared.push(prepare_one(issuer, &around).map_err(|error| error.about(&issuer.name))?);
    }
    Ok((around, prepared))
}

fn prepare_one(settings: &IssuerSettings, around: &Surroundings) -> Result<Prepared, StartError> {
    let around = &Surroundings {
        fetcher: around.fetcher.with_loopback_http(settings.loopback_http),
        ..around.clone()
    };
    let name = settings.issuer()?;
    let rules = settings.rules()?;
    let (keys, key_source) = settings.keys(rules.algorithms, &around.fetcher)?;
    let feed = settings.revocation.as_ref();
    let feed = feed.map(|feed| Ok((feed, settings::feed(settings, feed, &around.fetcher)?))).transpose()?;
    let revocations = feed
        .as_ref()
        .map(|(_, (_, _, bounds))| Revocations::new(Freshness::new(*bounds), around.clock.now()));
    let issuer = Arc::new(TrustedIssuer { name, rules, keys, revocations });
    let keys = key_source.map(|source| KeyKeeper::new(Arc::clone(&issuer), source, around.clone()));
    let feed = feed.map(|(feed, (url, entry_rules, _))| {
        Puller::new(Arc::clone(&issuer), feed.clone(), url, entry_rules, around.clone())
    });
    Ok(Prepared { issuer, keys, feed })
}

fn assemble(
    settings: &Settings,
    around: Surroundings,
    background: Background,
    issuers: Vec<Arc<TrustedIssuer>>,
    metadata: Option<ResourceMetadata>,
) -> ResourceServer {
    let first_audience = settings.issuers.first().and_then(|issuer| issuer.audiences.first());
    let realm = settings.realm.as_ref().or(first_audience).map_or("", String::as_str);
    let gate = Gate {
        judge: Judge::new(issuers.iter().cloned()),
        clock: around.clock,
        realm: Realm::new(realm, metadata.as_ref().map(ResourceMetadata::url)),
        _background: background,
    };
    ResourceServer { gate: Arc::new(gate), issuers: issuers.into(), news: around.news, metadata }
}
