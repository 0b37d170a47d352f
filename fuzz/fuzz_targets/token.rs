//! Any `Authorization` value, judged by published keys: only what their holder signed is admitted.

#![no_main]

use std::sync::LazyLock;

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use tower_bearer::{Profile, RejectionKind, fuzz};

/// Nobody is revoked.
const FEED: &[u8] = br#"{"iss":"https://as.example/","as_of":1732200000,"full":true,"revocations":[]}"#;

static JUDGES: LazyLock<[fuzz::Frozen; 2]> = LazyLock::new(|| {
    [Profile::Rfc9068, Profile::Generic].map(|profile| {
        fuzz::Frozen::with_keys(include_bytes!("known/es256.jwks"), profile, FEED).expect("settings")
    })
});

/// Everything that was ever signed with the key, without its signature: ECDSA signatures have twins.
static SIGNED: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("known/es256.signed").lines().collect());

fuzz_target!(|bytes: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(bytes) else { return };
    for judge in JUDGES.iter() {
        let verdict = judge.judge(value.clone());
        match &verdict {
            Ok(token) => {
                let text = value.to_str().expect("a token is ASCII");
                let (_, jws) = text.split_once(' ').expect("a scheme and a token");
                let (message, _) = jws.trim_start().rsplit_once('.').expect("a JWS");
                assert!(SIGNED.contains(&message), "forged: {text}");
                assert!(token.has_scope(fuzz::SCOPE) && judge.judge_again(token).is_ok());
            }
            Err(None) => {}
            Err(Some(kind)) => {
                assert!(*kind != RejectionKind::NoCredentials && *kind != RejectionKind::NoKeys)
            }
        }
    }
});
