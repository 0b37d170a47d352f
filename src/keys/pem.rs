//! Public keys that the operator gives in PEM (RFC 7468 §13), one or more. Text around the sections is let be.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rsa;
use memchr::memmem;

use super::{KeyError, VerifyingKey};
use crate::algorithm::{Algorithm, Algorithms, KeyType};
use crate::limits;

/// All that may stand before the point of a key on a curve. DER has one way to say it, so the type of a key is known by
/// comparing bytes (RFC 5480 §2, uncompressed points).
const CURVES: [(KeyType, &[u8]); 3] = [
    (
        KeyType::P256,
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04",
    ),
    (
        KeyType::P384,
        b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04",
    ),
    (
        KeyType::P521,
        b"\x30\x81\x9b\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23\x03\x81\x86\x00\x04",
    ),
];
/// RFC 8410 §4.
const ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Why a text in PEM is refused as a whole. Nothing of it is shown: it may be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PemError {
    #[error(
        "it holds a private key, which is for the issuer alone: only the public key belongs here (openssl pkey -pubout)"
    )]
    Private,
    #[error("not PEM: a section is cut off, or is not base64")]
    NotPem,
    #[error("more than {} sections", limits::KEYS)]
    TooMany,
    #[error(
        "more than {tries} keys for {0}: in PEM they have no id, and each would be tried for every token; give a JWK set with a kid for each",
        tries = limits::KEY_TRIES
    )]
    TooManyAlike(Algorithm),
}

/// Whether the text is meant as PEM.
pub(super) fn is_meant(text: &[u8]) -> bool {
    memmem::find(text, BEGIN).is_some() && !text.trim_ascii_start().starts_with(b"{")
}

/// Reads every section, using only what is in `allowed`. The keys have no id, so they fit tokens with any.
pub(super) fn read(
    text: &[u8],
    allowed: Algorithms,
) -> Result<Vec<Result<VerifyingKey, KeyError>>, PemError> {
    let begins: Vec<_> = memmem::find_iter(text, BEGIN).collect();
    if begins.iter().any(|begin| is_private(text.get(begin + BEGIN.len()..).unwrap_or_default())) {
        return Err(PemError::Private);
    }
    if begins.len() > limits::KEYS {
        return Err(PemError::TooMany);
    }
    let sections = pem::parse_many(text).map_err(|_| PemError::NotPem)?;
    // The parser passes over what it takes for text around the sections.
    if sections.len() != begins.len() || memmem::find_iter(text, END).count() != begins.len() {
        return Err(PemError::NotPem);
    }
    let read = |section: &pem::Pem| match section.tag() {
        "PUBLIC KEY" => public_key(section.contents(), allowed),
        "RSA PUBLIC KEY" => rsa(section.contents(), Form::Pkcs1, allowed),
        // A chain would make keys of authorities into keys of the issuer.
        "CERTIFICATE" => Err(KeyError::Certificate),
        _ => Err(KeyError::NotPublicKey),
    };
    let keys: Vec<_> = sections.iter().map(|section| read(section).map(VerifyingKey::for_any_kid)).collect();
    let alike = |algorithm: &Algorithm| {
        keys.iter().flatten().filter(|key| key.can_verify(*algorithm)).count() > limits::KEY_TRIES
    };
    match allowed.iter().find(alike) {
        Some(algorithm) => Err(PemError::TooManyAlike(algorithm)),
        None => Ok(keys),
    }
}

/// By the label, of which there are many kinds (`EC PRIVATE KEY`, `ENCRYPTED PRIVATE KEY`, …).
fn is_private(label: &[u8]) -> bool {
    let end = memmem::find(label, b"-----").unwrap_or(label.len());
    memmem::find(label.get(..end).unwrap_or_default(), b"PRIVATE").is_some()
}

/// A SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). Its type is settled before anything else is looked at.
fn public_key(der: &[u8], allowed: Algorithms) -> Result<VerifyingKey, KeyError> {
    for (key_type, prefix) in CURVES {
        if let Some(point) = der.strip_prefix(prefix) {
            let (x, y) = point.split_at(point.len() / 2);
            return VerifyingKey::ec(None, key_type, x, y, allowed);
        }
    }
    match der.strip_prefix(ED25519) {
        Some(x) => VerifyingKey::ed25519(None, x, allowed),
        None => rsa(der, Form::PublicKeyInfo, allowed),
    }
}

#[derive(Clone, Copy)]
enum Form {
    Pkcs1,
    PublicKeyInfo,
}

fn rsa(der: &[u8], form: Form, allowed: Algorithms) -> Result<VerifyingKey, KeyError> {
    let key = rsa::PublicKey::from_der(der).map_err(|_| KeyError::UnknownDer)?;
    let info: PublicKeyX509Der<'_> = key.as_der().map_err(|_| KeyError::UnknownDer)?;
    // The library reads both forms, and keys that are for PSS alone. What it writes for a plain RSA key has one form.
    let own = match form {
        Form::Pkcs1 => key.as_ref(),
        Form::PublicKeyInfo => info.as_ref(),
    };
    if own == der { VerifyingKey::rsa_info(info.as_ref(), allowed) } else { Err(KeyError::UnknownDer) }
}

#[cfg(test)]
mod tests;
