//! What one source has revoked, on disk: so that no restart lets a revoked token in.
//!
//! Two files beside each other: an *image* of everything in force, replaced whole, and a *journal* of what came since.
//! Entries are written to the journal **before** they are put in force: whatever has ever refused a token is there after
//! the process was killed. Where that cannot be written (a full disk) both files are removed, so that the next process
//! starts with nothing and admits nobody before it has asked, rather than with a state that lacks something.
//!
//! One process writes; the lock is a third file. Others on the same path read what is there, and write nothing.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

mod error;
mod files;
mod image;
mod journal;

pub(crate) use error::SnapshotError;
use files::{create, make_folder, settle_folder, try_lock};
use journal::{Journal, Record};

use crate::clock::UnixTime;
use crate::limits;
use crate::revocation::entry::Entry;
use crate::revocation::export::Exported;

/// See the module docs. All of it blocks on the disk.
#[derive(Debug)]
pub(crate) struct Snapshot {
    path: PathBuf,
    issuer: Box<str>,
    source: Box<str>,
    lock: Option<File>,
    /// Another process had it when this one last looked.
    locked_out: bool,
    journal: Option<Journal>,
    /// Of the image that the journal follows.
    generation: u64,
    image_bytes: u64,
    /// What is at the path is somebody else's, and stays.
    foreign: bool,
    /// The last answer that was noted.
    noted: Option<Answered>,
    /// The wall clock's time of the image.
    written: UnixTime,
}

/// What the last complete answer gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// From where to ask on.
    pub(crate) cursor: Option<String>,
    /// The wall clock's time of which it tells.
    pub(crate) confirmed: UnixTime,
}

/// What the files held.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) exported: Exported,
    /// What came after, by the authorization server's time of its page.
    pub(crate) entries: Vec<(UnixTime, Vec<Entry>)>,
    /// None where something was said last that was not understood: everything must be asked for.
    pub(crate) answered: Option<Answered>,
}

/// The journal may grow to this size before everything is written anew, or to half of the image.
const JOURNAL_BYTES: u64 = 256 * 1024;

impl Snapshot {
    pub(crate) fn new(path: PathBuf, issuer: &str, source: &str) -> Self {
        Self {
            path,
            issuer: issuer.into(),
            source: source.into(),
            lock: None,
            locked_out: false,
            journal: None,
            generation: 0,
            image_bytes: 0,
            foreign: false,
            noted: None,
            written: UnixTime::from_secs(0),
        }
    }

