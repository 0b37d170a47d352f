//! One trusted issuer: what it must send, its keys, and what it has revoked.

use std::sync::Arc;
use std::time::Duration;

use crate::keys::KeyRing;
use crate::names::Issuer;
use crate::policy::profile::Rules;
use crate::revocation::Revocations;
use crate::revocation::dry_run::DryRun;
use crate::revocation::freshness::FreshnessState;
use crate::revocation::in_process::InProcess;

pub(crate) mod directory;
pub(crate) mod kept;
pub(crate) mod life;

use life::Life;

/// Everything that judging a token of this issuer needs. Issuers share nothing.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    pub(crate) name: Issuer,
    pub(crate) rules: Rules,
    pub(crate) keys: KeyRing,
    /// One for each source, so that none takes back what another said. Empty where the operator said
    /// `.without_revocation()`. They outlive a tenant that is let go of.
    pub(crate) revocations: Box<[Arc<Revocations>]>,
    /// What this process itself has revoked.
    pub(crate) in_process: Arc<InProcess>,
    /// None for an issuer that the operator named: it stays for as long as the resource server.
    pub(crate) life: Option<Life>,
}

impl TrustedIssuer {
    /// Notes that the issuer has signed a token for us, for [`Life`].
    pub(crate) fn note_use(&self, uptime: Duration) {
        if let Some(life) = &self.life {
            life.note_use(uptime);
        }
    }

    /// Whether this is a tenant that was let go of: what it knows is no longer kept up to date.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.life.as_ref().is_some_and(Life::has_ended)
    }

    /// A tenant of which nobody knows yet whether it is one.
    pub(crate) fn is_on_probation(&self) -> bool {
        self.life.as_ref().is_some_and(Life::is_on_probation)
    }

    /// A tenant whose first answers are still awaited: good ones, or failures. News that grow old later are not: what they
    /// mean is for the judge to say, and a tenant that is known must not take places to wait from those that are new.
    pub(crate) fn is_settling(&self, uptime: Duration) -> bool {
        if self.life.as_ref().is_none_or(Life::was_used) {
            return false;
        }
        if self.keys.current(uptime).is_none() {
            return self.keys.trouble().is_none();
        }
        self.revocations.iter().filter(|source| source.dry_run.is_none()).any(|source| {
            let freshness = &source.freshness;
            freshness.state(uptime) != FreshnessState::Fresh && freshness.trouble().is_none()
        })
    }

    /// Every source of revocations whose word counts, this process itself among them.
    #[inline]
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Revocations> {
        self.all_sources().filter(|source| source.dry_run.is_none())
    }

    /// Those that are only tried out too.
    #[inline]
    pub(crate) fn all_sources(&self) -> impl Iterator<Item = &Revocations> {
        self.revocations.iter().map(Arc::as_ref).chain(self.in_process.revocations())
    }

    /// Those that are only tried out.
    pub(crate) fn on_trial(&self) -> impl Iterator<Item = (&Revocations, &DryRun)> {
        let sources = self.revocations.iter().map(Arc::as_ref);
        sources.filter_map(|source| Some((source, source.dry_run.as_ref()?)))
    }
}
