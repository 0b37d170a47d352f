//! Time, asked in one place.
//!
//! Two clocks are kept apart, because they answer different questions. The *wall* clock is the one that `exp`,
//! `nbf` and `iat` speak of; it can be stepped. *Uptime* only moves forward; the age of keys and of the
//! revocation feed is measured with it, so that no step of the wall clock makes old knowledge look fresh. On Linux it
//! counts the time that a machine is suspended; elsewhere it may not, and knowledge then looks younger than it is by
//! that time, until the next answer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[cfg(target_os = "linux")]
mod coarse;
#[cfg(any(test, feature = "testing"))]
mod manual;

#[cfg(any(test, feature = "testing"))]
pub use manual::ManualClock;

/// A source of time.
///
/// The default is [`SystemClock`]; tests use `ManualClock` (feature `testing`).
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Milliseconds since the Unix epoch, as this machine believes.
    fn wall(&self) -> UnixTime;

    /// Time since an arbitrary start, never stepping back.
    fn uptime(&self) -> Duration;

    /// Resolves when [`Clock::uptime`] has advanced by `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Both readings, taken once for each request. They may be some milliseconds old: what tokens say is in seconds.
    fn now(&self) -> Now {
        Now { wall: self.wall(), uptime: self.uptime() }
    }
}

/// One reading of both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a pair of readings, made by implementors of `Clock`")]
pub struct Now {
    /// The wall clock.
    pub wall: UnixTime,
    /// The monotonic clock.
    pub uptime: Duration,
}

/// A point in time in milliseconds since the Unix epoch, leap seconds ignored (RFC 7519 §2, NumericDate).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(i64);

impl UnixTime {
    /// From milliseconds since the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// From whole seconds since the epoch.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    #[must_use]
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This point moved forward, at most to the end of time.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(millis(duration)))
    }

    /// This point moved back.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(millis(duration)))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The machine's clocks and tokio's timer.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Duration,
}

/// Time since the machine was started, suspension included.
#[cfg(target_os = "linux")]
fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Time since this was asked first.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "the one place that asks the time")]
fn since_boot() -> Duration {
    use std::sync::OnceLock;
    use std::time::Instant;

    static FIRST: OnceLock<Instant> = OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}

impl SystemClock {
    /// A clock whose uptime starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: since_boot() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the time")]
    fn wall(&self) -> UnixTime {
        match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => UnixTime(millis(since)),
            Err(before) => UnixTime(-millis(before.duration())),
        }
    }

    fn uptime(&self) -> Duration {
        since_boot().saturating_sub(self.started)
    }

    /// On Linux as of the kernel's last tick, up to 10 ms ago: what tokens say is in seconds.
    #[cfg(target_os = "linux")]
    fn now(&self) -> Now {
        let (wall, since_boot) = coarse::now();
        Now { wall, uptime: since_boot.saturating_sub(self.started) }
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that lets time pass")]
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_down_also_before_the_epoch() {
        for (millis, secs) in [(0, 0), (999, 0), (1000, 1), (-1, -1), (-1000, -1), (-1001, -2)] {
            assert_eq!(UnixTime::from_millis(millis).as_secs(), secs, "{millis} ms");
        }
    }

    #[test]
    fn arithmetic_saturates_at_the_end_of_time() {
        assert_eq!(UnixTime::from_secs(i64::MAX).plus(Duration::MAX).as_millis(), i64::MAX);
        assert_eq!(UnixTime::from_secs(0).minus(Duration::MAX).as_millis(), -i64::MAX);
        assert_eq!(UnixTime::from_secs(1).since(UnixTime::from_secs(5)), Duration::ZERO);
    }

    #[test]
    fn system_clock_is_past_2025() {
        let now = SystemClock::new().now();
        assert!(now.wall > UnixTime::from_secs(1_735_689_600), "{now:?}");
    }
}
