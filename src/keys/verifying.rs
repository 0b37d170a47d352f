//! One key, parsed once, ready to verify.

use std::fmt;

use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use aws_lc_rs::{digest, hmac};

use crate::algorithm::{Algorithm, Algorithms, KeyType};
use crate::limits;

/// A key and what it may verify. jsonwebtoken parses the key anew for every token; this one is parsed at load.
pub(crate) struct VerifyingKey {
    id: KeyId,
    kid: Option<Box<str>>,
    key_type: KeyType,
    /// The operator gave it without an id: it fits tokens with any.
    any_kid: bool,
    verifiers: Box<[(Algorithm, Verifier)]>,
}

/// Which key it is, whatever the set calls it: a digest of its kind and material.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId([u8; 16]);

impl KeyId {
    fn of(key_type: KeyType, parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&[key_type as u8]);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        Self(*context.finish().as_ref().first_chunk().unwrap_or(&[0; 16]))
    }
}

enum Verifier {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// Why a key of a set, or one given by the operator, is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum KeyError {
    #[error("not a JWK object, or a member of the wrong type")]
    NotAKey,
    #[error("kty or crv is unknown")]
    UnknownType,
    #[error("a symmetric key has no place in a key set that is served to the public")]
    Symmetric,
    #[error("it has private members: the issuer has leaked its signing key")]
    Private,
    #[error("use is not sig")]
    NotForSignatures,
    #[error("key_ops lacks verify")]
    NotForVerifying,
    #[error("alg does not fit the kind of key, is unknown or is not allowed")]
    WrongAlgorithm,
    #[error("a coordinate or number is not base64url")]
    NotBase64,
    #[error("the RSA modulus is not of 2048 to 8192 bits")]
    RsaSize,
    #[error("the RSA exponent is even or below 3")]
    RsaExponent,
    #[error("the point is not on the curve, or the material is not a key")]
    NotAPoint,
    #[error("kid is longer than {} bytes", limits::KEY_ID_BYTES)]
    LongKeyId,
    #[error("more than {} keys in the set", limits::KEYS)]
    TooMany,
    #[error("a certificate, not a key: `openssl x509 -pubkey -noout` gets the key out of it")]
    Certificate,
    #[error("neither a PUBLIC KEY nor an RSA PUBLIC KEY")]
    NotPublicKey,
    #[error("the DER is not that of an RSA, P-256, P-384, P-521 or Ed25519 key")]
    UnknownDer,
    #[error("the secret is shorter than the hash of its algorithm (RFC 7518 §3.2)")]
    ShortSecret,
}

