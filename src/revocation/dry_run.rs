//! A source on trial: what it would refuse is counted, and nothing is refused for it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::limits;

/// Counts. Requests that it would let through write nothing here.
#[derive(Debug, Default)]
pub(crate) struct DryRun {
    revoked: Tally,
    stale: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    count: AtomicU64,
    /// Uptime in milliseconds plus one at which it was last told; zero before the first time.
    told: AtomicU64,
}

impl DryRun {
    /// A request would have been refused for a revocation. `issuer` and `source` are the operator's own words.
    pub(crate) fn note_revoked(&self, issuer: &str, source: &str, uptime: Duration) {
        if let Some(count) = self.revoked.note(uptime) {
            tracing::info!(issuer, source, count, "dry run: would refuse a revoked token");
        }
    }

    /// A request would have been refused because news are not fresh enough.
    pub(crate) fn note_stale(&self, issuer: &str, source: &str, uptime: Duration) {
        if let Some(count) = self.stale.note(uptime) {
            tracing::warn!(
                issuer,
                source,
                count,
                "dry run: would refuse requests, the revocations are not fresh"
            );
        }
    }

    pub(crate) fn revoked(&self) -> u64 {
        self.revoked.count.load(Ordering::Relaxed)
    }

    pub(crate) fn stale(&self) -> u64 {
        self.stale.count.load(Ordering::Relaxed)
    }
}

impl Tally {
    /// Counts one. How many there are, where it is time to tell: a client in a loop must not fill the log.
    fn note(&self, uptime: Duration) -> Option<u64> {
        let count = self.count.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let now = u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX - 1).saturating_add(1);
        let told = self.told.load(Ordering::Relaxed);
        let due = told == 0 || now.saturating_sub(told) >= limits::DRY_RUN_TELLING.as_millis() as u64;
        let mine = due && self.told.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        mine.then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_some_are_told() {
        let tally = Tally::default();
        let at = Duration::from_secs;
        assert_eq!(tally.note(at(0)), Some(1));
        assert_eq!(tally.note(at(1)), None);
        let later = at(0) + limits::DRY_RUN_TELLING;
        assert_eq!((tally.note(later), tally.note(later)), (Some(3), None));
    }
}
