//! What one source said last. A token that was looked at before need only be compared with what was said since.

use std::sync::Arc;

use super::marks::Marks;
use crate::limits;

/// By how much the epoch moves where more is said than is kept here: more than other sources say meanwhile, by whose epochs
/// it is reckoned how far back to go.
pub(super) const JUMP: u64 = 1 << 32;

/// Every entry that came in force in an epoch past `since`: immutable, a part of the state that has them.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    since: u64,
    /// In the order of their epochs.
    said: Arc<[Said]>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    epoch: u64,
    marks: Marks,
}

impl Recent {
    /// After more than is kept here, which came in force after `epoch`.
    pub(super) fn after_much(epoch: u64) -> Self {
        // Who has looked past that epoch has looked after the jump: there is none in between.
        Self { since: epoch + 1, said: Arc::default() }
    }

    /// Notes what comes in force after `epoch`, and by how much that moves on.
    pub(super) fn note(&mut self, epoch: u64, new: Vec<Marks>) -> u64 {
        let epoch = epoch + 1;
        let mut said = self.said.to_vec();
        said.extend(new.into_iter().map(|marks| Said { epoch, marks }));
        // Of an epoch, all go or none.
        if let Some(last) = said.len().checked_sub(limits::RECENT_ENTRIES + 1).and_then(|last| said.get(last))
        {
            self.since = last.epoch;
            said.retain(|said| said.epoch > self.since);
        }
        self.said = said.into();
        1
    }

    /// Whether anything that came in force past `epoch` may be about whom has these marks.
    pub(super) fn may_concern<'a>(&self, epoch: u64, marks: impl FnOnce() -> &'a Marks) -> bool {
        if epoch < self.since {
            return true;
        }
        let mut since = self.said.iter().rev().take_while(|said| said.epoch > epoch).peekable();
        if since.peek().is_none() {
            return false;
        }
        let marks = marks();
        since.any(|said| marks.may_have(&said.marks))
    }
}
