//! The names that settings and tokens share, parsed once and bounded.

use std::fmt;
use std::sync::Arc;

const LONGEST: usize = 2048;

/// Why a name is not usable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NameError {
    /// Nothing was given.
    #[error("it is empty")]
    Empty,
    /// More than 2048 bytes were given.
    #[error("it is longer than {LONGEST} bytes")]
    TooLong,
    /// A space or control character, which no issuer, audience or claim name of a real server has.
    #[error("it has a space or control character at byte {at}")]
    BadCharacter {
        /// Offset in bytes.
        at: usize,
    },
}

fn check(name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > LONGEST {
        return Err(NameError::TooLong);
    }
    match name.find(|character: char| character.is_whitespace() || character.is_control()) {
        Some(at) => Err(NameError::BadCharacter { at }),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$docs:meta])* $name:ident) => {
        $(#[$docs])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub(crate) struct $name(Arc<str>);

        impl $name {
            /// The exact text: names are compared byte for byte, never normalised (RFC 7519 §2, StringOrURI).
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = NameError;

            fn try_from(name: &str) -> Result<Self, NameError> {
                check(name).map(|()| Self(name.into()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// An authorization server's identifier, as its tokens carry it in `iss` (RFC 8414 §2, RFC 9068 §4).
    ///
    /// `https://as.example` and `https://as.example/` are two issuers.
    Issuer
}

name! {
    /// What a token must be meant for: a value of its `aud` (RFC 7519 §4.1.3).
    Audience
}

name! {
    /// The name of a claim.
    ClaimName
}

/// What issuers call differently and mean alike; the first spelling stands for all.
fn alike(claim: &str) -> Option<&'static [&'static str]> {
    match claim {
        "client_id" | "azp" | "appid" | "cid" => Some(&["client_id", "azp", "appid", "cid"]),
        "jti" | "uti" => Some(&["jti", "uti"]),
        _ => None,
    }
}

/// The spellings of a claim, itself among them, the usual one first.
pub(crate) fn spellings<'a>(claim: &'a &'a str) -> &'a [&'a str] {
    alike(claim).unwrap_or_else(|| std::slice::from_ref(claim))
}

/// The spelling that stands for all of a claim's.
pub(crate) fn usual(claim: &str) -> &str {
    alike(claim).and_then(<[_]>::first).copied().unwrap_or(claim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_claim_belong_together() {
        for claim in ["client_id", "azp", "appid", "cid"] {
            assert_eq!((spellings(&claim)[0], usual(claim)), ("client_id", "client_id"));
        }
        assert_eq!(spellings(&"uti")[0], "jti");
        for claim in ["client_id", "azp", "appid", "cid", "jti", "uti", "sub"] {
            assert!(spellings(&claim).contains(&claim), "{claim}");
        }
        assert_eq!((spellings(&"sub"), usual("sub")), (["sub"].as_slice(), "sub"));
    }

    #[test]
    fn names_are_bounded_and_exact() {
        let long = "x".repeat(LONGEST + 1);
        let table = [
            ("https://as.example/", Ok(())),
            ("accounts.google.com", Ok(())),
            ("", Err(NameError::Empty)),
            (long.as_str(), Err(NameError::TooLong)),
            ("https://as.example/ ", Err(NameError::BadCharacter { at: 19 })),
            ("a\r\nb", Err(NameError::BadCharacter { at: 1 })),
        ];
        for (name, expected) in table {
            assert_eq!(Issuer::try_from(name).map(drop), expected, "{name:?}");
        }
        assert_ne!(Issuer::try_from("https://a"), Issuer::try_from("https://a/"));
    }
}
