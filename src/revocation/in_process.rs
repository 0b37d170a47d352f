//! What this very process has revoked: always fresh, known to no other process, gone with it.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::{Now, UnixTime};
use crate::limits;
use crate::policy::WhenStale;

use super::entry::{Entry, EntryError, EntryRules};
use super::freshness::{Bounds, Freshness};
use super::stated::Revocation;
use super::{NoRoom, Revocations};

/// Made when it is used first: an issuer for whom nobody does costs each request one look at nothing.
#[derive(Debug)]
pub(crate) struct InProcess {
    rules: EntryRules,
    store: OnceLock<Store>,
    /// Counts what was revoked; here, so that one can wait for the first word too.
    said: watch::Sender<u64>,
}

#[derive(Debug)]
struct Store {
    revocations: Revocations,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    /// The second of the last word.
    said_at: i64,
    tidied: Duration,
}

/// Why a revocation is not in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SayError {
    #[error(transparent)]
    Entry(#[from] EntryError),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

impl InProcess {
    pub(crate) fn new(rules: EntryRules) -> Self {
        Self { rules, store: OnceLock::new(), said: watch::Sender::new(0) }
    }

    pub(crate) fn revocations(&self) -> Option<&Revocations> {
        self.store.get().map(|store| &store.revocations)
    }

    /// Hears of each revocation, once it is in force.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.said.subscribe()
    }

    /// Puts a revocation in force, or takes it back. Among the words of one process the last one counts, also within one
    /// second.
    pub(crate) fn say(&self, stated: Revocation, withdrawn: bool, now: Now) -> Result<(), SayError> {
        let store = self.store.get_or_init(Store::new);
        // Held until it is in force, so that words take effect in the order of their seconds.
        let mut last = store.last.lock().unwrap_or_else(PoisonError::into_inner);
        // A tie stays revoked, so taking back needs a second of its own.
        let said_at = now.wall.as_secs().max(last.said_at.saturating_add(i64::from(withdrawn)));
        let at = UnixTime::from_secs(said_at);
        let mut parts = stated.into_parts();
        (parts.at, parts.withdrawn) = (Some(at), withdrawn);
        let entry = Entry::check(parts, &self.rules, now.wall.max(at))?;
        last.said_at = said_at;
        store.revocations.apply(&[entry], now.wall, now)?;
        if !withdrawn {
            self.said.send_modify(|count| *count += 1);
        }
        if now.uptime.saturating_sub(last.tidied) >= limits::ENTRY_JITTER {
            last.tidied = now.uptime;
            store.revocations.tidy(now);
        }
        Ok(())
    }
}

impl Store {
    fn new() -> Self {
        let bounds = Bounds {
            max_staleness: Duration::MAX,
            expires_after: Duration::MAX,
            when_stale: WhenStale::Refuse,
            poll_interval: Duration::ZERO,
        };
        let freshness = Freshness::new(bounds);
        // Nobody else can know more.
        freshness.confirm(Duration::MAX, true);
        Self { revocations: Revocations::new(freshness, "in process".to_owned()), last: Mutex::default() }
    }
}
