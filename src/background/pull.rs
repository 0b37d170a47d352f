//! Pulling the revocations of one source: page after page, then again after the interval.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::Surroundings;
use super::ask::{Asker, Target};
use super::auth0::Ear;
use super::backoff::Backoff;
use super::pace::Pace;
use super::pull_error::PullError;
use super::snapshot::Snapshot;
use super::source::Common;
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::revocation::Revocations;
use crate::revocation::entry::EntryRules;

mod answer;
mod hear;
mod intake;
pub(super) mod kept;
mod outcome;

use intake::Intake;

/// What the task of one source is made from.
#[derive(Clone)]
pub(crate) struct Assignment {
    pub(crate) target: Target,
    pub(crate) common: Common,
    pub(crate) long_poll: Option<Duration>,
    pub(crate) rules: EntryRules,
    /// Where what is revoked outlives the process.
    pub(crate) snapshot: Option<Arc<Mutex<Snapshot>>>,
}

/// The task of one source.
pub(crate) struct Puller {
    issuer: Arc<TrustedIssuer>,
    revocations: Arc<Revocations>,
    asker: Asker,
    /// As it was given, for a task that takes the place of this one.
    assignment: Assignment,
    common: Common,
    long_poll: Option<Duration>,
    around: Surroundings,
    backoff: Backoff,
    /// The longest pause after failures.
    longest: Duration,
    /// One lost answer must not use up the time that the source may be silent for.
    within: Duration,
    healthy: bool,
    /// From where to ask on; none to ask for everything.
    cursor: Option<String>,
    /// Whether the answer being read is of the whole state.
    whole: bool,
    /// The uptime at which a whole state was first asked for that broke off and is gone on with.
    unfinished: Option<Duration>,
    /// Of the last full state, where that came without a cursor.
    etag: Option<String>,
    pace: Pace,
    /// Questions from this cursor that nobody answered, one after the other.
    unanswered: u32,
    /// Something was said that was not taken in; the uptime at which everything is asked for again.
    hole: Option<Duration>,
    intake: Intake,
    /// What says something beside the polls too.
    ear: Option<Ear>,
    /// The last complete answer of the polls alone.
    parts: Option<Complete>,
    tidied: Duration,
    snapshot: Option<Arc<Mutex<Snapshot>>>,
    /// What an earlier process has left has been looked for.
    restored: bool,
    /// Another task was here before, and may have lost what it had read.
    replaces: bool,
}

/// A complete answer.
#[derive(Clone, Copy)]
struct Complete {
    /// The uptime of which it tells, at least, but for its age.
    told: Duration,
    /// How old it was then.
    age: Duration,
    /// Whether that is so because its own time lags behind that of earlier ones.
    is_behind: bool,
    /// Whether it may be followed by a question at once.
    at_once: bool,
}

impl Puller {
    pub(crate) fn new(
        issuer: Arc<TrustedIssuer>,
        revocations: Arc<Revocations>,
        assignment: Assignment,
        around: Surroundings,
    ) -> Self {
        let spare = assignment.clone();
        let Assignment { target, common, long_poll, rules, snapshot } = assignment;
        let quarter = common.max_staleness / 4;
        let ear = if let Target::Auth0(follower) = &target { follower.ear() } else { None };
        let intake = Intake {
            issuer: Arc::clone(&issuer),
            revocations: Arc::clone(&revocations),
            rules: Arc::new(rules),
            clock: Arc::clone(&around.clock),
            snapshot: snapshot.clone(),
            ignore: common.ignore_unknown_entries,
            ignored: 0,
            flaw: None,
        };
        let asker =
            Asker::new(target, Arc::clone(&issuer), around.clone(), intake.rules.max_token_lifetime / 2);
        Self {
            // After an outage the source must not stay unasked for long: requests are being refused meanwhile.
            longest: quarter.max(common.poll_interval).min(limits::BACKOFF_LONGEST),
            within: quarter.max(limits::SHORTEST_TIMEOUT).min(around.fetcher.within()),
            backoff: Backoff::default(),
            healthy: true,
            cursor: None,
            whole: true,
            unfinished: None,
            etag: None,
            pace: Pace::new(common.max_staleness),
            unanswered: 0,
            hole: None,
            intake,
            ear,
            parts: None,
            tidied: Duration::ZERO,
            snapshot,
            restored: false,
            replaces: false,
            assignment: spare,
            issuer,
            revocations,
            asker,
            common,
            long_poll,
            around,
        }
    }

    /// One that has not run yet and asks for everything, to take the place of this one.
    pub(crate) fn afresh(&self) -> Self {
        let (issuer, revocations) = (Arc::clone(&self.issuer), Arc::clone(&self.revocations));
        let mut puller = Self::new(issuer, revocations, self.assignment.clone(), self.around.clone());
        // What was told to this one may not have been taken in.
        puller.asker.forget();
        puller.replaces = true;
        puller
    }

    /// The source, as it is shown.
    pub(crate) fn source(&self) -> &str {
        &self.revocations.source
    }

