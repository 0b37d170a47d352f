//! A clock that stands still until a test moves it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use super::{Clock, UnixTime, millis};

/// A clock for tests: wall time and uptime stand still until they are moved by hand, and sleepers wake when they are.
///
/// Clones share their time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    /// Wall time minus uptime, in milliseconds: stepping the wall clock changes only this.
    offset: Arc<AtomicI64>,
    uptime: watch::Sender<Duration>,
}

impl ManualClock {
    /// A clock whose wall reads `wall` and whose uptime is zero.
    #[must_use]
    pub fn new(wall: UnixTime) -> Self {
        Self {
            offset: Arc::new(AtomicI64::new(wall.as_millis())),
            uptime: watch::Sender::new(Duration::ZERO),
        }
    }

    /// Lets time pass on both clocks.
    pub fn advance(&self, duration: Duration) {
        self.uptime.send_modify(|uptime| *uptime = uptime.saturating_add(duration));
    }

    /// Steps the wall clock without letting time pass, as an operator or NTP would.
    pub fn step_wall(&self, to: UnixTime) {
        self.offset.store(to.as_millis().saturating_sub(millis(self.uptime())), Ordering::SeqCst);
    }

    /// How many futures of [`Clock::sleep`] are waiting. Lets a test wait until a task has gone to sleep.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.uptime.receiver_count()
    }
}

impl Clock for ManualClock {
    fn wall(&self) -> UnixTime {
        let uptime = millis(self.uptime());
        UnixTime::from_millis(self.offset.load(Ordering::SeqCst).saturating_add(uptime))
    }

    fn uptime(&self) -> Duration {
        *self.uptime.borrow()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut uptime = self.uptime.subscribe();
        let deadline = self.uptime().saturating_add(duration);
        Box::pin(async move {
            if uptime.wait_for(|now| *now >= deadline).await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_time_is_moved() {
        let clock = ManualClock::new(UnixTime::from_secs(100));
        let sleeper = tokio::spawn(clock.sleep(Duration::from_secs(10)));
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance(Duration::from_secs(1));
        sleeper.await.unwrap();
        assert_eq!(clock.wall(), UnixTime::from_secs(110));
    }

    #[test]
    fn stepping_the_wall_leaves_uptime_alone() {
        let clock = ManualClock::new(UnixTime::from_secs(100));
        clock.advance(Duration::from_secs(5));
        clock.step_wall(UnixTime::from_secs(50));
        assert_eq!((clock.wall(), clock.uptime()), (UnixTime::from_secs(50), Duration::from_secs(5)));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.wall(), UnixTime::from_secs(51));
    }
}
