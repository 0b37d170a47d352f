//! The stream of events without its connection.

use std::time::Duration;

use super::meaning::{self, Meaning};
use super::sse::{Message, Parser};

/// A message and what it means: the claims of what it ends and up to when, `Ok(None)` for nothing, or an error where that is
/// unclear, with its time if that is known, or where the stream is over.
pub(crate) type Told = (Message, Result<Option<Ends>, Option<i64>>);

type Ends = (Vec<(String, String)>, i64);

/// What has been read, and how: messages, lines, retry, whether something has begun, and the most that was kept.
pub(crate) struct Read {
    pub(crate) told: Vec<Told>,
    pub(crate) lines: u64,
    pub(crate) retry: Option<Duration>,
    pub(crate) is_between: bool,
    pub(crate) most: usize,
}

/// Reads a stream that comes in pieces.
pub(crate) fn stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> Read {
    let (mut parser, mut messages, mut most) = (Parser::with_room(room), Vec::new(), 0);
    for piece in pieces {
        parser.read(piece, |message| messages.push(message));
        most = most.max(parser.kept());
    }
    let told = messages.into_iter().map(|message| {
        let meaning = match meaning::of(&message) {
            Meaning::Nothing => Ok(None),
            Meaning::Ends { claims, at } => {
                let claims = claims.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                Ok(Some((claims, at.as_secs())))
            }
            Meaning::Unclear { at, .. } => Err(at.map(|at| at.as_secs())),
            Meaning::Over(_) => Err(None),
        };
        (message, meaning)
    });
    let told = told.collect();
    Read { told, lines: parser.lines, retry: parser.retry, is_between: parser.is_between(), most }
}
