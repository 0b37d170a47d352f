//! One pass over a JSON text: grammar, depth, duplicates, and the spans of the outermost members.

use smallvec::SmallVec;

use super::distinct::{Seen, has_repeated, is_repeated};
use super::member::{Error, Member, Name, Span};
use super::plain::is_simple;

mod leaf;

/// Members that take no allocation until it is known how many there are: more than most tokens have.
const USUAL: usize = 24;

/// What a pass finds.
pub(super) type Members = SmallVec<[Member; USUAL]>;

/// One pass. Each step is told where it begins and says where it ended, none where it failed: what changes all the time is
/// in registers.
pub(super) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    depth_left: usize,
    /// Members that one object may have.
    members: usize,
    /// Names of the inner objects that are open, innermost last.
    names: Vec<Name>,
    /// No string has an escape, as in most tokens, nor a control character.
    simple: bool,
    error: Error,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str, depth: usize, members: usize) -> Self {
        let simple = is_simple(text.as_bytes());
        Self { simple, ..Self::accepted(text, depth, members) }
    }

    fn accepted(text: &'a str, depth_left: usize, members: usize) -> Self {
        let error = Error { reason: "", at: 0 };
        Self { text, bytes: text.as_bytes(), depth_left, members, names: Vec::new(), simple: false, error }
    }

    /// The items of an array that was accepted before, and whether its text was found to be simple.
    pub(super) fn items(array: &'a str, simple: bool) -> impl Iterator<Item = Span> + use<'a> {
        let mut scanner = Self { simple, ..Self::accepted(array, usize::MAX, usize::MAX) };
        let mut behind = 1;
        std::iter::from_fn(move || {
            let (mut at, mut byte) = scanner.next(behind);
            if byte == b',' {
                (at, byte) = scanner.next(at + 1);
            }
            behind = scanner.value(at, byte)?;
            Some(Span::new(at, behind))
        })
    }

    /// Whether no string has an escape.
    pub(super) fn is_simple(&self) -> bool {
        self.simple
    }

    /// The whole text as one object: puts down its members, and tells the bits of their names.
    #[inline]
    pub(super) fn object_document(&mut self, members: &mut Members) -> Result<u64, Error> {
        if u32::try_from(self.bytes.len()).is_err() {
            return Err(Error { reason: "text too long", at: 0 });
        }
        self.document(members).ok_or(self.error)
    }

    #[inline]
    fn document(&mut self, members: &mut Members) -> Option<u64> {
        let (at, byte) = self.next(0);
        if byte != b'{' {
            return self.fail(at, "not an object");
        }
        let (end, names) = self.outermost(at, members)?;
        let (end, _) = self.next(end);
        if end == self.bytes.len() { Some(names) } else { self.fail(end, "text after the object") }
    }

    #[cold]
    fn fail<T>(&mut self, at: usize, reason: &'static str) -> Option<T> {
        self.error = Error { reason, at };
        None
    }

    /// The byte at a place; zero, which may stand nowhere, at the end.
    #[inline]
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or(0)
    }

    /// The next byte that is no space, and its place.
    #[inline]
    fn next(&self, mut at: usize) -> (usize, u8) {
        loop {
            let byte = self.byte(at);
            // Most of what is asked about is no space, which one look tells.
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return (at, byte);
            }
            at += 1;
        }
    }

    /// The first byte behind an opening bracket.
    #[inline]
    fn enter(&mut self, at: usize) -> Option<(usize, u8)> {
        let Some(left) = self.depth_left.checked_sub(1) else { return self.fail(at, "nested too deep") };
        self.depth_left = left;
        Some(self.next(at + 1))
    }

    /// After an item that ended there: where the next one begins; none after the closing bracket, with its end.
    #[inline]
    fn closes(&mut self, end: usize, bracket: u8) -> Option<Result<(usize, u8), usize>> {
        let (at, byte) = self.next(end);
        if byte == b',' {
            Some(Ok(self.next(at + 1)))
        } else if byte == bracket {
            Some(Err(at + 1))
        } else {
            self.fail(at, "expected a comma or a closing bracket")
        }
    }

    /// The outermost object, from its opening brace on: its end, and the bits of its names.
    #[inline]
    fn outermost(&mut self, at: usize, found: &mut Members) -> Option<(usize, u64)> {
        let (mut at, mut byte) = self.enter(at)?;
        if byte == b'}' {
            return Some((at + 1, 0));
        }
        let mut seen = Seen::default();
        let end = loop {
            let (name, behind) = self.name(at, byte, found.len())?;
            if seen.add(name) && is_repeated(name, found.iter().map(|member| member.name), self.text) {
                return self.fail(at, "duplicate member");
            }
            let (start, first) = self.colon(behind)?;
            let end = match first {
                b'"' => self.string(start)?,
                b'0'..=b'9' => self.number(start)?,
                _ => self.value(start, first)?,
            };
            found.push(Member { name, value: Span::new(start, end) });
            match self.closes(end, b'}')? {
                Ok(next) => (at, byte) = next,
                Err(end) => break end,
            }
        };
        let names = found.iter().map(|member| member.name);
        if seen.is_to_be_sorted(found.len()) && has_repeated(names, self.text) {
            return self.fail(end, "duplicate member");
        }
        Some((end, seen.names()))
    }

    /// Another object, from its opening brace on.
    fn object(&mut self, at: usize) -> Option<usize> {
        let (mut at, mut byte) = self.enter(at)?;
        let base = self.names.len();
        let mut seen = Seen::default();
        let end = loop {
            if byte == b'}' && self.names.len() == base {
                break at + 1;
            }
            let (name, behind) = self.name(at, byte, self.names.len() - base)?;
            let others = self.names.get(base..).unwrap_or_default();
            if seen.add(name) && is_repeated(name, others.iter().copied(), self.text) {
                return self.fail(at, "duplicate member");
            }
            self.names.push(name);
            let (start, first) = self.colon(behind)?;
            let end = self.value(start, first)?;
            match self.closes(end, b'}')? {
                Ok(next) => (at, byte) = next,
                Err(end) => break end,
            }
        };
        let names = self.names.get(base..).unwrap_or_default();
        if seen.is_to_be_sorted(names.len()) && has_repeated(names.iter().copied(), self.text) {
            return self.fail(end, "duplicate member");
        }
        self.names.truncate(base);
        self.depth_left += 1;
        Some(end)
    }

    /// What stands behind a name and its colon.
    #[inline]
    fn colon(&mut self, behind: usize) -> Option<(usize, u8)> {
        let (at, byte) = self.next(behind);
        if byte == b':' { Some(self.next(at + 1)) } else { self.fail(at, "expected a colon") }
    }

    /// An array, from its opening bracket on.
    fn array(&mut self, at: usize) -> Option<usize> {
        let (mut at, mut byte) = self.enter(at)?;
        let mut end = at + 1;
        if byte != b']' {
            loop {
                end = match byte {
                    b'"' => self.string(at)?,
                    _ => self.value(at, byte)?,
                };
                match self.closes(end, b']')? {
                    Ok(next) => (at, byte) = next,
                    Err(behind) => {
                        end = behind;
                        break;
                    }
                }
            }
        }
        self.depth_left += 1;
        Some(end)
    }

    /// A value that begins with that byte.
    fn value(&mut self, at: usize, first: u8) -> Option<usize> {
        match first {
            b'"' => self.string(at),
            b'-' | b'0'..=b'9' => self.number(at),
            b'[' => self.array(at),
            b'{' => self.object(at),
            b't' => self.word(at, b"true"),
            b'f' => self.word(at, b"false"),
            b'n' => self.word(at, b"null"),
            _ => self.fail(at, "expected a value"),
        }
    }
}
