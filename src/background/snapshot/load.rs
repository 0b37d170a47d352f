//! Reading what an earlier process has left.

use std::fs;
use std::io;

use super::image::{self, Answered};
use super::journal::{Journal, Record};
use super::{Snapshot, SnapshotError};
use crate::clock::UnixTime;
use crate::revocation::entry::Entry;
use crate::revocation::export::Exported;

/// What the files held.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) exported: Exported,
    /// What came after, by the authorization server's time of its page.
    pub(crate) entries: Vec<(UnixTime, Vec<Entry>)>,
    /// None where something was said last that was not understood: everything must be asked for.
    pub(crate) answered: Option<Answered>,
}

impl Snapshot {
    /// Reads what is there. From here on this process keeps it, unless another one does.
    ///
    /// # Errors
    /// If there is something that is not used. Nothing of it is lost to whoever it belongs to.
    pub(crate) fn load(&mut self) -> Result<Option<Restored>, SnapshotError> {
        // Strangers can make tenants up: no file comes into being before there is something to keep.
        if !self.path.try_exists().map_err(|error| self.io(error))? {
            return Ok(None);
        }
        self.acquire()?;
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
        };
        let image = image::read(&bytes, &self.shown()).inspect_err(|error| {
            self.foreign = matches!(error, SnapshotError::NotASnapshot(_)).then_some(None);
        })?;
        if image.issuer != self.issuer {
            self.foreign = Some(Some(image.issuer));
            self.check_own()?;
        }
        if image.source != self.source {
            return Err(SnapshotError::OtherSource { path: self.shown(), source_name: image.source });
        }
        (self.generation, self.image_bytes) = (image.generation, bytes.len() as u64);
        let mut restored =
            Restored { exported: image.exported, entries: Vec::new(), answered: image.answered };
        let (journal, records) = self.read_journal()?;
        self.journal = journal;
        for record in records {
            match record {
                Record::Entries { as_of, entries } => restored.entries.push((as_of, entries)),
                Record::Answered(answered) => restored.answered = Some(answered),
                Record::Flawed => restored.answered = None,
            }
        }
        if image.rules != self.rules {
            // What was not understood, or was given too early an end, by other settings must be said again.
            restored.answered = None;
        }
        self.noted.clone_from(&restored.answered);
        Ok(Some(restored))
    }

    fn read_journal(&self) -> Result<(Option<Journal>, Vec<Record>), SnapshotError> {
        let path = self.beside("journal");
        if self.lock.is_some() {
            Journal::open(&path, self.generation).map_err(|error| self.io(error))
        } else {
            let records = Journal::peek(&path, self.generation).map_err(|error| self.io(error))?;
            Ok((None, records))
        }
    }
}
