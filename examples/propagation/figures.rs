//! What was measured, in numbers.

use std::time::Duration;

use super::Plan;
use super::load::Outcome;
use super::probe::Delays;

pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) bar: Duration,
    pub(crate) step: Duration,
    /// In order.
    pub(crate) delays: Vec<Duration>,
    /// Of the load's answers, in order.
    pub(crate) answers: Vec<Duration>,
    pub(crate) errors: usize,
}

impl Figures {
    pub(crate) fn new(plan: &Plan, Delays { mut delays, errors }: Delays, mut load: Outcome) -> Self {
        delays.sort_unstable();
        load.times.sort_unstable();
        let errors = errors + load.errors;
        Self { name: plan.name, bar: plan.bar, step: plan.step, delays, answers: load.times, errors }
    }

    pub(crate) fn is_within(&self) -> bool {
        percentile(&self.delays, 99) <= self.bar
    }
}

/// The smallest value that so many percent do not exceed; of sorted values.
pub(crate) fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
