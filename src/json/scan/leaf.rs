//! Values that hold no others: words, numbers and strings.

use super::super::escape::escape_length;
use super::super::member::{Kind, Span};
use super::super::plain::{plain, until_quote};
use super::Scanner;

/// A string without its quotes, and whether it has escapes.
pub(super) struct Text {
    pub(super) span: Span,
    pub(super) escaped: bool,
}

impl Scanner<'_> {
    pub(super) fn word(&mut self, word: &[u8], kind: Kind) -> Option<Kind> {
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Some(kind)
    }

    #[inline]
    pub(super) fn number(&mut self) -> Option<()> {
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
        Some(())
    }

    #[inline]
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { self.fail("expected a digit") } else { Some(()) }
    }

    /// A string from its opening quote on: its span without quotes, and whether it has escapes.
    #[inline]
    pub(super) fn string(&mut self) -> Option<Text> {
        self.at += 1;
        let start = self.at;
        if self.simple {
            let Some(length) = until_quote(self.bytes.get(start..).unwrap_or_default()) else {
                self.at = self.bytes.len();
                return self.fail("string without an end");
            };
            let end = start + length;
            self.at = end + 1;
            return Some(Text { span: Span::new(start, end), escaped: false });
        }
        let mut escaped = false;
        loop {
            self.at += plain(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    let span = Span::new(start, self.at);
                    self.at += 1;
                    return Some(Text { span, escaped });
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

    fn escape(&mut self) -> Option<()> {
        match escape_length(self.text.get(self.at..).unwrap_or_default()) {
            Ok(length) => self.at += length,
            Err(reason) => return self.fail(reason),
        }
        Some(())
    }
}
