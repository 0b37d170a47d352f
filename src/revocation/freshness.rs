//! How old our knowledge of revocations is, and what that means.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::policy::WhenStale;

/// The age of the last complete answer of an issuer's feed.
#[derive(Debug)]
pub(crate) struct Freshness {
    /// The uptime, in milliseconds from [`LONG_AGO`] and plus one, of which the last complete answer tells; zero before the
    /// first.
    confirmed: AtomicU64,
    /// One while an entry could not be understood: it may have been a revocation.
    flawed: AtomicU64,
    /// Entries that the operator chose to ignore.
    ignored: AtomicU64,
    /// Ends of access that were told by an id of which it is not known whose it is.
    unnamed: AtomicU64,
    trouble: Mutex<Option<String>>,
    /// The state that the log knows of.
    told: Mutex<FreshnessState>,
    bounds: Bounds,
    /// `max_staleness` and `expires_after` in milliseconds, in which ages are.
    stale_past: u64,
    expired_past: u64,
}

/// When an answer is too old, and what a stale one means where the route does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_staleness: Duration,
    /// Beyond this age not even a route that admits on stale news does so.
    pub(crate) expires_after: Duration,
    pub(crate) when_stale: WhenStale,
    pub(crate) poll_interval: Duration,
}

/// What is known of revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FreshnessState {
    /// No complete answer has come yet: nobody is admitted.
    Unknown,
    /// The last complete answer is young enough.
    Fresh,
    /// It is too old, or the feed said something that was not understood.
    Stale,
    /// It is so old that nothing relies on it.
    Expired,
}

