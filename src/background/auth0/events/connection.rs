//! One connection of the stream, and its end.

use std::time::Duration;

use super::sse::Parser;
use super::{Auth0Error, NAME};
use crate::clock::UnixTime;
use crate::limits;
use crate::redact::Shown;

/// A connection that stands.
pub(super) struct Open {
    pub(super) parser: Parser,
    /// The server's time, and the uptime at which it was asked.
    made: UnixTime,
    asked: Duration,
    /// The uptime of the last sign of life, or of the beginning.
    pub(super) seen: Duration,
    /// Nothing from before it was opened is still to come.
    pub(super) settled: bool,
}

/// Why the stream is not open any more.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As they do every few minutes.
    Usual,
    /// Its place is too old, or not known there.
    Lost,
    Failed(Auth0Error),
}

impl Open {
    pub(super) fn new(made: UnixTime, asked: Duration, seen: Duration, settled: bool) -> Self {
        Self { parser: Parser::default(), made, asked, seen, settled }
    }

    /// The server's time now, as far as can be told: not earlier than it is.
    pub(super) fn server_now(&self, uptime: Duration) -> UnixTime {
        self.made.plus(uptime.saturating_sub(self.asked)).plus(Duration::from_secs(1))
    }

    /// Whether a pause would show that everything has come that was missed: a stream that is gone on with tells that first,
    /// and at once.
    pub(super) fn may_settle(&self) -> bool {
        !self.settled && self.parser.lines > 0 && self.parser.is_between()
    }

    /// A stream that ends before it has told what was missed is of no use.
    pub(super) fn closed(&self, end: End) -> End {
        match end {
            End::Usual if !self.settled => End::Failed(Auth0Error::Ended { call: NAME, code: String::new() }),
            end => end,
        }
    }
}

impl End {
    /// By the code of the stream's own last word.
    pub(super) fn of(code: &str) -> Self {
        match code {
            "connection_timeout" | "timeout" => Self::Usual,
            "invalid_cursor" | "cursor_expired" => Self::Lost,
            _ => Self::Failed(Auth0Error::Ended { call: NAME, code: Shown(code).to_string() }),
        }
    }
}

/// Whether an `id` can be sent back.
pub(super) fn is_offset(id: &str) -> bool {
    (1..=limits::EVENT_OFFSET_BYTES).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_what_a_header_can_hold() {
        let long = "x".repeat(limits::EVENT_OFFSET_BYTES);
        for (id, expected) in [("e1", true), ("MTIz==", true), (&*long, true), ("", false), ("a b", false)] {
            assert_eq!(is_offset(id), expected, "{id}");
        }
        for id in ["é", "a\tb", "a\u{7f}", &format!("{long}x")] {
            assert!(!is_offset(id), "{id}");
        }
    }

    #[test]
    fn ends_are_told_apart_by_their_codes() {
        let failed = |code: &str| End::Failed(Auth0Error::Ended { call: NAME, code: code.to_owned() });
        for (code, expected) in [
            ("connection_timeout", End::Usual),
            ("timeout", End::Usual),
            ("invalid_cursor", End::Lost),
            ("cursor_expired", End::Lost),
            ("processing_error", failed("processing_error")),
            ("", failed("")),
            ("a\nb", failed("a\\nb")),
        ] {
            assert_eq!(End::of(code), expected, "{code}");
        }
    }
}
