//! How old an answer is by the server's own time: no two clocks need to agree, only to run at about the same speed.

use std::time::Duration;

use crate::clock::UnixTime;
use crate::limits;

/// What is remembered of earlier answers.
#[derive(Debug)]
pub(super) struct Pace {
    /// How far the server's clock was ahead of our uptime at least, in milliseconds, at the best of times.
    best: Option<i64>,
    /// How far it was ahead at most.
    most: Option<i64>,
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
        Self { best: None, most: None, at: Duration::ZERO, behind: None, patience }
    }

    /// How old an answer is that was made at `as_of`, asked for and received at these uptimes.
    pub(super) fn age(&mut self, as_of: UnixTime, asked: Duration, received: Duration) -> Duration {
        let at_least = as_of.as_millis().saturating_sub(millis(received));
        let at_most = as_of.as_millis().saturating_sub(millis(asked));
        let drift = millis(received.saturating_sub(self.at) / DRIFT);
        self.at = received;
        let best = self.best.map_or(at_least, |best| best.saturating_sub(drift).max(at_least));
        self.best = Some(best);
        // `as_of` may have been rounded down.
        let most = at_most.saturating_add(1000);
        let before = self.most.map_or(most, |before| before.saturating_add(drift).min(most));
        // Both cannot be right after the server's clock was set forward: what was said last counts.
        self.most = Some(if before < best { most } else { before });
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

    /// How far apart the bounds on the server's clock are; none before the first answer.
    pub(super) fn doubt(&self) -> Option<Duration> {
        let apart = self.most?.saturating_sub(self.best?);
        Some(Duration::from_millis(u64::try_from(apart).unwrap_or(0)))
    }

    /// The uptime at which an answer was made at the earliest, after [`Pace::age`] found that it is not old. A question that
    /// was held is answered long after it was asked.
    pub(super) fn made(&self, as_of: UnixTime, asked: Duration, received: Duration) -> Duration {
        let at = as_of.as_millis().saturating_sub(self.most.unwrap_or(i64::MAX));
        Duration::from_millis(u64::try_from(at).unwrap_or(0)).clamp(asked, received.max(asked))
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

    /// Held for 25 s each, after one quick answer; the server's clock is off by `offset`.
    fn held(pace: &mut Pace, latency: Duration, offset: impl Fn(u64) -> i64) -> Vec<Duration> {
        let mut asked = Duration::ZERO;
        let _ = pace.age(UnixTime::from_secs(START + offset(0)), asked, asked + latency);
        let hold = |_| {
            let made = asked + Duration::from_secs(25);
            let received = made + latency;
            let as_of = UnixTime::from_secs(START + made.as_secs() as i64 + offset(made.as_secs()));
            assert!(pace.age(as_of, asked, received).is_zero());
            let told = pace.made(as_of, asked, received);
            assert!(told <= made, "it is not known what came after it was made");
            asked = received;
            received - told
        };
        (0..40).map(hold).collect()
    }

    #[test]
    fn a_held_answer_is_as_old_as_its_own_time_says() {
        let latency = Duration::from_millis(200);
        let ages = held(&mut pace(), latency, |_| 0);
        assert!(ages.iter().all(|age| *age <= Duration::from_millis(3500)), "{ages:?}");
        // Set forward by ten minutes: believed at once, and nothing looks younger than it can be.
        let _ = held(&mut pace(), latency, |t| if t > 300 { 600 } else { 0 });
    }

    #[test]
    fn a_held_answer_that_was_stuck_on_its_way_is_old() {
        let mut pace = pace();
        let _ = pace.age(UnixTime::from_secs(START), Duration::ZERO, Duration::ZERO);
        // Made at 2 s, received at 27 s.
        let (asked, received) = (Duration::from_secs(1), Duration::from_secs(27));
        let as_of = UnixTime::from_secs(START + 2);
        assert!(pace.age(as_of, asked, received).is_zero());
        assert!(pace.made(as_of, asked, received) <= Duration::from_secs(2));
    }

    #[test]
    fn a_slow_answer_leaves_doubt_until_a_quick_one() {
        let mut pace = pace();
        assert_eq!(pace.doubt(), None);
        let _ = pace.age(UnixTime::from_secs(START + 9), Duration::ZERO, Duration::from_secs(9));
        assert!(pace.doubt().unwrap() > limits::LONG_POLL_DOUBT);
        let _ = pace.age(UnixTime::from_secs(START + 10), Duration::from_secs(10), Duration::from_secs(10));
        assert!(pace.doubt().unwrap() <= limits::LONG_POLL_DOUBT);
    }

    #[test]
    fn one_answer_from_a_fast_clock_does_not_make_the_others_old_for_ever() {
        let mut pace = pace();
        let after = ages(&mut pace, 0, 400, Duration::from_millis(5), |t| if t == 10 { 300.0 } else { 0.0 });
        assert!(after[11] >= 290);
        assert_eq!(after[399], 0);
    }
}