    /// Reads what is there. From here on this process keeps it, unless another one does.
    ///
    /// # Errors
    /// If there is something that is not used. Nothing of it is lost to whoever it belongs to.
    pub(crate) fn load(&mut self) -> Result<Option<Restored>, SnapshotError> {
        // A lock beside nothing would be a file for every tenant whose name somebody makes up.
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
            self.foreign = matches!(error, SnapshotError::NotASnapshot(_));
        })?;
        if image.issuer != self.issuer {
            self.foreign = true;
            return Err(SnapshotError::OtherIssuer { path: self.shown(), issuer: image.issuer });
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

    /// Why this process does not write it, where another one does.
    pub(crate) fn check_kept(&self) -> Result<(), SnapshotError> {
        if self.locked_out { Err(SnapshotError::Locked(self.shown())) } else { Ok(()) }
    }

    /// Writes entries down that are about to be put in force.
    ///
    /// # Errors
    /// If they could not be written. There is no snapshot any more then, until [`Snapshot::replace`].
    pub(crate) fn note_entries(&mut self, entries: &[Entry], as_of: UnixTime) -> Result<(), SnapshotError> {
        if entries.is_empty() {
            return Ok(());
        }
        self.append(|| Record::Entries { as_of, entries: entries.to_vec() })
    }

    /// Writes down that a complete answer came, now and then: `often` is how much younger it must be than the one before
    /// to be worth it.
    ///
    /// # Errors
    /// As [`Snapshot::note_entries`].
    pub(crate) fn note_answer(&mut self, answered: &Answered, often: Duration) -> Result<(), SnapshotError> {
        let same = |noted: &Answered| {
            noted.cursor == answered.cursor && answered.confirmed < noted.confirmed.plus(often)
        };
        if self.noted.as_ref().is_some_and(same) {
            return Ok(());
        }
        self.append(|| Record::Answered(answered.clone()))?;
        self.noted = Some(answered.clone());
        Ok(())
    }

    /// Writes down that something was said that was not taken in: no restart may take the state for a whole one.
    ///
    /// # Errors
    /// As [`Snapshot::note_entries`].
    pub(crate) fn note_flaw(&mut self) -> Result<(), SnapshotError> {
        if self.noted.take().is_none() {
            return Ok(());
        }
        self.append(|| Record::Flawed)
    }

    fn append(&mut self, record: impl FnOnce() -> Record) -> Result<(), SnapshotError> {
        let Some(journal) = &mut self.journal else { return Ok(()) };
        match journal.append(&record()) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.remove();
                Err(self.io(error))
            }
        }
    }

    /// Waits until what was written is on the disk itself, for when the machine loses power.
    ///
    /// # Errors
    /// As [`Snapshot::note_entries`].
    pub(crate) fn settle(&mut self) -> Result<(), SnapshotError> {
        match self.journal.as_mut().map(Journal::settle) {
            Some(Err(error)) => {
                self.remove();
                Err(self.io(error))
            }
            _ => Ok(()),
        }
    }

    /// Whether it is time to write everything anew. Ends that move with each answer are only in the image.
    pub(crate) fn is_due(&self, wall: UnixTime) -> bool {
        let old = wall < self.written || wall >= self.written.plus(limits::ENTRY_LAG / 2);
        let grown = |journal: &Journal| journal.bytes() > JOURNAL_BYTES.max(self.image_bytes / 2);
        !self.foreign && (old || self.journal.as_ref().is_none_or(grown))
    }

    /// Writes everything anew.
    ///
    /// # Errors
    /// If it could not be written, or is another process's to write. What was there stays.
    pub(crate) fn replace(
        &mut self,
        exported: &Exported,
        answered: Option<&Answered>,
        wall: UnixTime,
    ) -> Result<(), SnapshotError> {
        if self.foreign {
            return Err(SnapshotError::NotASnapshot(self.shown()));
        }
        if self.lock.is_none() {
            self.acquire()?;
            if self.lock.is_none() {
                return Err(SnapshotError::Locked(self.shown()));
            }
            // Another process may have come further with what is there now.
            let there = fs::read(&self.path).ok();
            let there = there.and_then(|bytes| image::read(&bytes, &self.shown()).ok());
            self.generation = there.map_or(self.generation, |image| image.generation.max(self.generation));
        }
        let generation = self.generation.wrapping_add(1);
        let bytes = image::write(generation, &self.issuer, &self.source, answered, exported);
        let journal = self.write(&bytes, generation).map_err(|error| self.io(error))?;
        (self.generation, self.image_bytes) = (generation, bytes.len() as u64);
        self.journal = Some(journal);
        self.noted = answered.cloned();
        self.written = wall;
        Ok(())
    }

    /// The image first: the old journal does not follow it, and is passed over if nothing comes after.
    fn write(&self, bytes: &[u8], generation: u64) -> io::Result<Journal> {
        make_folder(&self.path)?;
        let new = self.beside("new");
        let written = create(&new).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&new, &self.path)
        });
        if written.is_err() {
            let _ = fs::remove_file(&new);
        }
        written?;
        let journal = Journal::create(&self.beside("journal"), generation)?;
        settle_folder(&self.path)?;
        Ok(journal)
    }

    /// What lacks something must not be found by the next process.
    fn remove(&mut self) {
        self.journal = None;
        // The image decides: a journal without one is passed over.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.beside("journal"));
        let _ = settle_folder(&self.path);
    }

    fn acquire(&mut self) -> Result<(), SnapshotError> {
        if self.lock.is_none() {
            let lock = make_folder(&self.path).and_then(|()| try_lock(&self.beside("lock")));
            self.lock = lock.map_err(|error| self.io(error))?;
            self.locked_out = self.lock.is_none();
        }
        Ok(())
    }

    fn beside(&self, kind: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(kind);
        name.into()
    }

    /// For errors.
    pub(crate) fn shown(&self) -> Box<str> {
        self.path.to_string_lossy().into()
    }

    fn io(&self, error: io::Error) -> SnapshotError {
        SnapshotError::Io { path: self.shown(), error }
    }
}

#[cfg(test)]
mod tests;
