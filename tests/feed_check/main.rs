//! The conformance checker of `examples/feed_check`, the JSON Schema and the document, held against each other, against
//! our own server, and against servers that are wrong on purpose.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "../../examples/feed_check/ask.rs"]
mod ask;
#[path = "../../examples/feed_check/check.rs"]
mod check;
#[path = "../../examples/feed_check/page.rs"]
mod page;
#[path = "../../examples/feed_check/probes.rs"]
mod probes;
#[allow(dead_code, reason = "shared with servers that do worse")]
#[path = "../suite/raw.rs"]
mod raw;
#[path = "../../examples/feed_check/report.rs"]
mod report;

mod agreement;
mod rules;
mod schema;
mod server;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tower_bearer::clock::{Clock, ManualClock, UnixTime};

/// The time at which every test begins.
const NOW: i64 = 1_795_000_000;

/// A clock on which whoever sleeps makes time pass: nothing is waited for, and all durations are exact.
#[derive(Clone, Debug)]
struct Leaping(ManualClock);

impl Leaping {
    fn new() -> Self {
        Self(ManualClock::new(UnixTime::from_secs(NOW)))
    }
}

impl Clock for Leaping {
    fn wall(&self) -> UnixTime {
        self.0.wall()
    }

    fn uptime(&self) -> Duration {
        self.0.uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.0.clone();
        Box::pin(async move { clock.advance(duration) })
    }
}
