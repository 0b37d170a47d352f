//! The keys of the test, made once: what is published, and what is not.

use std::sync::OnceLock;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub(crate) const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// Who signs a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Es256,
    EdDsa,
    /// Published; jsonwebtoken does not know the algorithm.
    Es512,
    /// Published with `use: enc`.
    Enc,
    /// Published with `key_ops` that lack `verify`.
    Ops,
    /// An ES256 key that is not published.
    Stranger,
    Secret,
    OtherSecret,
    /// HMAC with the bytes of the published ES256 key.
    PublicKeyAsSecret,
}

impl By {
    pub(crate) fn algorithm(self) -> &'static str {
        match self {
            Self::Es256 | Self::Enc | Self::Ops | Self::Stranger => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Es512 => "ES512",
            Self::Secret | Self::OtherSecret | Self::PublicKeyAsSecret => "HS256",
        }
    }

    /// The key id that an honest signer writes.
    pub(crate) fn kid(self) -> Option<&'static str> {
        match self {
            Self::Es256 | Self::Stranger | Self::PublicKeyAsSecret => Some("es"),
            Self::EdDsa => Some("ed"),
            Self::Es512 => Some("es512"),
            Self::Enc => Some("enc"),
            Self::Ops => Some("ops"),
            Self::Secret | Self::OtherSecret => None,
        }
    }
}

pub(crate) struct Keys {
    es256: EcdsaKeyPair,
    es512: EcdsaKeyPair,
    enc: EcdsaKeyPair,
    ops: EcdsaKeyPair,
    stranger: EcdsaKeyPair,
    eddsa: Ed25519KeyPair,
}

/// The keys of this run.
pub(crate) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| {
        let p256 = || EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Keys {
            es256: p256(),
            es512: EcdsaKeyPair::generate(&signature::ECDSA_P521_SHA512_FIXED_SIGNING).unwrap(),
            enc: p256(),
            ops: p256(),
            stranger: p256(),
            eddsa: Ed25519KeyPair::generate().unwrap(),
        }
    })
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn ec(pair: &EcdsaKeyPair, crv: &str, kid: &str) -> Value {
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = point.split_at(point.len() / 2);
    json!({ "kty": "EC", "crv": crv, "kid": kid, "x": base64url(x), "y": base64url(y) })
}

impl Keys {
    pub(crate) fn sign(&self, by: By, message: &[u8]) -> Vec<u8> {
        let ec = |pair: &EcdsaKeyPair| pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
        let mac =
            |secret: &[u8]| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().to_vec();
        match by {
            By::Es256 => ec(&self.es256),
            By::Es512 => ec(&self.es512),
            By::Enc => ec(&self.enc),
            By::Ops => ec(&self.ops),
            By::Stranger => ec(&self.stranger),
            By::EdDsa => self.eddsa.sign(message).as_ref().to_vec(),
            By::Secret => mac(SECRET),
            By::OtherSecret => mac(b"another secret, as long as a hash"),
            By::PublicKeyAsSecret => mac(self.es256.public_key().as_ref()),
        }
    }

    /// The JWK set as the issuer publishes it.
    pub(crate) fn published(&self) -> Vec<Value> {
        let mut enc = ec(&self.enc, "P-256", "enc");
        enc["use"] = json!("enc");
        let mut ops = ec(&self.ops, "P-256", "ops");
        ops["key_ops"] = json!(["sign"]);
        let x = base64url(self.eddsa.public_key().as_ref());
        vec![
            ec(&self.es256, "P-256", "es"),
            json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": x }),
            ec(&self.es512, "P-521", "es512"),
            enc,
            ops,
        ]
    }
}
