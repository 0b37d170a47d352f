//! Both clocks as of the kernel's last tick: one to ten milliseconds old, at a fifth of the price.
//!
//! There is no coarse clock that counts suspension, so that is looked up and remembered. Only a suspension or a step of
//! the wall clock moves the wall clock against the monotonic one; whenever that is seen, and once a second besides, the
//! time asleep is looked up anew.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::UnixTime;

/// How far two readings of clocks that tick together may seem to have moved: two of the longest ticks.
const TICKS: u64 = 20_000_000;
const LOOK_EVERY: i64 = 1_000_000_000;

/// Time asleep since the machine was started; never too much. Below zero where a time namespace says so.
static ASLEEP: AtomicI64 = AtomicI64::new(i64::MIN);
/// Wall minus monotonic clock when that was looked up.
static APART: AtomicI64 = AtomicI64::new(i64::MIN);
/// The monotonic clock then.
static LOOKED: AtomicI64 = AtomicI64::new(0);

/// The wall clock, and the time since the machine was started, suspension included.
pub(super) fn now() -> (UnixTime, Duration) {
    let (wall, awake) = (nanos(ClockId::RealtimeCoarse), nanos(ClockId::MonotonicCoarse));
    let apart = wall - awake;
    let moved = APART.load(Ordering::Acquire).abs_diff(apart) > TICKS;
    if moved || awake - LOOKED.load(Ordering::Acquire) >= LOOK_EVERY {
        look(apart, awake);
    }
    let since_boot = awake.saturating_add(ASLEEP.load(Ordering::Acquire));
    let since_boot = Duration::from_nanos(u64::try_from(since_boot).unwrap_or(0));
    (UnixTime::from_millis(wall.div_euclid(1_000_000)), since_boot)
}

#[cold]
fn look(apart: i64, awake: i64) {
    // In this order it is too little by what passes in between. The most of all looks is the nearest, and never steps back.
    let since_boot = nanos(ClockId::Boottime);
    let asleep = since_boot - nanos(ClockId::Monotonic);
    ASLEEP.fetch_max(asleep, Ordering::AcqRel);
    // After it: who sees these sees the time asleep that belongs to them.
    APART.store(apart, Ordering::Release);
    LOOKED.store(awake, Ordering::Release);
}

/// Nanoseconds since the clock's epoch: enough for 292 years.
fn nanos(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, SystemClock};

    /// The second half is as after a suspension: what was remembered is too little. In one test, for all tests share it.
    #[test]
    fn a_tick_behind_at_most_and_asleep_no_longer_than_a_look() {
        let clock = SystemClock::new();
        let tick = Duration::from_millis(100);
        // A virtual machine that is kept from running may lose a tick: then it is looked at again.
        let is_behind = || {
            let (wall, uptime) = (clock.wall(), clock.uptime());
            let now = clock.now();
            assert!(
                now.uptime <= clock.uptime() && now.wall <= clock.wall(),
                "{now:?}, {wall:?}, {uptime:?}"
            );
            now.uptime + tick < uptime || now.wall.plus(tick) < wall
        };
        while (0..1000).any(|_| is_behind()) {
            assert!(clock.uptime() < Duration::from_secs(60), "{:?}, {:?}", clock.now(), clock.uptime());
        }
        let (_, before) = now();
        let slept = 3_600_000_000_000;
        ASLEEP.fetch_sub(slept, Ordering::AcqRel);
        APART.fetch_sub(slept, Ordering::AcqRel);
        let (_, after) = now();
        // What the looks before had nearer is lost with what was remembered.
        assert!(after + Duration::from_secs(60) > before, "{before:?}, {after:?}");
    }
}
