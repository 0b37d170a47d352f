//! Stage 7: neither the token nor its grant has been revoked, and our news of that are fresh enough to say so.

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

#[inline]
pub(super) fn check(allowed: Allowed, policy: &Policy, now: Now) -> Result<Live, Rejection> {
    let facts = allowed.into_held();
    look(&facts, policy, now)?;
    Ok(Live(facts))
}

#[inline]
fn look(facts: &Facts, policy: &Policy, now: Now) -> Result<(), Rejection> {
    let sources = || facts.issuer.sources();
    // Before the entries: news that arrive in between must not lend their freshness to a look at the old ones.
    let overdue = sources().find_map(|source| {
        let fresh = source.freshness.suffices(now.uptime, policy.stale_choice());
        fresh.err().map(|state| (source, state))
    });
    // The tag before the epochs, and those before the entries.
    let looked_at = facts.looked_at.read();
    let epoch = sources().map(Revocations::epoch).fold(0, u64::wrapping_add);
    if looked_at != epoch {
        if sources().any(|source| source.revokes(&facts.claims, facts.issued_at)) {
            return Err(RejectionKind::Revoked.into());
        }
        facts.looked_at.set(epoch);
    }
    let Some((source, state)) = overdue else { return Ok(()) };
    let kind = match state {
        FreshnessState::Unknown => RejectionKind::RevocationsUnknown,
        FreshnessState::Fresh | FreshnessState::Stale | FreshnessState::Expired => {
            RejectionKind::RevocationsStale
        }
    };
    Err(Rejection::new(kind).retry_after(source.freshness.retry_after()))
}
