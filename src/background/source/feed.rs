//! The native feed: its settings (docs/revocation-feed.md).

use std::fmt;
use std::time::Duration;

use base64_simd::STANDARD;

use crate::policy::WhenStale;
use crate::redact::Secret;

/// A revocation feed of an authorization server, polled in the background.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::Feed;
///
/// let feed = Feed::new("https://tenant.example/revocations")
///     .bearer("a token that may read the feed")
///     .poll_interval(Duration::from_secs(1))
///     .max_staleness(Duration::from_secs(30));
/// ```
#[derive(Clone)]
pub struct Feed {
    pub(crate) url: String,
    pub(crate) poll_interval: Duration,
    pub(crate) max_staleness: Duration,
    pub(crate) expires_after: Duration,
    pub(crate) when_stale: WhenStale,
    pub(crate) authorization: Option<Secret>,
    pub(crate) identifiers: Vec<String>,
    pub(crate) claims: Vec<String>,
    pub(crate) ignore_unknown_entries: bool,
}

/// Its URL may carry a key in the query, so that it is not shown.
impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("Feed")
            .field("url", &url)
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}

impl Feed {
    /// The feed at `url`, which must be https (or loopback, where that is allowed).
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            poll_interval: Duration::from_secs(1),
            max_staleness: Duration::from_secs(30),
            expires_after: Duration::from_secs(3600),
            when_stale: WhenStale::Refuse,
            authorization: None,
            identifiers: Vec::new(),
            claims: Vec::new(),
            ignore_unknown_entries: false,
        }
    }

    /// Time from one question to the next. While questions are answered, a revocation is refused at the latest this long
    /// after it was made, plus one round trip; otherwise `max_staleness` is the bound. Default 1 s.
    #[must_use]
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The age of the last complete answer from which the feed counts as stale. Default 30 s.
    #[must_use]
    pub fn max_staleness(mut self, age: Duration) -> Self {
        self.max_staleness = age;
        self
    }

    /// The age from which even a route that admits on stale news refuses. Default 1 h; at least `max_staleness`.
    #[must_use]
    pub fn expires_after(mut self, age: Duration) -> Self {
        self.expires_after = age;
        self
    }

    /// What a stale feed means for routes that do not say themselves. Default [`WhenStale::Refuse`].
    #[must_use]
    pub fn when_stale(mut self, choice: WhenStale) -> Self {
        self.when_stale = choice;
        self
    }

    /// The bearer token with which the feed is asked.
    #[must_use]
    pub fn bearer(mut self, token: impl AsRef<str>) -> Self {
        self.authorization = Some(Secret::new(format!("Bearer {}", token.as_ref()).into_bytes()));
        self
    }

    /// The user and password with which the feed is asked (RFC 7617).
    #[must_use]
    pub fn basic(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        let pair = format!("{}:{}", user.as_ref(), password.as_ref());
        let value = format!("Basic {}", STANDARD.encode_to_string(pair));
        self.authorization = Some(Secret::new(value.into_bytes()));
        self
    }

    /// A claim whose values are never used again, besides `jti`, `sid`, `grant_id`, `origin_jti` and `uti`: an entry
    /// may name it without `issued_before`.
    #[must_use]
    pub fn identifier(mut self, claim: impl Into<String>) -> Self {
        self.identifiers.push(claim.into());
        self
    }

    /// A claim that cut-offs may name, besides `sub`, `client_id`, `aud`, `tid`, `oid`, `org_id`, `session_state`,
    /// `session_id`, `username` and the identifiers. An entry that names another is not understood: it would silently
    /// match no token.
    #[must_use]
    pub fn claim(mut self, claim: impl Into<String>) -> Self {
        self.claims.push(claim.into());
        self
    }

    /// Lets the feed stay fresh although it holds entries that this version does not understand. They are counted in
    /// health, and each may be a revocation that is not in force here. Default: such a feed is not fresh.
    #[must_use]
    pub fn ignore_unknown_entries(mut self) -> Self {
        self.ignore_unknown_entries = true;
        self
    }
}
