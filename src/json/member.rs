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
    name: Span,
    name_escaped: bool,
    pub(crate) value: Span,
    pub(crate) kind: Kind,
}

impl Span {
    pub(super) fn new(start: usize, end: usize) -> Self {
        // `Scanner::object_document` refuses texts whose positions do not fit.
        Self { start: start as u32, end: end as u32 }
    }

    pub(crate) fn of(self, text: &str) -> &str {
        text.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

impl Member {
    pub(super) fn new((name, name_escaped): (Span, bool), (value, kind): (Span, Kind)) -> Self {
        Self { name, name_escaped, value, kind }
    }

    pub(crate) fn name<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let raw = self.name.of(text);
        if self.name_escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) }
    }

    pub(crate) fn is_named(&self, text: &str, name: &str) -> bool {
        let raw = self.name.of(text);
        if self.name_escaped { characters(raw).eq(name.chars()) } else { raw == name }
    }
}
