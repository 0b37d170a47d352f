//! All entries of one source, by the claims that they name.

use std::sync::Arc;

use super::cut_off::CutOffs;
use super::entry::Entry;
use super::fingerprint::{Fingerprint, Fingerprints};
use super::identifier::Identifiers;
use super::marks::Marks;
use super::recent::{JUMP, Recent};
use super::room::Sizes;
use crate::clock::UnixTime;
use crate::json::Object;
use crate::limits;

/// Replaced whole, except that live identifiers are added and taken back in place.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// What the fingerprints below were made with.
    pub(super) fingerprints: Fingerprints,
    pub(super) identifiers: Vec<Arc<Identifiers>>,
    pub(super) cut_offs: Vec<Arc<CutOffs>>,
    pub(super) recent: Recent,
}

impl State {
    pub(super) fn revokes(&self, claims: &Object, issued_at: Option<UnixTime>) -> bool {
        self.identifiers.iter().any(|shape| shape.revoke(&self.fingerprints, claims))
            || self.cut_offs.iter().any(|shape| shape.revoke(&self.fingerprints, claims, issued_at))
    }

    /// Notes which of a page's entries, those with these fingerprints, came in force after `epoch`, and by how much that moves
    /// on: not at all where none did.
    pub(super) fn note(&mut self, added: &[Fingerprint], entries: &[Entry], epoch: u64) -> u64 {
        if added.is_empty() {
            return 0;
        }
        if added.len() > limits::RECENT_ENTRIES {
            self.recent = Recent::after_much(epoch);
            return JUMP;
        }
        let is_new =
            |entry: &&Entry| !entry.withdrawn && added.contains(&self.fingerprints.of(entry.named()));
        let new: Vec<_> = entries.iter().filter(is_new).map(|entry| Marks::of_entry(entry.named())).collect();
        self.recent.note(epoch, new)
    }

    /// About how many there are.
    pub(super) fn counts(&self) -> (u64, u64) {
        let identifiers = self.identifiers.iter().map(|shape| shape.count()).sum();
        (identifiers, self.cut_offs.iter().map(|shape| shape.count()).sum())
    }

    pub(super) fn count(&self) -> usize {
        let (identifiers, cut_offs) = self.counts();
        identifiers.saturating_add(cut_offs) as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.identifiers.is_empty() && self.cut_offs.is_empty()
    }

    /// Whether there is a revocation of the same kind on the same claims.
    pub(super) fn knows(&mut self, entry: &Entry, fingerprint: Fingerprint) -> bool {
        match entry.issued_before {
            None => self.identifiers_of(entry).is_some_and(|place| place.word(fingerprint).is_some()),
            Some(_) => self.cut_offs_of(entry).is_some_and(|place| place.knows(fingerprint)),
        }
    }

    pub(super) fn identifiers_of(&mut self, entry: &Entry) -> Option<&mut Arc<Identifiers>> {
        self.identifiers.iter_mut().find(|shape| entry.names_only(&shape.names))
    }

    pub(super) fn cut_offs_of(&mut self, entry: &Entry) -> Option<&mut Arc<CutOffs>> {
        self.cut_offs.iter_mut().find(|shape| entry.names_only(&shape.names))
    }

    /// Where such entries are; none where there are too many shapes.
    pub(super) fn place_of_identifiers(&mut self, entry: &Entry) -> Option<usize> {
        let place = self.identifiers.iter().position(|shape| entry.names_only(&shape.names));
        place.or_else(|| {
            self.has_room().then(|| self.identifiers.push(Arc::new(Identifiers::new(names_of(entry)))))?;
            Some(self.identifiers.len() - 1)
        })
    }

    /// Where such entries are; none where there are too many shapes.
    pub(super) fn place_of_cut_offs(&mut self, entry: &Entry) -> Option<usize> {
        let place = self.cut_offs.iter().position(|shape| entry.names_only(&shape.names));
        place.or_else(|| {
            self.has_room().then(|| self.cut_offs.push(Arc::new(CutOffs::new(names_of(entry)))))?;
            Some(self.cut_offs.len() - 1)
        })
    }

    fn has_room(&self) -> bool {
        self.identifiers.len() + self.cut_offs.len() < limits::ENTRY_SHAPES
    }

    /// Makes bulks anew where that is due, and drops shapes without entries: they cost requests nothing.
    pub(super) fn renew(&mut self, over: i64, sizes: &Sizes) {
        self.identifiers.iter_mut().for_each(|place| Identifiers::renew(place, over, sizes));
        self.cut_offs.iter_mut().for_each(|place| CutOffs::renew(place, over, sizes));
        self.identifiers.retain(|shape| !shape.is_empty());
        self.cut_offs.retain(|shape| !shape.is_empty());
    }
}

fn names_of(entry: &Entry) -> Box<[Box<str>]> {
    entry.claims.iter().map(|(name, _)| name.clone()).collect()
}
