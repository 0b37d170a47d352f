//! A signed page: opened only where the issuer signed it, and signed it as a page.
//!
//! The input is an answer; or a JOSE header, a line feed and a page, which the target signs.

#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::signature::Ed25519KeyPair;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::fuzz::SignedPages;

/// RFC 8037 appendix A.1.
const SEED: &str = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A";
const KEYS: &[u8] = br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k-1",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

static PAGES: LazyLock<SignedPages> = LazyLock::new(|| SignedPages::of(KEYS).expect("keys"));

static KEY: LazyLock<Ed25519KeyPair> = LazyLock::new(|| {
    let seed = BASE64.decode_to_vec(SEED).expect("base64url");
    Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed")
});

fn short(words: &str) {
    assert!(words.len() < 256 && !words.chars().any(char::is_control), "{words:?}");
}

fn check(header: &[u8], page: &[u8]) {
    let message = format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(page));
    let signature = KEY.sign(message.as_bytes());
    let with = |signature: &[u8]| format!("{message}.{}", BASE64.encode_to_string(signature));
    let opened = match PAGES.open(with(signature.as_ref()).as_bytes()) {
        Ok(opened) => opened,
        Err(words) => return short(&words),
    };
    assert_eq!(opened, page);
    let mut other = signature.as_ref().to_vec();
    let at = page.len() % other.len();
    other[at] ^= 1;
    assert!(PAGES.open(with(&other).as_bytes()).is_err(), "another signature");
    assert!(PAGES.open(format!("{message}.").as_bytes()).is_err(), "no signature");
    let header: Value = match serde_json::from_slice(header) {
        Ok(header) => header,
        Err(error) => return assert!(error.to_string().contains("number out of range"), "{error}"),
    };
    assert!(header["alg"] == "EdDSA" || header["alg"] == "Ed25519", "{header}");
    let typ = header["typ"].as_str().expect("typ").to_ascii_lowercase();
    assert_eq!(typ.strip_prefix("application/").unwrap_or(&typ), "revocation-feed+jwt");
    for name in ["crit", "b64", "zip", "enc"] {
        assert!(header.get(name).is_none(), "{name}");
    }
    assert!(header.get("kid").is_none_or(|kid| kid == "k-1"), "{header}");
}

fuzz_target!(|bytes: &[u8]| {
    match PAGES.open(bytes) {
        // Only the target knows the key, and no seed is signed.
        Ok(_) => panic!("a signature was made up"),
        Err(words) => short(&words),
    }
    if let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
        check(&bytes[..end], &bytes[end + 1..]);
    }
});
