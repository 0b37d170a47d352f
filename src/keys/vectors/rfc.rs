//! The signed examples of RFC 7515 (appendix A), RFC 7520 (§4) and RFC 8037 (appendix A), each a whole compact token.
//!
//! In `rfc.json` the keys have `d` where the RFC shows it; the RSA keys are without their primes. The tokens are split
//! here, not by `request::token`: that stands on a higher floor, and most of them carry text that is no JSON object.

use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::{Algorithm, Algorithms};
use crate::json::{self, Object};
use crate::keys::{KeyError, VerifyingKey, jwk};
use crate::limits;

#[derive(Deserialize)]
struct Example {
    from: String,
    alg: String,
    key: Value,
    token: String,
}

/// A token in its parts: what was signed, and the signature.
struct Parts<'a> {
    algorithm: Algorithm,
    signed: &'a str,
    signature: Vec<u8>,
}

fn examples() -> Vec<Example> {
    let examples: Vec<Example> = serde_json::from_str(include_str!("rfc.json")).unwrap();
    assert_eq!(examples.len(), 9);
    examples
}

fn decode(text: &str) -> Vec<u8> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).unwrap()
}

impl Example {
    /// The key as an issuer should have published it.
    fn public(&self) -> Value {
        let mut key = self.key.clone();
        key.as_object_mut().unwrap().remove("d");
        key
    }

    fn is_symmetric(&self) -> bool {
        self.key["kty"] == "oct"
    }

    /// The key by the way it would come to us, with every algorithm that its kind has.
    fn load(&self) -> VerifyingKey {
        if !self.is_symmetric() {
            return jwk::read(&self.public(), Algorithms::ASYMMETRIC).unwrap();
        }
        let (secret, own) = (decode(self.key["k"].as_str().unwrap()), self.split().algorithm);
        assert!(VerifyingKey::secret(&secret, Algorithms::of(&[own]), false).is_ok(), "{}", self.from);
        VerifyingKey::secret(&secret, Algorithms::HMAC, true).unwrap()
    }

    fn split(&self) -> Parts<'_> {
        let (signed, signature) = self.token.rsplit_once('.').unwrap();
        let (header, _) = signed.split_once('.').unwrap();
        let header = String::from_utf8(decode(header)).unwrap().into_boxed_str();
        let header = Object::parse(header, limits::HEADER_DEPTH, limits::OBJECT_MEMBERS).unwrap();
        let Some(json::Value::String(name)) = header.get("alg") else { panic!("{}: no alg", self.from) };
        let algorithm = Algorithm::from_name(&name).unwrap();
        assert_eq!(algorithm.name(), self.alg, "{}", self.from);
        Parts { algorithm, signed, signature: decode(signature) }
    }
}

#[test]
fn the_signed_examples_of_the_rfcs_verify_under_their_own_algorithm_only() {
    for example in examples() {
        let Parts { algorithm, signed, signature } = example.split();
        let key = example.load();
        for tried in Algorithm::ALL {
            let verified = key.verify(tried, signed.as_bytes(), &signature);
            assert_eq!(verified, tried == algorithm, "{} as {tried}", example.from);
        }
    }
}

#[test]
fn the_signed_examples_of_the_rfcs_are_refused_when_anything_is_changed() {
    for example in examples() {
        let Parts { algorithm, signed, signature } = example.split();
        let key = example.load();
        let refuse = |signed: &[u8], signature: &[u8], what: &str| {
            assert!(!key.verify(algorithm, signed, signature), "{}: {what}", example.from);
        };
        for place in 0..signature.len() {
            let mut changed = signature.clone();
            changed[place] ^= 1;
            refuse(signed.as_bytes(), &changed, "signature changed");
        }
        for place in 0..signed.len() {
            let mut changed = signed.as_bytes().to_vec();
            changed[place] ^= 1;
            refuse(&changed, &signature, "signed text changed");
        }
        refuse(signed.as_bytes(), &[], "signature missing");
        refuse(signed.as_bytes(), &signature[1..], "signature without its first byte");
        refuse(signed.as_bytes(), &signature[..signature.len() - 1], "signature cut short");
        refuse(signed.as_bytes(), &[&signature[..], &[0]].concat(), "signature with a byte more");
        refuse(signed.as_bytes(), &[&[0], &signature[..]].concat(), "signature with a zero before it");
    }
}

#[test]
fn no_example_verifies_with_the_key_of_another() {
    let examples = examples();
    for example in &examples {
        let Parts { algorithm, signed, signature } = example.split();
        for other in examples.iter().filter(|other| other.public() != example.public()) {
            let verified = other.load().verify(algorithm, signed.as_bytes(), &signature);
            assert!(!verified, "{} with the key of {}", example.from, other.from);
        }
    }
}

#[test]
fn secret_and_private_keys_of_the_rfcs_are_refused_in_a_published_set() {
    for example in examples() {
        let expected = if example.is_symmetric() { KeyError::Symmetric } else { KeyError::Private };
        let error = jwk::read(&example.key, Algorithms::ASYMMETRIC).err();
        assert_eq!(error, Some(expected), "{}", example.from);
    }
}
