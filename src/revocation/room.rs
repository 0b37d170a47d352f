//! How much is kept, and where.

use crate::limits;

/// Bounds of one source's entries. What a bound refuses is said aloud; none of them lets go of an entry in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Identifiers, cut-offs and withdrawals altogether.
    pub(crate) entries: usize,
    /// Identifiers that are kept live before they are put in bulk.
    pub(crate) live_identifiers: usize,
    /// Cut-offs, likewise.
    pub(crate) live_cut_offs: usize,
    /// Entries of a bulk that have been taken back before it is made anew.
    pub(crate) taken_back: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            entries: limits::ENTRIES,
            live_identifiers: limits::LIVE_IDENTIFIERS,
            live_cut_offs: limits::LIVE_CUT_OFFS,
            taken_back: limits::TAKEN_BACK,
        }
    }
}

impl Sizes {
    /// The larger the bulk, the more is gathered before it is made anew.
    pub(super) fn live(limit: usize, bulk: usize) -> usize {
        limit.max(bulk / limits::BULK_PER_LIVE)
    }

    /// A table counts its entries in 32 bits.
    pub(super) fn entries(&self) -> usize {
        self.entries.min(1 << 31)
    }
}

/// The room that is left, and what found none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    left: usize,
    pub(super) refused: usize,
}

impl Room {
    pub(super) fn new(left: usize) -> Self {
        Self { left, refused: 0 }
    }

    /// Whether there is room for one more, which takes it.
    pub(super) fn take(&mut self) -> bool {
        let left = self.left.checked_sub(1);
        self.refused += usize::from(left.is_none());
        self.left = left.unwrap_or(0);
        left.is_some()
    }
}

/// Entries were left out; nothing that was in force went for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{left_out} entries found no room: {reason}")]
pub(crate) struct NoRoom {
    pub(crate) left_out: usize,
    pub(crate) reason: Full,
}

/// What is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("they name more different sets of claims than the {} that are looked up", limits::ENTRY_SHAPES)]
    Shapes,
    #[error("{0} are kept already, and no more are")]
    Entries(usize),
}
