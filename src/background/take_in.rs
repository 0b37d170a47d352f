//! Putting one page in force: what is valid of it, whatever else it says.

use super::fetch::FetchError;
use super::page::{Page, PageError};
use crate::clock::{Now, UnixTime};
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::redact::Shown;
use crate::revocation::NoRoom;
use crate::revocation::entry::{Entry, EntryError, EntryRules};

/// Why an answer was not complete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PullError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the feed answered {0}")]
    Status(u16),
    #[error(transparent)]
    Page(#[from] PageError),
    #[error("the feed speaks for `{0}`, not for this issuer")]
    OtherIssuer(String),
    #[error("a question for everything was answered with `full: false`")]
    NotFull,
    #[error("more than {} pages, or a page that leads back to itself", limits::FEED_PAGES)]
    Endless,
    #[error("the pages of one answer took too long")]
    TooLong,
    #[error("the feed asks again and again to start over")]
    Restless,
    #[error(
        "entry {place}: {error} ({count} such entries; ignore_unknown_entries would let the feed be fresh without them)"
    )]
    Entry { place: usize, count: usize, error: EntryError },
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("a 304 without a `Date` does not tell how old it is")]
    Undated,
    #[error("the page could not be taken in: {0}")]
    Lost(String),
}

impl PullError {
    /// Whether something was said that we did not take in: knowledge has a hole, not only an age.
    pub(super) fn is_flaw(&self) -> bool {
        matches!(self, Self::Entry { .. } | Self::NoRoom(_) | Self::Lost(_))
    }

    /// Whether nothing was said at all, so that the next question can go on where this one stood. A server that refuses a
    /// question may refuse it for its cursor.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            Self::Fetch(error) => matches!(error, FetchError::Timeout | FetchError::Connection(_)),
            Self::Status(status) => matches!(status, 401 | 403 | 408 | 429 | 500..),
            _ => false,
        }
    }
}

/// What a page said besides its entries, which are in force.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) as_of: UnixTime,
    pub(super) cursor: Option<String>,
    pub(super) full: bool,
    pub(super) more: bool,
    pub(super) resync: bool,
    /// Some entry had no end of its own.
    pub(super) open_ended: bool,
    /// The place of the first entry that was not understood, how many there were, and why.
    pub(super) bad: Option<(usize, usize, EntryError)>,
    pub(super) no_room: Option<NoRoom>,
}

/// Reads a page and applies it.
pub(super) fn take_in(
    body: Vec<u8>,
    issuer: &TrustedIssuer,
    rules: &EntryRules,
    now: Now,
) -> Result<Taken, PullError> {
    let page = Page::parse(body)?;
    let mut taken = Taken {
        as_of: page.as_of,
        cursor: page.cursor.clone(),
        full: page.full,
        more: page.more,
        resync: page.resync,
        open_ended: false,
        bad: None,
        no_room: None,
    };
    if page.resync {
        return Ok(taken);
    }
    if page.issuer != issuer.name.as_str() {
        return Err(PullError::OtherIssuer(Shown(&page.issuer).to_string()));
    }
    let mut entries = Vec::new();
    for (place, object) in page.entries().enumerate() {
        match object.ok_or(EntryError::NotAnObject).and_then(|object| Entry::read(&object, rules, page.as_of))
        {
            Ok(entry) => {
                taken.open_ended |= entry.open_ended;
                entries.push(entry);
            }
            Err(error) => taken.bad.get_or_insert((place, 0, error)).1 += 1,
        }
    }
    if let Some(revocations) = &issuer.revocations {
        taken.no_room = revocations.apply(&entries, page.as_of, now).err();
    }
    Ok(taken)
}
