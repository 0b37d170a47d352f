//! One pass over a JSON text: grammar, depth, duplicates, and the spans of the outermost members.

use smallvec::SmallVec;

use super::distinct::Seen;
use super::member::{Error, Kind, Member, Name, Span};
use super::plain::is_simple;

mod leaf;

/// Members that take no allocation until it is known how many there are: more than most tokens have.
const USUAL: usize = 24;

type Members = SmallVec<[Member; USUAL]>;

/// The state of one pass.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_left: usize,
    /// Members that one object may have.
    members: usize,
    /// Names of the inner objects that are open, innermost last.
    names: Vec<Name>,
    /// No string has an escape, as in most tokens, nor a control character.
    simple: bool,
    /// Why it is not JSON, where it is not. Kept here so that what each step finds fits into registers.
    reason: &'static str,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, depth: usize, members: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            depth_left: depth,
            members,
            names: Vec::new(),
            simple: false,
            reason: "",
        }
    }

    /// A scanner behind the opening bracket of an array that was accepted before.
    pub(crate) fn inside(array: &'a str) -> Self {
        Self { at: 1, ..Self::new(array, usize::MAX, usize::MAX) }
    }

    /// The next item of the array that [`Scanner::inside`] entered.
    pub(crate) fn next_item(&mut self) -> Option<(Span, Kind)> {
        self.space();
        if self.peek() == Some(b',') {
            self.at += 1;
            self.space();
        }
        if matches!(self.peek(), None | Some(b']')) { None } else { self.value() }
    }

    /// The whole text as one object: its members, and the bits of their names.
    pub(crate) fn object_document(mut self) -> Result<(Box<[Member]>, u64), Error> {
        if u32::try_from(self.bytes.len()).is_err() {
            return Err(Error { reason: "text too long", at: 0 });
        }
        self.simple = is_simple(self.bytes);
        match self.document() {
            Some(found) => Ok(found),
            None => Err(Error { reason: self.reason, at: self.at }),
        }
    }

    #[inline]
    fn document(&mut self) -> Option<(Box<[Member]>, u64)> {
        let mut members = Members::new();
        self.space();
        if self.peek() != Some(b'{') {
            return self.fail("not an object");
        }
        let names = self.outermost(&mut members)?;
        self.space();
        if self.at == self.bytes.len() {
            Some((Box::from(&*members), names))
        } else {
            self.fail("text after the object")
        }
    }

    #[cold]
    fn fail<T>(&mut self, reason: &'static str) -> Option<T> {
        self.reason = reason;
        None
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            // Most of what is asked about is no space, which one look tells.
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return;
            }
            self.at += 1;
        }
    }

    #[inline]
    fn enter(&mut self) -> Option<()> {
        let Some(left) = self.depth_left.checked_sub(1) else { return self.fail("nested too deep") };
        self.depth_left = left;
        self.at += 1;
        self.space();
        Some(())
    }

    /// The outermost object, from its opening brace on.
    fn outermost(&mut self, found: &mut Members) -> Option<u64> {
        self.enter()?;
        let mut seen = Seen::default();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let name = self.name(found.len())?;
                if seen.is_repeated(name, found.iter().map(|member| member.name), self.text) {
                    return self.fail("duplicate member");
                }
                let (value, kind) = self.value()?;
                found.push(Member { name, value, kind });
                if self.closes(b'}')? {
                    break;
                }
            }
        }
        if seen.has_repeated(found.iter().map(|member| member.name), self.text) {
            return self.fail("duplicate member");
        }
        Some(seen.names())
    }

    /// Another object, from its opening brace on.
    fn object(&mut self) -> Option<()> {
        self.enter()?;
        let base = self.names.len();
        let mut seen = Seen::default();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let name = self.name(self.names.len() - base)?;
                if seen.is_repeated(name, self.names.iter().skip(base).copied(), self.text) {
                    return self.fail("duplicate member");
                }
                self.names.push(name);
                self.value()?;
                if self.closes(b'}')? {
                    break;
                }
            }
        }
        if seen.has_repeated(self.names.iter().skip(base).copied(), self.text) {
            return self.fail("duplicate member");
        }
        self.names.truncate(base);
        self.depth_left += 1;
        Some(())
    }

    /// A member's name and its colon, after so many others.
    #[inline]
    fn name(&mut self, before: usize) -> Option<Name> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name");
        }
        if before >= self.members {
            return self.fail("too many members");
        }
        let text = self.string()?;
        let name = Name::new(self.bytes, text.span, text.escaped);
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon");
        }
        self.at += 1;
        self.space();
        Some(name)
    }

    /// After an item: a comma (false) or the closing bracket (true).
    #[inline]
    fn closes(&mut self, bracket: u8) -> Option<bool> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Some(false)
            }
            Some(found) if found == bracket => {
                self.at += 1;
                Some(true)
            }
            _ => self.fail("expected a comma or a closing bracket"),
        }
    }

    fn array(&mut self) -> Option<()> {
        self.enter()?;
        if self.peek() == Some(b']') {
            self.at += 1;
        } else {
            loop {
                self.value()?;
                if self.closes(b']')? {
                    break;
                }
            }
        }
        self.depth_left += 1;
        Some(())
    }

    fn value(&mut self) -> Option<(Span, Kind)> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => {
                let text = self.string()?;
                return Some((text.span, if text.escaped { Kind::Escaped } else { Kind::Plain }));
            }
            Some(b'{') => {
                self.object()?;
                Kind::Object
            }
            Some(b'[') => {
                self.array()?;
                Kind::Array
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b't') => self.word(b"true", Kind::Bool)?,
            Some(b'f') => self.word(b"false", Kind::Bool)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => return self.fail("expected a value"),
        };
        Some((Span::new(start, self.at), kind))
    }
}
