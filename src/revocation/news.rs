//! What of a page is worth writing down before it comes into force.

use std::sync::PoisonError;

use super::Revocations;
use super::cut_off::CutOff;
use super::entry::Entry;
use super::state::State;
use super::words::Word;
use super::writer::Writer;
use crate::clock::Now;
use crate::limits;

impl Revocations {
    /// Those of the entries that would change what is known. What is said again and again, as by full states, is not
    /// among them; what matters always is.
    pub(crate) fn news(&self, entries: &[Entry], now: Now) -> Vec<Entry> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let over = writer.moment(now).over;
        let state = self.state.load();
        let matters = |entry: &&Entry| entry.ends.as_millis() >= over && writer.lacks(&state, entry);
        entries.iter().filter(matters).cloned().collect()
    }
}

impl Writer {
    fn lacks(&self, state: &State, entry: &Entry) -> bool {
        let fingerprint = state.fingerprints.of(entry.named());
        let (said_at, ends) = (entry.said_at, entry.ends.as_millis());
        // An end that was reckoned from now moves with each answer. Entries are kept longer than that for a while.
        let slack = if entry.open_ended { limits::ENTRY_LAG.as_millis() as i64 } else { 0 };
        if entry.withdrawn {
            return !self.has_withdrawn(entry, fingerprint, said_at, ends.saturating_sub(slack));
        }
        if self.is_withdrawn(entry.issued_before.is_some(), fingerprint, said_at) {
            return false;
        }
        match entry.issued_before {
            None => {
                let word = Word { said_at, ends: ends.saturating_sub(slack) };
                let place = state.identifiers.iter().find(|shape| entry.names_only(&shape.names));
                let known = place.and_then(|place| place.word(fingerprint));
                !known.is_some_and(|known| known.covers(word))
            }
            Some(issued_before) => {
                let cut_off = CutOff { issued_before, said_at, ends };
                let place = state.cut_offs.iter().find(|shape| entry.names_only(&shape.names));
                !place.is_some_and(|place| place.covers(fingerprint, cut_off))
            }
        }
    }
}
