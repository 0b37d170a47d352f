//! Stage 3: which keys may have signed this: header `alg` ∩ the key's own ∩ what the issuer is allowed.

use std::sync::Arc;

use arc_swap::Guard;

use crate::clock::Now;
use crate::issuer::TrustedIssuer;
use crate::issuer::directory::{Directory, Found};
use crate::json::Value;
use crate::keys::KeySet;
use crate::keys::bell::Absence;
use crate::limits;
use crate::rejection::{Rejection, RejectionKind};

use super::token::{Content, Parsed};
use super::{NewTenant, Stop, UnknownKey};

/// Proof that the issuer it names is trusted and has published a key that could fit.
pub(super) struct Keyed<'a> {
    content: Content<'a>,
    issuer: Arc<TrustedIssuer>,
    generation: u64,
    keys: Guard<Arc<KeySet>>,
}

impl<'a> Keyed<'a> {
    /// The keys are of this generation at least.
    pub(super) fn into_parts(self) -> (Content<'a>, Arc<TrustedIssuer>, u64, Guard<Arc<KeySet>>) {
        (self.content, self.issuer, self.generation, self.keys)
    }
}

/// Finds the issuer by the unverified `iss`, which decides nothing but whose keys must have signed.
pub(super) fn choose<'a>(parsed: Parsed<'a>, issuers: &Directory, now: Now) -> Result<Keyed<'a>, Stop> {
    let content = parsed.into_content();
    let Some(Value::String(name)) = content.claims.get("iss") else {
        return Err(RejectionKind::UnknownIssuer.into());
    };
    let tenant;
    let issuer = match issuers.find(&name) {
        Found::Named(issuer) => issuer,
        Found::Tenant(place, found) => {
            tenant = found;
            awaited(&tenant, place, now)?;
            &tenant
        }
        Found::Permitted(place) => return Err(new_tenant(&name, place, RejectionKind::NoKeys)),
        Found::Nobody => return Err(RejectionKind::UnknownIssuer.into()),
    };
    drop(name);
    if !issuer.rules.algorithms.contains(content.header.algorithm()) {
        return Err(RejectionKind::WrongAlgorithm.into());
    }
    let generation = issuer.keys.generation();
    let keys = issuer
        .keys
        .current(now.uptime)
        .ok_or_else(|| Rejection::new(RejectionKind::NoKeys).retry_after(limits::BACKOFF_BLIND))?;
    let kid = content.header.kid();
    if keys.candidates(kid, content.header.algorithm()).next().is_none() {
        // Keys without an id may come under any: what the token calls its own says nothing then.
        let kid = kid.filter(|_| !keys.fits_any_kid());
        // A key that is published, but not for this algorithm, is no news.
        let published = kid.is_some_and(|kid| keys.has_kid(kid));
        return Err(if published {
            RejectionKind::UnknownKey.into()
        } else {
            unknown(issuer, kid, RejectionKind::UnknownKey, now)
        });
    }
    Ok(Keyed { issuer: Arc::clone(issuer), generation, keys, content })
}

/// Whoever comes while a tenant is being asked for the first time waits like the one who came first.
fn awaited(tenant: &TrustedIssuer, place: usize, now: Now) -> Result<(), Stop> {
    if !tenant.is_settling(now.uptime) {
        return Ok(());
    }
    let has_keys = tenant.keys.current(now.uptime).is_some();
    let lack = if has_keys { RejectionKind::RevocationsUnknown } else { RejectionKind::NoKeys };
    Err(new_tenant(tenant.name.as_str(), place, lack))
}

fn new_tenant(name: &str, place: usize, lack: RejectionKind) -> Stop {
    Stop::NewTenant(NewTenant { name: name.into(), place, lack })
}

/// No key that we know has signed this: a forgery, or a key younger than our look at the issuer's set. Only a fetch can
/// tell, so until one has, `refusal` is not said.
pub(super) fn unknown(
    issuer: &Arc<TrustedIssuer>,
    kid: Option<&str>,
    refusal: RejectionKind,
    now: Now,
) -> Stop {
    if issuer.keys.is_fixed() {
        return refusal.into();
    }
    match issuer.keys.bell.absence(kid, now.uptime) {
        None => Stop::UnknownKey(UnknownKey { issuer: Arc::clone(issuer), kid: kid.map(Box::from), refusal }),
        Some(Absence::TakenAway) => refusal.into(),
        Some(Absence::NotFound { for_another }) => {
            Rejection::new(RejectionKind::KeysPending).retry_after(for_another).into()
        }
    }
}
