//! Stage 3: which keys may have signed this: header `alg` ∩ the key's own ∩ what the issuer is allowed.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::Guard;

use crate::clock::Now;
use crate::issuer::TrustedIssuer;
use crate::json::Value;
use crate::keys::KeySet;
use crate::limits;
use crate::rejection::{Rejection, RejectionKind};

use super::token::Parsed;
use super::{Stop, UnknownKey};

/// Proof that the issuer it names is trusted and has published a key that could fit.
pub(super) struct Keyed<'a> {
    pub(super) parsed: Parsed<'a>,
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) keys: Guard<Arc<KeySet>>,
}

/// Finds the issuer by the unverified `iss`, which decides nothing but whose keys must have signed.
pub(super) fn choose<'a>(
    parsed: Parsed<'a>,
    issuers: &HashMap<Box<str>, Arc<TrustedIssuer>>,
    now: Now,
) -> Result<Keyed<'a>, Stop> {
    let issuer = match parsed.claims.get("iss") {
        Some(Value::String(name)) => issuers.get(name.as_ref()).ok_or(RejectionKind::UnknownIssuer)?,
        _ => return Err(RejectionKind::UnknownIssuer.into()),
    };
    if !issuer.rules.algorithms.contains(parsed.algorithm) {
        return Err(RejectionKind::WrongAlgorithm.into());
    }
    let keys = issuer
        .keys
        .current(now.uptime)
        .ok_or_else(|| Rejection::new(RejectionKind::NoKeys).retry_after(limits::BACKOFF_BLIND))?;
    let kid = parsed.header.get("kid").and_then(Value::into_string);
    if keys.candidates(kid.as_deref(), parsed.algorithm).is_empty() {
        return Err(match kid {
            // Worth asking about, unless the issuer publishes that id or has just been asked.
            Some(kid) if !issuer.keys.is_settled(&keys, &kid, now.uptime) => {
                Stop::UnknownKey(UnknownKey { issuer: Arc::clone(issuer), kid: kid.as_ref().into() })
            }
            _ => RejectionKind::UnknownKey.into(),
        });
    }
    drop(kid);
    Ok(Keyed { issuer: Arc::clone(issuer), keys, parsed })
}
