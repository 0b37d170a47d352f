//! Cut-offs: all tokens with certain claims, issued up to an instant.

use std::collections::HashMap;

use super::fingerprint::{AsItIs, Fingerprint, Fingerprints};
use crate::clock::UnixTime;
use crate::json::Object;
use crate::limits;

/// The cut-offs that name the same claims. Immutable: a change makes a new one.
#[derive(Clone, Debug, Default)]
pub(super) struct CutOffs {
    pub(super) names: Box<[Box<str>]>,
    live: HashMap<Fingerprint, Vec<CutOff>, AsItIs>,
}

/// One cut-off in seconds; `ends` in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CutOff {
    pub(super) issued_before: i64,
    pub(super) said_at: i64,
    pub(super) ends: i64,
}

impl CutOff {
    /// One that covers both.
    fn join(self, other: Self) -> Self {
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            said_at: self.said_at.max(other.said_at),
            ends: self.ends.max(other.ends),
        }
    }

    /// Whether this one makes `other` superfluous in every respect.
    fn covers(self, other: Self) -> bool {
        self.issued_before >= other.issued_before && self.said_at >= other.said_at && self.ends >= other.ends
    }
}

impl CutOffs {
    pub(super) fn new(names: Box<[Box<str>]>) -> Self {
        Self { names, live: HashMap::default() }
    }

    /// A token without `iat` cannot be placed in time: any cut-off on its claims ends it. A token of the very second
    /// counts as issued before.
    pub(super) fn revoke(
        &self,
        fingerprints: &Fingerprints,
        claims: &Object,
        issued_at: Option<UnixTime>,
    ) -> bool {
        fingerprints.any(&self.names, claims, &mut |fingerprint| {
            self.live.get(&fingerprint).is_some_and(|cut_offs| {
                cut_offs.iter().any(|cut_off| {
                    issued_at.is_none_or(|issued_at| issued_at.as_secs() <= cut_off.issued_before)
                })
            })
        })
    }

    pub(super) fn covers(&self, fingerprint: Fingerprint, cut_off: CutOff) -> bool {
        self.live.get(&fingerprint).is_some_and(|all| all.iter().any(|one| one.covers(cut_off)))
    }

    /// Adds one; those it makes superfluous go.
    pub(super) fn put(&mut self, fingerprint: Fingerprint, cut_off: CutOff) {
        let cut_offs = self.live.entry(fingerprint).or_default();
        cut_offs.retain(|other| !cut_off.covers(*other));
        cut_offs.push(cut_off);
        // Every request looks through them, so they must stay few: one that covers all errs on the revoked side.
        if cut_offs.len() > limits::CUT_OFFS_APART {
            let joined = cut_offs.drain(..).reduce(CutOff::join);
            cut_offs.extend(joined);
        }
    }

    /// Drops those said before `withdrawn_at`. The latest end among them, if there were any.
    pub(super) fn take_back(&mut self, fingerprint: Fingerprint, withdrawn_at: i64) -> Option<i64> {
        let cut_offs = self.live.get_mut(&fingerprint)?;
        let ends = cut_offs.iter().filter(|one| one.said_at < withdrawn_at).map(|one| one.ends).max();
        cut_offs.retain(|one| one.said_at >= withdrawn_at);
        if cut_offs.is_empty() {
            self.live.remove(&fingerprint);
        }
        ends
    }

    /// Whether anything ended before `time`, in milliseconds since the epoch.
    pub(super) fn has_ended(&self, time: i64) -> bool {
        self.live.values().flatten().any(|cut_off| cut_off.ends < time)
    }

    /// Drops what ended before `time`.
    pub(super) fn drop_ended(&mut self, time: i64) {
        self.live.retain(|_, cut_offs| {
            cut_offs.retain(|cut_off| cut_off.ends >= time);
            !cut_offs.is_empty()
        });
    }

    pub(super) fn count(&self) -> u64 {
        self.live.values().map(|cut_offs| cut_offs.len() as u64).sum()
    }
}
