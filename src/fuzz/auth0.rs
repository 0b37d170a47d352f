//! Doors to what an Auth0 tenant says.

use serde_json::Value;

use super::{AUDIENCE, Entries, NOW, entry_rules};
use crate::background::auth0::bare;
use crate::clock::UnixTime;
use crate::revocation::entry::{Entry, EntryError};

/// A page of the log.
#[derive(Debug)]
pub struct Log {
    /// Its entries, as they are looked at.
    pub values: Vec<Value>,
}

impl Log {
    /// Reads a page; none where it is not taken in.
    pub fn read(body: &[u8]) -> Option<Self> {
        bare::log(body).map(|values| Self { values })
    }

    /// What a source with this one audience tells that knows nothing yet, and how many ends it cannot name; an error where
    /// something of that cannot be taken in.
    pub fn take(&self) -> Result<(Entries, u64), String> {
        let (news, unnamed) =
            bare::taken(&self.values, UnixTime::from_secs(NOW), AUDIENCE).ok_or("no page")?;
        let (rules, as_of) = (entry_rules(), UnixTime::from_secs(NOW));
        let checked: Result<Vec<_>, EntryError> =
            news.into_iter().map(|stated| Entry::check(stated.into_parts(), &rules, as_of)).collect();
        checked.map(|list| (Entries { as_of, list }, unnamed)).map_err(|error| error.to_string())
    }
}

/// A stream of events, read.
#[derive(Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "nobody but the targets sees it")]
pub struct Stream {
    /// Its messages.
    pub told: Vec<Told>,
    /// How many lines have ended.
    pub lines: u64,
    /// In milliseconds.
    pub retry: Option<u128>,
    /// Whether nothing has begun that has not ended.
    pub is_between: bool,
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "nobody but the targets sees it")]
pub struct Told {
    /// Its `event`.
    pub kind: String,
    /// Its `data`.
    pub data: String,
    /// The last `id`.
    pub id: Option<String>,
    /// Whether part of it is missing.
    pub damaged: bool,
    /// The claims of what it ends and up to when; nothing; or that this is unclear, with its time if that is known.
    pub meaning: Result<Option<(Vec<(String, String)>, i64)>, Option<i64>>,
}

/// Reads a stream that comes in pieces, with so much room for a message; and how many bytes were kept at most.
pub fn stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, room: usize) -> (Stream, usize) {
    let bare::Read { told, lines, retry, is_between, most } = bare::stream(pieces, room);
    let told = told.into_iter().map(|(message, meaning)| {
        let (kind, data, id, damaged) = (message.kind, message.data, message.id, message.damaged);
        Told { kind, data, id, damaged, meaning }
    });
    (Stream { told: told.collect(), lines, retry: retry.map(|retry| retry.as_millis()), is_between }, most)
}

/// The ids on a blacklist; none where it is not read.
pub fn blacklist(body: &[u8]) -> Option<Vec<String>> {
    bare::blacklist(body).map(|ids| ids.into_iter().map(String::from).collect())
}

/// The grants on these pages of a listing for [`AUDIENCE`], by id: client, audience and user. None where there are more
/// pages; the complaint in words where it is no listing.
pub fn listing(of_users: bool, pages: &[&[u8]]) -> Result<Option<Vec<[Option<String>; 4]>>, String> {
    bare::listing(of_users, AUDIENCE, pages)
}

/// What the cursor of a source becomes when it is read and written again.
pub fn cursor(text: &str) -> String {
    bare::cursor(text)
}

/// A date of the log or of events, in seconds.
pub fn read_date(text: &str) -> Option<i64> {
    bare::read_date(text)
}

/// A second as it is asked for.
pub fn write_date(second: i64) -> String {
    bare::write_date(second)
}
