//! Whether the names of an object are distinct.

use super::member::Name;

/// Names that are compared each with each; more of them are sorted.
const FEW: usize = 16;

/// Whether two names of an object are the same, whatever their spelling.
#[derive(Default)]
pub(super) struct Seen {
    /// A bit for each name; several may share one.
    bits: u64,
    /// Where there are many names, or some with escapes, all are sorted at the end: a stranger must not make us compare each
    /// with each.
    count: usize,
    escaped: bool,
}

impl Seen {
    /// Whether `name` is one of the others for certain.
    #[inline]
    pub(super) fn is_repeated(
        &mut self,
        name: Name,
        mut others: impl Iterator<Item = Name>,
        text: &str,
    ) -> bool {
        self.count += 1;
        self.escaped |= name.is_escaped();
        let bit = name.bit();
        let shared = self.bits & bit != 0;
        self.bits |= bit;
        shared && self.count <= FEW && others.any(|other| name.is_same(other, text))
    }

    /// The bits of all names; all bits where some have escapes, whose bits say nothing.
    #[inline]
    pub(super) fn names(&self) -> u64 {
        if self.escaped { u64::MAX } else { self.bits }
    }

    /// Whether any name is there twice, when all of them are known.
    pub(super) fn has_repeated(&self, names: impl Iterator<Item = Name>, text: &str) -> bool {
        if self.count <= FEW && !self.escaped {
            return false;
        }
        let mut names: Vec<_> = names.map(|name| name.of(text)).collect();
        names.sort_unstable();
        names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
    }
}
