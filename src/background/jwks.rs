//! Keeping one issuer's keys: on time, and whenever the bell rings.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::backoff::Backoff;
use super::discovery::{self, DiscoveryError};
use super::fetch::{Answer, FetchError, Question};
use super::keys_file::{KeysFile, KeysFileError};
use super::{Surroundings, jittered};
use crate::issuer::TrustedIssuer;
use crate::keys::{KeySet, KeySetError};
use crate::limits;
use crate::redact::{Shown, without_query};

/// Where the keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// Wherever the issuer's metadata says, asked again each time.
    Discovery,
    /// A URL that the operator pinned.
    Url(Url),
    /// A file that the operator keeps.
    File(KeysFile),
}

/// Why there are no new keys.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeysError {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("{}: {error}", without_query(url))]
    Fetch { url: Url, error: FetchError },
    #[error("{} answered {status}", without_query(url))]
    Status { url: Url, status: u16, retry_after: Option<Duration> },
    #[error("{}: {error}", without_query(url))]
    Set { url: Url, error: KeySetError },
    #[error(transparent)]
    File(#[from] KeysFileError),
}

impl KeysError {
    /// When the issuer wants to be asked again.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Discovery(_) | Self::Fetch { .. } | Self::Set { .. } | Self::File(_) => None,
        }
    }
}

/// The task of one issuer.
#[derive(Debug)]
pub(crate) struct KeyKeeper {
    issuer: Arc<TrustedIssuer>,
    source: KeySource,
    around: Surroundings,
    backoff: Backoff,
    healthy: bool,
    /// Uptime of the last fetch that the bell caused.
    answered: Option<Duration>,
    known: Option<Known>,
}

/// The entity tag of the set in the ring, and where it came from.
#[derive(Debug)]
struct Known {
    url: Url,
    etag: String,
}

impl KeyKeeper {
    pub(crate) fn new(issuer: Arc<TrustedIssuer>, source: KeySource, around: Surroundings) -> Self {
        Self {
            issuer,
            source,
            around,
            backoff: Backoff::default(),
            healthy: true,
            answered: None,
            known: None,
        }
    }

    /// Where the keys come from.
    pub(crate) fn source(&self) -> &KeySource {
        &self.source
    }

    fn reads_a_file(&self) -> bool {
        matches!(self.source, KeySource::File(_))
    }

    /// One that has not run yet and knows nothing, to take the place of this one.
    pub(crate) fn afresh(&self) -> Self {
        let source = match &self.source {
            // What it knows of a file may no longer be what is in the ring.
            KeySource::File(file) => KeySource::File(file.afresh()),
            source => source.clone(),
        };
        Self::new(Arc::clone(&self.issuer), source, self.around.clone())
    }

    /// Runs until it is aborted. `ahead` is what [`KeyKeeper::refresh`] returned, if it has been called already.
    pub(crate) async fn run(mut self, ahead: Option<Duration>) {
        let mut pause = match ahead {
            Some(pause) => pause,
            None => self.refresh_and_report().await,
        };
        loop {
            self.issuer.keys.note_next(self.around.clock.uptime().saturating_add(pause));
            tokio::select! {
                biased;
                () = self.around.clock.sleep(pause) => {}
                () = self.issuer.keys.bell.rung() => self.cool_down().await,
            }
            pause = self.refresh_and_report().await;
        }
    }

    /// Attempts count, not successes: an issuer that answers nonsense is not asked more often for it.
    async fn cool_down(&mut self) {
        let now = self.around.clock.uptime();
        let since = self.answered.map(|answered| now.saturating_sub(answered));
        if let Some(left) = since.and_then(|since| limits::BELL_COOLDOWN.checked_sub(since)) {
            self.around.clock.sleep(left).await;
        }
        self.answered = Some(self.around.clock.uptime());
    }

