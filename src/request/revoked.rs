//! Stage 7: no source has revoked the token or its grant, and our news from each are fresh enough to say so.

use std::ptr;

use crate::clock::Now;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};
use crate::revocation::Revocations;
use crate::revocation::freshness::FreshnessState;

use super::facts::{Facts, Held};
use super::scopes::Allowed;

/// Proof that no revocation known now matches.
pub(super) struct Live(Held);

impl Live {
    #[inline]
    pub(super) fn into_held(self) -> Held {
        self.0
    }
}

/// The verdict is the union over all sources, and each of them must be fresh enough to say no.
#[inline]
pub(super) fn check(allowed: Allowed, policy: &Policy, now: Now) -> Result<Live, Rejection> {
    let facts = allowed.into_held();
    look(&facts, policy, now)?;
    Ok(Live(facts))
}

#[inline]
fn look(facts: &Facts, policy: &Policy, now: Now) -> Result<(), Rejection> {
    let mut overdue: Option<(&Revocations, FreshnessState)> = None;
    let mut on_trial = false;
    // The tag before the epochs, and those before the entries.
    let looked_at = facts.looked_at.read();
    let mut epoch = 0_u64;
    for source in facts.issuer.all_sources() {
        if source.dry_run.is_some() {
            on_trial = true;
            continue;
        }
        // Before the entries: news that arrive in between must not lend their freshness to a look at the old ones.
        if let Err(state) = source.freshness.suffices(now.uptime, policy.stale_choice())
            // That nothing was ever heard says more than that something is old.
            && (overdue.is_none() || state == FreshnessState::Unknown)
        {
            overdue = Some((source, state));
        }
        epoch = epoch.wrapping_add(source.epoch());
    }
    if on_trial {
        look_on_trial(facts, policy, now);
    }
    if looked_at != Some(epoch) {
        if is_revoked(facts, looked_at) {
            return Err(RejectionKind::Revoked.into());
        }
        facts.looked_at.set(epoch);
    }
    match overdue {
        None => Ok(()),
        Some((source, state)) => Err(too_old(source, state)),
    }
}

#[cold]
fn too_old(source: &Revocations, state: FreshnessState) -> Rejection {
    let kind = match state {
        FreshnessState::Unknown => RejectionKind::RevocationsUnknown,
        FreshnessState::Fresh | FreshnessState::Stale | FreshnessState::Expired => {
            RejectionKind::RevocationsStale
        }
    };
    Rejection::new(kind).retry_after(source.freshness.retry_after())
}

/// Apart from what most requests need.
#[inline(never)]
fn is_revoked(facts: &Facts, looked_at: Option<u64>) -> bool {
    facts.issuer.sources().any(|source| revokes(source, looked_at, facts))
}

/// Where the token was looked at before, what was said since decides.
fn revokes(source: &Revocations, looked_at: Option<u64>, facts: &Facts) -> bool {
    let (claims, issued_at) = (&facts.claims, facts.issued_at);
    let Some(looked_at) = looked_at else { return source.revokes(claims, issued_at) };
    // The others' epochs were no higher then, so this one's was no lower.
    let others = facts.issuer.sources().filter(|other| !ptr::eq(*other, source));
    let others = others.map(Revocations::epoch).fold(0, u64::wrapping_add);
    let marks = || facts.looked_at.marks(claims);
    source.revokes_since(looked_at.saturating_sub(others), marks, claims, issued_at)
}

/// What sources on trial would say, each time anew: it is counted.
#[cold]
fn look_on_trial(facts: &Facts, policy: &Policy, now: Now) {
    let issuer = facts.issuer.name.as_str();
    for (source, dry_run) in facts.issuer.on_trial() {
        let fresh = source.freshness.suffices(now.uptime, policy.stale_choice());
        if source.revokes(&facts.claims, facts.issued_at) {
            dry_run.note_revoked(issuer, &source.source, now.uptime);
        } else if fresh.is_err() {
            dry_run.note_stale(issuer, &source.source, now.uptime);
        }
    }
}
