//! What has been revoked at one issuer: read on every request without a lock, written by the background's way.
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

use crate::clock::{Now, UnixTime};
use crate::json::Object;

mod cut_off;
pub(crate) mod entry;
mod fingerprint;
pub(crate) mod freshness;
mod identifier;
mod writer;

use cut_off::CutOffs;
use entry::Entry;
use fingerprint::Fingerprints;
use freshness::Freshness;
use identifier::Identifiers;
use writer::Writer;

/// See the module docs.
#[derive(Debug)]
pub(crate) struct Revocations {
    fingerprints: Fingerprints,
    state: ArcSwap<State>,
    writer: Mutex<Writer>,
    epoch: AtomicU64,
    pub(crate) freshness: Freshness,
    /// Where they come from, as health shows it.
    pub(crate) source: String,
}

/// Entries by the claims that they name. Replaced whole, except that identifiers are added in place.
#[derive(Clone, Debug, Default)]
struct State {
    identifiers: Vec<Arc<Identifiers>>,
    cut_offs: Vec<Arc<CutOffs>>,
}

impl Revocations {
    pub(crate) fn new(freshness: Freshness, source: String) -> Self {
        Self {
            fingerprints: Fingerprints::random(),
            state: ArcSwap::default(),
            writer: Mutex::default(),
            epoch: AtomicU64::new(0),
            freshness,
            source,
        }
    }

    /// Whether any entry in force matches. Waits for nothing, and allocates only to read claims with escapes.
    pub(crate) fn revokes(&self, claims: &Object, issued_at: Option<UnixTime>) -> bool {
        let state = self.state.load();
        state.identifiers.iter().any(|shape| shape.revoke(&self.fingerprints, claims))
            || state.cut_offs.iter().any(|shape| shape.revoke(&self.fingerprints, claims, issued_at))
    }

    /// Adds entries of a page that the authorization server made at `as_of`. Order, repetition and division into pages change nothing about the outcome.
    ///
    /// # Errors
    /// Says how many entries had no room because they name too many different sets of claims.
    pub(crate) fn apply(&self, entries: &[Entry], as_of: UnixTime, now: Now) -> Result<(), NoRoom> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.hear(as_of, now.uptime);
        if entries.is_empty() {
            return Ok(());
        }
        let mut state = State::clone(&self.state.load());
        let outcome = writer.apply(&mut state, &self.fingerprints, entries, now);
        self.state.store(Arc::new(state));
        self.epoch.fetch_add(1, Ordering::Release);
        outcome
    }

    /// Grows after anything was added that could newly revoke a token: who reads it before looking misses nothing of it.
    #[inline]
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Lets go of what can no longer matter. For the background's way: it may take a while.
    pub(crate) fn tidy(&self, now: Now) {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = State::clone(&self.state.load());
        writer.tidy(&mut state, now);
        self.state.store(Arc::new(state));
    }

    /// Entries in force, about: identifiers and cut-offs.
    pub(crate) fn count(&self) -> (u64, u64) {
        let state = self.state.load();
        let identifiers = state.identifiers.iter().map(|shape| shape.count()).sum();
        (identifiers, state.cut_offs.iter().map(|shape| shape.count()).sum())
    }
}

/// Entries were left out: see [`crate::limits::ENTRY_SHAPES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{left_out} entries name more different sets of claims than the {} that are looked up",
    crate::limits::ENTRY_SHAPES
)]
pub(crate) struct NoRoom {
    pub(crate) left_out: usize,
}

#[cfg(test)]
mod tests;