/// A hundred years in milliseconds: what was said before this process started has a place in time too.
const LONG_AGO: u64 = 100 * 365 * 24 * 3600 * 1000;

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Freshness {
    pub(crate) fn new(bounds: Bounds) -> Self {
        let zero = || AtomicU64::new(0);
        let (trouble, told) = (Mutex::default(), Mutex::new(FreshnessState::Unknown));
        let (stale_past, expired_past) = (millis(bounds.max_staleness), millis(bounds.expires_after));
        let [confirmed, flawed, ignored, unnamed] = [zero(), zero(), zero(), zero()];
        Self { confirmed, flawed, ignored, unnamed, trouble, told, bounds, stale_past, expired_past }
    }

    /// A complete answer, asked for at `asked` on the uptime clock: it tells of everything that was said before that. Only
    /// one of the whole state makes good for what was not understood earlier.
    pub(crate) fn confirm(&self, asked: Duration, whole: bool) {
        self.confirm_aged(asked, Duration::ZERO, whole);
    }

    /// The same, where the answer was `age` old already: that may be older than this process.
    pub(crate) fn confirm_aged(&self, asked: Duration, age: Duration, whole: bool) {
        let told = millis(asked).saturating_add(LONG_AGO).saturating_sub(millis(age)).saturating_add(1);
        self.confirmed.fetch_max(told, Ordering::AcqRel);
        if whole {
            self.flawed.store(0, Ordering::Release);
        } else if self.flawed.load(Ordering::Acquire) != 0 {
            return;
        }
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// An answer that held something we could not understand: not fresh until a whole state is understood. Whether that is
    /// new; see [`Revocations::flaw`](super::Revocations::flaw).
    pub(super) fn flaw(&self, trouble: String) -> bool {
        let before = self.flawed.swap(1, Ordering::AcqRel);
        self.note_trouble(trouble);
        before == 0
    }

    /// Entries that were ignored by choice: of a whole state, or more of them.
    pub(crate) fn note_ignored(&self, count: u64, of_everything: bool) {
        if of_everything {
            self.ignored.store(count, Ordering::Relaxed);
        } else {
            self.ignored.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(crate) fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }

    /// As many since the start.
    pub(crate) fn note_unnamed(&self, count: u64) {
        self.unnamed.fetch_max(count, Ordering::Relaxed);
    }

    pub(crate) fn unnamed(&self) -> u64 {
        self.unnamed.load(Ordering::Relaxed)
    }

    /// A failed attempt: what is known stays, only its age grows.
    pub(crate) fn note_trouble(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    /// Whoever asked before is gone, and somebody else has not asked yet.
    pub(crate) fn forget_trouble(&self) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Time since the last complete answer.
    pub(crate) fn age(&self, uptime: Duration) -> Option<Duration> {
        self.age_millis(uptime).map(Duration::from_millis)
    }

    #[inline]
    fn age_millis(&self, uptime: Duration) -> Option<u64> {
        let confirmed = self.confirmed.load(Ordering::Acquire).checked_sub(1)?;
        Some(millis(uptime).saturating_add(LONG_AGO).saturating_sub(confirmed))
    }

    #[inline]
    pub(crate) fn state(&self, uptime: Duration) -> FreshnessState {
        match self.age_millis(uptime) {
            None => FreshnessState::Unknown,
            Some(age) if age > self.expired_past => FreshnessState::Expired,
            Some(age) if age > self.stale_past => FreshnessState::Stale,
            Some(_) if self.flawed.load(Ordering::Acquire) != 0 => FreshnessState::Stale,
            Some(_) => FreshnessState::Fresh,
        }
    }

    /// Logs the state where it is another one than was logged last. `issuer` and `source` are the operator's own words.
    pub(crate) fn tell(&self, issuer: &str, source: &str, uptime: Duration) {
        let (age, now) = (self.age(uptime), self.state(uptime));
        let before = std::mem::replace(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner), now);
        if before == now {
            return;
        }
        match now {
            FreshnessState::Unknown => {}
            FreshnessState::Fresh => tracing::info!(issuer, source, ?before, ?age, "revocations are fresh"),
            FreshnessState::Stale => tracing::warn!(
                issuer,
                source,
                ?before,
                ?age,
                when_stale = ?self.bounds.when_stale,
                "revocations are stale: a route that does not choose itself does as `when_stale` says"
            ),
            FreshnessState::Expired => tracing::warn!(
                issuer,
                source,
                ?before,
                ?age,
                "revocations have expired: requests are refused, also where stale news would do"
            ),
        }
    }

    /// When it makes sense for a client to ask again.
    pub(crate) fn retry_after(&self) -> Duration {
        self.bounds.poll_interval.max(Duration::from_secs(1))
    }

    /// Whether a request may rely on what is known, given the route's own choice.
    pub(crate) fn suffices(&self, uptime: Duration, choice: Option<WhenStale>) -> Result<(), FreshnessState> {
        match self.state(uptime) {
            FreshnessState::Fresh => Ok(()),
            FreshnessState::Stale if choice.unwrap_or(self.bounds.when_stale) == WhenStale::Admit => Ok(()),
            other => Err(other),
        }
    }

    /// For how long [`Freshness::suffices`] will go on to say yes if nothing is heard meanwhile.
    pub(crate) fn suffices_for(&self, uptime: Duration, choice: Option<WhenStale>) -> Duration {
        let longest = match choice.unwrap_or(self.bounds.when_stale) {
            WhenStale::Admit => self.bounds.expires_after,
            WhenStale::Refuse => self.bounds.max_staleness,
        };
        // An age that equals the bound is young enough.
        let end = longest.saturating_add(Duration::from_millis(1));
        self.age(uptime).map_or(Duration::ZERO, |age| end.saturating_sub(age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn freshness() -> Freshness {
        Freshness::new(Bounds {
            max_staleness: seconds(30),
            expires_after: seconds(300),
            when_stale: WhenStale::Refuse,
            poll_interval: seconds(1),
        })
    }

    #[test]
    fn ages_from_fresh_to_expired() {
        let freshness = freshness();
        assert_eq!(freshness.state(seconds(0)), FreshnessState::Unknown);
        freshness.confirm(seconds(100), true);
        let table = [
            (100, FreshnessState::Fresh),
            (130, FreshnessState::Fresh),
            (131, FreshnessState::Stale),
            (400, FreshnessState::Stale),
            (401, FreshnessState::Expired),
        ];
        for (uptime, state) in table {
            assert_eq!(freshness.state(seconds(uptime)), state, "{uptime} s");
        }
    }

    #[test]
    fn an_old_answer_that_arrives_late_does_not_make_news_older() {
        let freshness = freshness();
        freshness.confirm(seconds(100), true);
        freshness.confirm(seconds(50), true);
        assert_eq!(freshness.age(seconds(100)), Some(seconds(0)));
    }

    #[test]
    fn an_answer_may_be_older_than_this_process() {
        let freshness = freshness();
        freshness.confirm_aged(seconds(1), seconds(40), true);
        assert_eq!(freshness.age(seconds(2)), Some(seconds(41)));
        freshness.confirm(Duration::MAX, true);
        assert_eq!(freshness.age(seconds(2)), Some(seconds(0)));
    }

    #[test]
    fn only_stale_news_may_be_admitted_by_choice() {
        let freshness = freshness();
        let admit = Some(WhenStale::Admit);
        assert_eq!(freshness.suffices(seconds(0), admit), Err(FreshnessState::Unknown));
        freshness.confirm(seconds(0), true);
        assert_eq!(freshness.suffices(seconds(1), None), Ok(()));
        assert_eq!(freshness.suffices(seconds(31), None), Err(FreshnessState::Stale));
        assert_eq!(freshness.suffices(seconds(31), admit), Ok(()));
        assert_eq!(freshness.suffices(seconds(301), admit), Err(FreshnessState::Expired));
    }

    #[test]
    fn it_suffices_for_exactly_as_long_as_it_says() {
        let freshness = freshness();
        assert_eq!(freshness.suffices_for(seconds(0), None), Duration::ZERO);
        freshness.confirm(seconds(5), true);
        for choice in [None, Some(WhenStale::Admit)] {
            let end = seconds(6) + freshness.suffices_for(seconds(6), choice);
            assert!(freshness.suffices(end, choice).is_err(), "{choice:?}");
            assert_eq!(freshness.suffices(end - Duration::from_millis(1), choice), Ok(()), "{choice:?}");
        }
    }

    #[test]
    fn a_flaw_lasts_until_a_whole_state_is_understood() {
        let freshness = freshness();
        freshness.confirm(seconds(0), true);
        freshness.flaw("entry 3: neither issued_before nor an identifier".to_owned());
        freshness.note_trouble("connection refused".to_owned());
        assert_eq!(freshness.state(seconds(1)), FreshnessState::Stale);
        freshness.confirm(seconds(1), false);
        assert_eq!(freshness.state(seconds(1)), FreshnessState::Stale, "a delta does not tell what it was");
        freshness.confirm(seconds(1), true);
        assert_eq!(freshness.state(seconds(1)), FreshnessState::Fresh);
    }
}
