//! From settings to a running resource server.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::watch;

use super::ResourceServer;
use super::error::StartError;
use super::settings::{self, IssuerSettings, KeysSetting, Settings};
use crate::background::fetch::{Fetcher, Shared};
use crate::background::jwks::KeyKeeper;
use crate::background::pull::Puller;
use crate::background::{Background, Surroundings};
use crate::issuer::TrustedIssuer;
use crate::middleware::metadata::ResourceMetadata;
use crate::middleware::{Gate, Realm};
use crate::redact::without_query;
use crate::request::{Judge, Verdicts};
use crate::revocation::Revocations;
use crate::revocation::freshness::Freshness;

/// One issuer and the tasks that keep it; neither has run yet.
struct Prepared {
    issuer: Arc<TrustedIssuer>,
    keys: Option<KeyKeeper>,
    feed: Option<Puller>,
}

const ISSUER_REMEDY: &str =
    "Check that it is spelled as in its metadata and can be reached, or use start_lazily";
const KEYS_REMEDY: &str = "Check that it can be reached and serves a JWK set, or use start_lazily";

pub(super) async fn eagerly(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (news, prepared) = prepare(settings)?;
    let metadata = settings.resource_metadata()?;
    let mut background = Background::default();
    let mut issuers = Vec::new();
    for Prepared { issuer, keys, feed } in prepared {
        if let Some(mut keys) = keys {
            let pause = keys.refresh().await.map_err(|error| {
                match keys.url() {
                    Some(url) => StartError::because("jwks_url", without_query(url), error, KEYS_REMEDY),
                    None => StartError::because("issuer", issuer.name.as_str(), error, ISSUER_REMEDY),
                }
                .about(issuer.name.as_str())
            })?;
            keep_keys(&mut background, &issuer, keys.run(Some(pause)), &news);
        }
        if let Some(mut feed) = feed {
            feed.refresh().await.map_err(|error| {
                let remedy =
                    "Check that the feed can be reached and speaks for this issuer, or use start_lazily";
                StartError::because("revocation", without_query(feed.url()), error, remedy)
                    .about(issuer.name.as_str())
            })?;
            keep_feed(&mut background, &issuer, feed.run(true), &news);
        }
        issuers.push(issuer);
    }
    Ok(assemble(settings, news, background, issuers, metadata))
}

pub(super) fn lazily(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (news, prepared) = prepare(settings)?;
    let metadata = settings.resource_metadata()?;
    let mut background = Background::default();
    let mut issuers = Vec::new();
    for Prepared { issuer, keys, feed } in prepared {
        if let Some(keys) = keys {
            keep_keys(&mut background, &issuer, keys.run(None), &news);
        }
        if let Some(feed) = feed {
            keep_feed(&mut background, &issuer, feed.run(false), &news);
        }
        issuers.push(issuer);
    }
    Ok(assemble(settings, news, background, issuers, metadata))
}

fn keep_keys(
    background: &mut Background,
    issuer: &Arc<TrustedIssuer>,
    task: impl Future<Output = ()> + Send + 'static,
    news: &watch::Sender<()>,
) {
    let (issuer, news) = (Arc::clone(issuer), news.clone());
    background.spawn(task, move |why| {
        issuer.keys.note_trouble(why);
        news.send_replace(());
    });
}

fn keep_feed(
    background: &mut Background,
    issuer: &Arc<TrustedIssuer>,
    task: impl Future<Output = ()> + Send + 'static,
    news: &watch::Sender<()>,
) {
    let (issuer, news) = (Arc::clone(issuer), news.clone());
    background.spawn(task, move |why| {
        if let Some(revocations) = &issuer.revocations {
            revocations.freshness.flaw(why);
        }
        news.send_replace(());
    });
}

fn prepare(settings: &Settings) -> Result<(watch::Sender<()>, Vec<Prepared>), StartError> {
    if tokio::runtime::Handle::try_current().is_err() {
        let remedy = "Call start inside #[tokio::main] or a runtime's block_on";
        return Err(StartError::new("runtime", "none", "no tokio runtime is running", remedy));
    }
    let news = watch::Sender::new(());
    let mut shared = Shared::default();
    let mut names = HashSet::new();
    let mut prepared = Vec::new();
    for issuer in &settings.issuers {
        if !names.insert(issuer.name.as_str()) {
            let remedy = "Name each issuer once; several audiences go into one";
            return Err(StartError::new("issuer", &issuer.name, "it is named twice", remedy));
        }
        let one = fetcher(issuer, &mut shared).and_then(|fetcher| {
            let clock = Arc::clone(&settings.clock);
            prepare_one(issuer, &Surroundings { clock, fetcher, news: news.clone() })
        });
        prepared.push(one.map_err(|error| error.about(&issuer.name))?);
    }
    Ok((news, prepared))
}

fn fetcher(settings: &IssuerSettings, shared: &mut Shared) -> Result<Fetcher, StartError> {
    let keys = if let KeysSetting::Url(url) = &settings.keys { Some(url) } else { None };
    let feed = settings.revocation.as_ref().map(|feed| &feed.url);
    let named = keys.into_iter().chain(feed).map(String::as_str);
    Fetcher::of(&settings.transport, &settings.name, named, settings.loopback_http, shared)
        .map_err(|error| StartError::new("transport", error.value, error.problem, error.remedy))
}

fn prepare_one(settings: &IssuerSettings, around: &Surroundings) -> Result<Prepared, StartError> {
    let name = settings.issuer()?;
    let rules = settings.rules()?;
    let (keys, key_source) = settings.keys(rules.algorithms, &around.fetcher)?;
    let feed = settings.revocation.as_ref();
    let feed = feed.map(|feed| Ok((feed, settings::feed(settings, feed, &around.fetcher)?))).transpose()?;
    let revocations = feed
        .as_ref()
        .map(|(_, (url, _, bounds))| Revocations::new(Freshness::new(*bounds), without_query(url)));
    let issuer = Arc::new(TrustedIssuer { name, rules, keys, revocations });
    let keys = key_source.map(|source| KeyKeeper::new(Arc::clone(&issuer), source, around.clone()));
    let feed = feed.map(|(feed, (url, entry_rules, _))| {
        Puller::new(Arc::clone(&issuer), feed.clone(), url, entry_rules, around.clone())
    });
    Ok(Prepared { issuer, keys, feed })
}

fn assemble(
    settings: &Settings,
    news: watch::Sender<()>,
    background: Background,
    issuers: Vec<Arc<TrustedIssuer>>,
    metadata: Option<ResourceMetadata>,
) -> ResourceServer {
    let first_audience = settings.issuers.first().and_then(|issuer| issuer.audiences.first());
    let realm = settings.realm.as_ref().or(first_audience).map_or("", String::as_str);
    let gate = Gate {
        judge: Judge::new(issuers.iter().cloned(), Verdicts::new(settings.verdict_cache)),
        clock: Arc::clone(&settings.clock),
        realm: Realm::new(realm, metadata.as_ref().map(ResourceMetadata::url)),
        _background: background,
    };
    ResourceServer { gate: Arc::new(gate), issuers: issuers.into(), news, metadata }
}
