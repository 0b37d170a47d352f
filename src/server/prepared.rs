//! One issuer and the tasks that keep what is known of it, before they run.

use std::sync::Arc;
use std::time::Duration;

use super::error::StartError;
use super::settings::{self, IssuerSettings};
use crate::background::jwks::{KeyKeeper, KeySource};
use crate::background::pull::Puller;
use crate::background::{Background, Surroundings};
use crate::issuer::TrustedIssuer;
use crate::issuer::life::Life;
use crate::redact::without_query;
use crate::revocation::Revocations;
use crate::revocation::freshness::Freshness;

/// Nothing has been asked yet.
pub(super) struct Prepared {
    pub(super) issuer: Arc<TrustedIssuer>,
    keys: Option<KeyKeeper>,
    feed: Option<Puller>,
    around: Surroundings,
}

const ISSUER_REMEDY: &str =
    "Check that it is spelled as in its metadata and can be reached, or use start_lazily";
const KEYS_REMEDY: &str = "Check that it can be reached and serves a JWK set, or use start_lazily";
const FILE_REMEDY: &str =
    "Check that it can be read and holds a JWK set, or PEM, with a public signature key, or use start_lazily";
const FEED_REMEDY: &str =
    "Check that the feed can be reached and speaks for this issuer, or use start_lazily";

impl Prepared {
    /// A tenant has a life, and may have left revocations when it was here last.
    pub(super) fn of(
        settings: &IssuerSettings,
        around: Surroundings,
        life: Option<Life>,
        kept: Option<Arc<Revocations>>,
    ) -> Result<Self, StartError> {
        let name = settings.issuer()?;
        let rules = settings.rules()?;
        let (keys, key_source) = settings.keys(rules.algorithms, &around.fetcher)?;
        let feed = settings.revocation.as_ref();
        let feed =
            feed.map(|feed| Ok((feed, settings::feed(settings, feed, &around.fetcher)?))).transpose()?;
        let revocations = feed.as_ref().map(|(_, (url, _, bounds))| {
            kept.unwrap_or_else(|| Arc::new(Revocations::new(Freshness::new(*bounds), without_query(url))))
        });
        let issuer = Arc::new(TrustedIssuer { name, rules, keys, revocations, life });
        let keys = key_source.map(|source| KeyKeeper::new(Arc::clone(&issuer), source, around.clone()));
        let feed = feed.map(|(feed, (url, entry_rules, _))| {
            Puller::new(Arc::clone(&issuer), feed.clone(), url, Arc::new(entry_rules), around.clone())
        });
        Ok(Self { issuer, keys, feed, around })
    }

    /// Asks for keys and feed once, side by side. Where both come, the tasks run from here on.
    pub(super) async fn ask(mut self) -> Result<Background, StartError> {
        let keys = async {
            match &mut self.keys {
                Some(keys) => keys.refresh().await.map(Some).map_err(|error| match keys.source() {
                    KeySource::Discovery => {
                        StartError::because("issuer", self.issuer.name.as_str(), error, ISSUER_REMEDY)
                    }
                    KeySource::Url(url) => {
                        StartError::because("jwks_url", without_query(url), error, KEYS_REMEDY)
                    }
                    KeySource::File(file) => {
                        let path = file.path().display().to_string();
                        StartError::because("keys_file", path, error, FILE_REMEDY)
                    }
                }),
                None => Ok(None),
            }
        };
        let feed = async {
            match &mut self.feed {
                Some(feed) => feed.refresh().await.map_err(|error| {
                    StartError::because("revocation", without_query(feed.url()), error, FEED_REMEDY)
                }),
                None => Ok(()),
            }
        };
        let (keys, feed) = tokio::join!(keys, feed);
        let about = |error: StartError| error.about(self.issuer.name.as_str());
        let pause = keys.map_err(about)?;
        feed.map_err(about)?;
        Ok(self.run(pause, true))
    }

    /// Runs the tasks; nobody has been asked yet.
    pub(super) fn keep(self) -> Background {
        self.run(None, false)
    }

    /// `pause` and `heard` are for tasks that have asked once already. One that takes the place of another has not.
    fn run(self, pause: Option<Duration>, heard: bool) -> Background {
        let mut background = Background::default();
        if let Some(keys) = self.keys {
            let spare = keys.afresh();
            let mut first = Some((keys, pause));
            let make = move || {
                let (keys, pause) = first.take().unwrap_or_else(|| (spare.afresh(), None));
                keys.run(pause)
            };
            let (issuer, news) = (Arc::clone(&self.issuer), self.around.news.clone());
            background.spawn(Arc::clone(&self.around.clock), make, move |why| {
                issuer.keys.note_trouble(why);
                news.send_replace(());
            });
        }
        if let Some(feed) = self.feed {
            let spare = feed.afresh();
            let mut first = Some((feed, heard));
            let make = move || {
                let (feed, heard) = first.take().unwrap_or_else(|| (spare.afresh(), false));
                feed.run(heard)
            };
            let (issuer, news) = (self.issuer, self.around.news);
            background.spawn(self.around.clock, make, move |why| {
                // What it had read may not be in force: only a whole state makes good for that.
                if let Some(revocations) = &issuer.revocations {
                    revocations.freshness.flaw(why);
                }
                news.send_replace(());
            });
        }
        background
    }
}
