//! A set of keys, and which of them fit a token.

use serde_json::Value;

use super::pem::{self, PemError};
use super::{KeyError, VerifyingKey, jwk};
use crate::algorithm::{Algorithm, Algorithms};
use crate::limits;

/// The usable keys of a JWK set (RFC 7517 §5), or of the operator. One odd member never spoils the others.
#[derive(Debug, Default)]
pub(crate) struct KeySet {
    keys: Vec<VerifyingKey>,
    odd: Vec<OddKey>,
    /// Members after the last one that was looked at: a set may have very many, and every unknown `kid` looks at `odd`.
    beyond: usize,
}

/// A member that was left out, for health.
#[derive(Clone, Debug)]
pub(crate) struct OddKey {
    pub(crate) kid: Option<String>,
    pub(crate) error: KeyError,
}

/// Why an answer is not a key set at all.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeySetError {
    #[error("not a JWK set: {0}")]
    NotJson(#[from] serde_json::Error),
    #[error("not a JWK set: it has no `keys` array")]
    NoKeysArray,
    #[error(transparent)]
    Pem(#[from] PemError),
    #[error("no usable key among the {members} members{}", first.as_ref().map(|odd| format!(" (the first: {})", odd.error)).unwrap_or_default())]
    NothingUsable { members: usize, first: Option<OddKey> },
}

impl KeySet {
    pub(crate) fn of(keys: Vec<VerifyingKey>) -> Self {
        Self { keys, ..Self::default() }
    }

    /// Reads a JWK set. An answer without a single usable key is an error: it must not empty the ring.
    pub(crate) fn parse(body: &[u8], allowed: Algorithms) -> Result<Self, KeySetError> {
        let document: Value = serde_json::from_slice(body)?;
        let members = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::NoKeysArray)?;
        let beyond = members.len().saturating_sub(limits::KEY_MEMBERS);
        let mut set = Self { beyond, ..Self::default() };
        for (place, member) in members.iter().take(limits::KEY_MEMBERS).enumerate() {
            let read = if place < limits::KEYS { jwk::read(member, allowed) } else { Err(KeyError::TooMany) };
            match read {
                Ok(key) => set.keys.push(key),
                Err(error) => {
                    let kid = member.get("kid").and_then(Value::as_str).map(str::to_owned);
                    set.odd.push(OddKey { kid, error });
                }
            }
        }
        set.with_a_key()
    }

    /// Reads what the operator gave: a JWK set, or PEM.
    pub(crate) fn given(text: &[u8], allowed: Algorithms) -> Result<Self, KeySetError> {
        if !pem::is_meant(text) {
            return Self::parse(text, allowed);
        }
        let mut set = Self::default();
        for read in pem::read(text, allowed)? {
            match read {
                Ok(key) => set.keys.push(key),
                Err(error) => set.odd.push(OddKey { kid: None, error }),
            }
        }
        set.with_a_key()
    }

    fn with_a_key(self) -> Result<Self, KeySetError> {
        if self.keys.is_empty() {
            let members = self.odd.len() + self.beyond;
            return Err(KeySetError::NothingUsable { members, first: self.odd.into_iter().next() });
        }
        Ok(self)
    }

    /// The keys that may have signed a token, in the order of the set. A configured secret has no id, nor has a key in PEM:
    /// they fit any. Without a `kid` there are none where the choice is not narrow: nobody shall make us verify dozens of signatures.
    pub(crate) fn candidates(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = &VerifyingKey> {
        let fits = move |key: &&VerifyingKey| {
            key.can_verify(algorithm) && (kid.is_none() || key.kid() == kid || key.fits_any_kid())
        };
        let too_many = kid.is_none() && self.keys.iter().filter(fits).count() > limits::KEY_TRIES;
        self.keys.iter().filter(fits).take(if too_many { 0 } else { limits::KEY_TRIES })
    }

    /// Whether the issuer publishes a key of that id, usable or not.
    pub(crate) fn has_kid(&self, kid: &str) -> bool {
        self.keys.iter().any(|key| key.kid() == Some(kid))
            || self.odd.iter().any(|odd| odd.kid.as_deref() == Some(kid))
    }

    /// Whether there are keys that fit any id, so that only the signature tells whether a token's key is there.
    pub(crate) fn fits_any_kid(&self) -> bool {
        self.keys.iter().any(VerifyingKey::fits_any_kid)
    }

    pub(crate) fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    pub(crate) fn odd(&self) -> &[OddKey] {
        &self.odd
    }

    /// How many members were not looked at.
    pub(crate) fn beyond(&self) -> usize {
        self.beyond
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ec(kid: Option<&str>) -> Value {
        let mut key = json!({"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"});
        if let Some(kid) = kid {
            key["kid"] = json!(kid);
        }
        key
    }

    fn parse(keys: &[Value]) -> Result<KeySet, KeySetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), Algorithms::ASYMMETRIC)
    }

    /// JK-01: jsonwebtoken refuses the whole set for its numeric `kid`.
    #[test]
    fn one_odd_key_does_not_spoil_the_set() {
        let odd =
            [json!(7), json!({"kty":"AKP"}), json!({"kty":"RSA"}), json!({"kty":"EC","kid":5}), json!(null)];
        let mut keys = odd.to_vec();
        keys.push(ec(Some("good")));
        let set = parse(&keys).unwrap();
        assert_eq!(set.candidates(Some("good"), Algorithm::ES256).count(), 1);
        assert_eq!(set.odd().len(), 5);
    }

    #[test]
    fn a_set_of_very_many_members_is_counted_and_not_kept() {
        let mut keys = vec![ec(Some("good"))];
        keys.extend((0..100_000).map(|_| json!(0)));
        let set = parse(&keys).unwrap();
        assert_eq!((set.keys().len(), set.odd().len()), (1, limits::KEY_MEMBERS - 1));
        assert_eq!(set.beyond(), 100_001 - limits::KEY_MEMBERS);
        let none = parse(&keys[1..]).unwrap_err().to_string();
        assert!(none.contains("100000 members"), "{none}");
    }

    #[test]
    fn a_set_without_a_usable_key_is_an_error() {
        for body in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[]}"#,
            r#"{"keys":[{"kty":"oct","k":"AA"}]}"#,
            "<html>",
        ] {
            assert!(KeySet::parse(body.as_bytes(), Algorithms::ASYMMETRIC).is_err(), "{body}");
        }
    }

    /// JK-07, JK-08: repeated and missing `kid`s are tried, but never many of them.
    #[test]
    fn candidates_are_bounded() {
        let twins = parse(&vec![ec(Some("a")); 9]).unwrap();
        assert_eq!(twins.candidates(Some("a"), Algorithm::ES256).count(), limits::KEY_TRIES);
        assert_eq!(twins.candidates(None, Algorithm::ES256).count(), 0);
        let many = parse(&vec![ec(Some("a")); limits::KEYS + 3]).unwrap();
        assert_eq!(
            many.odd().iter().filter(|odd| odd.error == KeyError::TooMany).count(),
            3,
            "counted, not dropped"
        );
        let few = parse(&[ec(None), ec(Some("b"))]).unwrap();
        assert_eq!(few.candidates(None, Algorithm::ES256).count(), 2);
        assert_eq!(few.candidates(None, Algorithm::RS256).count(), 0);
        assert_eq!(few.candidates(Some("c"), Algorithm::ES256).count(), 0);
    }
}
