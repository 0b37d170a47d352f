//! Keys of the RFCs, written as PEM by another library: `rsa` RFC 7515 A.2, `p256` A.3, `p521` A.4, `p384` RFC 6979 A.2.6,
//! `ed25519` RFC 8037 A.2. The others are made up.

use serde_json::Value;

use super::*;
use crate::keys::{KeySet, KeySetError};

const RSA: &str = include_str!("rsa.pem");
const PKCS1: &str = include_str!("rsa-pkcs1.pem");
const P256: &str = include_str!("p256.pem");
const P384: &str = include_str!("p384.pem");
const P521: &str = include_str!("p521.pem");
const ED25519_PEM: &str = include_str!("ed25519.pem");
const CERTIFICATE: &str = include_str!("certificate.pem");

const RSA_ALGORITHMS: &str = "RS256 RS384 RS512 PS256 PS384 PS512";

fn given(text: &str) -> Result<KeySet, KeySetError> {
    KeySet::given(text.as_bytes(), Algorithms::ASYMMETRIC)
}

/// What each key of the text verifies, or why it is left out.
fn said(text: &str) -> Result<Vec<String>, PemError> {
    let words = |key: Result<VerifyingKey, KeyError>| match key {
        Ok(key) => key.algorithms().map(Algorithm::name).collect::<Vec<_>>().join(" "),
        Err(error) => format!("{error:?}"),
    };
    read(text.as_bytes(), Algorithms::ASYMMETRIC).map(|keys| keys.into_iter().map(words).collect())
}

#[test]
fn reads_each_type_and_nothing_under_another() {
    let table = [
        (RSA, RSA_ALGORITHMS),
        (PKCS1, RSA_ALGORITHMS),
        (P256, "ES256"),
        (P384, "ES384"),
        (P521, "ES512"),
        (ED25519_PEM, "EdDSA"),
        (include_str!("rsa-1024.pem"), "RsaSize"),
        // RFC 4055 §1.2: a key that is for PSS alone must not verify PKCS #1 v1.5.
        (include_str!("rsa-pss.pem"), "UnknownDer"),
        (include_str!("p256-compressed.pem"), "UnknownDer"),
        (include_str!("p256-explicit.pem"), "UnknownDer"),
        (include_str!("secp256k1.pem"), "UnknownDer"),
        (include_str!("ed448.pem"), "UnknownDer"),
        (include_str!("x25519.pem"), "UnknownDer"),
        (CERTIFICATE, "Certificate"),
        ("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n", "NotPublicKey"),
        ("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n", "UnknownDer"),
    ];
    for (text, expected) in table {
        assert_eq!(said(text), Ok(vec![expected.to_owned()]), "{text}");
    }
    // The label and what is under it must agree.
    for (text, from, to) in [
        (RSA, "PUBLIC KEY", "RSA PUBLIC KEY"),
        (PKCS1, "RSA PUBLIC KEY", "PUBLIC KEY"),
        (P256, "PUBLIC KEY", "RSA PUBLIC KEY"),
    ] {
        assert_eq!(said(&text.replace(from, to)), Ok(vec!["UnknownDer".to_owned()]), "{from} {to}");
    }
}

/// The signed examples of the RFCs.
#[test]
fn the_keys_are_those_that_signed() {
    let examples: Vec<Value> = serde_json::from_str(include_str!("../vectors/rfc.json")).unwrap();
    let table = [
        (RSA, "RFC 7515 A.2", Algorithm::RS256),
        (PKCS1, "RFC 7515 A.2", Algorithm::RS256),
        (P256, "RFC 7515 A.3", Algorithm::ES256),
        (P521, "RFC 7515 A.4", Algorithm::ES512),
        (ED25519_PEM, "RFC 8037 A.4 and A.5", Algorithm::EdDSA),
    ];
    for (pem, from, algorithm) in table {
        let example = examples.iter().find(|example| example["from"] == from).unwrap();
        let (message, signature) = example["token"].as_str().unwrap().rsplit_once('.').unwrap();
        let mut signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
        let set = given(pem).unwrap();
        for kid in [None, Some("any")] {
            let key = set.candidates(kid, algorithm).next().unwrap();
            assert!(key.verify(algorithm, message.as_bytes(), &signature), "{from}");
            for other in Algorithm::ALL.into_iter().filter(|other| *other != algorithm) {
                assert!(!key.verify(other, message.as_bytes(), &signature), "{from} as {other}");
            }
        }
        signature[0] ^= 1;
        assert!(!set.keys()[0].verify(algorithm, message.as_bytes(), &signature), "{from}");
    }
}

