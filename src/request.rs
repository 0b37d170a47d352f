//! The request's way: from the `Authorization` header to an admitted token, in memory, without waiting.
//!
//! Each stage takes what the stage before it made, and only it can make what the next one takes. Leaving one out, or
//! changing their order, does not compile.
//!
//! ```text
//! headers → bearer → verdict → token → key → signature → claims → scopes → revoked → admitted
//!                       └───────── seen before ─────────┘
//! ```

use std::fmt;
use std::sync::Arc;

use http::HeaderMap;

use crate::clock::Now;
use crate::issuer::TrustedIssuer;
use crate::issuer::directory::{Directory, Found};
use crate::limits;
use crate::policy::Policy;
use crate::rejection::{Rejection, RejectionKind};

mod admitted;
mod bearer;
mod claims;
mod facts;
mod header;
mod key;
mod revoked;
mod scopes;
mod signature;
mod token;
mod typed;
mod verdict;

pub use admitted::{AccessToken, ClaimsError};
use token::Room;
pub(crate) use verdict::{Kept, Verdicts};
use verdict::{Sight, Unseen};

/// Judges requests by the issuers it trusts. Pure: memory and the given time decide, nothing else.
pub(crate) struct Judge {
    issuers: Directory,
    verdicts: Verdicts,
}

/// Why a token is not admitted now.
#[derive(Debug)]
pub(crate) enum Stop {
    Refused(Rejection),
    /// Signed with a key that nobody here knows yet: worth one look at the issuer's key set.
    UnknownKey(UnknownKey),
    /// Of a tenant that is permitted, and of which nothing is known yet: worth asking.
    NewTenant(NewTenant),
}

/// Which key to look for at which issuer.
pub(crate) struct UnknownKey {
    pub(crate) issuer: Arc<TrustedIssuer>,
    pub(crate) kid: Option<Box<str>>,
    /// What to say once the issuer is known not to have it.
    pub(crate) refusal: RejectionKind,
}

/// A `kid` is what a stranger sent.
impl fmt::Debug for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnknownKey").field("issuer", &self.issuer.name).finish_non_exhaustive()
    }
}

/// Which tenant to ask for.
pub(crate) struct NewTenant {
    pub(crate) name: Box<str>,
    /// The place of the tenants that permit it.
    pub(crate) place: usize,
    /// What to say as long as nothing is known.
    pub(crate) lack: RejectionKind,
}

/// Its name is what a stranger sent.
impl fmt::Debug for NewTenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewTenant").field("place", &self.place).finish_non_exhaustive()
    }
}

impl<R: Into<Rejection>> From<R> for Stop {
    fn from(rejection: R) -> Self {
        Self::Refused(rejection.into())
    }
}

impl Judge {
    pub(crate) fn new(issuers: Directory, verdicts: Verdicts) -> Self {
        Self { issuers, verdicts }
    }

    /// How many verdicts are remembered.
    pub(crate) fn kept(&self) -> Kept {
        self.verdicts.kept()
    }

    /// The whole way; a token that was admitted before skips what cannot have changed.
    pub(crate) fn judge(&self, headers: &HeaderMap, policy: &Policy, now: Now) -> Result<AccessToken, Stop> {
        let bearer = bearer::read(headers)?;
        let unseen = match verdict::recall(bearer, &self.verdicts, now) {
            Sight::First(unseen) => unseen,
            Sight::Again(recalled) => {
                let current = claims::check_again(recalled, now)?;
                let allowed = scopes::check(current, policy)?;
                let live = revoked::check(allowed, policy, now)?;
                return Ok(admitted::admit_again(live));
            }
        };
        self.judge_new(unseen, policy, now)
    }

    /// Apart from what a token that comes again passes: it has room for a header and a signature.
    #[inline(never)]
    fn judge_new(&self, unseen: Unseen<'_>, policy: &Policy, now: Now) -> Result<AccessToken, Stop> {
        let mut room = Room::new();
        let parsed = token::parse(unseen, &mut room)?;
        let keyed = key::choose(parsed, &self.issuers, now)?;
        let signed = signature::verify(keyed, now)?;
        let current = claims::check(signed, now)?;
        let allowed = scopes::check(current, policy)?;
        let live = revoked::check(allowed, policy, now)?;
        Ok(admitted::admit(live, &self.verdicts))
    }

    /// For a token that has been admitted before, by an outer layer in this very request or to a stream that still runs: it is
    /// not verified again, but its key, time, this route's scopes and revocation are judged again.
    pub(crate) fn judge_again(
        &self,
        token: &AccessToken,
        policy: &Policy,
        now: Now,
    ) -> Result<(), Rejection> {
        // The token may have been taken out of the header by now, so the whole way is for the client's next try.
        let waited_too_long = || Rejection::new(RejectionKind::NoKeys).retry_after(limits::BACKOFF_BLIND);
        let recalled = verdict::recall_from(token, now).ok_or_else(waited_too_long)?;
        let current = claims::check_again(recalled, now)?;
        let allowed = scopes::check(current, policy)?;
        revoked::check(allowed, policy, now).map(drop)
    }

    /// Whether `token` was admitted by this judge.
    pub(crate) fn admitted(&self, token: &AccessToken) -> bool {
        match self.issuers.find(token.issuer()) {
            Found::Named(issuer) => token.comes_from(issuer),
            Found::Tenant(_, issuer) => token.comes_from(&issuer),
            Found::Permitted(_) | Found::Nobody => false,
        }
    }
}

#[cfg(test)]
mod tests;
