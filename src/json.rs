//! A strict JSON object, read once and kept as spans over its own text.
//!
//! General parsers are lenient where a token must not be: they keep the last of two equal members (RFC 7519 §4
//! lets an issuer's gateway and its API read different claims), skip what they do not need, and recurse as deep as
//! the sender likes. This one accepts exactly RFC 8259, then refuses duplicate members at every level, lone
//! surrogates, and anything beyond the given depth and member count. What it finds is one list of spans. Allocations are
//! for objects within objects, for very many members, and for an object that is kept.

use std::borrow::Cow;
use std::fmt;

mod distinct;
mod escape;
mod member;
mod plain;
mod scan;

pub(crate) use member::Error;
use member::{Mark, Member, Span};
use scan::Scanner;

/// Where the members of an object are put down while they are only looked at: nothing is allocated for as many as are usual.
#[derive(Default)]
pub(crate) struct Room(scan::Members);

/// The members of one object, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Members<'a> {
    text: &'a str,
    list: &'a [Member],
    summary: Summary,
}

/// What holds for all members of an object.
#[derive(Clone, Copy, Debug)]
struct Summary {
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
    list: Box<[Member]>,
    summary: Summary,
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

impl<'a> Members<'a> {
    /// Reads `text` as one object, nothing before and nothing after it.
    pub(crate) fn read(
        text: &'a str,
        depth: usize,
        members: usize,
        Room(list): &'a mut Room,
    ) -> Result<Self, Error> {
        list.clear();
        let mut scanner = Scanner::new(text, depth, members);
        let names = scanner.object_document(list)?;
        Ok(Self { text, list, summary: Summary { names, simple: scanner.is_simple() } })
    }

    /// For good, with something kept behind it, see [`Object::rest`].
    pub(crate) fn keep(self, rest: &str) -> Object {
        let Self { text, list, summary } = self;
        let mut kept = String::with_capacity(text.len() + rest.len());
        kept.push_str(text);
        kept.push_str(rest);
        Object { text: kept.into_boxed_str(), end: text.len(), list: list.into(), summary }
    }

    /// The value of `name`.
    #[inline(always)]
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        self.find(name).map(|member| self.value(member))
    }

    /// Whether there is a member `name`.
    #[inline(always)]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Whether the value of `name` is a string with something in it; none where there is no such member.
    #[inline(always)]
    pub(crate) fn is_text(&self, name: &str) -> Option<bool> {
        self.find(name).map(|member| member.value.first(self.text) == b'"' && member.value.len() > 2)
    }

    #[inline(always)]
    fn find(&self, name: &str) -> Option<&'a Member> {
        let mark = Mark::of(name.as_bytes());
        if self.summary.names & mark.bit() == 0 {
            return None;
        }
        self.search(name, mark)
    }

    /// `mark` is the one of `name`.
    fn search(&self, name: &str, mark: Mark) -> Option<&'a Member> {
        if self.summary.names == u64::MAX {
            return self.find_escaped(name);
        }
        self.list.iter().find(|member| member.is_named(self.text, name, mark))
    }

    #[cold]
    fn find_escaped(&self, name: &str) -> Option<&'a Member> {
        self.list.iter().find(|member| member.reads_as(self.text, name))
    }

    #[inline]
    fn value(&self, member: &Member) -> Value<'a> {
        Value::of(self.text, member.value, self.summary.simple)
    }

    /// All members in the order of the text.
    pub(crate) fn iter(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.list.iter().map(move |member| (member.name(self.text), self.value(member)))
    }
}

impl Object {
    /// Reads `text` as one object; see [`Members::read`].
    pub(crate) fn parse(text: Box<str>, depth: usize, members: usize) -> Result<Self, Error> {
        let mut room = Room::default();
        let Members { list, summary, .. } = Members::read(&text, depth, members, &mut room)?;
        Ok(Self { end: text.len(), list: list.into(), summary, text })
    }

    /// To look at it.
    #[inline(always)]
    pub(crate) fn members(&self) -> Members<'_> {
        Members { text: self.text(), list: &self.list, summary: self.summary }
    }

    /// The JSON text itself.
    #[inline]
    pub(crate) fn text(&self) -> &str {
        self.text.get(..self.end).unwrap_or_default()
    }

    /// What is kept behind the object.
    pub(crate) fn rest(&self) -> &str {
        self.text.get(self.end..).unwrap_or_default()
    }

    /// The value of `name`.
    #[inline(always)]
    pub(crate) fn get(&self, name: &str) -> Option<Value<'_>> {
        self.members().get(name)
    }

    /// All members in the order of the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Cow<'_, str>, Value<'_>)> {
        self.members().iter()
    }

    /// Bytes on the heap, but for what the allocator adds.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.text.len() + size_of_val(&*self.list)
    }
}

/// Names only: the values of a token are nobody's business in a log.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish_non_exhaustive()
    }
}

impl<'a> Value<'a> {
    /// What stands there in a text that was accepted before. No string in one that is simple has an escape.
    fn of(text: &'a str, span: Span, simple: bool) -> Self {
        match span.first(text) {
            b'"' => {
                let text = span.quoted(text);
                let plain = simple || !text.as_bytes().contains(&b'\\');
                Self::String(if plain { Cow::Borrowed(text) } else { Cow::Owned(escape::unescape(text)) })
            }
            b'[' => Self::Array(Array { text: span.of(text), simple }),
            b'{' => Self::Object(span.of(text)),
            b't' => Self::Bool(true),
            b'f' => Self::Bool(false),
            b'n' => Self::Null,
            _ => Self::Number(span.of(text)),
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
        Scanner::items(text, simple).map(move |span| Value::of(text, span, simple))
    }

    /// Reads `text` as one array, nothing before and nothing after it.
    #[cfg(test)]
    pub(crate) fn parse(text: &'a str, depth: usize) -> Result<Self, Error> {
        let wrapped = format!("{{\"a\":{text}}}");
        let mut room = Room::default();
        let members = Members::read(&wrapped, depth + 1, 256, &mut room)?;
        Ok(Self { text, simple: members.summary.simple })
    }
}

#[cfg(test)]
mod tests;
