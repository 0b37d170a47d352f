//! The background's way: everything that talks to an authorization server, outside of any request.
//!
//! ```text
//! discovery → jwks → KeyRing            source → pull → Revocations
//!     ↑ the bell
//! ```
//!
//! A failed fetch never makes knowledge worse: old keys and old revocations stay, only their age grows.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::clock::Clock;

mod backoff;
pub(crate) mod discovery;
pub(crate) mod fetch;
pub(crate) mod jwks;
mod pace;
pub(crate) mod page;
pub(crate) mod pull;
pub(crate) mod snapshot;
pub(crate) mod source;
mod take_in;
pub(crate) mod transport;

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Background {
    tasks: Vec<AbortHandle>,
}

impl Background {
    /// Runs a task that is not meant to end. `lost` is called if it panics: knowledge then only grows older, and somebody
    /// must be told why.
    pub(crate) fn spawn(
        &mut self,
        task: impl Future<Output = ()> + Send + 'static,
        lost: impl FnOnce(String) + Send + 'static,
    ) {
        let task = tokio::spawn(task);
        self.tasks.push(task.abort_handle());
        let watcher = tokio::spawn(async move {
            if let Err(error) = task.await
                && error.is_panic()
            {
                tracing::error!(%error, "a background task has panicked");
                lost(format!("the background task has ended ({error}): restart the process"));
            }
        });
        self.tasks.push(watcher.abort_handle());
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// What every task is given.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) fetcher: fetch::Fetcher,
    /// Told after every attempt, successful or not.
    pub(crate) news: watch::Sender<()>,
}

/// Up to a tenth earlier than asked for, so that many processes do not all come at once.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(1.0 - 0.1 * random_fraction())
}

/// Uniform in `0..1`.
fn random_fraction() -> f64 {
    let mut bytes = [0; 4];
    // Without randomness all processes come at once: a pity, not a danger.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}
