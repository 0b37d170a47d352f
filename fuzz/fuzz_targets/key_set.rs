//! A JWK set, and tokens of known keys against it: nothing panics, and only their own key verifies them.

#![no_main]

mod known;

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::fuzz;

use known::KNOWN;

/// Big-endian numbers may have zeros before them.
fn material(key: &Value, name: &str) -> Option<Vec<u8>> {
    let bytes = BASE64.decode_to_vec(key.get(name)?.as_str()?).ok()?;
    let start = if name == "n" { bytes.iter().position(|byte| *byte != 0)? } else { 0 };
    Some(bytes[start..].to_vec())
}

fuzz_target!(|bytes: &[u8]| {
    let keys = match fuzz::Keys::parse(bytes) {
        Ok(keys) => keys,
        Err(words) => {
            assert!(words.len() < 512 && !words.chars().any(char::is_control), "{words:?}");
            return;
        }
    };
    let document: Value = serde_json::from_slice(bytes).expect("it was read");
    let published = document["keys"].as_array().expect("it has keys");
    for known in KNOWN.iter() {
        for kid in [None, Some("1")] {
            if keys.verify(kid, known.algorithm, known.message.as_bytes(), &known.signature) {
                let (name, own) = known.material;
                let own = BASE64.decode_to_vec(own).expect("it is base64url");
                let is_there = published.iter().any(|key| material(key, name).as_ref() == Some(&own));
                assert!(is_there, "verified by another key: {:?}", known.algorithm);
            }
        }
    }
});
