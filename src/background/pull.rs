//! Pulling one issuer's revocations: page after page, then again after the interval.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::Surroundings;
use super::backoff::Backoff;
use super::fetch::{FetchError, Question};
use super::page::{Page, PageError};
use super::source::Feed;
use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::redact::Shown;
use crate::revocation::entry::{Entry, EntryError, EntryRules};
use crate::revocation::{NoRoom, Revocations};

/// Why an answer was not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PullError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the feed answered {0}")]
    Status(u16),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("the feed speaks for `{0}`, not for this issuer")]
    OtherIssuer(String),
    #[error("the feed went back in time: as_of {found} after {known}")]
    WentBack { known: i64, found: i64 },
    #[error("a question for everything was answered with `full: false`")]
    NotFull,
    #[error("more than {} pages, or a page that leads back to itself", limits::FEED_PAGES)]
    Endless,
    #[error("the feed asks again and again to start over")]
    Restless,
    #[error("entry {place}: {error} ({count} such entries)")]
    Entry { place: usize, count: usize, error: EntryError },
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl PullError {
    /// Whether something was said that we did not take in: knowledge has a hole, not only an age.
    fn is_flaw(&self) -> bool {
        matches!(self, Self::Entry { .. } | Self::NoRoom(_) | Self::WentBack { .. })
    }
}

/// The task of one feed.
#[derive(Debug)]
pub(crate) struct Puller {
    issuer: Arc<TrustedIssuer>,
    feed: Feed,
    url: Url,
    rules: EntryRules,
    around: Surroundings,
    backoff: Backoff,
    /// The longest pause after failures.
    longest: Duration,
    /// One lost answer must not use up the time that the feed may be silent for.
    within: Duration,
    /// From where to ask on; none to ask for everything.
    cursor: Option<String>,
    /// Of the last full state, where that came without a cursor.
    etag: Option<String>,
    as_of: UnixTime,
    tidied: Duration,
}

