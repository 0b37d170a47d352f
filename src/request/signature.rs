//! Stage 4: the signature. From here on, what the token says is what its issuer said.

use std::sync::Arc;

use base64_simd::AsOut;

use crate::clock::Now;
use crate::issuer::TrustedIssuer;
use crate::json::Object;
use crate::limits;
use crate::rejection::RejectionKind;

use super::Stop;
use super::key::{self, Keyed};

/// Proof that the issuer signed header and claims.
pub(super) struct Signed {
    issuer: Arc<TrustedIssuer>,
    header: Object,
    claims: Object,
}

impl Signed {
    pub(super) fn into_parts(self) -> (Arc<TrustedIssuer>, Object, Object) {
        (self.issuer, self.header, self.claims)
    }
}

/// Tries the few keys that fit.
pub(super) fn verify(keyed: Keyed<'_>, now: Now) -> Result<Signed, Stop> {
    let (content, issuer, keys) = keyed.into_parts();
    let mut buffer = [0; limits::SIGNATURE_BYTES];
    let signature = base64_simd::URL_SAFE_NO_PAD
        .decode(content.signature, buffer.as_mut_slice().as_out())
        .map_err(|_| RejectionKind::MalformedToken)?;
    let kid = content.kid();
    let verified = keys
        .candidates(kid.as_deref(), content.algorithm)
        .any(|key| key.verify(content.algorithm, content.signing_input, signature));
    if !verified {
        return Err(match kid {
            Some(kid) if keys.has_kid(&kid) => RejectionKind::WrongSignature.into(),
            // Where no id told the key, the right one may be one that we have not seen yet.
            _ => key::unknown(&issuer, None, RejectionKind::WrongSignature, now),
        });
    }
    drop(kid);
    Ok(Signed { issuer, header: content.header, claims: content.claims })
}
