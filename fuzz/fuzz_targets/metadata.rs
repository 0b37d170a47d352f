//! A metadata document: it is read or complained about, in words that a log can hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz;

fn is_one_line(words: &str) -> bool {
    !words.chars().any(char::is_control)
}

fuzz_target!(|bytes: &[u8]| {
    match fuzz::metadata(bytes.to_vec()) {
        Ok((issuer, keys)) => {
            let words = fuzz::shown(&issuer);
            assert!(is_one_line(&words), "{words:?}");
            if let Some(url) = keys.and_then(|keys| fuzz::permitted(&keys)) {
                assert!(url.starts_with("https://"), "{url}");
            }
            // What we use is what the document says, where all of it is JSON: members that nobody asks for are not read.
            if let Ok(document) = serde_json::from_slice::<serde_json::Value>(bytes) {
                let said = document.get("issuer").or_else(|| document.get(0));
                assert_eq!(said.and_then(|said| said.as_str()), Some(issuer.as_str()));
            }
        }
        Err(words) => assert!(is_one_line(&words), "{words:?}"),
    }
});
