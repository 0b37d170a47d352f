//! A plain list: what is read is what stands there, and nothing odd becomes an item.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz;

const LONGEST: usize = 4096;

/// A reading of lines that knows nothing of what is refused.
fn lines(text: &str) -> Vec<&str> {
    let lines = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line).trim_matches(' '));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let items = match fuzz::list(bytes) {
        Ok(items) => items,
        Err(words) => {
            assert!(words.len() < 256 && !words.chars().any(char::is_control), "{words:?}");
            return;
        }
    };
    for item in &items {
        assert!(
            !item.is_empty()
                && item.len() <= LONGEST
                && !item.contains(|c: char| c.is_control() || c == '\u{feff}'),
            "{item:?}"
        );
    }
    let text = std::str::from_utf8(bytes).expect("it was read");
    assert!(!text.is_empty(), "no bytes are no list");
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('[') {
        let plain: Vec<String> = serde_json::from_str(text).expect("an array of strings");
        assert!(items.iter().map(|item| &**item).eq(plain));
    } else {
        assert!(items.iter().map(|item| &**item).eq(lines(text)));
        assert!(
            !items.iter().any(|item| item.contains(char::is_whitespace) || item.starts_with(['<', '{', '"']))
        );
        let again = items.join("\r\n");
        if !again.is_empty() {
            assert_eq!(fuzz::list(again.as_bytes()).as_ref(), Ok(&items));
        }
    }
    let array = serde_json::to_vec(&items).expect("strings");
    assert_eq!(fuzz::list(&array), Ok(items), "as an array");
});
