//! The background's way: everything that talks to an authorization server, or reads a file, outside of any
//! request.
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
use tokio::task::{AbortHandle, JoinSet};

use backoff::Backoff;

use crate::clock::Clock;
use crate::limits;

pub(crate) mod ask;
pub(crate) mod auth0;
mod backoff;
mod client_token;
pub(crate) mod discovery;
pub(crate) mod fetch;
pub(crate) mod jwks;
pub(crate) mod keys_file;
pub(crate) mod list;
mod pace;
pub(crate) mod page;
pub(crate) mod pull;
mod pull_error;
pub(crate) mod signed;
pub(crate) mod snapshot;
pub(crate) mod source;
mod take_in;
pub(crate) mod tenancy;
pub(crate) mod transport;

/// Tasks that end when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Background {
    tasks: Vec<AbortHandle>,
}

impl Background {
    /// Runs a task that is not meant to end, and another one in its place if it panics, after a pause by `clock`. `lost` is
    /// told why: meanwhile knowledge only grows older, and what the task had taken in may have a hole.
    pub(crate) fn spawn<Task>(
        &mut self,
        clock: Arc<dyn Clock>,
        mut make: impl FnMut() -> Task + Send + 'static,
        lost: impl Fn(String) + Send + 'static,
    ) where
        Task: Future<Output = ()> + Send + 'static,
    {
        let keeper = tokio::spawn(async move {
            let (mut backoff, mut pause) = (Backoff::default(), Duration::ZERO);
            // Ends with the keeper.
            let mut running = JoinSet::new();
            loop {
                let (task, sleeper) = (make(), Arc::clone(&clock));
                running.spawn(async move {
                    if !pause.is_zero() {
                        sleeper.sleep(pause).await;
                    }
                    task.await;
                });
                let started = clock.uptime();
                let Some(Err(error)) = running.join_next().await else { return };
                if !error.is_panic() {
                    return;
                }
                if clock.uptime().saturating_sub(started) > limits::BACKOFF_LONGEST {
                    backoff.reset();
                }
                pause = backoff.pause(limits::BACKOFF_LONGEST);
                tracing::error!(%error, ?pause, "a background task has panicked; another one takes its place");
                lost(format!("the background task has panicked ({error}); another one takes its place"));
            }
        });
        self.tasks.push(keeper.abort_handle());
    }

    /// Takes over the tasks of `other`.
    pub(crate) fn add(&mut self, mut other: Self) {
        self.tasks.append(&mut other.tasks);
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
    #[cfg(test)]
    if let Some(fraction) = simulated::fraction() {
        return fraction;
    }
    let mut bytes = [0; 4];
    // Without randomness all processes come at once: a pity, not a danger.
    let _ = aws_lc_rs::rand::fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)
}

#[cfg(test)]
pub(crate) mod simulated;
