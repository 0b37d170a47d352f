//! Stage 7: no source has revoked the token or its grant, and our news from each are fresh enough to say so.

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

/// The verdict is the union over all sources, and each of them must be fresh enough to say no.
pub(super) fn check(allowed: Allowed, policy: &Policy, now: Now) -> Result<Live, Rejection> {
    let facts = allowed.into_facts();
    let issuer = &facts.issuer;
    let mut blind = None;
    for source in &issuer.revocations {
        // Before the entries: news that arrive in between must not lend their freshness to a look at the old ones.
        let fresh = source.freshness.suffices(now.uptime, policy.stale_choice());
        let revoked = source.revokes(&facts.claims, facts.issued_at);
        if let Some(dry_run) = &source.dry_run {
            if revoked {
                dry_run.note_revoked(issuer.name.as_str(), &source.source, now.uptime);
            } else if fresh.is_err() {
                dry_run.note_stale(issuer.name.as_str(), &source.source, now.uptime);
            }
        } else if revoked {
            return Err(RejectionKind::Revoked.into());
        } else if let Err(state) = fresh {
            let rejection = Rejection::new(kind_of(state)).retry_after(source.freshness.retry_after());
            // That nothing was ever heard says more than that something is old.
            if blind.is_none() || state == FreshnessState::Unknown {
                blind = Some(rejection);
            }
        }
    }
    if issuer.in_process.revocations().is_some_and(|own| own.revokes(&facts.claims, facts.issued_at)) {
        return Err(RejectionKind::Revoked.into());
    }
    match blind {
        None => Ok(Live(facts)),
        Some(rejection) => Err(rejection),
    }
}

fn kind_of(state: FreshnessState) -> RejectionKind {
    match state {
        FreshnessState::Unknown => RejectionKind::RevocationsUnknown,
        FreshnessState::Fresh | FreshnessState::Stale | FreshnessState::Expired => {
            RejectionKind::RevocationsStale
        }
    }
}