impl VerifyingKey {
    /// An RSA public key of big-endian numbers. Java issuers put a zero byte before the modulus.
    pub(crate) fn rsa(
        kid: Option<Box<str>>,
        n: &[u8],
        e: &[u8],
        algorithms: Algorithms,
    ) -> Result<Self, KeyError> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = n.first().map_or(0, |first| n.len() * 8 - first.leading_zeros() as usize);
        if !limits::RSA_BITS.contains(&bits) {
            return Err(KeyError::RsaSize);
        }
        if e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err(KeyError::RsaExponent);
        }
        let id = KeyId::of(KeyType::Rsa, &[n, e]);
        Self::public(id, kid, KeyType::Rsa, algorithms, |algorithm| {
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa_parameters(algorithm)?).ok()
        })
    }

    /// A point on a NIST curve, its coordinates of full length (RFC 7518 §6.2.1).
    pub(crate) fn ec(
        kid: Option<Box<str>>,
        key_type: KeyType,
        x: &[u8],
        y: &[u8],
        algorithms: Algorithms,
    ) -> Result<Self, KeyError> {
        let length = match key_type {
            KeyType::P256 => 32,
            KeyType::P384 => 48,
            KeyType::P521 => 66,
            KeyType::Rsa | KeyType::Ed25519 | KeyType::Secret => return Err(KeyError::UnknownType),
        };
        if x.len() != length || y.len() != length {
            return Err(KeyError::NotAPoint);
        }
        let point = [&[4], x, y].concat();
        Self::public(KeyId::of(key_type, &[x, y]), kid, key_type, algorithms, |algorithm| {
            ParsedPublicKey::new(curve_parameters(algorithm)?, &point).ok()
        })
    }

    /// An RSA public key as SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). The library has checked the exponent.
    pub(crate) fn rsa_info(der: &[u8], algorithms: Algorithms) -> Result<Self, KeyError> {
        let bits = PublicEncryptingKey::from_der(der).map(|key| key.key_size_bits());
        if !bits.is_ok_and(|bits| limits::RSA_BITS.contains(&bits)) {
            return Err(KeyError::RsaSize);
        }
        Self::public(KeyId::of(KeyType::Rsa, &[der]), None, KeyType::Rsa, algorithms, |algorithm| {
            ParsedPublicKey::new(rsa_parameters(algorithm)?, der).ok()
        })
    }

    /// An Ed25519 public key of 32 bytes.
    pub(crate) fn ed25519(kid: Option<Box<str>>, x: &[u8], algorithms: Algorithms) -> Result<Self, KeyError> {
        // The library would take a whole SubjectPublicKeyInfo too.
        if x.len() != signature::ED25519_PUBLIC_KEY_LEN {
            return Err(KeyError::NotAPoint);
        }
        let id = KeyId::of(KeyType::Ed25519, &[x]);
        Self::public(id, kid, KeyType::Ed25519, algorithms, |_| {
            ParsedPublicKey::new(&signature::ED25519, x).ok()
        })
    }

    /// A secret shared with the authorization server. `weak` lets short ones pass.
    pub(crate) fn secret(secret: &[u8], algorithms: Algorithms, weak: bool) -> Result<Self, KeyError> {
        let mut verifiers = Vec::new();
        for algorithm in algorithms.and(KeyType::Secret.algorithms()).iter() {
            let hash = match algorithm {
                Algorithm::HS384 => hmac::HMAC_SHA384,
                Algorithm::HS512 => hmac::HMAC_SHA512,
                _ => hmac::HMAC_SHA256,
            };
            if secret.is_empty() || (!weak && secret.len() < hash.tag_len()) {
                return Err(KeyError::ShortSecret);
            }
            verifiers.push((algorithm, Verifier::Secret(Box::new(hmac::Key::new(hash, secret)))));
        }
        Ok(Self::of(KeyId::of(KeyType::Secret, &[secret]), None, KeyType::Secret, verifiers)?.for_any_kid())
    }

    fn public(
        id: KeyId,
        kid: Option<Box<str>>,
        key_type: KeyType,
        algorithms: Algorithms,
        parse: impl Fn(Algorithm) -> Option<ParsedPublicKey>,
    ) -> Result<Self, KeyError> {
        let usable = algorithms.and(key_type.algorithms());
        let verifiers = usable
            .iter()
            .map(|algorithm| Some((algorithm, Verifier::Public(parse(algorithm)?))))
            .collect::<Option<Vec<_>>>()
            .ok_or(KeyError::NotAPoint)?;
        Self::of(id, kid, key_type, verifiers)
    }

    fn of(
        id: KeyId,
        kid: Option<Box<str>>,
        key_type: KeyType,
        verifiers: Vec<(Algorithm, Verifier)>,
    ) -> Result<Self, KeyError> {
        if verifiers.is_empty() {
            return Err(KeyError::WrongAlgorithm);
        }
        if kid.as_ref().is_some_and(|kid| kid.len() > limits::KEY_ID_BYTES) {
            return Err(KeyError::LongKeyId);
        }
        Ok(Self { id, kid, key_type, any_kid: false, verifiers: verifiers.into_boxed_slice() })
    }

    /// One that the operator gave without an id.
    pub(super) fn for_any_kid(self) -> Self {
        Self { any_kid: true, ..self }
    }

    pub(crate) fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Whether it fits tokens with any id, and with none.
    pub(crate) fn fits_any_kid(&self) -> bool {
        self.any_kid
    }

    pub(crate) fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        self.verifiers.iter().map(|(algorithm, _)| *algorithm)
    }

    pub(crate) fn can_verify(&self, algorithm: Algorithm) -> bool {
        self.algorithms().any(|own| own == algorithm)
    }

    /// Whether `signature` is this key's over `message` under exactly `algorithm`.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match self.verifiers.iter().find(|(own, _)| *own == algorithm) {
            Some((_, Verifier::Public(key))) => key.verify_sig(message, signature).is_ok(),
            Some((_, Verifier::Secret(key))) => hmac::verify(key, message, signature).is_ok(),
            None => false,
        }
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("kid", &self.kid)
            .field("key_type", &self.key_type)
            .finish_non_exhaustive()
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    number.get(start..).unwrap_or_default()
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

fn curve_parameters(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::ES512 => &signature::ECDSA_P521_SHA512_FIXED,
        _ => return None,
    })
}
