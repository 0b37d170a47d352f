//! Any header and claims, properly signed: the stages behind the signature, against a plain reading of the rules.
//!
//! The input is claims, or a JOSE header, a line feed and claims.

#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::{AccessToken, Profile, fuzz};

const SECRET: &[u8] = b"a secret of the fuzz targets, no shorter than the longest hash, 64 bytes";

const HEADER: &[u8] = br#"{"alg":"HS256","typ":"at+jwt"}"#;

const FEED: &[u8] = br#"{"iss":"https://as.example/","as_of":1732200000,"full":true,"revocations":[
    {"jti":"gone","exp":1732286400},
    {"sub":"gone","issued_before":1732199900,"exp":1732286400},
    {"client_id":"gone","aud":"https://api.example/","issued_before":1732199900,"exp":1732286400}]}"#;

static KEY: LazyLock<hmac::Key> = LazyLock::new(|| hmac::Key::new(hmac::HMAC_SHA256, SECRET));

static JUDGES: LazyLock<[(Profile, fuzz::Frozen); 2]> = LazyLock::new(|| {
    [Profile::Rfc9068, Profile::Generic]
        .map(|profile| (profile, fuzz::Frozen::with_secret(SECRET, profile, FEED).expect("settings")))
});

fn holds(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Array(items) => items.iter().any(|item| item == wanted),
        _ => false,
    }
}

fn has_word(value: &Value, wanted: &str) -> bool {
    value.as_str().is_some_and(|list| list.split(' ').any(|word| word == wanted)) || holds(value, wanted)
}

/// What must be true of every token that is admitted.
fn check(profile: Profile, header: &[u8], claims: &[u8], token: &AccessToken) {
    let (header, claims) =
        match (serde_json::from_slice::<Value>(header), serde_json::from_slice::<Value>(claims)) {
            (Ok(header), Ok(claims)) => (header, claims),
            // A correct number beyond f64 does not matter where nobody asks for it.
            (Err(error), _) | (_, Err(error)) => {
                return assert!(error.to_string().contains("number out of range"), "{error}");
            }
        };
    let now = fuzz::NOW as f64;
    let strict = profile == Profile::Rfc9068;

    assert_eq!(header["alg"], "HS256");
    for name in ["crit", "b64", "zip", "enc"] {
        assert!(header.get(name).is_none(), "{name}");
    }
    match header.get("typ") {
        None => assert!(!strict),
        Some(typ) => {
            let typ = typ.as_str().expect("typ").to_ascii_lowercase();
            let typ = typ.strip_prefix("application/").unwrap_or(&typ);
            assert!(typ == "at+jwt" || (!strict && typ == "jwt"), "{typ}");
        }
    }

    assert_eq!(claims["iss"], fuzz::ISSUER);
    assert!(holds(&claims["aud"], fuzz::AUDIENCE));
    assert!(claims.get("cnf").is_none());
    let scopes =
        has_word(&claims["scope"], fuzz::SCOPE) || (!strict && has_word(&claims["scp"], fuzz::SCOPE));
    assert!(scopes);
    let exp = claims["exp"].as_f64().expect("exp");
    assert!(now < exp + 5.0);
    let issued_at = claims["iat"].as_f64().expect("iat");
    assert!(exp <= issued_at + 86_400.0 && issued_at <= now + 5.0);
    assert!(claims.get("nbf").is_none_or(|date| date.as_f64().expect("nbf") <= now + 5.0));
    assert!(["jti", "uti"].iter().any(|name| claims[name].is_string()));
    for name in ["sub", "client_id", "jti"] {
        match claims.get(name) {
            None => assert!(!strict, "{name}"),
            Some(value) => assert!(value.as_str().is_some_and(|text| !text.is_empty()), "{name}"),
        }
    }

    assert_ne!(claims["jti"], "gone");
    let before = issued_at.floor() <= 1_732_199_900.0;
    assert!(!(before && claims["sub"] == "gone"));
    assert!(!(before && ["client_id", "azp"].iter().any(|name| claims[name] == "gone")));

    // What the inner service is told.
    assert_eq!(token.issuer(), fuzz::ISSUER);
    assert_eq!(token.subject().as_deref(), claims["sub"].as_str());
    assert!(token.has_scope(fuzz::SCOPE) && !token.has_scope(""));
    assert_eq!(token.claims::<Value>().expect("any shape"), claims);
    assert_eq!(token.expires_at().as_secs(), exp.floor() as i64);
}

fuzz_target!(|bytes: &[u8]| {
    let split = bytes.iter().position(|byte| *byte == b'\n');
    let (header, claims) = split.map_or((HEADER, bytes), |at| (&bytes[..at], &bytes[at + 1..]));
    let message = format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(claims));
    let tag = hmac::sign(&KEY, message.as_bytes());
    let value = format!("Bearer {message}.{}", BASE64.encode_to_string(tag));
    let value = HeaderValue::from_str(&value).expect("base64 and dots");
    for (profile, judge) in JUDGES.iter() {
        match judge.judge(value.clone()) {
            Ok(token) => {
                check(*profile, header, claims, &token);
                assert_eq!(judge.judge_again(&token), Ok(()));
            }
            Err(kind) => assert!(kind.is_some(), "no bell rings for a shared secret"),
        }
    }
});
