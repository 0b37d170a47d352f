//! Escapes in JSON strings (RFC 8259 §7).

/// The length of the escape at the start of `text`.
pub(super) fn escape_length(text: &str) -> Result<usize, &'static str> {
    match text.as_bytes().get(1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(2),
        Some(b'u') => unicode_escape(text).map(|(_, length)| length).ok_or("bad unicode escape"),
        _ => Err("bad escape"),
    }
}

/// Reads `\uXXXX`, or the two of a surrogate pair, at the start of `text`: the character and the escape's length.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let first = unit(0)?;
    if !(0xD800..=0xDBFF).contains(&first) {
        return char::from_u32(first).map(|character| (character, 6));
    }
    let second = unit(6).filter(|second| (0xDC00..=0xDFFF).contains(second))?;
    char::from_u32(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)).map(|character| (character, 12))
}

/// The text behind the escapes of a string that was accepted before.
pub(super) fn unescape(raw: &str) -> String {
    characters(raw).collect()
}

/// Its characters, one by one.
pub(super) fn characters(raw: &str) -> impl Iterator<Item = char> {
    let mut rest = raw;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (character, length) = if first == '\\' { escaped(rest) } else { (first, first.len_utf8()) };
        rest = rest.get(length..).unwrap_or_default();
        Some(character)
    })
}

/// The character behind the escape at the start of `text`, and the escape's length.
fn escaped(text: &str) -> (char, usize) {
    match text.as_bytes().get(1) {
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'n') => ('\n', 2),
        Some(b'r') => ('\r', 2),
        Some(b't') => ('\t', 2),
        Some(b'u') => unicode_escape(text).unwrap_or((char::REPLACEMENT_CHARACTER, 6)),
        Some(&other) => (other as char, 2),
        None => (char::REPLACEMENT_CHARACTER, 1),
    }
}
