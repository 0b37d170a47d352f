//! The native feed: its settings (docs/revocation-feed.md).

use std::fmt;
use std::time::Duration;

use super::{ClientCredentials, Common, Credentials, Kind, SourceSettings};
use crate::policy::WhenStale;

/// A revocation feed of an authorization server, polled in the background.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::{ClientCredentials, Feed};
///
/// let feed = Feed::new("https://tenant.example/revocations")
///     .client_credentials(ClientCredentials::new("calendar-api", "its secret").audience("https://tenant.example/feed"))
///     .long_poll(Duration::from_secs(25))
///     .max_staleness(Duration::from_secs(35));
/// ```
#[derive(Clone)]
#[must_use = "a source does nothing before it is given to `Builder::revocation`"]
pub struct Feed {
    url: String,
    credentials: Credentials,
    long_poll: Option<Duration>,
    signed: bool,
    common: Common,
}

common_settings!(Feed, 1, 30);
entry_settings!(Feed);
credential_settings!(Feed);

impl Feed {
    /// The feed at `url`, which must be https (or loopback, where that is allowed).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            credentials: Credentials::None,
            long_poll: None,
            signed: false,
            common: Common::of(1, 30),
        }
    }

    /// Lets the server hold each question for so long while there is nothing new (`wait`, whole seconds, 1 s to 60 s): a
    /// revocation is then refused one round trip after it was made. `max_staleness` must be at least 5 s longer. A server
    /// that does not hold questions is asked each `poll_interval`. Default: questions are answered at once.
    pub fn long_poll(mut self, wait: Duration) -> Self {
        self.long_poll = Some(wait);
        self
    }

    /// Demands pages that the issuer has signed with its keys (`application/revocation-feed+jwt`); others are refused. For
    /// feeds that come through somebody who is not trusted as much as the issuer. Default: TLS vouches for the pages.
    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }
}

impl From<Feed> for SourceSettings {
    fn from(feed: Feed) -> Self {
        let Feed { url, credentials, long_poll, signed, common } = feed;
        Self { common, kind: Kind::Feed { url, credentials, long_poll, signed } }
    }
}

/// Its URL may carry a key in the query, so that it is not shown.
impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("Feed").field("url", &url).field("common", &self.common).finish_non_exhaustive()
    }
}
