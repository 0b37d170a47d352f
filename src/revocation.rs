//! What has been revoked at one issuer, by one source: read on every request without a lock, written by the background's way.
//!
//! Two kinds of entry are kept apart. An *identifier* (`jti`, `sid`, `grant_id`) is never used again, so a token that
//! carries it is revoked whatever the time. A *cut-off* names claims that live on (`sub`, `client_id`), so it ends
//! only tokens issued up to an instant. A token is revoked if **any** entry matches.
//!
//! A false "live" lets somebody in whose access has ended: nothing here may forget an entry that is in force. A false
//! "revoked" costs one trip to the authorization server for a new token: that is the side to err on.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::clock::{Now, UnixTime};
use crate::json::Object;
use crate::limits;

mod cut_off;
pub(crate) mod dry_run;
pub(crate) mod entry;
pub(crate) mod export;
mod fingerprint;
pub(crate) mod freshness;
mod identifier;
mod image;
pub(crate) mod in_process;
pub(crate) mod marks;
mod news;
pub(crate) mod on_disk;
mod recent;
pub(crate) mod room;
mod state;
pub(crate) mod stated;
mod table;
mod words;
mod writer;

use dry_run::DryRun;
use entry::Entry;
use freshness::Freshness;
use marks::Marks;
use on_disk::OnDisk;
pub(crate) use room::NoRoom;
use room::Sizes;
use state::State;
use writer::Writer;

/// See the module docs.
#[derive(Debug)]
pub(crate) struct Revocations {
    state: ArcSwap<State>,
    writer: Mutex<Writer>,
    sizes: Sizes,
    epoch: AtomicU64,
    changed: watch::Sender<u64>,
    pub(crate) freshness: Freshness,
    /// Where they come from, as health shows it.
    pub(crate) source: String,
    /// There where it is on trial: it refuses nobody.
    pub(crate) dry_run: Option<DryRun>,
    /// There where a snapshot is kept.
    pub(crate) on_disk: Option<OnDisk>,
}

impl Revocations {
    pub(crate) fn new(freshness: Freshness, source: String) -> Self {
        Self::with_sizes(freshness, source, Sizes::default())
    }

    pub(crate) fn with_sizes(freshness: Freshness, source: String, sizes: Sizes) -> Self {
        Self {
            state: ArcSwap::default(),
            writer: Mutex::default(),
            sizes,
            epoch: AtomicU64::new(0),
            changed: watch::Sender::new(0),
            freshness,
            source,
            dry_run: None,
            on_disk: None,
        }
    }

    /// Only counts what it would refuse.
    pub(crate) fn on_trial(mut self) -> Self {
        self.dry_run = Some(DryRun::default());
        self
    }

    /// Kept in a file.
    pub(crate) fn kept_at(mut self, path: String) -> Self {
        self.on_disk = Some(OnDisk::new(path));
        self
    }

    /// Whether any entry in force matches. Waits for nothing, and allocates only to read claims with escapes.
    pub(crate) fn revokes(&self, claims: &Object, issued_at: Option<UnixTime>) -> bool {
        self.state.load().revokes(claims, issued_at)
    }

    /// The same, for whoever has found no entry of that epoch, or of a later one, to match the same claims, whose marks these
    /// are: only what was said since is looked at, where it is known apart.
    #[inline]
    pub(crate) fn revokes_since<'a>(
        &self,
        epoch: u64,
        marks: impl FnOnce() -> &'a Marks,
        claims: &Object,
        issued_at: Option<UnixTime>,
    ) -> bool {
        if self.epoch() <= epoch {
            return false;
        }
        let state = self.state.load();
        state.recent.may_concern(epoch, marks) && state.revokes(claims, issued_at)
    }

    /// Adds entries of a page that the authorization server made at `as_of`. Order, repetition and division into pages change nothing about the outcome.
    ///
    /// # Errors
    /// Says how many entries had no room, and why. The others are in force.
    pub(crate) fn apply(&self, entries: &[Entry], as_of: UnixTime, now: Now) -> Result<(), NoRoom> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.hear(as_of, now.uptime);
        if entries.is_empty() {
            return Ok(());
        }
        let mut state = State::clone(&self.state.load());
        let (added, outcome) = writer.apply(&mut state, entries, now, &self.sizes);
        let steps = state.note(&added, entries, self.epoch());
        self.state.store(Arc::new(state));
        if steps > 0 {
            self.announce(steps);
        }
        outcome
    }

    /// Something was said that is not in force, so that the source is no longer fresh. Whoever has subscribed hears of it.
    pub(crate) fn flaw(&self, trouble: String) {
        if self.freshness.flaw(trouble) {
            self.changed.send_modify(|_| {});
        }
    }

    /// Lets go of what can no longer matter. For the background's way: it may take a while.
    pub(crate) fn tidy(&self, now: Now) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.load());
        writer.tidy(&mut state, now, &self.sizes);
        self.state.store(Arc::new(state));
    }

    /// Whether nothing is in force, as of the last [`Revocations::tidy`].
    pub(crate) fn is_empty(&self) -> bool {
        self.state.load().is_empty()
    }

    /// Whether putting a few more in place may take longer than a request should wait.
    pub(crate) fn is_large(&self) -> bool {
        self.state.load().count() > limits::LARGE
    }

    /// Entries in force, about: identifiers and cut-offs.
    pub(crate) fn count(&self) -> (u64, u64) {
        self.state.load().counts()
    }

    /// After the new state can be seen, and under the writer's lock, by as many steps as it was noted with.
    fn announce(&self, steps: u64) {
        let epoch = self.epoch.fetch_add(steps, Ordering::Release) + steps;
        self.changed.send_replace(epoch);
    }

    /// Grows whenever something was added that may revoke a token that was live before; not when entries end, are taken
    /// back or are moved.
    ///
    /// Who reads it *before* asking [`Revocations::revokes`] finds all entries of that epoch in force: a verdict of "live"
    /// holds for as long as the epoch read before it stays the same. Who reads it afterwards may miss some.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Hears of each new epoch, or of the last where several came at once; and when the source is suddenly not fresh.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests;
