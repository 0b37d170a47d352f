//! One trusted issuer: what it must send, its keys, and what it has revoked.

use std::sync::Arc;

use crate::keys::KeyRing;
use crate::names::Issuer;
use crate::policy::profile::Rules;
use crate::revocation::Revocations;
use crate::revocation::in_process::InProcess;

/// Everything that judging a token of this issuer needs. Issuers share nothing.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) name: Issuer,
    pub(crate) rules: Rules,
    pub(crate) keys: KeyRing,
    /// One for each source, so that none takes back what another said. Empty where the operator said
    /// `.without_revocation()`.
    pub(crate) revocations: Box<[Arc<Revocations>]>,
    /// What this process itself has revoked.
    pub(crate) in_process: InProcess,
}
