//! Signing keys: made, used, published as a JWK set and rotated.

use std::io;
use std::sync::Arc;

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::encoding::{base64url, random_id};
use crate::algorithm::Algorithm;

/// A key, parsed once, and how it signs.
enum Signer {
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair, &'static str),
    Ed(Ed25519KeyPair),
}

/// One key for one algorithm. A shared secret has no key id, every other key has.
pub(super) struct SigningKey {
    algorithm: Algorithm,
    kid: Option<String>,
    signer: Signer,
}

impl SigningKey {
    /// A new key for each of `algorithms`, made where blocking is allowed.
    pub(super) async fn generate_all(algorithms: Vec<Algorithm>) -> io::Result<Vec<Self>> {
        let make = move || algorithms.into_iter().map(Self::generate).collect();
        spawn_blocking(make).await.map_err(io::Error::other)
    }

    /// A new key. RSA takes a tenth of a second, everything else microseconds.
    #[expect(clippy::expect_used, reason = "the arguments are constants that the library knows")]
    pub(super) fn generate(algorithm: Algorithm) -> Self {
        let signer = Signer::generate(algorithm).expect("aws-lc makes keys of every kind it knows");
        Self { algorithm, kid: (!is_shared(algorithm)).then(random_id), signer }
    }

    /// A shared secret as a key; where `algorithm` is not an HMAC, it is HS256 all the same.
    pub(super) fn shared(algorithm: Algorithm, secret: &[u8]) -> Self {
        Self {
            algorithm,
            kid: None,
            signer: Signer::Hmac(Box::new(hmac::Key::new(hmac_hash(algorithm), secret))),
        }
    }

    /// What it signs with.
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id.
    pub(super) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The signature over `message`, as JWS wants it.
    #[expect(clippy::expect_used, reason = "the pair was made for this algorithm")]
    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signed = match &self.signer {
            Signer::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Signer::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Signer::Ec(pair, _) => {
                pair.sign(&SystemRandom::new(), message).map(|signature| signature.as_ref().to_vec())
            }
            Signer::Rsa(pair, encoding) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &SystemRandom::new(), message, &mut signature).map(|()| signature)
            }
        };
        signed.expect("a key signs with the algorithm it was made for")
    }

    /// The public half; a shared secret has none.
    fn jwk(&self) -> Option<Value> {
        let (alg, kid) = (self.algorithm.name(), &self.kid);
        let jwk = match &self.signer {
            Signer::Hmac(_) => return None,
            Signer::Rsa(pair, _) => json!({
                "kty": "RSA", "use": "sig", "alg": alg, "kid": kid,
                "n": base64url(pair.public_key().modulus().big_endian_without_leading_zero()),
                "e": base64url(pair.public_key().exponent().big_endian_without_leading_zero()),
            }),
            Signer::Ec(pair, curve) => {
                // An uncompressed point: one byte of form, then x and y of equal length.
                let point = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = point.split_at(point.len() / 2);
                json!({
                    "kty": "EC", "use": "sig", "alg": alg, "kid": kid,
                    "crv": curve, "x": base64url(x), "y": base64url(y),
                })
            }
            Signer::Ed(pair) => json!({
                "kty": "OKP", "use": "sig", "alg": alg, "kid": kid,
                "crv": "Ed25519", "x": base64url(pair.public_key()),
            }),
        };
        Some(jwk)
    }
}

impl Signer {
    fn generate(algorithm: Algorithm) -> Result<Self, Unspecified> {
        use Algorithm as A;
        let rsa = |encoding: &'static dyn RsaEncoding| {
            RsaKeyPair::generate(KeySize::Rsa2048).map(|pair| Self::Rsa(pair, encoding))
        };
        let ec = |signing: &'static EcdsaSigningAlgorithm, curve| {
            EcdsaKeyPair::generate(signing).map(|pair| Self::Ec(pair, curve))
        };
        match algorithm {
            A::HS256 | A::HS384 | A::HS512 => hmac::Key::generate(hmac_hash(algorithm), &SystemRandom::new())
                .map(|key| Self::Hmac(Box::new(key))),
            A::RS256 => rsa(&signature::RSA_PKCS1_SHA256),
            A::RS384 => rsa(&signature::RSA_PKCS1_SHA384),
            A::RS512 => rsa(&signature::RSA_PKCS1_SHA512),
            A::PS256 => rsa(&signature::RSA_PSS_SHA256),
            A::PS384 => rsa(&signature::RSA_PSS_SHA384),
            A::PS512 => rsa(&signature::RSA_PSS_SHA512),
            A::ES256 => ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, "P-256"),
            A::ES384 => ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, "P-384"),
            A::ES512 => ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING, "P-521"),
            A::EdDSA => Ed25519KeyPair::generate().map(Self::Ed),
        }
    }
}

/// Whether `algorithm` signs with a secret that the verifier knows too.
pub(super) fn is_shared(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

fn hmac_hash(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::HS384 => hmac::HMAC_SHA384,
        Algorithm::HS512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}

/// The keys that sign, and the ones that no longer do but are still published.
pub(super) struct KeySet {
    current: Vec<Arc<SigningKey>>,
    old: Vec<Arc<SigningKey>>,
}

impl KeySet {
    pub(super) fn new(keys: Vec<SigningKey>) -> Self {
        let current = keys.into_iter().map(Arc::new).collect();
        Self { current, old: Vec::new() }
    }

    /// The algorithms that have a key.
    pub(super) fn algorithms(&self) -> Vec<Algorithm> {
        self.current.iter().map(|key| key.algorithm).collect()
    }

    /// The key that signs with `algorithm`.
    pub(super) fn current(&self, algorithm: Algorithm) -> Option<Arc<SigningKey>> {
        let key = self.current.iter().find(|key| key.algorithm == algorithm);
        key.cloned()
    }

    /// Adds a key and answers with the one to use: where its algorithm had one already, that one stays.
    pub(super) fn add(&mut self, key: SigningKey) -> Arc<SigningKey> {
        self.current(key.algorithm).unwrap_or_else(|| {
            let key = Arc::new(key);
            self.current.push(Arc::clone(&key));
            key
        })
    }

    /// Takes `keys` into use. The former ones stay published only if `overlap`.
    pub(super) fn rotate(&mut self, keys: Vec<SigningKey>, overlap: bool) {
        let keys = keys.into_iter().map(Arc::new).collect();
        let former = std::mem::replace(&mut self.current, keys);
        if overlap {
            self.old.splice(0..0, former);
        } else {
            self.old.clear();
        }
    }

    /// Publishes the current keys only.
    pub(super) fn retire_old(&mut self) {
        self.old.clear();
    }

    /// The JWK set, new keys first.
    pub(super) fn jwks(&self) -> Value {
        let published = self.current.iter().chain(&self.old);
        json!({ "keys": published.filter_map(|key| key.jwk()).collect::<Vec<_>>() })
    }
}
