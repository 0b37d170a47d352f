//! What is revoked at a tenant, handed on from one of its lives to the next.

use std::sync::Arc;

use super::TrustedIssuer;
use crate::clock::Now;
use crate::revocation::Revocations;
use crate::revocation::in_process::InProcess;

/// The same knowledge, not a copy.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    /// In the order of the settings.
    pub(crate) sources: Box<[Arc<Revocations>]>,
    pub(crate) in_process: Arc<InProcess>,
}

impl Kept {
    pub(crate) fn of(tenant: &TrustedIssuer) -> Self {
        Self { sources: tenant.revocations.clone(), in_process: Arc::clone(&tenant.in_process) }
    }

    fn each(&self) -> impl Iterator<Item = &Revocations> {
        self.sources.iter().map(Arc::as_ref).chain(self.in_process.revocations())
    }

    /// Whether nothing is in force.
    pub(crate) fn is_empty(&self) -> bool {
        self.each().all(Revocations::is_empty)
    }

    /// Whether this process itself has revoked something that is in force.
    pub(crate) fn has_own_words(&self) -> bool {
        self.in_process.revocations().is_some_and(|own| !own.is_empty())
    }

    pub(crate) fn tidy(&self, now: Now) {
        self.each().for_each(|source| source.tidy(now));
    }

    /// What went wrong in an earlier life says nothing about this one.
    pub(crate) fn forget_trouble(&self) {
        self.each().for_each(|source| source.freshness.forget_trouble());
    }
}