    async fn refresh_and_report(&mut self) -> Duration {
        match self.refresh().await {
            Ok(pause) => {
                if !self.healthy {
                    tracing::info!(issuer = %self.issuer.name, "keys are refreshed again");
                }
                self.healthy = true;
                pause
            }
            Err(error) => {
                if self.healthy {
                    tracing::warn!(issuer = %self.issuer.name, %error, "keys not refreshed; the known ones stay");
                }
                self.healthy = false;
                // While nobody can be admitted, the issuer's return must be noticed soon.
                // A tenant that may not exist is nobody's return.
                let blind = !self.issuer.is_on_probation()
                    && self.issuer.keys.current(self.around.clock.uptime()).is_none();
                let longest = match self.source {
                    _ if blind => limits::BACKOFF_BLIND,
                    KeySource::File(_) => limits::KEYS_FILE_LOOK,
                    KeySource::Discovery | KeySource::Url(_) => limits::BACKOFF_LONGEST,
                };
                let pause = self.backoff.pause(longest);
                pause.max(error.retry_after().unwrap_or_default().min(limits::BACKOFF_LONGEST))
            }
        }
    }

    /// Fetches once. Returns how long to wait before the next time.
    pub(crate) async fn refresh(&mut self) -> Result<Duration, KeysError> {
        let asked = self.around.clock.uptime();
        let issuer = Arc::clone(&self.issuer);
        let ring = &issuer.keys;
        ring.bell.begin();
        let outcome = self.fetch().await;
        let succeeded = outcome.is_ok();
        let result = match outcome {
            Ok((set, holds)) => {
                match set {
                    Some(set) => {
                        self.note_odd(&set);
                        ring.replace(set, asked, holds);
                        if self.reads_a_file() {
                            // No replica is behind: one look settles what was taken away.
                            ring.confirm(asked, holds);
                        }
                    }
                    None => ring.confirm(asked, holds),
                }
                self.backoff.reset();
                Ok(jittered(holds))
            }
            Err(error) => {
                ring.note_trouble(error.to_string());
                Err(error)
            }
        };
        ring.bell.end(succeeded);
        self.around.news.send_replace(());
        result
    }

    fn note_odd(&self, set: &KeySet) {
        for odd in set.odd() {
            let kid = odd.kid.as_deref().map(|kid| Shown(kid).to_string());
            tracing::debug!(issuer = %self.issuer.name, ?kid, error = %odd.error, "key left out");
        }
    }

    /// The set, unless it is still the one that is known, and for how long it holds.
    async fn fetch(&mut self) -> Result<(Option<KeySet>, Duration), KeysError> {
        let url = match &mut self.source {
            KeySource::File(file) => {
                let set = file.look(self.issuer.rules.algorithms).await?;
                return Ok((set, limits::KEYS_FILE_LOOK));
            }
            KeySource::Discovery => discovery::keys_url(&self.around.fetcher, &self.issuer.name).await?,
            KeySource::Url(url) => url.clone(),
        };
        let known = self.known.as_ref().filter(|known| known.url == url).map(|known| known.etag.as_str());
        let conditional = known.is_some();
        let question = Question {
            url: &url,
            accept: "application/jwk-set+json, application/json",
            limit: limits::KEY_SET_BYTES,
            authorization: None,
            known,
            form: None,
            within: self.around.fetcher.within(),
        };
        let Answer { status, etag, max_age, retry_after, body, .. } =
            match self.around.fetcher.ask(question).await {
                Ok(answer) => answer,
                Err(error) => return Err(KeysError::Fetch { url, error }),
            };
        let (shortest, longest) = limits::KEYS_REFRESH_BOUNDS.into_inner();
        let holds = max_age.unwrap_or(limits::KEYS_REFRESH).clamp(shortest, longest);
        match status {
            200 => {}
            304 if conditional => return Ok((None, holds)),
            status => return Err(KeysError::Status { url, status, retry_after }),
        }
        match KeySet::parse(&body, self.issuer.rules.algorithms) {
            Ok(set) => {
                self.known = etag.map(|etag| Known { url, etag });
                Ok((Some(set), holds))
            }
            Err(error) => Err(KeysError::Set { url, error }),
        }
    }
}
