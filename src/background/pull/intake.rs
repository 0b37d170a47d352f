//! Taking in what a source says, in whatever way it was heard.

use std::sync::{Arc, Mutex};

use super::super::ask::{Content, off_thread};
use super::super::pull_error::PullError;
use super::super::snapshot::{Snapshot, SnapshotError};
use super::super::take_in::{self, Taken};
use super::kept::lock;
use crate::clock::Clock;
use crate::issuer::TrustedIssuer;
use crate::revocation::Revocations;
use crate::revocation::entry::{Entry, EntryRules};

/// What it is taken in with.
pub(super) struct Intake {
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) revocations: Arc<Revocations>,
    pub(super) rules: Arc<EntryRules>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) snapshot: Option<Arc<Mutex<Snapshot>>>,
    /// Entries that are not understood are passed over by choice.
    pub(super) ignore: bool,
    /// How many of the answer being read were.
    pub(super) ignored: u64,
    /// What this answer has said that was not understood.
    pub(super) flaw: Option<PullError>,
}

impl Intake {
    pub(super) async fn take_in(&mut self, content: Content) -> Result<Taken, PullError> {
        let (issuer, revocations) = (Arc::clone(&self.issuer), Arc::clone(&self.revocations));
        if let Content::Pulled(pulled) = &content {
            revocations.freshness.note_unnamed(pulled.unnamed);
        }
        let (rules, now, weight) = (Arc::clone(&self.rules), self.clock.now(), content.weight());
        // Beside many entries a page may take long to put in its place, however small it is. Disks are slow.
        let is_slow = revocations.is_large() || self.snapshot.is_some();
        let weight = if is_slow { usize::MAX } else { weight };
        let (snapshot, ignore) = (self.snapshot.clone(), self.ignore);
        let work = move || {
            let note = |entries: &[Entry], as_of, has_flaw| {
                let Some(snapshot) = &snapshot else { return Ok(()) };
                let mut snapshot = lock(snapshot);
                if has_flaw && !ignore {
                    snapshot.note_flaw()?;
                }
                snapshot.note_entries(&revocations.news(entries, now), as_of)
            };
            take_in::take_in(content, issuer.name.as_str(), &revocations, &rules, now, note)
        };
        let taken = off_thread(weight, work).await??;
        self.note_flaws(&taken);
        if let Some(error) = taken.not_noted {
            self.note_snapshot(Some(error));
            return Ok(Taken { not_noted: None, ..taken });
        }
        Ok(taken)
    }

    /// The source stops counting as fresh at once where an answer said what we did not take in.
    fn note_flaws(&mut self, taken: &Taken) {
        let entry = taken.bad.map(|(place, count, error)| PullError::Entry { place, count, error });
        if self.ignore {
            self.ignored += taken.bad.map_or(0, |(_, count, _)| count as u64);
        }
        let entry = entry.filter(|_| !self.ignore);
        if let Some(flaw) = taken.no_room.map(PullError::NoRoom).or(entry) {
            self.revocations.flaw(flaw.to_string());
            self.flaw.get_or_insert(flaw);
        }
    }

    pub(super) fn note_snapshot(&self, error: Option<SnapshotError>) {
        let Some(on_disk) = &self.revocations.on_disk else { return };
        let (issuer, source) = (&self.issuer.name, &self.revocations.source);
        let trouble = error.map(|error| error.to_string());
        if on_disk.note(trouble.clone()) {
            match trouble {
                Some(trouble) => {
                    tracing::warn!(%issuer, source, trouble, "the snapshot is not kept, or not used")
                }
                None => tracing::info!(%issuer, source, "the snapshot is kept again"),
            }
        }
    }
}
