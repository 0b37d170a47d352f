//! One issuer and the tasks that keep what is known of it, before they run.

use std::sync::Arc;
use std::time::Duration;

use super::error::StartError;
use super::settings::IssuerSettings;
use super::sources;
use crate::background::jwks::{KeyKeeper, KeySource};
use crate::background::pull::Puller;
use crate::background::{Background, Surroundings};
use crate::issuer::TrustedIssuer;
use crate::issuer::kept::Kept;
use crate::issuer::life::Life;
use crate::redact::without_query;
use crate::revocation::Revocations;
use crate::revocation::in_process::InProcess;

/// Nothing has been asked yet.
pub(super) struct Prepared {
    pub(super) issuer: Arc<TrustedIssuer>,
    keys: Option<KeyKeeper>,
    sources: Vec<(Arc<Revocations>, Puller)>,
    around: Surroundings,
}

const ISSUER_REMEDY: &str =
    "Check that it is spelled as in its metadata and can be reached, or use start_lazily";
const KEYS_REMEDY: &str = "Check that it can be reached and serves a JWK set, or use start_lazily";
const FILE_REMEDY: &str =
    "Check that it can be read and holds a JWK set, or PEM, with a public signature key, or use start_lazily";
const SOURCE_REMEDY: &str = "Check that it can be reached and speaks for this issuer, or use start_lazily";

impl Prepared {
    /// A tenant has a life, and may have left revocations when it was here last.
    pub(super) fn of(
        settings: &IssuerSettings,
        around: Surroundings,
        life: Option<Life>,
        kept: Option<Kept>,
    ) -> Result<Self, StartError> {
        let name = settings.issuer()?;
        let rules = settings.rules()?;
        let (keys, key_source) = settings.keys(rules.algorithms, &around.fetcher)?;
        let sources =
            settings.sources.iter().map(|source| sources::source(settings, source, &around.fetcher));
        let (fresh, assignments): (Vec<_>, Vec<_>) =
            sources.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let in_process = sources::in_process_rules(settings)?;
        let known = kept.unwrap_or_else(|| Kept {
            sources: fresh.into_iter().map(Arc::new).collect(),
            in_process: Arc::new(InProcess::new(in_process)),
        });
        let Kept { sources: revocations, in_process } = known.clone();
        let issuer = Arc::new(TrustedIssuer { name, rules, keys, revocations, in_process, life });
        let keys = key_source.map(|source| KeyKeeper::new(Arc::clone(&issuer), source, around.clone()));
        let puller = |(revocations, assignment)| {
            let puller =
                Puller::new(Arc::clone(&issuer), Arc::clone(&revocations), assignment, around.clone());
            (revocations, puller)
        };
        let sources = known.sources.into_iter().zip(assignments).map(puller).collect();
        Ok(Self { issuer, keys, sources, around })
    }

    /// Asks for keys and sources once, side by side. Where all come, the tasks run from here on.
    pub(super) async fn ask(self) -> Result<Background, StartError> {
        let Self { issuer, keys, mut sources, around } = self;
        let keys = async {
            let Some(mut keys) = keys else { return Ok(Background::default()) };
            let pause = keys.refresh().await.map_err(|error| match keys.source() {
                KeySource::Discovery => {
                    StartError::because("issuer", issuer.name.as_str(), error, ISSUER_REMEDY)
                }
                KeySource::Url(url) => {
                    StartError::because("jwks_url", without_query(url), error, KEYS_REMEDY)
                }
                KeySource::File(file) => {
                    let path = file.path().display().to_string();
                    StartError::because("keys_file", path, error, FILE_REMEDY)
                }
            })?;
            // At once: a page that is signed with a key of this moment may be waiting for another look.
            Ok(keep_keys(&issuer, keys, Some(pause), &around))
        };
        let asked = async {
            for (_, source) in &mut sources {
                source.start().await.map_err(|error| {
                    StartError::because("revocation", source.source(), error, SOURCE_REMEDY)
                })?;
            }
            Ok(())
        };
        let (keys, asked) = tokio::join!(keys, asked);
        let about = |error: StartError| error.about(issuer.name.as_str());
        let mut background = keys.map_err(about)?;
        asked.map_err(about)?;
        background.add(keep_sources(sources, true, &around));
        Ok(background)
    }

    /// Runs the tasks; nobody has been asked yet.
    pub(super) fn keep(self) -> Background {
        let mut background = keep_sources(self.sources, false, &self.around);
        if let Some(keys) = self.keys {
            background.add(keep_keys(&self.issuer, keys, None, &self.around));
        }
        background
    }
}

/// `pause` is for a task that has asked once already. One that takes its place has not.
fn keep_keys(
    issuer: &Arc<TrustedIssuer>,
    keys: KeyKeeper,
    pause: Option<Duration>,
    around: &Surroundings,
) -> Background {
    let mut background = Background::default();
    let spare = keys.afresh();
    let mut first = Some((keys, pause));
    let make = move || {
        let (keys, pause) = first.take().unwrap_or_else(|| (spare.afresh(), None));
        keys.run(pause)
    };
    let (issuer, news) = (Arc::clone(issuer), around.news.clone());
    background.spawn(Arc::clone(&around.clock), make, move |why| {
        issuer.keys.note_trouble(why);
        news.send_replace(());
    });
    background
}

/// `ahead` is for tasks that have asked once already.
fn keep_sources(sources: Vec<(Arc<Revocations>, Puller)>, ahead: bool, around: &Surroundings) -> Background {
    let mut background = Background::default();
    for (revocations, source) in sources {
        let spare = source.afresh();
        let mut first = Some((source, ahead));
        let make = move || {
            let (source, ahead) = first.take().unwrap_or_else(|| (spare.afresh(), false));
            source.run(ahead)
        };
        let news = around.news.clone();
        background.spawn(Arc::clone(&around.clock), make, move |why| {
            // What it had read may not be in force: only a whole state makes good for that.
            revocations.flaw(why);
            news.send_replace(());
        });
    }
    background
}
