//! All entries as plain data, for whoever keeps them while the process is down.

use std::fmt;
use std::sync::{Arc, PoisonError};

use super::Revocations;
use super::cut_off::{CutOff, CutOffs};
use super::fingerprint::{Fingerprint, Fingerprints};
use super::identifier::Identifiers;
use super::recent::{JUMP, Recent};
use super::state::State;
use super::words::Word;
use crate::clock::{Now, UnixTime};
use crate::limits;

/// Everything that is known of one source, without the time of its last answer: that is the freshness's own.
#[derive(Clone)]
pub(crate) struct Exported {
    /// What the fingerprints were made with: a secret, since who knows it can make two tokens share their fate.
    pub(crate) key: [u8; 16],
    /// The authorization server's time at the export.
    pub(crate) heard: Option<UnixTime>,
    pub(crate) identifiers: Vec<ExportedShape<Word>>,
    pub(crate) cut_offs: Vec<ExportedShape<CutOff>>,
    /// Ordered by kind and fingerprint, each once.
    pub(crate) withdrawn: Vec<Withdrawn>,
}

/// The entries that name the same claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ExportedShape<T> {
    /// In order.
    pub(crate) names: Box<[Box<str>]>,
    /// In the order of their fingerprints: identifiers once each, cut-offs a few times at most.
    pub(crate) entries: Vec<(Fingerprint, T)>,
}

/// An entry that was taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Withdrawn {
    pub(crate) of_cut_off: bool,
    pub(crate) fingerprint: Fingerprint,
    /// In seconds.
    pub(crate) at: i64,
    /// In milliseconds since the epoch.
    pub(crate) ends: i64,
}

impl Withdrawn {
    pub(super) fn place(&self) -> (bool, Fingerprint) {
        (self.of_cut_off, self.fingerprint)
    }
}

/// Why exported entries were not taken up. Nothing of them is in force then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ImportError {
    #[error("there are entries already")]
    NotEmpty,
    #[error("fingerprints are not in order, or one is there too often")]
    OutOfOrder,
    #[error("the names of claims are not in order, or there is no such set of them")]
    BadNames,
    #[error("there are more entries, or different sets of claims, than are kept")]
    TooMany,
}

impl Revocations {
    /// Everything that is in force, and what has been taken back.
    pub(crate) fn export(&self, now: Now) -> Exported {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self.state.load();
        Exported {
            key: state.fingerprints.key(),
            heard: writer.heard(now),
            identifiers: state
                .identifiers
                .iter()
                .map(|shape| ExportedShape { names: shape.names.clone(), entries: shape.words() })
                .collect(),
            cut_offs: state
                .cut_offs
                .iter()
                .map(|shape| ExportedShape { names: shape.names.clone(), entries: shape.all().collect() })
                .collect(),
            withdrawn: writer.withdrawn(),
        }
    }

    /// Takes up what was exported, where nothing is known yet. What has ended since is left out.
    ///
    /// # Errors
    /// Refuses all where it is not what [`Revocations::export`] gives.
    pub(crate) fn import(&self, exported: &Exported, now: Now) -> Result<(), ImportError> {
        exported.check(self.sizes.entries())?;
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if !(self.state.load().is_empty() && writer.is_empty()) {
            return Err(ImportError::NotEmpty);
        }
        if let Some(heard) = exported.heard.filter(|_| writer.heard(now).is_none()) {
            writer.hear(heard, now.uptime);
        }
        let over = writer.moment(now).over;
        let identifiers = exported.identifiers.iter();
        let cut_offs = exported.cut_offs.iter();
        let mut state = State {
            fingerprints: Fingerprints::of_key(exported.key),
            identifiers: identifiers
                .map(|shape| Arc::new(Identifiers::with_bulk(shape.names.clone(), &shape.entries, over)))
                .collect(),
            cut_offs: cut_offs
                .map(|shape| Arc::new(CutOffs::with_bulk(shape.names.clone(), &shape.entries, over)))
                .collect(),
            recent: Recent::after_much(self.epoch()),
        };
        state.renew(over, &self.sizes);
        writer.restore(&exported.withdrawn);
        self.state.store(Arc::new(state));
        self.announce(JUMP);
        Ok(())
    }
}

impl Exported {
    fn check(&self, room: usize) -> Result<(), ImportError> {
        check_shapes(&self.identifiers, 1)?;
        if self.identifiers.iter().any(|shape| shape.names.is_empty()) {
            return Err(ImportError::BadNames);
        }
        check_shapes(&self.cut_offs, limits::CUT_OFFS_APART)?;
        if !self.withdrawn.is_sorted_by(|one, other| one.place() < other.place()) {
            return Err(ImportError::OutOfOrder);
        }
        let identifiers = self.identifiers.iter().map(|shape| shape.entries.len());
        let cut_offs = self.cut_offs.iter().map(|shape| shape.entries.len());
        let entries = identifiers.chain(cut_offs).sum::<usize>() + self.withdrawn.len();
        let shapes = self.identifiers.len() + self.cut_offs.len();
        if shapes > limits::ENTRY_SHAPES || entries > room {
            return Err(ImportError::TooMany);
        }
        Ok(())
    }
}

/// `alike` entries may have the same fingerprint.
fn check_shapes<T>(shapes: &[ExportedShape<T>], alike: usize) -> Result<(), ImportError> {
    for (place, shape) in shapes.iter().enumerate() {
        let names = &shape.names;
        let short = names.iter().all(|name| name.len() <= limits::ENTRY_VALUE_BYTES);
        let twice = shapes.iter().skip(place + 1).any(|other| other.names == *names);
        if twice || !short || !names.is_sorted() || names.len() > limits::ENTRY_CLAIMS {
            return Err(ImportError::BadNames);
        }
        let too_many = shape
            .entries
            .windows(alike + 1)
            .any(|some| some.first().map(|entry| entry.0) == some.last().map(|entry| entry.0));
        if too_many || !shape.entries.is_sorted_by_key(|entry| entry.0) {
            return Err(ImportError::OutOfOrder);
        }
    }
    Ok(())
}

/// Without the key, and without a million fingerprints.
impl fmt::Debug for Exported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exported").field("heard", &self.heard).finish_non_exhaustive()
    }
}
