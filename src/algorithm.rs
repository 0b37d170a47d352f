//! Signature algorithms, and the one table of which key carries which.

use std::fmt;

/// A JWS signature algorithm (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
///
/// `none` is not among them and never will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    RS512,
    /// RSASSA-PSS with SHA-256.
    PS256,
    /// RSASSA-PSS with SHA-384.
    PS384,
    /// RSASSA-PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// ECDSA on P-521 with SHA-512.
    ES512,
    /// Ed25519, written `EdDSA` (RFC 8037) or `Ed25519` (RFC 9864).
    EdDSA,
}

use Algorithm::{ES256, ES384, ES512, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512};

impl Algorithm {
    pub(crate) const ALL: [Self; 13] =
        [HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA];

    /// The algorithm of that `alg` value, compared case-sensitively.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "Ed25519" => Some(EdDSA),
            _ => Self::ALL.into_iter().find(|algorithm| algorithm.name() == name),
        }
    }

    /// The `alg` value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            HS256 => "HS256",
            HS384 => "HS384",
            HS512 => "HS512",
            RS256 => "RS256",
            RS384 => "RS384",
            RS512 => "RS512",
            PS256 => "PS256",
            PS384 => "PS384",
            PS512 => "PS512",
            ES256 => "ES256",
            ES384 => "ES384",
            ES512 => "ES512",
            EdDSA => "EdDSA",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of algorithms in one word.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Algorithms(u16);

impl Algorithms {
    /// Everything that a published key can verify.
    pub(crate) const ASYMMETRIC: Self =
        Self::of(&[RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA]);
    pub(crate) const HMAC: Self = Self::of(&[HS256, HS384, HS512]);

    pub(crate) const fn of(list: &[Algorithm]) -> Self {
        let mut bits = 0;
        let mut rest = list;
        while let [first, others @ ..] = rest {
            bits |= first.bit();
            rest = others;
        }
        Self(bits)
    }

    pub(crate) const fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    pub(crate) const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |algorithm| self.contains(*algorithm))
    }
}

impl fmt::Debug for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What kind of key a key is: `kty` and `crv` together (RFC 7518 §6, RFC 8037 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyType {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    Secret,
}

impl KeyType {
    /// THE table: which algorithms a key of this kind can verify.
    pub(crate) const fn algorithms(self) -> Algorithms {
        match self {
            Self::Rsa => Algorithms::of(&[RS256, RS384, RS512, PS256, PS384, PS512]),
            Self::P256 => Algorithms::of(&[ES256]),
            Self::P384 => Algorithms::of(&[ES384]),
            Self::P521 => Algorithms::of(&[ES512]),
            Self::Ed25519 => Algorithms::of(&[EdDSA]),
            Self::Secret => Algorithms::HMAC,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_case_sensitive_and_none_is_unknown() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("Ed25519"), Some(EdDSA));
        for name in ["none", "None", "NONE", "nOnE", "", "rs256", "RS256 ", "Ed448", "ES256K", "ML-DSA-44"] {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn every_algorithm_belongs_to_exactly_one_kind_of_key() {
        let kinds =
            [KeyType::Rsa, KeyType::P256, KeyType::P384, KeyType::P521, KeyType::Ed25519, KeyType::Secret];
        for algorithm in Algorithm::ALL {
            let carriers = kinds.iter().filter(|kind| kind.algorithms().contains(algorithm)).count();
            assert_eq!(carriers, 1, "{algorithm}");
            assert_ne!(Algorithms::ASYMMETRIC.contains(algorithm), Algorithms::HMAC.contains(algorithm));
        }
    }
}
