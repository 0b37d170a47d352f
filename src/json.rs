//! A strict JSON object, read once and kept as spans over its own text.
//!
//! General parsers are lenient where a token must not be: they keep the last of two equal members (RFC 7519 §4
//! lets an issuer's gateway and its API read different claims), skip what they do not need, and recurse as deep as
//! the sender likes. This one accepts exactly RFC 8259, then refuses duplicate members at every level, lone
//! surrogates, and anything beyond the given depth and member count. What it finds is one list of spans; other
//! allocations are for objects within objects and for very many members.

use std::borrow::Cow;
use std::fmt;

mod distinct;
mod escape;
mod member;
mod plain;
mod scan;

pub(crate) use member::Error;
use member::{Mark, Member};
use scan::Scanner;

/// The members of one object, as spans into a text that is held elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    list: Box<[Member]>,
    /// The bits of all names: most questions are about names that are not there. All bits where a name has escapes.
    names: u64,
    /// No string has an escape.
    simple: bool,
}

/// One object that owns its text: a claims set or a feed entry.
pub(crate) struct Object {
    text: Box<str>,
    /// Where the object ends in the text.
    end: usize,
    members: Members,
}

/// A value, borrowed from the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    String(Cow<'a, str>),
    Number(&'a str),
    Bool(bool),
    Null,
    Array(Array<'a>),
    Object(&'a str),
}

/// An array that has been checked already, brackets included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Array<'a> {
    text: &'a str,
    /// No string has an escape.
    simple: bool,
}

impl Members {
    /// Reads `text` as one object, nothing before and nothing after it.
    pub(crate) fn parse(text: &str, depth: usize, members: usize) -> Result<Self, Error> {
        let mut scanner = Scanner::new(text, depth, members);
        let mut found = scan::Members::new();
        let names = scanner.object_document(&mut found)?;
        Ok(Self { list: Box::from(&*found), names, simple: scanner.is_simple() })
    }

    /// The value of `name`. `text` is the one given to [`Members::parse`].
    #[inline(always)]
    pub(crate) fn get<'a>(&self, text: &'a str, name: &str) -> Option<Value<'a>> {
        let member = self.find(text, name)?;
        Some(Value::of(member.value.of(text), self.simple))
    }

    /// Whether there is a member `name`.
    #[inline(always)]
    pub(crate) fn has(&self, text: &str, name: &str) -> bool {
        self.find(text, name).is_some()
    }

    #[inline(always)]
    fn find(&self, text: &str, name: &str) -> Option<&Member> {
        let mark = Mark::of(name.as_bytes());
        if self.names & mark.bit() == 0 {
            return None;
        }
        self.search(text, name, mark)
    }

    /// `mark` is the one of `name`.
    fn search(&self, text: &str, name: &str, mark: Mark) -> Option<&Member> {
        if self.names == u64::MAX {
            return self.find_escaped(text, name);
        }
        self.list.iter().find(|member| member.is_named(text, name, mark))
    }

    #[cold]
    fn find_escaped(&self, text: &str, name: &str) -> Option<&Member> {
        self.list.iter().find(|member| member.reads_as(text, name))
    }

    /// All members in the order of the text.
    pub(crate) fn iter<'a>(&self, text: &'a str) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.list.iter().map(move |member| (member.name(text), Value::of(member.value.of(text), self.simple)))
    }
}

impl Object {
    /// Reads `text` as one object; see [`Members::parse`].
    pub(crate) fn parse(text: Box<str>, depth: usize, members: usize) -> Result<Self, Error> {
        let end = text.len();
        Self::parse_start(text, end, depth, members)
    }

    /// Reads the first `end` bytes of `text` as one object. The rest is kept beside it, see [`Object::rest`], so that both
    /// take one allocation.
    pub(crate) fn parse_start(
        text: Box<str>,
        end: usize,
        depth: usize,
        members: usize,
    ) -> Result<Self, Error> {
        let json = text.get(..end).ok_or(Error { reason: "text too short", at: text.len() })?;
        Members::parse(json, depth, members).map(|members| Self { text, end, members })
    }

    /// The JSON text itself.
    pub(crate) fn text(&self) -> &str {
        self.text.get(..self.end).unwrap_or_default()
    }

    /// What stood behind the object.
    pub(crate) fn rest(&self) -> &str {
        self.text.get(self.end..).unwrap_or_default()
    }

    /// The value of `name`.
    #[inline(always)]
    pub(crate) fn get(&self, name: &str) -> Option<Value<'_>> {
        self.members.get(&self.text, name)
    }

    /// Whether there is a member `name`.
    #[inline(always)]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.members.has(&self.text, name)
    }

    /// All members in the order of the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
        self.members.iter(&self.text)
    }

    /// Bytes on the heap, but for what the allocator adds.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.members.list)
    }
}

/// Names only: the values of a token are nobody's business in a log.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish_non_exhaustive()
    }
}

impl<'a> Value<'a> {
    /// What a text that was accepted before says. No string in one that is simple has an escape.
    #[inline]
    fn of(raw: &'a str, simple: bool) -> Self {
        match raw.as_bytes() {
            [b'"', text @ .., b'"'] => {
                let plain = simple || !text.contains(&b'\\');
                let text = raw.get(1..raw.len() - 1).unwrap_or_default();
                Self::String(if plain { Cow::Borrowed(text) } else { Cow::Owned(escape::unescape(text)) })
            }
            [b'[', ..] => Self::Array(Array { text: raw, simple }),
            [b'{', ..] => Self::Object(raw),
            [b't' | b'f', ..] => Self::Bool(raw == "true"),
            [b'n', ..] => Self::Null,
            _ => Self::Number(raw),
        }
    }

    /// The text of a string, nothing else.
    pub(crate) fn into_string(self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(text) => Some(text),
            Self::Number(_) | Self::Bool(_) | Self::Null | Self::Array(_) | Self::Object(_) => None,
        }
    }
}

impl<'a> Array<'a> {
    /// The items in order.
    pub(crate) fn items(self) -> impl Iterator<Item = Value<'a>> {
        let Self { text, simple } = self;
        Scanner::items(text, simple).map(move |span| Value::of(span.of(text), simple))
    }

    /// Reads `text` as one array, nothing before and nothing after it.
    #[cfg(test)]
    pub(crate) fn parse(text: &'a str, depth: usize) -> Result<Self, Error> {
        let wrapped = format!("{{\"a\":{text}}}");
        Members::parse(&wrapped, depth + 1, 256).map(|members| Self { text, simple: members.simple })
    }
}

#[cfg(test)]
mod tests;
