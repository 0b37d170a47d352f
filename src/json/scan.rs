//! One pass over a JSON text: grammar, depth, duplicates, and the spans of the outermost members.

use smallvec::SmallVec;

use super::distinct::Seen;
use super::escape::escape_length;
use super::member::{Error, Kind, Member, Name, Span};
use super::plain::plain;

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
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, depth: usize, members: usize) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, depth_left: depth, members, names: Vec::new() }
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
        if matches!(self.peek(), None | Some(b']')) { None } else { self.value().ok() }
    }

    /// The whole text as one object.
    pub(crate) fn object_document(mut self) -> Result<Box<[Member]>, Error> {
        if u32::try_from(self.bytes.len()).is_err() {
            return self.fail("text too long");
        }
        let mut members = Members::new();
        self.space();
        if self.peek() != Some(b'{') {
            return self.fail("not an object");
        }
        self.outermost(&mut members)?;
        self.space();
        if self.at == self.bytes.len() {
            Ok(Box::from(&*members))
        } else {
            self.fail("text after the object")
        }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, Error> {
        Err(Error { reason, at: self.at })
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    #[inline]
    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    #[inline]
    fn enter(&mut self) -> Result<(), Error> {
        let Some(left) = self.depth_left.checked_sub(1) else { return self.fail("nested too deep") };
        self.depth_left = left;
        self.at += 1;
        self.space();
        Ok(())
    }

    /// The outermost object, from its opening brace on.
    fn outermost(&mut self, found: &mut Members) -> Result<(), Error> {
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
        Ok(())
    }

    /// Another object, from its opening brace on.
    fn object(&mut self) -> Result<(), Error> {
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
        Ok(())
    }

    /// A member's name and its colon, after so many others.
    #[inline]
    fn name(&mut self, before: usize) -> Result<Name, Error> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name");
        }
        if before >= self.members {
            return self.fail("too many members");
        }
        let (span, escaped) = self.string()?;
        let name = Name::new(self.text, span, escaped);
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon");
        }
        self.at += 1;
        self.space();
        Ok(name)
    }

    /// After an item: a comma (false) or the closing bracket (true).
    #[inline]
    fn closes(&mut self, bracket: u8) -> Result<bool, Error> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                self.space();
                Ok(false)
            }
            Some(found) if found == bracket => {
                self.at += 1;
                Ok(true)
            }
            _ => self.fail("expected a comma or a closing bracket"),
        }
    }

    fn array(&mut self) -> Result<(), Error> {
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
        Ok(())
    }

    fn value(&mut self) -> Result<(Span, Kind), Error> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => {
                let (span, escaped) = self.string()?;
                return Ok((span, if escaped { Kind::Escaped } else { Kind::Plain }));
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
        Ok((Span::new(start, self.at), kind))
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Error> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(kind)
    }

    #[inline]
    fn number(&mut self) -> Result<(), Error> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    #[inline]
    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail("expected a digit") } else { Ok(()) }
    }

    /// A string from its opening quote on: its span without quotes, and whether it has escapes.
    #[inline]
    fn string(&mut self) -> Result<(Span, bool), Error> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let span = Span::new(start, self.at);
                    self.at += 1;
                    return Ok((span, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(0..=0x1f) => return self.fail("control character in a string"),
                Some(_) => self.at += 1,
                None => return self.fail("string without an end"),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Error> {
        match escape_length(self.text.get(self.at..).unwrap_or_default()) {
            Ok(length) => self.at += length,
            Err(reason) => return self.fail(reason),
        }
        Ok(())
    }
}
