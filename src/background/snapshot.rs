//! What one source has revoked, on disk: so that no restart lets a revoked token in.
//!
//! Two files beside each other: an *image* of everything in force, replaced whole, and a *journal* of what came since.
//! Entries are written to the journal **before** they are put in force: whatever has ever refused a token is there after
//! the process was killed. Where that cannot be written (a full disk) both files are removed, so that the next process
//! starts with nothing and admits nobody before it has asked, rather than with a state that lacks something.
//!
//! One process writes; the lock is a third file. Others on the same path read what is there, and write nothing.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

#[cfg(fuzzing)]
pub(crate) mod bare;
mod error;
mod files;
mod image;
mod journal;
mod load;

pub(crate) use error::SnapshotError;
use files::{create_or_keep, make_folder, settle_folder, write_whole};
pub(crate) use image::Answered;
use journal::{Journal, Record};
pub(crate) use load::Restored;

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
    /// By which settings answers are understood.
    rules: Box<str>,
    lock: Option<File>,
    journal: Option<Journal>,
    /// Of the image that the journal follows.
    generation: u64,
    image_bytes: u64,
    /// What is at the path is somebody else's, and stays: of this issuer, or nothing that is known here.
    foreign: Option<Option<Box<str>>>,
    /// Another process has the lock.
    contested: bool,
    /// The last answer that was noted.
    noted: Option<Answered>,
    /// The wall clock's time of the image.
    written: UnixTime,
}

/// The journal may grow to this size before everything is written anew, or to half of the image.
const JOURNAL_BYTES: u64 = 256 * 1024;

impl Snapshot {
    pub(crate) fn new(path: PathBuf, issuer: &str, source: &str, rules: &str) -> Self {
        Self {
            path,
            issuer: issuer.into(),
            source: source.into(),
            rules: rules.into(),
            lock: None,
            journal: None,
            generation: 0,
            image_bytes: 0,
            foreign: None,
            contested: false,
            noted: None,
            written: UnixTime::from_secs(0),
        }
    }

    /// Why this process does not write it: another one does, or it is somebody else's.
    pub(crate) fn check_kept(&self) -> Result<(), SnapshotError> {
        self.check_own()?;
        if self.contested { Err(SnapshotError::Locked(self.shown())) } else { Ok(()) }
    }

    fn check_own(&self) -> Result<(), SnapshotError> {
        match self.foreign.clone() {
            None => Ok(()),
            Some(None) => Err(SnapshotError::NotASnapshot(self.shown())),
            Some(Some(issuer)) => Err(SnapshotError::OtherIssuer { path: self.shown(), issuer }),
        }
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
            // An earlier time is news: the wall clock was set back.
            let soon = noted.confirmed..noted.confirmed.plus(often);
            noted.cursor == answered.cursor && soon.contains(&answered.confirmed)
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
        let Some(journal) = &mut self.journal else {
            // What is there, but could not be read, would lack this.
            if self.lock.is_some() && self.foreign.is_none() {
                self.remove();
            }
            return Ok(());
        };
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
        self.foreign.is_none() && (old || self.journal.as_ref().is_none_or(grown))
    }

    /// Whether all that is in force is in the files.
    pub(crate) fn is_in_step(&self) -> bool {
        self.journal.is_some()
    }

    /// Writes everything anew.
    ///
    /// # Errors
    /// If it could not be written, or is another process's to write. What was there stays, unless its journal cannot be
    /// gone on with: then there is no snapshot any more.
    pub(crate) fn replace(
        &mut self,
        exported: &Exported,
        answered: Option<&Answered>,
        wall: UnixTime,
    ) -> Result<(), SnapshotError> {
        self.check_own()?;
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
        let bytes = image::write(generation, &self.issuer, &self.source, &self.rules, answered, exported);
        make_folder(&self.path).map_err(|error| self.io(error))?;
        write_whole(&self.beside("new"), &self.path, &bytes).map_err(|error| self.io(error))?;
        // The journal that was there follows nothing from here on.
        self.journal = None;
        let journal = self.begin_journal(generation).map_err(|error| {
            self.remove();
            self.io(error)
        })?;
        (self.generation, self.image_bytes) = (generation, bytes.len() as u64);
        self.journal = Some(journal);
        self.noted = answered.cloned();
        self.written = wall;
        Ok(())
    }

    /// After the image, also on the disk itself: the old journal does not follow it, and is passed over if nothing comes after.
    fn begin_journal(&self, generation: u64) -> io::Result<Journal> {
        settle_folder(&self.path)?;
        let journal = Journal::create(&self.beside("journal"), generation)?;
        settle_folder(&self.path)?;
        Ok(journal)
    }

    /// What lacks something must not be found by the next process.
    fn remove(&mut self) {
        self.journal = None;
        // The image decides: a journal without one is passed over.
        let _ = fs::remove_file(&self.path).and_then(|()| settle_folder(&self.path));
        let _ = fs::remove_file(self.beside("journal"));
    }

    fn acquire(&mut self) -> Result<(), SnapshotError> {
        if self.lock.is_some() {
            return Ok(());
        }
        make_folder(&self.path).map_err(|error| self.io(error))?;
        let file = create_or_keep(&self.beside("lock")).map_err(|error| self.io(error))?;
        match file.try_lock() {
            Ok(()) => {
                (self.lock, self.contested) = (Some(file), false);
                Ok(())
            }
            Err(fs::TryLockError::WouldBlock) => {
                self.contested = true;
                Ok(())
            }
            Err(fs::TryLockError::Error(error)) => Err(self.io(error)),
        }
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
