//! The life of a tenant: when it began, whether it has shown that it is one, and when that was last.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// See the module docs.
#[derive(Debug)]
pub(crate) struct Life {
    began: Duration,
    /// It has lived before, and left revocations that are in force.
    returned: bool,
    /// The minute of uptime, plus one, in which a token was last verified with its keys; zero before the first.
    used: AtomicU64,
    ended: AtomicBool,
    /// Told after every attempt to learn of its keys or revocations.
    pub(crate) news: watch::Sender<()>,
}

impl Life {
    pub(crate) fn new(began: Duration, returned: bool) -> Self {
        Self {
            began,
            returned,
            used: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            news: watch::Sender::new(()),
        }
    }

    /// Once a minute this writes what all cores read; more often it only reads.
    pub(crate) fn note_use(&self, uptime: Duration) {
        let minute = uptime.as_secs() / 60 + 1;
        if self.used.load(Ordering::Relaxed) != minute {
            self.used.store(minute, Ordering::Relaxed);
        }
    }

    /// Nobody keeps its knowledge up to date from here on.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// Whether no token has been verified with its keys, neither now nor in an earlier life.
    pub(crate) fn is_on_probation(&self) -> bool {
        !self.returned && !self.was_used()
    }

    /// Whether a token has been verified with its keys in this life.
    pub(crate) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed) != 0
    }

    /// Whether it is time to let go: `probation` after its beginning, if it has not been used, and `idle` after its last use.
    pub(crate) fn is_over(&self, uptime: Duration, probation: Duration, idle: Duration) -> bool {
        match self.used.load(Ordering::Relaxed) {
            0 => uptime >= self.began.saturating_add(probation),
            used => uptime >= Duration::from_secs(used.saturating_mul(60)).saturating_add(idle),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[test]
    fn a_life_is_over_when_it_was_idle_for_long_enough() {
        let (probation, idle) = (seconds(60), seconds(3600));
        let life = Life::new(seconds(10), false);
        let over = |at| life.is_over(seconds(at), probation, idle);
        assert!(life.is_on_probation() && !over(69) && over(70));
        life.note_use(seconds(30));
        assert!(!life.is_on_probation() && !over(30 + 3600) && over(60 + 3600));
        life.note_use(seconds(3000));
        assert!(!over(3000 + 3600) && over(3060 + 3600));
        assert!(!Life::new(seconds(10), true).is_on_probation());
    }
}
