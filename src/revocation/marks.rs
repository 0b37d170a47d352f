//! What tells nearly every token apart from what a revocation names, without reading the token's claims.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::binary::{fold, random};
use crate::json::{Object, Value};
use crate::names::usual;

/// A filter of names and values: each sets one bit in each word. Whoever has all bits of an entry's may have its claims;
/// whoever lacks one does not, whatever else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks([u64; 4]);

impl Marks {
    /// Of everything in a token that an entry could name: strings, and strings in arrays, in the usual spelling.
    pub(crate) fn of_token(claims: &Object) -> Self {
        let mut marks = Self::default();
        for (name, value) in claims.iter() {
            let mut add = |text: Cow<'_, str>| marks.add(usual(&name), &text);
            match value {
                Value::String(text) => add(text),
                Value::Array(items) => items.items().filter_map(Value::into_string).for_each(add),
                Value::Number(_) | Value::Bool(_) | Value::Null | Value::Object(_) => {}
            }
        }
        marks
    }

    /// Of what an entry names; nothing where it means every token.
    pub(super) fn of_entry<'a>(claims: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut marks = Self::default();
        claims.for_each(|(name, value)| marks.add(usual(name), value));
        marks
    }

    fn add(&mut self, name: &str, value: &str) {
        let hash = hash(name, value);
        for (place, word) in self.0.iter_mut().enumerate() {
            *word |= 1 << (hash >> (6 * place) & 63);
        }
    }

    /// Whether whoever has these may have `other`.
    pub(super) fn may_have(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(own, other)| own & other == other)
    }
}

/// Keyed, so that nobody outside can name what shares its bits with what others have; that would only cost them a look.
fn hash(name: &str, value: &str) -> u64 {
    static KEY: LazyLock<[u64; 2]> = LazyLock::new(random);
    let [start, key] = *KEY;
    // Zero would make all texts one.
    let key = key | 1;
    [name, value].iter().fold(start, |hash, text| {
        let (words, rest) = text.as_bytes().as_chunks();
        let hash = words.iter().fold(hash, |hash, word| fold(hash ^ u64::from_le_bytes(*word), key));
        let rest = rest.iter().fold(text.len() as u64, |word, byte| word << 8 | u64::from(*byte));
        fold(hash ^ rest, key)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(json: &str) -> Marks {
        Marks::of_token(&Object::parse(json.into(), 8, 64).unwrap())
    }

    #[test]
    fn a_token_has_what_an_entry_may_name() {
        let token = token(
            r#"{"sub":"u","azp":"app","aud":["a","b"],"s\u0069d":"s\n","n":1,"deep":{"tid":"t"},"uti":"id"}"#,
        );
        let table: [(&[(&str, &str)], bool); 12] = [
            (&[], true),
            (&[("sub", "u")], true),
            (&[("client_id", "app"), ("sub", "u")], true),
            (&[("appid", "app")], true),
            (&[("aud", "b")], true),
            (&[("sid", "s\n")], true),
            (&[("jti", "id")], true),
            (&[("sub", "v")], false),
            (&[("sub", "app")], false),
            (&[("sub", "u"), ("client_id", "other")], false),
            (&[("tid", "t")], false),
            (&[("n", "1")], false),
        ];
        for (claims, expected) in table {
            let entry = Marks::of_entry(claims.iter().copied());
            // By chance once in many millions.
            assert_eq!(token.may_have(&entry), expected, "{claims:?}");
        }
    }

    #[test]
    fn what_differs_anywhere_differs() {
        let long = "x".repeat(41);
        let texts =
            ["", "\0", "a", "a\0", "abcdefgh", "abcdefghi", "abcdefgi", &long, &long[1..], &long[2..]];
        for (place, one) in texts.iter().enumerate() {
            for other in &texts[place + 1..] {
                assert_ne!(hash("sub", one), hash("sub", other), "{one:?} {other:?}");
            }
            assert_ne!(hash("sub", one), hash("sid", one));
            assert_ne!(hash(one, "b"), hash(&format!("{one}b"), ""));
        }
    }
}
