//! One pass over a JSON text: grammar, depth, duplicates, and the spans of the outermost members.

use std::borrow::Cow;

use super::escape::{unescape, unicode_escape};
use super::member::{Error, Kind, Member, Span};

/// The state of one pass.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth_left: usize,
    /// Members that one object may have.
    members: usize,
    /// Names of the objects that are open, innermost last, as they read without escapes.
    names: Vec<Cow<'a, str>>,
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
    pub(crate) fn object_document(mut self) -> Result<Vec<Member>, Error> {
        if u32::try_from(self.bytes.len()).is_err() {
            return self.fail("text too long");
        }
        let mut members = Vec::with_capacity(16);
        self.names.reserve(16);
        self.space();
        if self.peek() != Some(b'{') {
            return self.fail("not an object");
        }
        self.object(Some(&mut members))?;
        self.space();
        if self.at == self.bytes.len() { Ok(members) } else { self.fail("text after the object") }
    }

    fn fail<T>(&self, reason: &'static str) -> Result<T, Error> {
        Err(Error { reason, at: self.at })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn enter(&mut self) -> Result<(), Error> {
        let Some(left) = self.depth_left.checked_sub(1) else { return self.fail("nested too deep") };
        self.depth_left = left;
        self.at += 1;
        self.space();
        Ok(())
    }

    /// An object, from its opening brace on. Its members are kept only where a list is given.
    fn object(&mut self, mut keep: Option<&mut Vec<Member>>) -> Result<(), Error> {
        self.enter()?;
        let base = self.names.len();
        if self.peek() == Some(b'}') {
            self.at += 1;
        } else {
            loop {
                let (name, name_escaped) = self.name(base)?;
                let (value, kind) = self.value()?;
                if let Some(members) = keep.as_deref_mut() {
                    members.push(Member::new((name, name_escaped), (value, kind)));
                }
                if self.closes(b'}')? {
                    break;
                }
            }
        }
        self.leave(base)?;
        self.depth_left += 1;
        Ok(())
    }

    /// Forgets the names of the object that ends, and refuses it if two of them are the same, whatever their spelling.
    /// Sorted once at the end: a stranger must not make us compare each with each.
    fn leave(&mut self, base: usize) -> Result<(), Error> {
        let names = self.names.get_mut(base..).unwrap_or_default();
        names.sort_unstable();
        if names.windows(2).any(|pair| matches!(pair, [one, other] if one == other)) {
            return self.fail("duplicate member");
        }
        self.names.truncate(base);
        Ok(())
    }

    /// A member's name and its colon.
    fn name(&mut self, base: usize) -> Result<(Span, bool), Error> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a member name");
        }
        if self.names.len() - base >= self.members {
            return self.fail("too many members");
        }
        let (span, escaped) = self.string()?;
        let raw = span.of(self.text);
        self.names.push(if escaped { Cow::Owned(unescape(raw)) } else { Cow::Borrowed(raw) });
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("expected a colon");
        }
        self.at += 1;
        self.space();
        Ok((span, escaped))
    }

    /// After an item: a comma (false) or the closing bracket (true).
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
                self.object(None)?;
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

    fn digits(&mut self) -> Result<(), Error> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail("expected a digit") } else { Ok(()) }
    }

    /// A string from its opening quote on: its span without quotes, and whether it has escapes.
    fn string(&mut self) -> Result<(Span, bool), Error> {
        self.at += 1;
        let start = self.at;
        let mut escaped = false;
        loop {
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
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 2,
            Some(b'u') => {
                let rest = self.text.get(self.at..).unwrap_or_default();
                let Some((_, length)) = unicode_escape(rest) else {
                    return self.fail("bad unicode escape");
                };
                self.at += length;
            }
            _ => return self.fail("bad escape"),
        }
        Ok(())
    }
}
