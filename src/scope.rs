//! Scope values (RFC 6749 §3.3).

use std::fmt;
use std::sync::Arc;

/// Why a scope value is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScopeError {
    /// Nothing was given.
    #[error("a scope value is empty")]
    Empty,
    /// A character outside `%x21 / %x23-5B / %x5D-7E`: a space, a quote, a backslash, or not ASCII.
    #[error("a scope value has a character that RFC 6749 §3.3 does not allow at byte {at}")]
    BadCharacter {
        /// Offset in bytes.
        at: usize,
    },
}

/// One scope value: case-sensitive, without spaces, quotes or backslashes.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeToken(Arc<str>);

impl ScopeToken {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for ScopeToken {
    type Error = ScopeError;

    fn try_from(value: &str) -> Result<Self, ScopeError> {
        if value.is_empty() {
            return Err(ScopeError::Empty);
        }
        match value.bytes().position(|byte| !matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
            Some(at) => Err(ScopeError::BadCharacter { at }),
            None => Ok(Self(value.into())),
        }
    }
}

impl fmt::Debug for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ScopeToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a space-delimited `scope` string has this value; only the space separates (RFC 6749 §3.3).
pub(crate) fn lists(list: &str, wanted: &str) -> bool {
    let mut start = 0;
    let ends = memchr::memchr_iter(b' ', list.as_bytes()).chain([list.len()]);
    let mut values = ends.map(|end| {
        let value = list.get(start..end);
        start = end + 1;
        value
    });
    !wanted.is_empty() && values.any(|value| value == Some(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scope_values_have_the_characters_of_rfc_6749() {
        let table = [
            ("read:events", Ok(())),
            ("https://api.example/read", Ok(())),
            ("", Err(ScopeError::Empty)),
            ("read events", Err(ScopeError::BadCharacter { at: 4 })),
            ("a\"b", Err(ScopeError::BadCharacter { at: 1 })),
            ("a\\b", Err(ScopeError::BadCharacter { at: 1 })),
            ("é", Err(ScopeError::BadCharacter { at: 0 })),
        ];
        for (value, expected) in table {
            assert_eq!(ScopeToken::try_from(value).map(drop), expected, "{value:?}");
        }
    }

    #[test]
    fn only_spaces_separate() {
        let list = "  a  b\tc ";
        assert!(lists(list, "a") && lists(list, "b\tc") && lists("x", "x"));
        for wanted in ["", " ", "b", "c", "b\tc ", "a ", "  a"] {
            assert!(!lists(list, wanted), "{wanted:?}");
        }
        assert!(!lists("", "") && !lists("", "a"));
    }
}
