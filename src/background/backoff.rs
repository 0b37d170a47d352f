//! Pauses after failures: they double up to a bound, with jitter.

use std::time::Duration;

use super::random_fraction;
use crate::limits;

#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    longest: Duration,
}

impl Backoff {
    pub(super) fn up_to(longest: Duration) -> Self {
        Self { failures: 0, longest }
    }

    /// After a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// After a failure: how long to pause.
    pub(super) fn pause(&mut self) -> Duration {
        let full = limits::BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        full.min(self.longest).mul_f64(0.5 + 0.5 * random_fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over() {
        let mut backoff = Backoff::up_to(limits::BACKOFF_LONGEST);
        let mut full = limits::BACKOFF_FIRST;
        for _ in 0..100 {
            let pause = backoff.pause();
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
            full = (full * 2).min(limits::BACKOFF_LONGEST);
        }
        backoff.reset();
        assert!(backoff.pause() <= limits::BACKOFF_FIRST);
    }
}
