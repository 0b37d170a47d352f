//! From settings to a running resource server.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;

use super::ResourceServer;
use super::error::StartError;
use super::prepared::Prepared;
use super::settings::{IssuerSettings, Settings};
use super::{sources, tenants};
use crate::background::fetch::{Fetcher, Shared};
use crate::background::tenancy::Tenancy;
use crate::background::{Background, Surroundings};
use crate::issuer::TrustedIssuer;
use crate::issuer::directory::Directory;
use crate::limits;
use crate::middleware::metadata::ResourceMetadata;
use crate::middleware::{Gate, Realm};
use crate::request::{Judge, Verdicts};

pub(super) async fn eagerly(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (plan, prepared) = prepare(settings)?;
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
    Ok(assemble(settings, plan, background, issuers))
}

pub(super) fn lazily(settings: &Settings) -> Result<ResourceServer, StartError> {
    let (plan, prepared) = prepare(settings)?;
    let mut background = Background::default();
    let mut issuers = Vec::new();
    for prepared in prepared {
        issuers.push(Arc::clone(&prepared.issuer));
        background.add(prepared.keep());
    }
    Ok(assemble(settings, plan, background, issuers))
}

/// What there is besides the issuers.
struct Plan {
    news: watch::Sender<()>,
    tenancies: Vec<Arc<Tenancy>>,
    metadata: Option<ResourceMetadata>,
}

fn prepare(settings: &Settings) -> Result<(Plan, Vec<Prepared>), StartError> {
    if tokio::runtime::Handle::try_current().is_err() {
        let remedy = "Call start inside #[tokio::main] or a runtime's block_on";
        return Err(StartError::new("runtime", "none", "no tokio runtime is running", remedy));
    }
    let news = watch::Sender::new(());
    let mut shared = Shared::default();
    let (mut names, mut snapshots) = (HashSet::new(), HashSet::new());
    let (mut prepared, mut tenancies) = (Vec::new(), Vec::new());
    for issuer in &settings.issuers {
        if !names.insert(issuer.name.as_str()) {
            let remedy = "Name each issuer once; several audiences go into one";
            let setting = if issuer.tenants.is_some() { "tenants" } else { "issuer" };
            return Err(StartError::new(setting, &issuer.name, "it is named twice", remedy));
        }
        for path in issuer.sources.iter().filter_map(|source| source.common.snapshot.as_ref()) {
            if !snapshots.insert(path) {
                let (path, problem) = (path.display().to_string(), "another source is kept there");
                let error = StartError::new("snapshot", path, problem, sources::SNAPSHOT_REMEDY);
                return Err(error.about(&issuer.name));
            }
        }
        if let Some(tenants) = &issuer.tenants {
            let some = tenants::tenancy(issuer, tenants, &settings.clock, &mut shared);
            tenancies.push(Arc::new(some.map_err(|error| error.about(&issuer.name))?));
            continue;
        }
        let one = fetcher(issuer, &mut shared).and_then(|fetcher| {
            let clock = Arc::clone(&settings.clock);
            Prepared::of(issuer, Surroundings { clock, fetcher, news: news.clone() }, None, None)
        });
        prepared.push(one.map_err(|error| error.about(&issuer.name))?);
    }
    Ok((Plan { news, tenancies, metadata: settings.resource_metadata()? }, prepared))
}

pub(super) fn fetcher(settings: &IssuerSettings, shared: &mut Shared) -> Result<Fetcher, StartError> {
    let named = settings.named_urls();
    Fetcher::of(&settings.transport, &settings.name, named, settings.loopback_http, shared)
        .map_err(|error| StartError::new("transport", error.value, error.problem, error.remedy))
}

fn assemble(
    settings: &Settings,
    Plan { news, tenancies, metadata }: Plan,
    mut background: Background,
    issuers: Vec<Arc<TrustedIssuer>>,
) -> ResourceServer {
    for tenancy in &tenancies {
        let keep = {
            let tenancy = Arc::clone(tenancy);
            move || Arc::clone(&tenancy).keep()
        };
        // That they are kept longer than they need be is in the log.
        background.spawn(Arc::clone(&settings.clock), keep, drop);
    }
    let maps = tenancies.iter().map(|tenancy| Arc::clone(&tenancy.map)).collect();
    // One with a placeholder is many.
    let mut audiences = settings.issuers.iter().flat_map(|issuer| &issuer.audiences);
    let first_audience = audiences.find(|audience| !audience.contains('{'));
    let realm = settings.realm.as_ref().or(first_audience).map_or("", String::as_str);
    let gate = Gate {
        judge: Judge::new(
            Directory::new(issuers.iter().cloned(), maps),
            Verdicts::new(settings.verdict_cache),
        ),
        clock: Arc::clone(&settings.clock),
        realm: Realm::new(realm, metadata.as_ref().map(ResourceMetadata::url)),
        tenancies: tenancies.into(),
        _background: background,
    };
    ResourceServer { gate: Arc::new(gate), issuers: issuers.into(), news, metadata }
}
