//! What an operator sees: how old our knowledge is, and what went wrong last.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::issuer::TrustedIssuer;
use crate::keys::{KeyRing, VerifyingKey};
use crate::redact::Shown;
use crate::request::Kept;
use crate::revocation::Revocations;
use crate::revocation::freshness::FreshnessState;

/// The state of a resource server at one moment. Serializes to JSON for a status page; ages are in seconds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// One for each issuer, in the order in which they were named.
    pub issuers: Vec<IssuerHealth>,
    /// What is remembered of tokens that were admitted.
    pub verdicts: VerdictsHealth,
}

/// The verdict cache: see [`Builder::verdict_cache`](crate::Builder::verdict_cache).
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct VerdictsHealth {
    /// Tokens.
    pub entries: u64,
    /// Bytes that they take, about.
    pub bytes: u64,
}

/// The state of one issuer.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct IssuerHealth {
    /// The issuer.
    pub issuer: String,
    /// Its keys.
    pub keys: KeysHealth,
    /// Where its revocations come from; empty where the operator chose to do without.
    pub feeds: Vec<FeedHealth>,
}

/// The state of an issuer's keys.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeysHealth {
    /// Whether tokens can be verified now.
    pub usable: bool,
    /// Seconds since the issuer last confirmed them; none before the first time.
    pub age: Option<f64>,
    /// Seconds until they are asked for again; none for keys that were given.
    pub next_refresh: Option<f64>,
    /// The keys in use.
    pub keys: Vec<KeyHealth>,
    /// Members of the set that are not used, and why.
    pub left_out: Vec<String>,
    /// What went wrong with the last fetch.
    pub last_error: Option<String>,
}

/// One key.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyHealth {
    /// Its id, escaped and cut short.
    pub kid: Option<String>,
    /// What it verifies.
    pub algorithms: Vec<&'static str>,
}

/// The state of an issuer's revocation feed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FeedHealth {
    /// Its URL, without the query.
    pub source: String,
    /// Whether requests are served now on routes that do not choose themselves what a stale feed means.
    pub usable: bool,
    /// What the age means.
    pub state: FreshnessState,
    /// Seconds since the last complete answer; none before the first.
    pub age: Option<f64>,
    /// Revoked identifiers in force, about.
    pub identifiers: u64,
    /// Cut-offs in force.
    pub cut_offs: u64,
    /// Entries that were not understood and ignored by choice; each may be a revocation that is not in force.
    pub ignored: u64,
    /// What went wrong with the last attempt.
    pub last_error: Option<String>,
}

impl Health {
    pub(super) fn of(issuers: &[Arc<TrustedIssuer>], kept: Kept, uptime: Duration) -> Self {
        let issuer = |issuer: &Arc<TrustedIssuer>| IssuerHealth {
            issuer: issuer.name.to_string(),
            keys: KeysHealth::of(&issuer.keys, uptime),
            feeds: issuer.revocations.iter().map(|revocations| FeedHealth::of(revocations, uptime)).collect(),
        };
        let verdicts = VerdictsHealth { entries: kept.entries, bytes: kept.bytes };
        Self { issuers: issuers.iter().map(issuer).collect(), verdicts }
    }

    /// Whether every issuer's tokens can be judged now: its keys and its feed are usable.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(|issuer| issuer.keys.usable && issuer.feeds.iter().all(|feed| feed.usable))
    }
}

impl KeysHealth {
    fn of(ring: &KeyRing, uptime: Duration) -> Self {
        let set = ring.snapshot();
        let left_out = set.odd().iter().map(|odd| match &odd.kid {
            Some(kid) => format!("{}: {}", Shown(kid), odd.error),
            None => odd.error.to_string(),
        });
        Self {
            usable: ring.current(uptime).is_some(),
            age: ring.age(uptime).map(|age| age.as_secs_f64()),
            next_refresh: ring.next_refresh(uptime).map(|left| left.as_secs_f64()),
            keys: set.keys().iter().map(KeyHealth::of).collect(),
            left_out: left_out.collect(),
            last_error: ring.trouble(),
        }
    }
}

impl KeyHealth {
    fn of(key: &VerifyingKey) -> Self {
        Self {
            kid: key.kid().map(|kid| Shown(kid).to_string()),
            algorithms: key.algorithms().map(|algorithm| algorithm.name()).collect(),
        }
    }
}

impl FeedHealth {
    fn of(revocations: &Revocations, uptime: Duration) -> Self {
        let (identifiers, cut_offs) = revocations.count();
        Self {
            source: revocations.source.clone(),
            usable: revocations.freshness.suffices(uptime, None).is_ok(),
            state: revocations.freshness.state(uptime),
            age: revocations.freshness.age(uptime).map(|age| age.as_secs_f64()),
            identifiers,
            cut_offs,
            ignored: revocations.freshness.ignored(),
            last_error: revocations.freshness.trouble(),
        }
    }
}
