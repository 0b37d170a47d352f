//! A page that the issuer has signed: a JWS in compact serialization (RFC 7515 §7.1) whose payload is the page.

use std::borrow::Cow;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use crate::algorithm::{Algorithm, Algorithms};
use crate::json::{Object, Value};
use crate::keys::KeySet;
use crate::limits;

/// The media type, which is the `typ` too (RFC 8725 §3.11): nothing else that the issuer signs is a page.
pub(super) const MEDIA_TYPE: &str = "application/revocation-feed+jwt";
const TYP: &str = "revocation-feed+jwt";

/// Why a page is not the issuer's word.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignedError {
    #[error("the page is not signed: its content type is not {MEDIA_TYPE}")]
    NotSigned,
    #[error("the signed page is not a compact JWS with a strict JSON header")]
    Malformed,
    #[error("the signed page's typ is not {TYP}")]
    WrongType,
    #[error("the signed page's alg is unknown, symmetric or not allowed for this issuer")]
    WrongAlgorithm,
    #[error("the signed page's header has members that change its meaning (crit, b64, zip, enc)")]
    Unsupported,
    #[error("no key of the issuer fits the signed page")]
    UnknownKey,
    #[error("the signed page's signature is wrong")]
    WrongSignature,
    #[error("the issuer's keys are not known, so that nobody can tell whether it signed the page")]
    NoKeys,
}

/// The header of a signed page, checked for form alone.
#[derive(Debug)]
pub(crate) struct Header {
    pub(super) kid: Option<Box<str>>,
    algorithm: Algorithm,
}

/// Reads the header, so that the right key can be found.
pub(crate) fn header(body: &[u8], allowed: Algorithms) -> Result<Header, SignedError> {
    let [encoded, _, _] = parts(body)?;
    if encoded.len() > limits::JOSE_HEADER_BYTES {
        return Err(SignedError::Malformed);
    }
    let text = URL_SAFE_NO_PAD.decode_to_vec(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let text = text.ok_or(SignedError::Malformed)?;
    let object = Object::parse(text.into_boxed_str(), limits::HEADER_DEPTH, limits::OBJECT_MEMBERS);
    let header = object.map_err(|_| SignedError::Malformed)?;
    let word = |name: &str| header.get(name).and_then(Value::into_string);
    let typ = word("typ").ok_or(SignedError::WrongType)?;
    if ![TYP, MEDIA_TYPE].iter().any(|name| typ.eq_ignore_ascii_case(name)) {
        return Err(SignedError::WrongType);
    }
    if ["crit", "b64", "zip", "enc"].iter().any(|name| header.get(name).is_some()) {
        return Err(SignedError::Unsupported);
    }
    let algorithm = word("alg").and_then(|name| Algorithm::from_name(&name));
    let usable = allowed.and(Algorithms::ASYMMETRIC);
    let algorithm = algorithm.filter(|one| usable.contains(*one)).ok_or(SignedError::WrongAlgorithm)?;
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) if kid.len() <= limits::KEY_ID_BYTES => Some(Cow::into_owned(kid).into()),
        Some(_) => return Err(SignedError::Malformed),
    };
    Ok(Header { kid, algorithm })
}

impl Header {
    /// Whether a key of the set could have signed the page.
    pub(crate) fn fits(&self, keys: &KeySet) -> bool {
        keys.candidates(self.kid.as_deref(), self.algorithm).next().is_some()
    }

    /// The page, if one of the keys has signed it.
    pub(crate) fn open(&self, body: &[u8], keys: &KeySet) -> Result<Vec<u8>, SignedError> {
        let [_, payload, signature] = parts(body)?;
        let mut buffer = [0; limits::SIGNATURE_BYTES];
        let longest = URL_SAFE_NO_PAD.encoded_length(limits::SIGNATURE_BYTES);
        if signature.len() > longest {
            return Err(SignedError::Malformed);
        }
        let signed = body.len().checked_sub(signature.len() + 1).and_then(|end| body.get(..end));
        let signed = signed.ok_or(SignedError::Malformed)?;
        let signature = URL_SAFE_NO_PAD
            .decode(signature, buffer.as_mut_slice().as_out())
            .map_err(|_| SignedError::Malformed)?;
        if !self.fits(keys) {
            return Err(SignedError::UnknownKey);
        }
        let mut candidates = keys.candidates(self.kid.as_deref(), self.algorithm);
        if !candidates.any(|key| key.verify(self.algorithm, signed, signature)) {
            return Err(SignedError::WrongSignature);
        }
        URL_SAFE_NO_PAD.decode_to_vec(payload).map_err(|_| SignedError::Malformed)
    }
}

/// Header, payload and signature, still encoded.
fn parts(body: &[u8]) -> Result<[&[u8]; 3], SignedError> {
    let mut parts = body.split(|byte| *byte == b'.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok([header, payload, signature]),
        _ => Err(SignedError::Malformed),
    }
}
