//! Stage 7: neither the token nor its grant has been revoked, and our news of that are fresh enough to say so.

use crate::clock::Now;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};
use crate::revocation::freshness::FreshnessState;

use super::admitted::AccessToken;
use super::scopes::Allowed;

/// Proof that no revocation known now matches.
pub(super) struct Live {
    pub(super) token: AccessToken,
}

pub(super) fn check(allowed: Allowed, policy: &Policy, now: Now) -> Result<Live, Rejection> {
    let Allowed { token } = allowed;
    let facts = token.facts();
    let Some(revocations) = &facts.issuer.revocations else { return Ok(Live { token }) };
    if revocations.revokes(&facts.claims, facts.issued_at) {
        return Err(RejectionKind::Revoked.into());
    }
    match revocations.freshness.suffices(now.uptime, policy.stale_choice()) {
        Ok(()) => Ok(Live { token }),
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
