//! The tenant's events, which the stream of them is read from.

use serde_json::{Value, json};

use super::date::rfc3339;
use super::encoding::random_id;
use crate::clock::UnixTime;

/// What happened, and its place in the stream.
#[derive(Clone)]
pub(super) struct Event {
    pub(super) number: u64,
    pub(super) kind: String,
    pub(super) time: String,
    pub(super) body: Value,
}

/// Events by number, from one on.
#[derive(Default)]
pub(super) struct Events {
    kept: Vec<Event>,
    last: u64,
    /// Cursors below this one are too old.
    oldest: u64,
    /// How often the open streams were ended, and with which code last.
    pub(super) ended: (u64, String),
}

/// Why a cursor cannot be gone on from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CursorError {
    /// It was never given out.
    Invalid,
    /// What came after it is no longer kept.
    Expired,
}

impl CursorError {
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Invalid => "invalid_cursor",
            Self::Expired => "cursor_expired",
        }
    }
}

/// An offset, as text that means nothing to clients.
pub(super) fn offset(number: u64) -> String {
    format!("e{number:016x}")
}

impl Events {
    /// Appends an event about `object`.
    pub(super) fn add(&mut self, kind: &str, object: &Value, source: &str, now: UnixTime) {
        self.last += 1;
        let time = rfc3339(now);
        let event = json!({
            "specversion": "1.0", "type": kind, "source": source, "id": format!("evt_{}", random_id()),
            "time": time, "data": { "object": object },
        });
        let body = json!({ "offset": offset(self.last), "event": event });
        self.kept.push(Event { number: self.last, kind: kind.to_owned(), time, body });
    }

    /// Where a stream that is to show only what is new begins.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The place before the first event that is kept and not older than `time`.
    pub(super) fn before(&self, time: &str) -> u64 {
        let first = self.kept.iter().find(|event| event.time.as_str() >= time);
        first.map_or(self.last, |event| event.number - 1)
    }

    /// The place that an offset stands for.
    pub(super) fn place(&self, offset_text: &str) -> Result<u64, CursorError> {
        let number = offset_text.strip_prefix('e').and_then(|hex| u64::from_str_radix(hex, 16).ok());
        let known = number.filter(|number| *number <= self.last && offset(*number) == offset_text);
        let number = known.ok_or(CursorError::Invalid)?;
        if number < self.oldest { Err(CursorError::Expired) } else { Ok(number) }
    }

    /// Everything after `place`.
    pub(super) fn after(&self, place: u64) -> Result<Vec<Event>, CursorError> {
        if place < self.oldest {
            return Err(CursorError::Expired);
        }
        Ok(self.kept.iter().filter(|event| event.number > place).cloned().collect())
    }

    /// Forgets all events; every offset before the last one is too old from now on.
    pub(super) fn expire(&mut self) {
        self.kept.clear();
        // The last offset too: a stream that stands there may have missed nothing, but cannot know.
        self.last += 1;
        self.oldest = self.last;
    }
}
