//! One trusted issuer: what it must send, its keys, and what it has revoked.

use crate::keys::KeyRing;
use crate::names::Issuer;
use crate::policy::profile::Rules;
use crate::revocation::Revocations;

/// Everything that judging a token of this issuer needs. Issuers share nothing.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) name: Issuer,
    pub(crate) rules: Rules,
    pub(crate) keys: KeyRing,
    /// None where the operator said `.without_revocation()`.
    pub(crate) revocations: Option<Revocations>,
}

impl TrustedIssuer {
    /// Every source of revocations.
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Revocations> {
        self.revocations.iter()
    }
}
