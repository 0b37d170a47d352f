//! What a pass over a text finds.

use std::borrow::Cow;

use super::escape::{characters, unescape};

/// Why a text is not the JSON we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {at}")]
pub(crate) struct Error {
    pub(crate) reason: &'static str,
    pub(crate) at: usize,
}

/// A range of bytes of the text; both ends lie on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: u32,
    end: u32,
}

/// What a value is; strings are told apart by whether reading them needs work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Plain,
    Escaped,
    Number,
    Bool,
    Null,
    Array,
    Object,
}

/// A member of an object. String spans exclude the quotes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Member {
    pub(super) name: Name,
    pub(crate) value: Span,
    pub(crate) kind: Kind,
}

/// A member's name, as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    span: Span,
    mark: Mark,
}

/// What tells most names apart at a glance: length and first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    /// Of names with escapes, which do not show what they read as. No other name has it: it would end in bytes that UTF-8
    /// does not have.
    const ESCAPED: Self = Self(u32::MAX);

    #[inline]
    pub(super) fn of(name: &str) -> Self {
        Self::of_bytes(name.as_bytes())
    }

    #[inline]
    fn of_bytes(name: &[u8]) -> Self {
        let first = match name {
            [a, b, c, ..] => [*a, *b, *c],
            [a, b] => [*a, *b, 0],
            [a] => [*a, 0, 0],
            [] => [0; 3],
        };
        let [a, b, c] = first;
        Self(u32::from_le_bytes([name.len().min(255) as u8, a, b, c]))
    }

    /// One bit of 64, the same for the same names without escapes.
    #[inline]
    pub(super) fn bit(self) -> u64 {
        1 << (self.0.wrapping_mul(0x9e37_79b9) >> 26)
    }
}

impl Name {
    #[inline]
    pub(super) fn new(text: &[u8], span: Span, escaped: bool) -> Self {
        let bytes = || text.get(span.start as usize..span.end as usize).unwrap_or_default();
        Self { span, mark: if escaped { Mark::ESCAPED } else { Mark::of_bytes(bytes()) } }
    }

    #[inline]
    pub(super) fn is_escaped(self) -> bool {
        self.mark == Mark::ESCAPED
    }

    pub(super) fn of(self, text: &str) -> Cow<'_, str> {
        let raw = self.span.of(text);
        if self.is_escaped() { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }

    #[inline]
    pub(super) fn bit(self) -> u64 {
        self.mark.bit()
    }

    /// Whether they are the same for certain: names with escapes may be though they do not look it.
    #[inline]
    pub(super) fn is_same(self, other: Self, text: &str) -> bool {
        self.mark == other.mark && self.span.of(text) == other.span.of(text)
    }
}

impl Span {
    #[inline]
    pub(super) fn new(start: usize, end: usize) -> Self {
        // `Scanner::object_document` refuses texts whose positions do not fit.
        Self { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Member {
    pub(crate) fn name<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.name.of(text)
    }

    /// `mark` is the one of `name`.
    #[inline]
    pub(crate) fn is_named(&self, text: &str, name: &str, mark: Mark) -> bool {
        if self.name.mark == mark {
            self.name.span.of(text) == name
        } else {
            self.name.is_escaped() && characters(self.name.span.of(text)).eq(name.chars())
        }
    }
}
