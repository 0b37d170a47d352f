//! Server-sent events (HTML Living Standard §9.2.6), read from bytes as they come, in bounded memory.

use std::time::Duration;

use memchr::memchr2;

use super::skim::Skim;
use crate::limits;

const BOM: &[u8] = b"\xef\xbb\xbf";
const DATA: &[u8] = b"data:";

/// What stood before an empty line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// The last `event`; empty where there was none.
    pub(crate) kind: String,
    /// All `data`, joined by line feeds.
    pub(crate) data: String,
    /// The last `id` of the stream so far.
    pub(crate) id: Option<String>,
    /// Part of it was too long or no UTF-8, so `kind` or `data` is not all that counts of what was said.
    pub(crate) damaged: bool,
}

/// Reads one stream. Its end may come anywhere: what has no empty line after it was not said.
#[derive(Debug)]
pub(crate) struct Parser {
    /// How much of a line, and of the data of a message, is kept, in bytes.
    room: usize,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    /// That line is data, too long to be kept, and only what counts of it is.
    skim: Option<Skim>,
    /// That line is too long to be kept.
    cut: bool,
    /// A line feed that comes next belongs to the line's end before it.
    after_return: bool,
    /// How many lines have ended.
    pub(crate) lines: u64,
    next: Message,
    /// The last valid `retry`.
    pub(crate) retry: Option<Duration>,
}

impl Default for Parser {
    fn default() -> Self {
        Self::with_room(limits::EVENT_BYTES)
    }
}

impl Parser {
    pub(crate) fn with_room(room: usize) -> Self {
        Self {
            room,
            line: Vec::new(),
            skim: None,
            cut: false,
            after_return: false,
            lines: 0,
            next: Message::default(),
            retry: None,
        }
    }

    /// Bytes that are kept of what has not ended.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn kept(&self) -> usize {
        self.line.capacity() + self.next.data.capacity() + self.next.kind.capacity()
    }

    /// Whether nothing has begun that has not ended.
    pub(crate) fn is_between(&self) -> bool {
        let Message { kind, data, damaged, .. } = &self.next;
        self.line.is_empty() && !self.cut && kind.is_empty() && data.is_empty() && !damaged
    }

    /// Reads what has come, and gives each message that ends in it to `told`.
    pub(crate) fn read(&mut self, mut bytes: &[u8], mut told: impl FnMut(Message)) {
        if bytes.is_empty() {
            return;
        }
        if std::mem::take(&mut self.after_return) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(at) = memchr2(b'\r', b'\n', bytes) {
            let (line, rest) = bytes.split_at(at);
            self.gather(line);
            let is_return = rest.first() == Some(&b'\r');
            bytes = rest.get(1..).unwrap_or_default();
            if is_return {
                self.after_return = bytes.is_empty();
                bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
            }
            if let Some(message) = self.end_line() {
                told(message);
            }
        }
        self.gather(bytes);
    }

    fn gather(&mut self, bytes: &[u8]) {
        if let Some(skim) = &mut self.skim {
            return skim.read(bytes, &mut self.line);
        }
        let (fits, rest) = bytes.split_at(bytes.len().min(self.room.saturating_sub(self.line.len())));
        self.line.extend_from_slice(fits);
        if rest.is_empty() {
            return;
        }
        // An object on several lines is left to whoever writes one so.
        let Some(data) = self.line.strip_prefix(DATA).filter(|_| self.next.data.is_empty()) else {
            self.cut = true;
            return;
        };
        let (mut skim, mut line) = (Skim::new(self.room), DATA.to_vec());
        skim.read(data, &mut line);
        skim.read(rest, &mut line);
        (self.line, self.skim) = (line, Some(skim));
    }

    fn end_line(&mut self) -> Option<Message> {
        let is_broken = self.skim.take().is_some_and(|skim| !skim.is_whole());
        let (mut line, cut) = (std::mem::take(&mut self.line), std::mem::take(&mut self.cut) || is_broken);
        self.lines = self.lines.saturating_add(1);
        if self.lines == 1 && line.starts_with(BOM) {
            line.drain(..BOM.len());
        }
        if line.is_empty() {
            return self.end_message();
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let value = std::str::from_utf8(value).ok().filter(|_| !cut);
        let next = &mut self.next;
        match (name, value) {
            (b"data", Some(value)) if next.data.len() + value.len() < self.room => {
                next.data.push_str(value);
                next.data.push('\n');
            }
            (b"event", Some(value)) => value.clone_into(&mut next.kind),
            (b"data", _) => next.damaged = true,
            (b"event", None) => {
                next.kind.clear();
                next.damaged = true;
            }
            (b"id", Some(value)) if !value.contains('\0') => next.id = Some(value.to_owned()),
            (b"retry", Some(value)) if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => {
                self.retry = value.parse().ok().map(Duration::from_millis).or(self.retry);
            }
            // Comments, and fields that nobody knows.
            _ => {}
        }
        // Long lines are rare: their room is not kept.
        if line.capacity() <= limits::EVENT_LINE_KEPT {
            line.clear();
            self.line = line;
        }
        None
    }

    /// What has no data is no message; its `id` is that of the next one.
    fn end_message(&mut self) -> Option<Message> {
        let id = self.next.id.clone();
        let mut message = std::mem::replace(&mut self.next, Message { id, ..Message::default() });
        let has_data = message.data.pop().is_some();
        (has_data || message.damaged).then_some(message)
    }
}

#[cfg(test)]
mod tests;
