//! What holds no other values: words, numbers, strings and names.

use super::super::escape::escape_length;
use super::super::member::{Mark, Name, Span};
use super::super::plain::{plain, quote};
use super::Scanner;

impl Scanner<'_> {
    pub(super) fn word(&mut self, at: usize, word: &[u8]) -> Option<usize> {
        if !self.bytes.get(at..).unwrap_or_default().starts_with(word) {
            return self.fail(at, "expected a value");
        }
        Some(at + word.len())
    }

    #[inline]
    pub(super) fn number(&mut self, mut at: usize) -> Option<usize> {
        if self.byte(at) == b'-' {
            at += 1;
        }
        at = if self.byte(at) == b'0' { at + 1 } else { self.digits(at)? };
        if self.byte(at) == b'.' {
            at = self.digits(at + 1)?;
        }
        if matches!(self.byte(at), b'e' | b'E') {
            at += 1;
            if matches!(self.byte(at), b'+' | b'-') {
                at += 1;
            }
            at = self.digits(at)?;
        }
        Some(at)
    }

    #[inline]
    fn digits(&mut self, start: usize) -> Option<usize> {
        let rest = self.bytes.get(start..).unwrap_or_default();
        let all = |chunk: &[u8; 8]| chunk.iter().fold(true, |all, byte| all & byte.is_ascii_digit());
        // Most numbers are dates: eight digits at once, and a few more.
        let sure = if rest.first_chunk().is_some_and(all) { 8 } else { 0 };
        let more = rest.get(sure..).unwrap_or_default();
        let count = sure + more.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(more.len());
        if count == 0 { self.fail(start, "expected a digit") } else { Some(start + count) }
    }

    /// A string from its opening quote on: what is behind its closing one.
    #[inline]
    pub(super) fn string(&mut self, at: usize) -> Option<usize> {
        if !self.simple {
            return self.any_string(at).map(|(end, _)| end);
        }
        match quote(self.bytes, at + 1) {
            Some(end) => Some(end + 1),
            None => self.fail(self.bytes.len(), "string without an end"),
        }
    }

    /// The same of strings that may have escapes, and whether they have.
    #[inline(never)]
    fn any_string(&mut self, at: usize) -> Option<(usize, bool)> {
        let mut at = at + 1;
        let mut escaped = false;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let plain = plain(rest.as_bytes());
            at += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => return Some((at + 1, escaped)),
                Some(b'\\') => match escape_length(rest.get(plain..).unwrap_or_default()) {
                    Ok(length) => at += length,
                    Err(reason) => return self.fail(at, reason),
                },
                Some(_) => return self.fail(at, "control character in a string"),
                None => return self.fail(at, "string without an end"),
            }
            escaped = true;
        }
    }

    /// A member's name, after so many others, and what is behind it.
    #[inline(always)]
    pub(super) fn name(&mut self, at: usize, first: u8, before: usize) -> Option<(Name, usize)> {
        if first != b'"' {
            return self.fail(at, "expected a member name");
        }
        if before >= self.members {
            return self.fail(at, "too many members");
        }
        let start = at + 1;
        if self.simple {
            let Some((mark, end)) = Mark::until_quote(self.bytes, start) else {
                return self.fail(self.bytes.len(), "string without an end");
            };
            return Some((Name::new(Span::new(start, end), mark), end + 1));
        }
        let (end, escaped) = self.any_string(at)?;
        let mark = if escaped {
            Mark::ESCAPED
        } else {
            Mark::of(self.bytes.get(start..end - 1).unwrap_or_default())
        };
        Some((Name::new(Span::new(start, end - 1), mark), end))
    }
}
