//! Revoking from within: what this very process knows before anybody else does.

use std::fmt;

use super::ResourceServer;
use crate::issuer::TrustedIssuer;
use crate::revocation::in_process::SayError;
use crate::revocation::stated::Revocation;

/// Revokes tokens in this process, without waiting for a source: from a webhook's handler, or an administrator's route.
/// Made by [`ResourceServer::revocations`] and [`ResourceServer::revocations_of`].
///
/// It works beside the sources, and also where there are none (`.without_revocation()`). What is said here is **not
/// shared with other processes, and gone after a restart**: to end a token everywhere, revoke it at the authorization
/// server too.
///
/// ```
/// # fn on_logout(api: &tower_bearer::ResourceServer, session: &str) -> Result<(), tower_bearer::RevokeError> {
/// use tower_bearer::Revocation;
///
/// let revocations = api.revocations();
/// revocations.revoke(Revocation::identifier("sid", session))?; // in force from here on
/// # Ok(()) }
/// ```
///
/// A revocation without [`Revocation::expires_at`] ends after the issuer's `max_token_lifetime`, or never where the
/// issuer has none. Claims besides the usual ones are those that the issuer's sources were told of.
#[derive(Clone)]
pub struct InProcessRevocations {
    api: ResourceServer,
    /// Which issuer; none where there must be only one.
    issuer: Option<Box<str>>,
}

/// Why a revocation that this process made is not in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RevokeError {
    /// No issuer of that name is trusted here.
    #[error("no issuer of that name is trusted here")]
    UnknownIssuer,
    /// Several issuers are trusted here, and it was not said whose tokens are meant.
    #[error("several issuers are trusted here: say whose tokens are meant with `revocations_of`")]
    AmbiguousIssuer,
    /// It breaks a rule of docs/revocation-feed.md.
    #[error("this is no revocation: {0}")]
    Invalid(String),
    /// It names a set of claims for which there is no room.
    #[error("there is no room: {0}")]
    NoRoom(String),
}

impl InProcessRevocations {
    pub(super) fn new(api: &ResourceServer, issuer: Option<Box<str>>) -> Self {
        Self { api: api.clone(), issuer }
    }

    /// Revokes. In force when this returns: every request that is judged from now on sees it. When it was said is now,
    /// whatever [`Revocation::said_at`] says.
    ///
    /// # Errors
    /// If there are several issuers and none was named, or the revocation breaks a rule. Nothing is in force then.
    pub fn revoke(&self, revocation: Revocation) -> Result<(), RevokeError> {
        self.say(revocation, false)
    }

    /// Takes back what this process has revoked on exactly the same claims: an identifier, or all cut-offs. What a source
    /// has revoked stays revoked.
    ///
    /// # Errors
    /// As for [`InProcessRevocations::revoke`].
    pub fn take_back(&self, revocation: Revocation) -> Result<(), RevokeError> {
        self.say(revocation, true)
    }

    fn say(&self, revocation: Revocation, withdrawn: bool) -> Result<(), RevokeError> {
        let now = self.api.gate.clock.now();
        let say = |issuer: &TrustedIssuer| {
            issuer.in_process.say(revocation, withdrawn, now).map_err(|error| match error {
                SayError::Entry(error) => RevokeError::Invalid(error.to_string()),
                SayError::NoRoom(error) => RevokeError::NoRoom(error.to_string()),
            })
        };
        let tenancies = &self.api.gate.tenancies;
        let Some(name) = self.issuer.as_deref() else {
            return match &*self.api.issuers {
                [issuer] if tenancies.is_empty() => say(issuer),
                _ => Err(RevokeError::AmbiguousIssuer),
            };
        };
        if let Some(issuer) = self.api.issuers.iter().find(|issuer| issuer.name.as_str() == name) {
            return say(issuer);
        }
        let tenancy = tenancies.iter().find(|tenancy| tenancy.map.permission.permits(name));
        let full = || RevokeError::NoRoom("as many tenants are known as are allowed".to_owned());
        tenancy.ok_or(RevokeError::UnknownIssuer)?.with(name, say).ok_or_else(full)?
    }
}

impl fmt::Debug for InProcessRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessRevocations").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