impl Puller {
    pub(crate) fn new(
        issuer: Arc<TrustedIssuer>,
        feed: Feed,
        url: Url,
        rules: EntryRules,
        around: Surroundings,
    ) -> Self {
        // After an outage the feed must not stay unasked for long: requests are being refused meanwhile.
        let longest = (feed.max_staleness / 4).max(feed.poll_interval).min(limits::BACKOFF_LONGEST);
        let within = (feed.max_staleness / 4).clamp(limits::SHORTEST_TIMEOUT, limits::TOTAL_TIMEOUT);
        Self {
            issuer,
            feed,
            within,
            url,
            rules,
            around,
            backoff: Backoff::default(),
            longest,
            cursor: None,
            etag: None,
            as_of: UnixTime::from_secs(0),
            tidied: Duration::ZERO,
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Runs until it is aborted. `ahead` is true where [`Puller::refresh`] has been called already.
    pub(crate) async fn run(mut self, ahead: bool) {
        let Some(revocations) = self.issuer.revocations.as_ref().map(|_| Arc::clone(&self.issuer)) else {
            return;
        };
        let mut pause = if ahead { self.feed.poll_interval } else { Duration::ZERO };
        let mut healthy = true;
        loop {
            self.around.clock.sleep(pause).await;
            let asked = self.around.clock.uptime();
            let outcome = self.refresh().await;
            if healthy != outcome.is_ok() {
                healthy = outcome.is_ok();
                match &outcome {
                    Ok(()) => tracing::info!(issuer = %self.issuer.name, "revocation feed is complete again"),
                    Err(error) => {
                        tracing::warn!(issuer = %self.issuer.name, %error, "revocation feed not complete; what is known stays");
                    }
                }
            }
            let spent = self.around.clock.uptime().saturating_sub(asked);
            pause = match outcome {
                Ok(()) => self.feed.poll_interval.saturating_sub(spent),
                Err(_) => self.backoff.pause(self.longest).max(self.feed.poll_interval).saturating_sub(spent),
            };
            self.tidy(revocations.revocations.as_ref());
        }
    }

    fn tidy(&mut self, revocations: Option<&Revocations>) {
        let now = self.around.clock.now();
        if now.uptime.saturating_sub(self.tidied) >= limits::ENTRY_JITTER {
            self.tidied = now.uptime;
            if let Some(revocations) = revocations {
                revocations.tidy(now);
            }
        }
    }

    /// Asks once, all pages. What is valid is in force when this returns, also where it returns an error.
    pub(crate) async fn refresh(&mut self) -> Result<(), PullError> {
        let issuer = Arc::clone(&self.issuer);
        let Some(revocations) = &issuer.revocations else { return Ok(()) };
        let asked = self.around.clock.uptime();
        let outcome = self.pull(revocations).await;
        match &outcome {
            Ok(()) => {
                revocations.freshness.confirm(asked);
                self.backoff.reset();
            }
            Err(error) => {
                // Whatever went wrong in between is healed by asking for everything.
                self.cursor = None;
                self.etag = None;
                if error.is_flaw() {
                    revocations.freshness.flaw(error.to_string());
                } else {
                    revocations.freshness.note_trouble(error.to_string());
                }
            }
        }
        self.around.news.send_replace(());
        outcome
    }

    async fn pull(&mut self, revocations: &Revocations) -> Result<(), PullError> {
        let (mut everything, mut restarts, mut first_page) = (self.cursor.is_none(), 0, true);
        let mut flaw = None;
        for _ in 0..limits::FEED_PAGES {
            let Some(page) = self.ask(first_page).await? else { return flaw.map_or(Ok(()), Err) };
            if page.resync {
                restarts += 1;
                if restarts > 1 {
                    return Err(PullError::Restless);
                }
                (self.cursor, everything, first_page, flaw) = (None, true, true, None);
                continue;
            }
            flaw = self.apply(&page, revocations).err().or(flaw);
            if everything && !page.full {
                return Err(PullError::NotFull);
            }
            if page.more && (page.cursor.is_none() || page.cursor == self.cursor) {
                return Err(PullError::Endless);
            }
            self.cursor = page.cursor;
            first_page = false;
            if !page.more {
                return flaw.map_or(Ok(()), Err);
            }
        }
        Err(PullError::Endless)
    }

    /// One page; none where nothing has changed since the last full state.
    async fn ask(&mut self, first_page: bool) -> Result<Option<Page>, PullError> {
        let mut url = self.url.clone();
        if let Some(cursor) = &self.cursor {
            url.query_pairs_mut().append_pair("cursor", cursor);
        }
        let known = self.etag.as_deref().filter(|_| self.cursor.is_none());
        let question = Question {
            url: &url,
            accept: "application/json",
            limit: limits::FEED_PAGE_BYTES,
            authorization: self.feed.authorization.as_ref(),
            known,
            within: self.within,
        };
        let asked_for_changes = known.is_some();
        let answer = self.around.fetcher.ask(question).await?;
        match answer.status {
            200 => {}
            304 if asked_for_changes => return Ok(None),
            410 if self.cursor.is_some() => {
                return Page::parse(br#"{"resync":true}"#.to_vec()).map(Some).map_err(Into::into);
            }
            status => return Err(PullError::Status(status)),
        }
        let page = Page::parse(answer.body)?;
        // An ETag speaks for a whole state only where that is one page and nothing follows it by cursor.
        let whole = first_page && page.full && !page.more && page.cursor.is_none();
        self.etag = answer.etag.filter(|_| whole);
        Ok(Some(page))
    }

    /// Puts what is valid in force, then says what was not.
    fn apply(&mut self, page: &Page, revocations: &Revocations) -> Result<(), PullError> {
        if page.issuer != self.issuer.name.as_str() {
            return Err(PullError::OtherIssuer(Shown(&page.issuer).to_string()));
        }
        let now = self.around.clock.now();
        let mut entries = Vec::new();
        let mut bad: Option<(usize, EntryError)> = None;
        let mut count = 0;
        for (place, object) in page.entries().enumerate() {
            let entry =
                object.ok_or(EntryError::NotAnObject).and_then(|o| Entry::read(&o, &self.rules, now.wall));
            match entry {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    count += 1;
                    bad.get_or_insert((place, error));
                }
            }
        }
        revocations.apply(&entries, now)?;
        if page.as_of < self.as_of {
            return Err(PullError::WentBack { known: self.as_of.as_secs(), found: page.as_of.as_secs() });
        }
        self.as_of = page.as_of;
        match bad {
            Some((place, error)) if !self.feed.ignore_unknown_entries => {
                Err(PullError::Entry { place, count, error })
            }
            _ => Ok(()),
        }
    }
}
