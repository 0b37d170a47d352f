//! Where revocations come from: the kinds of source, and the settings that they share.

use std::path::PathBuf;
use std::time::Duration;

use crate::policy::WhenStale;

/// Settings of every kind of source.
macro_rules! common_settings {
    ($kind:ident, $interval:literal, $staleness:literal) => {
        impl $kind {
            /// Time from one question to the next. While questions are answered, a revocation is refused at the latest this
            /// long after it was made, plus one round trip; otherwise `max_staleness` is the bound.
            #[doc = concat!("Default ", $interval, " s.")]
            pub fn poll_interval(mut self, interval: Duration) -> Self {
                self.common.poll_interval = interval;
                self
            }

            /// The age of the last complete answer from which the source counts as stale, at least three poll intervals.
            #[doc = concat!("Default ", $staleness, " s.")]
            pub fn max_staleness(mut self, age: Duration) -> Self {
                self.common.max_staleness = age;
                self
            }

            /// The age from which even a route that admits on stale news refuses. Default 1 h; at least `max_staleness`.
            pub fn expires_after(mut self, age: Duration) -> Self {
                self.common.expires_after = age;
                self
            }

            /// What a stale source means for routes that do not say themselves. Default [`WhenStale::Refuse`].
            pub fn when_stale(mut self, choice: WhenStale) -> Self {
                self.common.when_stale = choice;
                self
            }

            /// Keeps what this source has revoked in a file, with `.journal`, `.lock` and `.new` beside it: after a restart
            /// whatever was refused before is refused, also while the source cannot be asked, and requests are judged by
            /// what is there for as long as it is younger than `max_staleness`. Each source needs a path of its own. Of
            /// several processes on one path one writes; the others only read, at their start. Default: nothing is kept,
            /// and nobody is admitted after a restart before the source has answered.
            pub fn snapshot(mut self, path: impl Into<std::path::PathBuf>) -> Self {
                self.common.snapshot = Some(path.into());
                self
            }

            /// Tries the source out: what it would refuse, as revoked or for being stale, is counted in health and logged, and
            /// nothing is refused for it. Start does not wait for it to succeed. Default: it refuses.
            pub fn dry_run(mut self) -> Self {
                self.common.dry_run = true;
                self
            }
        }
    };
}

/// Settings of sources whose entries name claims.
macro_rules! entry_settings {
    ($kind:ident) => {
        impl $kind {
            /// A claim whose values are never used again, besides `jti`, `sid`, `grant_id`, `origin_jti` and `uti`: an entry
            /// may name it without a cut-off.
            pub fn identifier(mut self, claim: impl Into<String>) -> Self {
                self.common.identifiers.push(claim.into());
                self
            }

            /// A claim that cut-offs may name, besides `sub`, `client_id`, `aud`, `tid`, `oid`, `org_id`, `session_state`,
            /// `session_id`, `username` and the identifiers. An entry that names another is not understood: it would silently
            /// match no token.
            pub fn claim(mut self, claim: impl Into<String>) -> Self {
                self.common.claims.push(claim.into());
                self
            }

            /// Lets the source stay fresh although it holds entries that are not understood here. They are counted in health,
            /// and each may be a revocation that is not in force. Default: such a source is not fresh.
            pub fn ignore_unknown_entries(mut self) -> Self {
                self.common.ignore_unknown_entries = true;
                self
            }
        }
    };
}

/// Settings of sources that are asked over HTTP.
macro_rules! credential_settings {
    ($kind:ident) => {
        impl $kind {
            /// The bearer token with which the source is asked. The last word on credentials counts.
            pub fn bearer(mut self, token: impl AsRef<str>) -> Self {
                self.credentials = Credentials::bearer(token.as_ref());
                self
            }

            /// The user and password with which the source is asked (RFC 7617).
            pub fn basic(mut self, user: impl AsRef<str>, password: impl AsRef<str>) -> Self {
                self.credentials = Credentials::basic(user.as_ref(), password.as_ref());
                self
            }

            /// The client as which the source is asked: its token is fetched from the issuer's token endpoint, and renewed
            /// before it ends and where the source refuses it.
            pub fn client_credentials(mut self, client: ClientCredentials) -> Self {
                self.credentials = Credentials::Client(client);
                self
            }
        }
    };
}

