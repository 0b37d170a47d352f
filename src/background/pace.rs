//! How old an answer is by the server's own time: no two clocks need to agree, only to run at about the same speed.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::limits;

/// What is remembered of earlier answers.
#[derive(Debug)]
pub(super) struct Pace {
    /// How far the server's clock was ahead of our uptime at least, in milliseconds, at the best of times.
    best: Option<i64>,
    /// The uptime at which that was last looked at.
    at: Duration,
    /// Since when answers are behind that by always the same, and their lead.
    behind: Option<(Duration, i64)>,
    /// How long answers must be behind by the same before that counts as the server's clock having been set.
    patience: Duration,
}

/// The share of time by which two clocks may drift apart.
const DRIFT: u32 = 1000;

impl Pace {
    pub(super) fn new(max_staleness: Duration) -> Self {
        let patience = max_staleness.saturating_mul(4).max(limits::CLOCK_SET);
        Self { best: None, at: Duration::ZERO, behind: None, patience }
    }

    /// How old an answer is that was made at `as_of`, asked for and received at these uptimes.
    pub(super) fn age(&mut self, as_of: UnixTime, asked: Duration, received: Duration) -> Duration {
        let at_least = as_of.as_millis().saturating_sub(millis(received));
        let at_most = as_of.as_millis().saturating_sub(millis(asked));
        let drift = millis(received.saturating_sub(self.at) / DRIFT);
        self.at = received;
        let best = self.best.map_or(at_least, |best| best.saturating_sub(drift).max(at_least));
        self.best = Some(best);
        let old = Duration::from_millis(u64::try_from(best.saturating_sub(at_most)).unwrap_or(0));
        let Some(old) = old.checked_sub(limits::AS_OF_SLACK).filter(|old| !old.is_zero()) else {
            self.behind = None;
            return Duration::ZERO;
        };
        // A cache that stands still falls behind more and more; a clock that was set goes on in step from there.
        let in_step = |lead: i64| Duration::from_millis(lead.abs_diff(at_least)) <= limits::AS_OF_SLACK;
        match self.behind {
            Some((since, lead)) if in_step(lead) => {
                if received.saturating_sub(since) < self.patience {
                    return old;
                }
                self.best = Some(at_least);
                self.behind = None;
                Duration::ZERO
            }
            _ => {
                self.behind = Some((received, at_least));
                old
            }
        }
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_795_000_000;

    /// Asks every second for so long, answered in `latency`; the server's clock is off by `offset` seconds at each uptime.
    fn ages(pace: &mut Pace, from: u64, to: u64, latency: Duration, offset: impl Fn(u64) -> f64) -> Vec<u64> {
        (from..to)
            .map(|second| {
                let asked = Duration::from_secs(second);
                let time =
                    UnixTime::from_secs((START as f64 + second as f64 + offset(second)).floor() as i64);
                pace.age(time, asked, asked + latency).as_secs()
            })
            .collect()
    }

    fn pace() -> Pace {
        Pace::new(Duration::from_secs(30))
    }

    #[test]
    fn answers_on_time_are_not_old() {
        let late = Duration::from_millis(20);
        assert!(ages(&mut pace(), 0, 1000, late, |_| 0.0).iter().all(|age| *age == 0));
        // Clocks that drift apart by 50 ppm, for ten days.
        let mut drifting = pace();
        for day in 0..10 {
            let from = day * 86_400;
            assert!(
                ages(&mut drifting, from, from + 50, late, |t| t as f64 * -5e-5).iter().all(|age| *age == 0)
            );
        }
        // Replicas that differ by a second.
        assert!(ages(&mut pace(), 0, 100, late, |t| (t % 2) as f64).iter().all(|age| *age == 0));
    }

    #[test]
    fn a_slow_first_answer_makes_none_of_the_later_ones_old() {
        let mut pace = pace();
        // Made at the end of nine seconds.
        let _ = pace.age(UnixTime::from_secs(START + 9), Duration::ZERO, Duration::from_secs(9));
        assert!(ages(&mut pace, 10, 100, Duration::from_millis(5), |_| 0.0).iter().all(|age| *age == 0));
    }

    #[test]
    fn an_answer_that_stands_still_grows_old_without_end() {
        let mut pace = pace();
        let ages = ages(&mut pace, 0, 2000, Duration::from_millis(5), |t| -(t as f64));
        assert!(
            ages[..3].iter().all(|age| *age == 0) && ages[100] >= 95 && ages[1999] >= 1900,
            "{:?}",
            &ages[1990..]
        );
    }

    #[test]
    fn a_clock_that_was_set_back_is_believed_in_the_end() {
        let mut pace = pace();
        let late = Duration::from_millis(5);
        assert!(ages(&mut pace, 0, 50, late, |_| 0.0).iter().all(|age| *age == 0));
        let after = ages(&mut pace, 50, 400, late, |_| -300.0);
        assert!(after[0] >= 290 && after[60] >= 290, "for a while it may as well be an old replica");
        assert_eq!(after[349], 0, "it goes on in step");
    }

    #[test]
    fn one_answer_from_a_fast_clock_does_not_make_the_others_old_for_ever() {
        let mut pace = pace();
        let after = ages(&mut pace, 0, 400, Duration::from_millis(5), |t| if t == 10 { 300.0 } else { 0.0 });
        assert!(after[11] >= 290);
        assert_eq!(after[399], 0);
    }
}
