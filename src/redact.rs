//! What may stand in a log in place of what a stranger sent.

use std::fmt;

use url::Url;

use crate::limits::SHOWN_BYTES;

/// Foreign text for people: escaped, so that it stays on one line, and cut short.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&excerpt(self.0, SHOWN_BYTES))
    }
}

/// The same, cut to so many bytes before it is escaped.
pub(crate) fn excerpt(text: &str, bytes: usize) -> String {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    let shown = text.get(..end.unwrap_or(0)).unwrap_or_default();
    let rest = if shown.len() < text.len() { format!("… ({} bytes)", text.len()) } else { String::new() };
    format!("{}{rest}", shown.escape_debug())
}

/// A URL without its query, which may hold a key.
pub(crate) fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.into()
}

/// A secret: it can be used, but neither shown nor compared by accident.
#[derive(Clone)]
pub(crate) struct Secret(Box<[u8]>);

impl Secret {
    pub(crate) fn new(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The only door.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_on_one_short_line() {
        assert_eq!(Shown("key-1").to_string(), "key-1");
        assert_eq!(Shown("a\r\nx: \u{1b}[31m").to_string(), "a\\r\\nx: \\u{1b}[31m");
        let long = "é".repeat(1000);
        let shown = Shown(&long).to_string();
        assert!(shown.len() < 100 && shown.ends_with("(2000 bytes)"), "{shown}");
    }

    #[test]
    fn queries_are_not_shown() {
        let url = Url::parse("https://as.example/keys?key=hunter2").unwrap();
        assert_eq!(without_query(&url), "https://as.example/keys");
    }

    #[test]
    fn secrets_do_not_show_themselves() {
        assert_eq!(format!("{:?}", Secret::new(*b"hunter2")), "[secret]");
    }
}
