//! From settings to a running resource server.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use super::ResourceServer;
use super::error::StartError;
use super::prepared::Prepared;
use super::settings::{IssuerSettings, KeysSetting, Settings};
use crate::background::fetch::{Fetcher, Shared};
use crate::background::{Background, Surroundings};
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::middleware::metadata::ResourceMetadata;
use crate::middleware::{Gate, Realm};
use crate::request::Judge;

pub(super) async fn eagerly(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (news, prepared) = prepare(settings)?;
    let metadata = settings.resource_metadata()?;
    let issuers: Vec<_> = prepared.iter().map(|prepared| Arc::clone(&prepared.issuer)).collect();
    // All at once, and judged in the order in which they were named.
    let seats = Arc::new(Semaphore::new(limits::STARTS));
    let mut asking = JoinSet::new();
    let mut answers = Vec::new();
    for prepared in prepared {
        let (tell, told) = oneshot::channel();
        let seats = Arc::clone(&seats);
        asking.spawn(async move {
            let _seat = seats.acquire().await;
            // Nobody listens where another issuer has failed.
            let _ = tell.send(prepared.ask().await);
        });
        answers.push(told);
    }
    let mut background = Background::default();
    for (issuer, answer) in issuers.iter().zip(answers) {
        let answer = answer.await.unwrap_or_else(|lost| {
            let remedy = "The task that asked has panicked, which the log tells more of";
            Err(StartError::because("issuer", issuer.name.as_str(), lost, remedy))
        });
        background.add(answer?);
    }
    Ok(assemble(settings, news, background, issuers, metadata))
}

pub(super) fn lazily(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (news, prepared) = prepare(settings)?;
    let metadata = settings.resource_metadata()?;
    let mut background = Background::default();
    let mut issuers = Vec::new();
    for prepared in prepared {
        issuers.push(Arc::clone(&prepared.issuer));
        background.add(prepared.keep());
    }
    Ok(assemble(settings, news, background, issuers, metadata))
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
            Prepared::of(issuer, Surroundings { clock, fetcher, news: news.clone() })
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
        judge: Judge::new(issuers.iter().cloned()),
        clock: Arc::clone(&settings.clock),
        realm: Realm::new(realm, metadata.as_ref().map(ResourceMetadata::url)),
        _background: background,
    };
    ResourceServer { gate: Arc::new(gate), issuers: issuers.into(), news, metadata }
}
