//! A plain list of identifiers, as bytes that somebody sent. Whatever does not look like one is refused whole: a list that
//! was read as empty, or as something else, would pass for news.

use crate::limits;

/// Why bytes are not a list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ListError {
    #[error("the list is not UTF-8")]
    NotUtf8,
    #[error("the list has no bytes: where it is empty on purpose, give it a comment line (#), or []")]
    Nothing,
    #[error("the list's content type is `{0}`, not text or JSON")]
    ContentType(String),
    #[error("the list is not a JSON array of strings: {0}")]
    NotStrings(String),
    #[error(
        "line {0} of the list is no identifier: it has white space, control characters or markup in it, or is too long"
    )]
    Line(usize),
    #[error(
        "item {0} of the list is no identifier: it is empty, has control characters in it, or is too long"
    )]
    Item(usize),
    #[error("the list has more than {} bytes", limits::LIST_BYTES)]
    TooLarge,
    #[error("the list cannot be read: {0}")]
    File(String),
}

/// Types under which lists are served; buckets know no better than `octet-stream`.
const CONTENT_TYPES: [&str; 5] =
    ["text/plain", "text/csv", "application/json", "application/octet-stream", "binary/octet-stream"];

/// Whether what a server calls its answer can be a list.
pub(super) fn check_content_type(content_type: Option<&str>) -> Result<(), ListError> {
    let Some(given) = content_type else { return Ok(()) };
    let media = given.split(';').next().unwrap_or_default().trim();
    if CONTENT_TYPES.iter().any(|known| known.eq_ignore_ascii_case(media)) {
        return Ok(());
    }
    Err(ListError::ContentType(crate::redact::Shown(given).to_string()))
}

/// The bytes of a list in a file.
pub(super) fn read_file(path: &std::path::Path) -> Result<Vec<u8>, ListError> {
    use std::io::Read as _;
    let wrong = |error: std::io::Error| ListError::File(error.to_string());
    let mut body = Vec::new();
    let file = std::fs::File::open(path).map_err(wrong)?;
    file.take(limits::LIST_BYTES as u64 + 1).read_to_end(&mut body).map_err(wrong)?;
    if body.len() > limits::LIST_BYTES { Err(ListError::TooLarge) } else { Ok(body) }
}

/// Windows editors begin a file with it.
const MARK: char = '\u{feff}';

/// The items in order.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<Box<str>>, ListError> {
    let text = std::str::from_utf8(body).map_err(|_| ListError::NotUtf8)?;
    if text.is_empty() {
        return Err(ListError::Nothing);
    }
    let text = text.strip_prefix(MARK).unwrap_or(text);
    if text.trim_start().starts_with('[') { strings(text) } else { lines(text) }
}

fn strings(text: &str) -> Result<Vec<Box<str>>, ListError> {
    let items: Vec<Box<str>> = serde_json::from_str(text)
        .map_err(|error| ListError::NotStrings(crate::redact::Shown(&error.to_string()).to_string()))?;
    let odd =
        |item: &str| item.is_empty() || item.len() > limits::ENTRY_VALUE_BYTES || item.contains(odd_letter);
    match items.iter().position(|item| odd(item)) {
        Some(place) => Err(ListError::Item(place)),
        None => Ok(items),
    }
}

/// What nobody sees, and no identifier has: a byte order mark stands where files were joined, and would hide the first item
/// of each.
fn odd_letter(c: char) -> bool {
    c.is_control() || c == MARK
}

fn lines(text: &str) -> Result<Vec<Box<str>>, ListError> {
    let mut items = Vec::new();
    for (place, line) in text.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line).trim_matches(' ');
        let odd = |c: char| odd_letter(c) || (c.is_whitespace() && !line.starts_with('#'));
        if line.len() > limits::ENTRY_VALUE_BYTES || line.starts_with(['<', '{', '"']) || line.contains(odd) {
            return Err(ListError::Line(place + 1));
        }
        if !line.is_empty() && !line.starts_with('#') {
            items.push(line.into());
        }
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<String>, ListError> {
        parse(text.as_bytes()).map(|items| items.into_iter().map(String::from).collect())
    }

    #[test]
    fn reads_lines_and_arrays() {
        let table: [(&str, &[&str]); 9] = [
            ("a\nb\n", &["a", "b"]),
            ("a\r\nb", &["a", "b"]),
            ("# revoked tokens\n\n  a  \n   \n#b\n", &["a"]),
            ("# nothing yet", &[]),
            ("\n", &[]),
            ("\u{feff}a\n", &["a"]),
            ("[]", &[]),
            (" [\"a\", \"b c\", \"\\u0064\"]\n", &["a", "b c", "d"]),
            ("auth0|u-1\n", &["auth0|u-1"]),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).unwrap(), expected, "{text:?}");
        }
    }

    #[test]
    fn refuses() {
        let long = "x".repeat(limits::ENTRY_VALUE_BYTES + 1);
        let table = [
            ("", "no bytes"),
            ("<html><body>Please log in</body></html>", "line 1"),
            ("<!DOCTYPE html>\n", "line 1"),
            ("a\n<p>\n", "line 2"),
            ("{\"revoked\":[]}", "line 1"),
            ("{}", "line 1"),
            ("\"a\"", "line 1"),
            ("502 Bad Gateway", "line 1"),
            ("a\tb", "line 1"),
            ("a\n\u{0}\n", "line 2"),
            ("# a\u{1b}[2J\n", "line 1"),
            ("a\rb\n", "line 1"),
            ("\u{feff}a\n\u{feff}b\n", "line 2"),
            ("[\"a\", \"\u{feff}b\"]", "item 1"),
            (long.as_str(), "line 1"),
            ("[1]", "not a JSON array of strings"),
            ("[\"a\", null]", "not a JSON array of strings"),
            ("[\"a\"", "not a JSON array of strings"),
            ("[\"a\"] x", "not a JSON array of strings"),
            ("[[\"a\"]]", "not a JSON array of strings"),
            ("[{\"jti\":\"a\"}]", "not a JSON array of strings"),
            ("[\"a\", \"\"]", "item 1"),
            ("[\"a\\u0000\"]", "item 0"),
        ];
        for (text, expected) in table {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
        assert_eq!(parse(b"a\xff"), Err(ListError::NotUtf8));
    }

    #[test]
    fn only_text_and_json_are_lists() {
        for good in [None, Some("text/plain"), Some("Text/Plain; charset=utf-8"), Some("application/json")] {
            assert_eq!(check_content_type(good), Ok(()), "{good:?}");
        }
        for bad in ["text/html", "application/xml", "image/png", ""] {
            assert!(check_content_type(Some(bad)).is_err(), "{bad}");
        }
    }
}
