//! One foreign JWK → one ready key (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2).

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use serde_json::Value;

use super::{KeyError, VerifyingKey};
use crate::algorithm::{Algorithm, Algorithms, KeyType};

/// Members that only a private or symmetric key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Reads a member of a key set, using only what is in `allowed`.
pub(crate) fn read(member: &Value, allowed: Algorithms) -> Result<VerifyingKey, KeyError> {
    let object = member.as_object().ok_or(KeyError::NotAKey)?;
    if object.get("kty").and_then(Value::as_str) == Some("oct") {
        return Err(KeyError::Symmetric);
    }
    if PRIVATE.iter().any(|name| object.contains_key(*name)) {
        return Err(KeyError::Private);
    }
    let jwk: Jwk = serde_json::from_value(member.clone()).map_err(|_| KeyError::NotAKey)?;
    if !matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature)) {
        return Err(KeyError::NotForSignatures);
    }
    if jwk.common.key_operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
        return Err(KeyError::NotForVerifying);
    }
    // Read from the text: the names of RFC 9864 are younger than the library's.
    let algorithms = match object.get("alg") {
        None => allowed,
        Some(name) => {
            let algorithm = name.as_str().and_then(Algorithm::from_name).ok_or(KeyError::WrongAlgorithm)?;
            allowed.and(Algorithms::of(&[algorithm]))
        }
    };
    let kid = jwk.common.key_id.map(String::into_boxed_str);
    match jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            VerifyingKey::rsa(kid, &decode(&rsa.n)?, &decode(&rsa.e)?, algorithms)
        }
        AlgorithmParameters::EllipticCurve(ec) => {
            let key_type = match ec.curve {
                EllipticCurve::P256 => KeyType::P256,
                EllipticCurve::P384 => KeyType::P384,
                EllipticCurve::P521 => KeyType::P521,
                _ => return Err(KeyError::UnknownType),
            };
            VerifyingKey::ec(kid, key_type, &decode(&ec.x)?, &decode(&ec.y)?, algorithms)
        }
        AlgorithmParameters::OctetKeyPair(okp) if okp.curve == EllipticCurve::Ed25519 => {
            VerifyingKey::ed25519(kid, &decode(&okp.x)?, algorithms)
        }
        _ => Err(KeyError::UnknownType),
    }
}

fn decode(text: &str) -> Result<Vec<u8>, KeyError> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).map_err(|_| KeyError::NotBase64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// RFC 7517 appendix A.1, and RFC 8037 appendix A.2.
    fn rfc_keys() -> [Value; 3] {
        [
            json!({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","kid":"1"}),
            json!({"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
                "e":"AQAB","alg":"RS256","kid":"2011-04-29"}),
            json!({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        ]
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn read_all(key: &Value) -> Result<Vec<&'static str>, KeyError> {
        read(key, Algorithms::ASYMMETRIC).map(|key| key.algorithms().map(Algorithm::name).collect())
    }

    #[test]
    fn reads_the_keys_of_the_rfcs() {
        let [ec, rsa, okp] = rfc_keys();
        assert_eq!(read_all(&ec), Ok(vec!["ES256"]));
        assert_eq!(read_all(&rsa), Ok(vec!["RS256"]));
        assert_eq!(read_all(&okp), Ok(vec!["EdDSA"]));
        assert_eq!(read_all(&with(okp, "alg", json!("Ed25519"))), Ok(vec!["EdDSA"]));
    }

    #[test]
    fn a_zero_byte_before_the_modulus_is_what_java_issuers_send() {
        let [_, rsa, _] = rfc_keys();
        let mut n = vec![0];
        n.extend(decode(rsa["n"].as_str().unwrap()).unwrap());
        let padded = with(rsa, "n", json!(base64_simd::URL_SAFE_NO_PAD.encode_to_string(n)));
        assert_eq!(read_all(&padded), Ok(vec!["RS256"]));
    }

    #[test]
    fn refuses() {
        let [ec, rsa, okp] = rfc_keys();
        let short = base64_simd::URL_SAFE_NO_PAD.encode_to_string([0xff_u8; 128]);
        let table = [
            (json!(5), KeyError::NotAKey),
            (json!({}), KeyError::UnknownType),
            (with(ec.clone(), "kid", json!(5)), KeyError::NotAKey),
            (with(ec.clone(), "use", json!(5)), KeyError::NotAKey),
            (with(ec.clone(), "use", json!("enc")), KeyError::NotForSignatures),
            (with(ec.clone(), "key_ops", json!(["sign"])), KeyError::NotForVerifying),
            (with(ec.clone(), "d", json!("870M")), KeyError::Private),
            (with(ec.clone(), "alg", json!("RS256")), KeyError::WrongAlgorithm),
            (with(ec.clone(), "alg", json!("none")), KeyError::WrongAlgorithm),
            (with(ec.clone(), "crv", json!("P-384")), KeyError::NotAPoint),
            (with(ec.clone(), "crv", json!("secp256k1")), KeyError::UnknownType),
            (with(ec.clone(), "x", json!("AAAA")), KeyError::NotAPoint),
            (
                with(ec.clone(), "x", json!("MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D0")),
                KeyError::NotAPoint,
            ),
            (with(ec.clone(), "x", json!("a=")), KeyError::NotBase64),
            (with(ec, "kid", json!("k".repeat(257))), KeyError::LongKeyId),
            (with(rsa.clone(), "n", json!(short)), KeyError::RsaSize),
            (with(rsa.clone(), "e", json!("AQ")), KeyError::RsaExponent),
            (with(rsa.clone(), "e", json!("Ag")), KeyError::RsaExponent),
            (with(rsa.clone(), "e", json!("")), KeyError::RsaExponent),
            (with(rsa, "alg", json!("RSA-OAEP")), KeyError::WrongAlgorithm),
            (with(okp.clone(), "crv", json!("X25519")), KeyError::UnknownType),
            (with(okp, "crv", json!("Ed448")), KeyError::UnknownType),
            (json!({"kty":"oct","k":"c2VjcmV0"}), KeyError::Symmetric),
            (json!({"kty":"AKP","alg":"ML-DSA-44","pub":"AA"}), KeyError::WrongAlgorithm),
        ];
        for (key, expected) in table {
            assert_eq!(read_all(&key), Err(expected), "{key}");
        }
    }

    #[test]
    fn only_allowed_algorithms_are_prepared() {
        let [_, mut rsa, _] = rfc_keys();
        rsa.as_object_mut().unwrap().remove("alg");
        let allowed = Algorithms::of(&[Algorithm::PS256, Algorithm::ES256]);
        let key = read(&rsa, allowed).unwrap();
        assert!(key.can_verify(Algorithm::PS256) && !key.can_verify(Algorithm::RS256));
    }
}
