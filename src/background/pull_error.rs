//! Why an answer of a source was not complete.

use std::time::Duration;

use super::auth0::Auth0Error;
use super::client_token::ClientTokenError;
use super::fetch::FetchError;
use super::list::ListError;
use super::page::PageError;
use super::signed::SignedError;
use super::source::SourceError;
use crate::limits;
use crate::revocation::NoRoom;
use crate::revocation::entry::EntryError;

/// In the words of health and logs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PullError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("the server answered {status}")]
    Status { status: u16, retry_after: Option<Duration> },
    #[error(transparent)]
    Page(#[from] PageError),
    #[error(transparent)]
    Signed(#[from] SignedError),
    #[error(transparent)]
    List(#[from] ListError),
    #[error("the source says: {0}")]
    Source(SourceError),
    #[error(transparent)]
    Auth0(#[from] Auth0Error),
    #[error("client credentials: {0}")]
    ClientToken(#[from] ClientTokenError),
    #[error("the feed speaks for `{0}`, not for this issuer")]
    OtherIssuer(String),
    #[error("a question for everything was answered with `full: false`")]
    NotFull,
    #[error("more than {} pages, or a page that leads back to itself", limits::FEED_PAGES)]
    Endless,
    #[error("the source did not answer in time")]
    TooLong,
    #[error("the feed asks again and again to start over")]
    Restless,
    #[error(
        "entry {place}: {error} ({count} such entries; ignore_unknown_entries would let the source be fresh without them)"
    )]
    Entry { place: usize, count: usize, error: EntryError },
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error("a 304 without a `Date` does not tell how old it is")]
    Undated,
    #[error("the answer could not be taken in: {0}")]
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
            Self::Status { status, .. } => matches!(status, 401 | 403 | 408 | 429 | 500..),
            Self::Source(_) | Self::Auth0(_) | Self::TooLong | Self::ClientToken(_) => true,
            _ => false,
        }
    }

    /// Whether as much was answered as one question may bring: the rest is asked for soon.
    pub(super) fn is_progress(&self) -> bool {
        matches!(self, Self::Auth0(error) if error.is_progress())
    }

    /// When the source wants to be asked again.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Status { status: 429 | 503, retry_after } => retry_after.unwrap_or_default(),
            Self::ClientToken(error) => error.retry_after(),
            Self::Auth0(error) => error.retry_after(),
            Self::Source(error) => error.retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}
