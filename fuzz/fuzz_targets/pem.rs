//! Keys in PEM, and tokens of known keys against them: nothing panics, no private key passes, and only their own key
//! verifies the tokens.

#![no_main]

mod known;

use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz;

use known::KNOWN;

/// Everything in the text that could be the content of a section.
fn contents(text: &str) -> Vec<Vec<u8>> {
    let after = |part: &str, line: &str| part.split_once(line).map(|(_, rest)| rest.to_owned());
    let parts = text.split("-----").flat_map(|part| {
        [Some(part.to_owned()), after(part, "\n\n"), after(part, "\r\n\r\n")].into_iter().flatten()
    });
    let decode = |part: String| {
        let letters: String = part.chars().filter(|letter| !letter.is_whitespace()).collect();
        STANDARD.decode_to_vec(letters).ok()
    };
    parts.filter_map(decode).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let keys = match fuzz::Keys::given(bytes) {
        Ok(keys) => keys,
        Err(words) => {
            assert!(words.len() < 512 && !words.chars().any(char::is_control), "{words:?}");
            return;
        }
    };
    let text = String::from_utf8_lossy(bytes);
    if text.trim_start().starts_with('{') {
        return;
    }
    let mut labels = text.split("-----BEGIN ").skip(1).filter_map(|rest| rest.split("-----").next());
    assert!(!labels.any(|label| label.contains("PRIVATE")), "a private key has passed");
    for known in KNOWN.iter() {
        for kid in [None, Some("1")] {
            if keys.verify(kid, known.algorithm, known.message.as_bytes(), &known.signature) {
                let own = URL_SAFE_NO_PAD.decode_to_vec(known.material.1).expect("it is base64url");
                let is_there =
                    contents(&text).iter().any(|der| der.windows(own.len()).any(|part| part == own));
                assert!(is_there, "verified by another key: {:?}", known.algorithm);
            }
        }
    }
});