mod auth0;
mod credentials;
mod feed;
mod list;
mod polled;

pub use auth0::Auth0;
pub(crate) use auth0::Parts;
pub use credentials::ClientCredentials;
pub(crate) use credentials::Credentials;
pub use feed::Feed;
pub use list::List;
pub(crate) use list::Place;
pub(crate) use polled::Shared;
pub use polled::{Polled, Pulled, RevocationSource, SourceError};

/// A source with its settings, as [`Builder::revocation`](crate::Builder::revocation) takes it: made from a [`Feed`], a
/// [`List`], an [`Auth0`] or a [`Polled`].
#[derive(Clone, Debug)]
pub struct SourceSettings {
    pub(crate) common: Common,
    pub(crate) kind: Kind,
}

/// What differs.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Feed { url: String, credentials: Credentials, long_poll: Option<Duration>, signed: bool },
    List { place: Place, credentials: Credentials, claim: String },
    Auth0(Auth0),
    Polled(Polled),
}

/// What sources share.
#[derive(Clone, Debug)]
pub(crate) struct Common {
    pub(crate) poll_interval: Duration,
    pub(crate) max_staleness: Duration,
    pub(crate) expires_after: Duration,
    pub(crate) when_stale: WhenStale,
    pub(crate) dry_run: bool,
    pub(crate) identifiers: Vec<String>,
    pub(crate) claims: Vec<String>,
    pub(crate) ignore_unknown_entries: bool,
    pub(crate) snapshot: Option<PathBuf>,
}

impl Common {
    /// In seconds.
    const fn of(poll_interval: u64, max_staleness: u64) -> Self {
        Self {
            poll_interval: Duration::from_secs(poll_interval),
            max_staleness: Duration::from_secs(max_staleness),
            expires_after: Duration::from_secs(3600),
            when_stale: WhenStale::Refuse,
            dry_run: false,
            identifiers: Vec::new(),
            claims: Vec::new(),
            ignore_unknown_entries: false,
            snapshot: None,
        }
    }
}

impl SourceSettings {
    /// Where it is asked; none where that is no URL.
    pub(crate) fn url(&self) -> Option<&str> {
        match &self.kind {
            Kind::Feed { url, .. } | Kind::List { place: Place::Url(url), .. } => Some(url),
            Kind::Auth0(auth0) => Some(&auth0.base),
            Kind::List { .. } | Kind::Polled(_) => None,
        }
    }

    /// Where its token comes from, if the operator has said so.
    pub(crate) fn token_endpoint(&self) -> Option<&str> {
        match &self.kind {
            Kind::Feed { credentials, .. } | Kind::List { credentials, .. } => credentials.token_endpoint(),
            Kind::Auth0(auth0) => auth0.client.token_endpoint.as_deref(),
            Kind::Polled(_) => None,
        }
    }

    /// The URLs that the operator has given.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.url().into_iter().chain(self.token_endpoint())
    }

    /// The same.
    pub(crate) fn urls_mut(&mut self) -> impl Iterator<Item = &mut String> {
        let (url, credentials) = match &mut self.kind {
            Kind::Feed { url, credentials, .. } | Kind::List { place: Place::Url(url), credentials, .. } => {
                (Some(url), Some(credentials))
            }
            Kind::List { credentials, .. } => (None, Some(credentials)),
            // Not for tenants.
            Kind::Auth0(_) | Kind::Polled(_) => (None, None),
        };
        url.into_iter().chain(credentials.and_then(Credentials::token_endpoint_mut))
    }
}
