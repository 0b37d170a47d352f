//! Whether the names of an object are distinct.

use super::member::Name;

/// Names that are compared each with each; more of them are sorted.
const FEW: usize = 16;

/// Whether two names of an object are the same, whatever their spelling.
#[derive(Clone, Copy, Default)]
pub(super) struct Seen(
    /// A bit for each name, which several may share; all bits where some have escapes, whose bits say nothing.
    u64,
);

impl Seen {
    /// Adds a name. Whether it may be one of the others.
    #[inline]
    pub(super) fn add(&mut self, name: Name) -> bool {
        let bits = name.bits();
        let shared = self.0 & bits != 0;
        self.0 |= bits;
        shared
    }

    /// The bits of all names.
    #[inline]
    pub(super) fn names(self) -> u64 {
        self.0
    }

    /// Whether so many names, or some with escapes, have to be sorted at the end: a stranger must not make us compare each
    /// with each.
    #[inline]
    pub(super) fn is_to_be_sorted(self, count: usize) -> bool {
        count > FEW || self.0 == u64::MAX
    }
}

/// Whether `name` is one of the others for certain: names with escapes may be though they do not look it.
#[inline(never)]
pub(super) fn is_repeated(name: Name, mut others: impl ExactSizeIterator<Item = Name>, text: &str) -> bool {
    others.len() < FEW && others.any(|other| name.is_same(other, text))
}

/// Whether any name is there twice, when all of them are known.
#[inline(never)]
pub(super) fn has_repeated(names: impl Iterator<Item = Name>, text: &str) -> bool {
    let mut names: Vec<_> = names.map(|name| name.of(text)).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}
