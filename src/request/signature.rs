//! Stage 4: the signature. From here on, what the token says is what its issuer said.

use std::sync::Arc;

use base64_simd::AsOut;

use crate::issuer::TrustedIssuer;
use crate::json::{Object, Value};
use crate::limits;
use crate::rejection::RejectionKind;

use super::bearer::is_b64token;
use super::key::Keyed;

/// Proof that the issuer signed header and claims.
pub(super) struct Signed {
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) header: Object,
    pub(super) claims: Object,
}

/// The last part of the token is where a second word or credential would hide.
fn misshapen(signature: &[u8]) -> RejectionKind {
    if is_b64token(signature) { RejectionKind::MalformedToken } else { RejectionKind::MalformedCredentials }
}

/// Tries the few keys that fit.
pub(super) fn verify(keyed: Keyed<'_>) -> Result<Signed, RejectionKind> {
    let Keyed { parsed, issuer, keys } = keyed;
    let mut buffer = [0; limits::SIGNATURE_BYTES];
    let longest = base64_simd::URL_SAFE_NO_PAD.encoded_length(limits::SIGNATURE_BYTES);
    if parsed.signature.len() > longest {
        return Err(RejectionKind::MalformedToken);
    }
    let signature = base64_simd::URL_SAFE_NO_PAD
        .decode(parsed.signature, buffer.as_mut_slice().as_out())
        .map_err(|_| misshapen(parsed.signature))?;
    let kid = parsed.header.get("kid").and_then(Value::into_string);
    let verified = keys
        .candidates(kid.as_deref(), parsed.algorithm)
        .into_iter()
        .any(|key| key.verify(parsed.algorithm, parsed.signing_input, signature));
    drop(kid);
    if !verified {
        return Err(RejectionKind::WrongSignature);
    }
    Ok(Signed { issuer, header: parsed.header, claims: parsed.claims })
}
