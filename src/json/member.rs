//! What a pass over a text finds.

use std::borrow::Cow;

use super::escape::{characters, unescape};
use super::plain;

/// Why a text is not the JSON we accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {at}")]
pub(crate) struct Error {
    pub(crate) reason: &'static str,
    pub(crate) at: usize,
}

/// A range of bytes of the text; both ends lie on character boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    end: u32,
}

/// A member of an object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) name: Name,
    /// As it stands in the text, quotes and brackets included.
    pub(super) value: Span,
}

/// A member's name, as it stands in the text, without the quotes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    span: Span,
    mark: Mark,
}

/// What tells most names apart at a glance: their first bytes, eight at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u64);

impl Mark {
    /// Of names with escapes, which do not show what they read as. No other name has it: UTF-8 does not have such bytes.
    pub(super) const ESCAPED: Self = Self(u64::MAX);
    /// Bytes that it has.
    const BYTES: usize = 8;

    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        match name.first_chunk() {
            Some(word) => Self(u64::from_le_bytes(*word)),
            None => Self(name.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))),
        }
    }

    /// Of the name that stands there in a text without escapes, and the place of the quote behind it.
    #[inline(always)]
    pub(super) fn until_quote(text: &[u8], start: usize) -> Option<(Self, usize)> {
        let Some(word) = plain::word(text, start) else {
            let end = plain::quote(text, start)?;
            return Some((Self::of(text.get(start..end)?), end));
        };
        let marks = plain::quotes(word);
        if marks == 0 {
            return Some((Self(word), plain::quote(text, start + Self::BYTES)?));
        }
        // All bits below those of the quote.
        let before = ((marks & marks.wrapping_neg()) >> 7).wrapping_sub(1);
        Some((Self(word & before), start + marks.trailing_zeros() as usize / 8))
    }

    /// One bit of 64, the same for the same names without escapes.
    #[inline]
    pub(super) fn bit(self) -> u64 {
        1 << (self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58)
    }
}

impl Name {
    #[inline]
    pub(super) fn new(span: Span, mark: Mark) -> Self {
        Self { span, mark }
    }

    #[inline]
    pub(super) fn is_escaped(self) -> bool {
        self.mark == Mark::ESCAPED
    }

    pub(super) fn of(self, text: &str) -> Cow<'_, str> {
        let raw = self.span.of(text);
        if self.is_escaped() { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }

    /// The bit of its mark; all bits where it has escapes, for it may be any name.
    #[inline]
    pub(super) fn bits(self) -> u64 {
        if self.is_escaped() { u64::MAX } else { self.mark.bit() }
    }

    /// Whether it stands in the text like this, where the marks are the same: those of short names are all there is of them.
    #[inline]
    fn is_spelt(self, name: &str, text: &str) -> bool {
        let is_all = name.len() <= Mark::BYTES && !self.is_escaped();
        name.len() == self.span.len() && (is_all || self.span.of(text) == name)
    }

    /// Whether they are the same for certain: names with escapes may be though they do not look it.
    #[inline]
    pub(super) fn is_same(self, other: Self, text: &str) -> bool {
        self.mark == other.mark && self.is_spelt(other.span.of(text), text)
    }
}

impl Span {
    #[inline]
    pub(super) fn new(start: usize, end: usize) -> Self {
        // `Scanner::object_document` refuses texts whose positions do not fit.
        Self { start: start as u32, end: end as u32 }
    }

    #[inline]
    pub(super) fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    #[inline]
    pub(super) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }

    /// Its first byte.
    #[inline]
    pub(super) fn first(self, text: &str) -> u8 {
        text.as_bytes().get(self.start as usize).copied().unwrap_or(0)
    }

    /// What is between its first and last bytes.
    #[inline]
    pub(super) fn quoted(self, text: &str) -> &str {
        text.get(self.start as usize + 1..(self.end as usize).saturating_sub(1)).unwrap_or_default()
    }
}

impl Member {
    pub(super) fn name<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.name.of(text)
    }

    /// Whether it is that name without an escape; `mark` is the one of `name`.
    #[inline]
    pub(super) fn is_named(&self, text: &str, name: &str, mark: Mark) -> bool {
        self.name.mark == mark && self.name.is_spelt(name, text)
    }

    /// Whether it reads as that name.
    pub(super) fn reads_as(&self, text: &str, name: &str) -> bool {
        characters(self.name.span.of(text)).eq(name.chars())
    }
}