#[test]
fn several_keys_with_text_around_them_and_any_line_ends() {
    let text = format!("Signing keys.\nbag: x\n\n{RSA}\n# the new one\n{P256}{CERTIFICATE}{ED25519_PEM}bye");
    for text in
        [text.clone(), text.replace('\n', "\r\n"), text.trim_end().to_owned(), format!("\n\n{text}\n")]
    {
        let set = given(&text).unwrap();
        assert_eq!((set.keys().len(), set.odd().len()), (3, 1), "{text:?}");
        assert_eq!(set.odd()[0].error, KeyError::Certificate);
        for (algorithm, keys) in [(Algorithm::PS384, 1), (Algorithm::ES256, 1), (Algorithm::ES384, 0)] {
            assert_eq!(set.candidates(Some("any"), algorithm).count(), keys, "{algorithm}");
        }
    }
}

#[test]
fn only_allowed_algorithms_are_prepared() {
    let allowed = Algorithms::of(&[Algorithm::PS256]);
    let set = KeySet::given(format!("{RSA}{P256}").as_bytes(), allowed).unwrap();
    assert_eq!(set.keys()[0].algorithms().collect::<Vec<_>>(), [Algorithm::PS256]);
    assert_eq!(set.odd()[0].error, KeyError::WrongAlgorithm);
}

/// Whatever stands beside it, and nothing of it is said.
#[test]
fn a_private_key_is_refused() {
    for label in
        ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"]
    {
        for body in ["aHVudGVyMg==", "hunter2", "hunter2: x\n\nhunter2"] {
            let private = format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n");
            for text in [format!("{private}{P256}"), format!("{P256}{private}"), private.clone()] {
                let error = given(&text).unwrap_err();
                assert!(matches!(error, KeySetError::Pem(PemError::Private)), "{label}: {error}");
                assert!(!format!("{error:?} {error}").contains("hunter2"));
            }
        }
        let cut_off = format!("{P256}-----BEGIN {label}");
        assert_eq!(said(&cut_off), Err(PemError::Private));
    }
}

/// A file that is being written must not be taken for a smaller one: not unless it ends between two keys.
#[test]
fn what_is_cut_off_is_refused() {
    let text = format!("{RSA}{P256}");
    let between = RSA.len() - 1..RSA.len() + BEGIN.len();
    for end in 0..text.len() - 1 {
        let head = given(&text[..end]);
        assert_eq!(head.is_ok(), between.contains(&end), "{end}: {head:?}");
    }
    for start in 1..=RSA.find("-----END").unwrap() {
        assert_eq!(said(&text[start..]), Err(PemError::NotPem), "{start}");
    }
    let table = [
        P256.replace("-----END PUBLIC KEY-----\n", P384),
        P256.replace("END PUBLIC", "END RSA PUBLIC"),
        P256.replace("MFkw", "MFk*"),
        P256.replace("MFkw", "MFk"),
        P256.replace("-----BEGIN", "------BEGIN"),
        format!("{P256}-----END PUBLIC KEY-----\n"),
    ];
    for text in table {
        assert_eq!(said(&text), Err(PemError::NotPem), "{text}");
    }
}

/// A key is read to its last byte.
#[test]
fn no_byte_of_the_framing_is_free() {
    for text in [RSA, P256, P384, P521, ED25519_PEM] {
        let der = pem::parse(text).unwrap().into_contents();
        let longer = [der.as_slice(), &[0]].concat();
        for wrong in [&longer, &der[..der.len() - 1], &der[1..]] {
            assert!(public_key(wrong, Algorithms::ASYMMETRIC).is_err(), "{text}");
        }
        for at in 0..12 {
            let mut wrong = der.clone();
            wrong[at] ^= 1;
            assert!(public_key(&wrong, Algorithms::ASYMMETRIC).is_err(), "byte {at} of {text}");
        }
    }
}

#[test]
fn a_text_without_a_usable_key_is_an_error() {
    let refused = |text: &str, words: &str| {
        let error = given(text).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(CERTIFICATE, "openssl x509 -pubkey -noout");
    refused(include_str!("rsa-1024.pem"), "2048");
    refused("", "not a JWK set");
    refused("ssh-ed25519 AAAA", "not a JWK set");
    refused(&P256.repeat(limits::KEYS + 1), "64 sections");
}

/// JK-08: without ids each key costs a verification, so they are few.
#[test]
fn keys_for_one_algorithm_are_bounded() {
    let few = given(&P256.repeat(limits::KEY_TRIES)).unwrap();
    for kid in [None, Some("any")] {
        assert_eq!(few.candidates(kid, Algorithm::ES256).count(), limits::KEY_TRIES);
    }
    let many = P256.repeat(limits::KEY_TRIES + 1);
    assert_eq!(said(&many), Err(PemError::TooManyAlike(Algorithm::ES256)));
    assert!(given(&format!("{}{RSA}{P384}", P256.repeat(limits::KEY_TRIES))).is_ok());
}

#[test]
fn a_jwk_set_may_speak_of_pem() {
    let set = r#" {"note":"-----BEGIN PUBLIC KEY-----","keys":[{"kty":"OKP","crv":"Ed25519","kid":"1",
        "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    assert_eq!(given(set).unwrap().candidates(Some("2"), Algorithm::EdDSA).count(), 0);
}
