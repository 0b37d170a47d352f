//! Stage 4: the signature. From here on, what the token says is what its issuer said.

use std::sync::Arc;

use crate::clock::Now;
use crate::issuer::TrustedIssuer;
use crate::json::Members;
use crate::keys::KeyId;
use crate::rejection::RejectionKind;

use super::Stop;
use super::header::Header;
use super::key::{self, Keyed};
use super::token::Again;

/// Proof that the issuer signed header and claims.
pub(super) struct Signed<'a>(Parts<'a>);

/// What was signed, and with what.
pub(super) struct Parts<'a> {
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) header: Arc<Header>,
    pub(super) claims: Members<'a>,
    pub(super) key: KeyId,
    /// Of the key set in which that key is, at least.
    pub(super) generation: u64,
    pub(super) again: Again<'a>,
}

impl<'a> Signed<'a> {
    pub(super) fn into_parts(self) -> Parts<'a> {
        self.0
    }
}

/// Tries the few keys that fit.
pub(super) fn verify(keyed: Keyed<'_>, now: Now) -> Result<Signed<'_>, Stop> {
    let (content, issuer, generation, keys) = keyed.into_parts();
    let kid = content.header.kid();
    let algorithm = content.header.algorithm();
    let verified = keys
        .candidates(kid, algorithm)
        .find(|key| key.verify(algorithm, content.signing_input, content.signature));
    match verified {
        Some(key) => {
            let (key, header, claims, again) =
                (key.id(), content.header.keep(), content.claims, content.again);
            Ok(Signed(Parts { issuer, header, claims, key, generation, again }))
        }
        None => Err(match kid {
            Some(kid) if keys.has_kid(kid) => RejectionKind::WrongSignature.into(),
            // Where no id told the key, the right one may be one that we have not seen yet.
            _ => key::unknown(&issuer, None, RejectionKind::WrongSignature, now),
        }),
    }
}
