//! Stage 7: neither the token nor its grant has been revoked, and our news of that are fresh enough to say so.

use std::sync::Arc;

use crate::clock::Now;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};
use crate::revocation::freshness::FreshnessState;

use super::claims::Facts;
use super::scopes::Allowed;

/// Proof that no revocation known now matches.
pub(super) struct Live(Arc<Facts>);

impl Live {
    pub(super) fn into_facts(self) -> Arc<Facts> {
        self.0
    }
}

pub(super) fn check(allowed: Allowed, policy: &Policy, now: Now) -> Result<Live, Rejection> {
    let facts = allowed.into_facts();
    let Some(revocations) = &facts.issuer.revocations else { return Ok(Live(facts)) };
    // Before the entries: news that arrive in between must not lend their freshness to a look at the old ones.
    let fresh = revocations.freshness.suffices(now.uptime, policy.stale_choice());
    if revocations.revokes(&facts.claims, facts.issued_at) {
        return Err(RejectionKind::Revoked.into());
    }
    match fresh {
        Ok(()) => Ok(Live(facts)),
        Err(state) => {
            let kind = match state {
                FreshnessState::Unknown => RejectionKind::RevocationsUnknown,
                FreshnessState::Fresh | FreshnessState::Stale | FreshnessState::Expired => {
                    RejectionKind::RevocationsStale
                }
            };
            Err(Rejection::new(kind).retry_after(revocations.freshness.retry_after()))
        }
    }
}
