//! A plain list of identifiers: its settings.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{ClientCredentials, Common, Credentials, Kind, SourceSettings};
use crate::policy::WhenStale;

/// A plain list of revoked identifiers, such as `jti`s, at a URL or in a file: one a line, or a JSON array of strings.
///
/// ```
/// use tower_bearer::List;
///
/// let list = List::new("https://tenant.example/revoked.txt").bearer("a token that may read it");
/// let sessions = List::file("/etc/api/revoked-sessions.txt").claim("sid");
/// ```
///
/// In text, blank lines and lines that begin with `#` are ignored. What looks like anything but a list (HTML, JSON of
/// another shape, control characters, a body of no bytes at all) is refused whole, and the list grows stale: a list that
/// is empty on purpose has a comment line, or is `[]`. A file should be replaced by renaming, so that nobody reads half
/// of it.
///
/// **Leaving an item out takes nothing back**: it stays in force until the issuer's `max_token_lifetime` after it was
/// last read from the list.
#[derive(Clone)]
#[must_use = "a source does nothing before it is given to `Builder::revocation`"]
pub struct List {
    place: Place,
    credentials: Credentials,
    claim: String,
    common: Common,
}

/// Where a list is.
#[derive(Clone)]
pub(crate) enum Place {
    Url(String),
    File(PathBuf),
}

common_settings!(List, 10, 60);
credential_settings!(List);

impl List {
    /// The list at `url`, which must be https (or loopback, where that is allowed). An `ETag` saves reading it again.
    pub fn new(url: impl Into<String>) -> Self {
        Self::at(Place::Url(url.into()))
    }

    /// The list in a file of this machine, read again each poll interval. Credentials have no meaning there. That whoever
    /// writes the file has stopped doing so is not seen here: a file that can be read counts as fresh.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::File(path.into()))
    }

    fn at(place: Place) -> Self {
        Self { place, credentials: Credentials::None, claim: "jti".to_owned(), common: Common::of(10, 60) }
    }

    /// The claim whose values are listed. They must be values that are never used again. Default `jti`.
    pub fn claim(mut self, claim: impl Into<String>) -> Self {
        self.claim = claim.into();
        self
    }
}

impl From<List> for SourceSettings {
    fn from(list: List) -> Self {
        let List { place, credentials, claim, mut common } = list;
        common.identifiers.push(claim.clone());
        Self { common, kind: Kind::List { place, credentials, claim } }
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("List");
        shown.field("place", &self.place).field("claim", &self.claim).finish_non_exhaustive()
    }
}

/// A URL may carry a key in the query, so that it is not shown.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => f.write_str(url.split(['?', '#']).next().unwrap_or_default()),
            Self::File(path) => path.fmt(f),
        }
    }
}
