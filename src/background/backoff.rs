//! Pauses after failures: they double up to a bound, with jitter.

use std::time::Duration;

use super::random_fraction;
use crate::limits;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// After a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// After a failure: how long to pause, at most `longest`.
    pub(super) fn pause(&mut self, longest: Duration) -> Duration {
        let full = limits::BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        full.min(longest).mul_f64(0.5 + 0.5 * random_fraction())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_start_over() {
        let mut backoff = Backoff::default();
        let mut full = limits::BACKOFF_FIRST;
        for _ in 0..100 {
            let pause = backoff.pause(limits::BACKOFF_LONGEST);
            assert!(pause >= full / 2 && pause <= full, "{pause:?} of {full:?}");
            full = (full * 2).min(limits::BACKOFF_LONGEST);
        }
        backoff.reset();
        assert!(backoff.pause(limits::BACKOFF_LONGEST) <= limits::BACKOFF_FIRST);
    }
}
