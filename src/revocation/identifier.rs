//! Revoked identifiers, in moka: unbounded, each with its own end.

use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use super::fingerprint::{AsItIs, Fingerprint, Fingerprints};
use crate::json::Object;

/// The identifiers that name the same claims.
///
/// There is no capacity: a bounded cache drops entries, and each one dropped would let a revoked token in. The request
/// path asks `contains_key`, which writes nothing shared; `get` would log the read and run housekeeping.
pub(super) struct Identifiers {
    pub(super) names: Box<[Box<str>]>,
    live: Cache<Fingerprint, Word, AsItIs>,
}

/// The last word on an identifier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Word {
    pub(super) said_at: i64,
    /// When no token with it is valid any more, in milliseconds since the epoch.
    pub(super) ends: i64,
    /// How long moka keeps it, from when it was written.
    pub(super) keep: Duration,
    /// The uptime until which that is.
    pub(super) until: Duration,
}

impl Identifiers {
    pub(super) fn new(names: Box<[Box<str>]>) -> Self {
        Self {
            names,
            live: Cache::builder().expire_after(LaterDeadline).build_with_hasher(AsItIs::default()),
        }
    }

    pub(super) fn revoke(&self, fingerprints: &Fingerprints, claims: &Object) -> bool {
        fingerprints.any(&self.names, claims, &mut |fingerprint| self.live.contains_key(&fingerprint))
    }

    /// For the writer; the request path never reads like this.
    pub(super) fn word(&self, fingerprint: Fingerprint) -> Option<Word> {
        self.live.get(&fingerprint)
    }

    pub(super) fn put(&self, fingerprint: Fingerprint, word: Word) {
        self.live.insert(fingerprint, word);
    }

    pub(super) fn take_back(&self, fingerprint: Fingerprint) {
        self.live.invalidate(&fingerprint);
    }

    /// Lets moka do its housekeeping here rather than on a request.
    pub(super) fn tidy(&self) {
        self.live.run_pending_tasks();
    }

    /// About how many there are: for health.
    pub(super) fn count(&self) -> u64 {
        self.live.entry_count()
    }

    /// Whether there is none at all; exact, unlike the count.
    pub(super) fn is_empty(&self) -> bool {
        self.live.iter().next().is_none()
    }
}

impl std::fmt::Debug for Identifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identifiers").field("names", &self.names).field("count", &self.count()).finish()
    }
}

/// moka keeps the old deadline when an entry is written again; a revocation must keep the later one.
struct LaterDeadline;

impl Expiry<Fingerprint, Word> for LaterDeadline {
    fn expire_after_create(&self, _: &Fingerprint, word: &Word, _: Instant) -> Option<Duration> {
        Some(word.keep)
    }

    fn expire_after_update(
        &self,
        _: &Fingerprint,
        word: &Word,
        _: Instant,
        left: Option<Duration>,
    ) -> Option<Duration> {
        Some(left.map_or(word.keep, |left| left.max(word.keep)))
    }
}
