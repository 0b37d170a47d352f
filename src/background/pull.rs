//! Pulling one issuer's revocations: page after page, then again after the interval.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::Surroundings;
use super::backoff::Backoff;
use super::fetch::{Answer, Question};
use super::pace::Pace;
use super::source::Feed;
use super::take_in::{self, PullError, Taken};
use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::revocation::Revocations;
use crate::revocation::entry::EntryRules;

/// What came back for one question.
enum Reply {
    Unchanged { date: UnixTime },
    StartOver,
    Page { body: Vec<u8>, etag: Option<String> },
}

/// The task of one feed.
#[derive(Debug)]
pub(crate) struct Puller {
    issuer: Arc<TrustedIssuer>,
    feed: Feed,
    url: Url,
    rules: Arc<EntryRules>,
    around: Surroundings,
    backoff: Backoff,
    /// The longest pause after failures.
    longest: Duration,
    /// One lost answer must not use up the time that the feed may be silent for.
    within: Duration,
    /// From where to ask on; none to ask for everything.
    cursor: Option<String>,
    /// Whether the answer being read is of the whole state.
    whole: bool,
    /// Of the last full state, where that came without a cursor.
    etag: Option<String>,
    pace: Pace,
    /// Questions from this cursor that nobody answered, one after the other.
    unanswered: u32,
    /// Something was said that was not taken in; the uptime at which everything is asked for again.
    hole: Option<Duration>,
    /// What this answer has said that was not understood.
    flaw: Option<PullError>,
    tidied: Duration,
}

impl Puller {
    pub(crate) fn new(
        issuer: Arc<TrustedIssuer>,
        feed: Feed,
        url: Url,
        rules: Arc<EntryRules>,
        around: Surroundings,
    ) -> Self {
        let quarter = feed.max_staleness / 4;
        Self {
            // After an outage the feed must not stay unasked for long: requests are being refused meanwhile.
            longest: quarter.max(feed.poll_interval).min(limits::BACKOFF_LONGEST),
            within: quarter.max(limits::SHORTEST_TIMEOUT).min(around.fetcher.within()),
            rules,
            backoff: Backoff::default(),
            cursor: None,
            whole: true,
            etag: None,
            pace: Pace::new(feed.max_staleness),
            unanswered: 0,
            hole: None,
            flaw: None,
            tidied: Duration::ZERO,
            issuer,
            feed,
            url,
            around,
        }
    }