    /// Asks once, before anybody relies on it. A source on trial holds nobody up.
    pub(crate) async fn start(&mut self) -> Result<(), PullError> {
        let mut outcome = self.refresh().await.map(drop);
        // Whoever gave up here would begin at the same place at the next start.
        for _ in 0..limits::STARTING_POLLS {
            if !outcome.as_ref().is_err_and(PullError::is_progress) {
                break;
            }
            outcome = self.refresh().await.map(drop);
        }
        if let Err(error) = &outcome
            && self.common.dry_run
        {
            self.healthy = false;
            tracing::warn!(issuer = %self.issuer.name, source = self.source(), %error, "dry run: no complete answer yet");
            return Ok(());
        }
        if let Err(error) = &outcome
            && self.is_known()
        {
            self.healthy = false;
            tracing::warn!(issuer = %self.issuer.name, source = self.source(), %error, "no answer yet; the snapshot is relied on");
            return Ok(());
        }
        outcome
    }

    /// Runs until it is aborted. `ahead` is true where [`Puller::start`] has been called already.
    pub(crate) async fn run(mut self, ahead: bool) {
        // A question that may be held is asked at once.
        let interval = if self.hold().is_some() { Duration::ZERO } else { self.common.poll_interval };
        let mut pause = if ahead { interval } else { Duration::ZERO };
        loop {
            self.rest(pause).await;
            let asked = self.around.clock.uptime();
            let outcome = self.refresh().await;
            let error = outcome.as_ref().err();
            if self.healthy != error.is_none() {
                self.healthy = error.is_none();
                let (issuer, source) = (&self.issuer.name, self.source());
                match error {
                    None => tracing::info!(%issuer, source, "revocations are complete again"),
                    Some(error) => {
                        tracing::warn!(%issuer, source, %error, "revocations not complete; what is known stays");
                    }
                }
            }
            let spent = self.around.clock.uptime().saturating_sub(asked);
            pause = match outcome {
                Ok(at_once) if at_once && self.hold().is_some() => limits::LONG_POLL_PAUSE,
                // A server that answers is asked on time, also where we do not understand all it says.
                Ok(_) => self.common.poll_interval,
                Err(error) if error.is_progress() => self.common.poll_interval.min(limits::READ_ON),
                Err(error) if error.is_flaw() => self.common.poll_interval,
                Err(error) => {
                    let most = (self.common.max_staleness / 2).min(limits::BACKOFF_LONGEST);
                    self.backoff.pause(self.longest).max(error.retry_after().min(most))
                }
            };
            pause = pause.saturating_sub(spent);
            self.tidy();
        }
    }

    fn tidy(&mut self) {
        let now = self.around.clock.now();
        if now.uptime.saturating_sub(self.tidied) >= limits::ENTRY_JITTER {
            self.tidied = now.uptime;
            self.revocations.tidy(now);
        }
    }

    /// How long the next question may be held. After trouble an answer is wanted at once, and so it is while the server's
    /// time is not known well enough to say how old a held one is.
    fn hold(&self) -> Option<Duration> {
        let settled = self.healthy && self.cursor.is_some() && self.unfinished.is_none();
        self.long_poll
            .filter(|_| settled && self.pace.doubt().is_some_and(|doubt| doubt <= limits::LONG_POLL_DOUBT))
    }

    /// Asks once, all pages. What is valid is in force when this returns, also where it returns an error. Says whether the
    /// next question may follow at once.
    async fn refresh(&mut self) -> Result<bool, PullError> {
        self.restore().await;
        let now = self.around.clock.uptime();
        // A whole state that broke off is what was asked for.
        if self.hole.is_some_and(|again| again <= now) && self.unfinished.is_none() {
            self.start_over();
        }
        let outcome = match self.pull().await {
            Ok(complete) => self.with_stream(complete).await,
            Err(error) => Err(error),
        };
        // What has grown old in the meantime was so, also where this answer is fresh.
        self.tell();
        // A page that was refused is no place to go on from, and neither is a state of which something was not taken in.
        let broken = outcome.as_ref().is_err_and(|error| {
            !error.is_silence() || (self.whole && (self.intake.flaw.is_some() || self.cursor.is_none()))
        });
        // What was not understood outweighs whatever came after it.
        let outcome = self.intake.flaw.take().map_or(outcome, Err);
        let outcome = match outcome {
            Ok(complete) => {
                self.confirm(&complete);
                self.note_stream();
                self.keep(Some(&complete)).await;
                Ok(complete.at_once)
            }
            Err(error) => {
                self.fail(&error, broken);
                if error.is_flaw() {
                    self.keep(None).await;
                }
                Err(error)
            }
        };
        self.tell();
        self.around.news.send_replace(());
        outcome
    }

    fn tell(&self) {
        let uptime = self.around.clock.uptime();
        self.revocations.freshness.tell(self.issuer.name.as_str(), self.source(), uptime);
    }
}
