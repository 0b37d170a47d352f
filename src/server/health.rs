//! What an operator sees: how old our knowledge is, and what went wrong last.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::background::tenancy::{Count, Tenancy};
use crate::issuer::TrustedIssuer;
use crate::keys::{KeyRing, VerifyingKey};
use crate::redact::Shown;
use crate::request::Kept;
use crate::revocation::Revocations;
use crate::revocation::dry_run::DryRun;
use crate::revocation::freshness::FreshnessState;
use crate::revocation::on_disk::OnDisk;

/// The state of a resource server at one moment. Serializes to JSON for a status page; ages are in seconds.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// One for each issuer, in the order in which they were named.
    pub issuers: Vec<IssuerHealth>,
    /// One for each [`Builder::tenants`](crate::Builder::tenants), in the order in which they were given. Whether a resource
    /// server is ready does not depend on them.
    pub tenants: Vec<TenantsHealth>,
    /// What is remembered of tokens that were admitted.
    pub verdicts: VerdictsHealth,
}

/// The state of tenants under one pattern or list.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TenantsHealth {
    /// The pattern, or the list in short.
    pub tenants: String,
    /// Tenants that have signed a token for us.
    pub known: usize,
    /// Tenants of which a token has come, but none that is signed with their keys: they may be made up.
    pub on_probation: usize,
    /// Tenants that were idle for long, and of which only revocations are left that are in force.
    pub dormant: usize,
    /// The most there may be of all three together.
    pub limit: usize,
    /// Why the last tenant was turned away; none as soon as one is taken in.
    pub last_error: Option<String>,
    /// Those that are known or on probation, by name.
    pub issuers: Vec<IssuerHealth>,
}

/// The verdict cache: see [`Builder::verdict_cache`](crate::Builder::verdict_cache).
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct VerdictsHealth {
    /// Tokens.
    pub entries: u64,
    /// Bytes that they take, about.
    pub bytes: u64,
    /// Bytes that they may take; zero where nothing is remembered.
    pub room: u64,
    /// Tokens remembered so far. All others that were admitted were known already, which is how often the cache was of use.
    pub added: u64,
    /// Those of them that went to make room, before their time: where these are many, more room would help.
    pub displaced: u64,
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
    /// Seconds since the issuer, or their file, last confirmed them; none before the first time.
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

/// The state of one source of an issuer's revocations.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FeedHealth {
    /// Its URL without the query, its file or its name; `in process` for what this process has revoked itself.
    pub source: String,
    /// Whether requests are served now on routes that do not choose themselves what a stale source means; always true for
    /// one on trial.
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
    /// Ends of access, since the start, that were told by an id which nothing has told the user or client of: the tokens
    /// behind each of them live until they expire. Only [`Auth0::logs`](crate::Auth0::logs) knows such.
    pub unnamed: u64,
    /// What went wrong with the last attempt.
    pub last_error: Option<String>,
    /// Where it outlives a restart; none where it does not.
    pub snapshot: Option<SnapshotHealth>,
    /// What it would have refused, where it is on trial and refuses nothing.
    pub would_refuse: Option<WouldRefuse>,
}

/// The state of a source's snapshot on disk.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct SnapshotHealth {
    /// Its path.
    pub path: String,
    /// Why it is not kept, or was not used at the start.
    pub last_error: Option<String>,
}

/// Requests that a source on trial would have refused.
#[derive(Clone, Copy, Debug, Serialize)]
#[non_exhaustive]
pub struct WouldRefuse {
    /// As revoked.
    pub revoked: u64,
    /// Because the source was not fresh enough.
    pub stale: u64,
}

impl Health {
    pub(super) fn of(
        issuers: &[Arc<TrustedIssuer>],
        tenancies: &[Arc<Tenancy>],
        kept: Kept,
        uptime: Duration,
    ) -> Self {
        Self {
            issuers: issuers.iter().map(|issuer| IssuerHealth::of(issuer, uptime)).collect(),
            tenants: tenancies.iter().map(|tenancy| TenantsHealth::of(tenancy, uptime)).collect(),
            verdicts: VerdictsHealth::of(kept),
        }
    }

    /// Whether the tokens of every issuer that was named can be judged now: its keys and its sources are usable.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(|issuer| issuer.keys.usable && issuer.feeds.iter().all(|feed| feed.usable))
    }
}

impl VerdictsHealth {
    fn of(kept: Kept) -> Self {
        let Kept { entries, bytes, room, added, displaced } = kept;
        Self { entries, bytes, room, added, displaced }
    }
}

impl TenantsHealth {
    fn of(tenancy: &Tenancy, uptime: Duration) -> Self {
        let Count { known, on_probation, dormant, trouble } = tenancy.count();
        let living = tenancy.map.living();
        let mut issuers: Vec<_> = living.values().map(|issuer| IssuerHealth::of(issuer, uptime)).collect();
        issuers.sort_unstable_by(|one, other| one.issuer.cmp(&other.issuer));
        Self {
            tenants: tenancy.name.clone(),
            known,
            on_probation,
            dormant,
            limit: tenancy.max,
            last_error: trouble,
            issuers,
        }
    }
}

impl IssuerHealth {
    fn of(issuer: &TrustedIssuer, uptime: Duration) -> Self {
        Self {
            issuer: issuer.name.to_string(),
            keys: KeysHealth::of(&issuer.keys, uptime),
            feeds: sources(issuer).map(|source| FeedHealth::of(source, uptime)).collect(),
        }
    }
}

impl KeysHealth {
    fn of(ring: &KeyRing, uptime: Duration) -> Self {
        let set = ring.snapshot();
        let left_out = set.odd().iter().map(|odd| match &odd.kid {
            Some(kid) => format!("{}: {}", Shown(kid), odd.error),
            None => odd.error.to_string(),
        });
        let beyond = Some(set.beyond()).filter(|beyond| *beyond > 0);
        let left_out = left_out.chain(beyond.map(|beyond| format!("{beyond} more members: not looked at")));
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
        let told = |dry_run: &DryRun| WouldRefuse { revoked: dry_run.revoked(), stale: dry_run.stale() };
        let would_refuse = revocations.dry_run.as_ref().map(told);
        Self {
            source: revocations.source.clone(),
            usable: would_refuse.is_some() || revocations.freshness.suffices(uptime, None).is_ok(),
            state: revocations.freshness.state(uptime),
            age: revocations.freshness.age(uptime).map(|age| age.as_secs_f64()),
            identifiers,
            cut_offs,
            ignored: revocations.freshness.ignored(),
            unnamed: revocations.freshness.unnamed(),
            last_error: revocations.freshness.trouble(),
            snapshot: revocations.on_disk.as_ref().map(SnapshotHealth::of),
            would_refuse,
        }
    }
}

impl SnapshotHealth {
    fn of(on_disk: &OnDisk) -> Self {
        Self { path: on_disk.path.clone(), last_error: on_disk.trouble() }
    }
}

/// This process itself is one as soon as it has revoked something.
fn sources(issuer: &TrustedIssuer) -> impl Iterator<Item = &Revocations> {
    issuer.revocations.iter().map(Arc::as_ref).chain(issuer.in_process.revocations())
}