    /// One that has not run yet and asks for everything, to take the place of this one.
    pub(crate) fn afresh(&self) -> Self {
        let (issuer, rules) = (Arc::clone(&self.issuer), Arc::clone(&self.rules));
        Self::new(issuer, self.feed.clone(), self.url.clone(), rules, self.around.clone())
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Runs until it is aborted. `ahead` is true where [`Puller::refresh`] has been called already.
    pub(crate) async fn run(mut self, ahead: bool) {
        let issuer = Arc::clone(&self.issuer);
        let Some(revocations) = &issuer.revocations else { return };
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
                // A server that answers is asked on time, also where we do not understand all it says.
                Ok(()) => self.feed.poll_interval,
                Err(error) if error.is_flaw() => self.feed.poll_interval,
                Err(_) => self.backoff.pause(self.longest),
            };
            pause = pause.saturating_sub(spent);
            self.tidy(revocations);
        }
    }

    fn tidy(&mut self, revocations: &Revocations) {
        let now = self.around.clock.now();
        if now.uptime.saturating_sub(self.tidied) >= limits::ENTRY_JITTER {
            self.tidied = now.uptime;
            revocations.tidy(now);
        }
    }

    /// Asks once, all pages. What is valid is in force when this returns, also where it returns an error.
    pub(crate) async fn refresh(&mut self) -> Result<(), PullError> {
        let issuer = Arc::clone(&self.issuer);
        let Some(revocations) = &issuer.revocations else { return Ok(()) };
        let asked = self.around.clock.uptime();
        if self.hole.is_some_and(|again| again <= asked) {
            self.cursor = None;
        }
        let outcome = self.pull(revocations).await;
        // A whole state that broke off is no place to go on from, and neither is a page that was refused.
        let broken = outcome.as_ref().is_err_and(|error| self.whole || !error.is_silence());
        // What was not understood outweighs whatever came after it.
        let outcome = self.flaw.take().map_or(outcome, Err);
        let outcome = match outcome {
            Ok(age) => {
                self.unanswered = 0;
                self.backoff.reset();
                self.hole = self.hole.filter(|_| !self.whole);
                revocations.freshness.confirm(asked.saturating_sub(age), self.whole);
                if !age.is_zero() {
                    revocations.freshness.note_trouble(format!(
                        "the answer is {age:?} older than earlier ones by its own time: a cache or replica is behind, or the \
                         server's clock was set back, which is believed after a while"
                    ));
                }
                Ok(())
            }
            Err(error) => {
                self.unanswered += 1;
                if error.is_flaw() {
                    // Deltas go on in time; everything is asked for now and then.
                    revocations.freshness.flaw(error.to_string());
                    let now = self.around.clock.uptime();
                    self.hole = Some(now.saturating_add(self.backoff.pause(limits::BACKOFF_LONGEST)));
                }
                if broken || (!error.is_flaw() && self.unanswered >= limits::CURSOR_TRIES) {
                    self.cursor = None;
                    self.etag = None;
                }
                revocations.freshness.note_trouble(error.to_string());
                Err(error)
            }
        };
        self.around.news.send_replace(());
        outcome
    }

    /// All pages of one answer. Returns how old the answer is by its own time.
    async fn pull(&mut self, revocations: &Revocations) -> Result<Duration, PullError> {
        let (mut restarts, mut first_page) = (0, true);
        self.whole = self.cursor.is_none();
        let mut ignored = 0;
        let patience = self.feed.max_staleness.max(limits::FEED_ANSWER);
        let deadline = self.around.clock.uptime().saturating_add(patience);
        for _ in 0..limits::FEED_PAGES {
            let asked = self.around.clock.uptime();
            if asked > deadline {
                return Err(PullError::TooLong);
            }
            let (taken, etag) = match self.ask().await? {
                Reply::Unchanged { date } => {
                    let received = self.around.clock.uptime();
                    return Ok(self.pace.age(date, asked, received));
                }
                Reply::Page { body, etag } => (Some(self.take_in(body).await?), etag),
                Reply::StartOver => (None, None),
            };
            let Some(taken) = taken.filter(|taken| !taken.resync) else {
                restarts += 1;
                if restarts > 1 {
                    return Err(PullError::Restless);
                }
                (self.cursor, self.whole, first_page, ignored) = (None, true, true, 0);
                continue;
            };
            ignored += self.note_flaws(&taken, revocations);
            if self.whole && !taken.full {
                return Err(PullError::NotFull);
            }
            if taken.more && (taken.cursor.is_none() || taken.cursor == self.cursor) {
                return Err(PullError::Endless);
            }
            // An ETag speaks for a whole state only where that is one page, nothing follows it by cursor, and reading it
            // again would not prolong anything.
            let whole =
                first_page && taken.full && !taken.more && taken.cursor.is_none() && !taken.open_ended;
            self.etag = etag.filter(|_| whole);
            let age = self.pace.age(taken.as_of, asked, self.around.clock.uptime());
            self.cursor = taken.cursor;
            first_page = false;
            if !taken.more {
                revocations.freshness.note_ignored(ignored, self.whole);
                return Ok(age);
            }
        }
        Err(PullError::Endless)
    }

    async fn ask(&mut self) -> Result<Reply, PullError> {
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
            within: if self.whole { limits::TOTAL_TIMEOUT } else { self.within },
        };
        let conditional = known.is_some();
        let Answer { status, etag, date, body, .. } = self.around.fetcher.ask(question).await?;
        match status {
            200 => Ok(Reply::Page { body, etag }),
            304 if conditional => match date {
                Some(date) => Ok(Reply::Unchanged { date }),
                None => {
                    self.etag = None;
                    Err(PullError::Undated)
                }
            },
            410 if self.cursor.is_some() => Ok(Reply::StartOver),
            status => Err(PullError::Status(status)),
        }
    }

    /// Large pages are read where they block no request.
    async fn take_in(&self, body: Vec<u8>) -> Result<Taken, PullError> {
        let (issuer, rules, now) =
            (Arc::clone(&self.issuer), Arc::clone(&self.rules), self.around.clock.now());
        if body.len() <= limits::FEED_INLINE_BYTES {
            return take_in::take_in(body, &issuer, &rules, now);
        }
        let task = tokio::task::spawn_blocking(move || take_in::take_in(body, &issuer, &rules, now));
        task.await.unwrap_or_else(|error| Err(PullError::Lost(error.to_string())))
    }

    /// The feed stops counting as fresh at once where a page said what we did not take in. Returns how many entries the
    /// operator chose to ignore.
    fn note_flaws(&mut self, taken: &Taken, revocations: &Revocations) -> u64 {
        let entry = taken.bad.map(|(place, count, error)| PullError::Entry { place, count, error });
        let ignored = match taken.bad {
            Some((_, count, _)) if self.feed.ignore_unknown_entries => count as u64,
            _ => 0,
        };
        let entry = entry.filter(|_| !self.feed.ignore_unknown_entries);
        let flaw = taken.no_room.map(PullError::NoRoom).or(entry);
        if let Some(flaw) = flaw {
            revocations.freshness.flaw(flaw.to_string());
            self.flaw.get_or_insert(flaw);
        }
        ignored
    }
}
