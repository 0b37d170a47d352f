//! A page of the log as JSON, of which strangers write parts: no name, browser or body that somebody made up may keep the
//! rest from being read.

use std::fmt;

use memchr::memchr;
use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The page, its entries, and as deep as anything in them is looked at. What is below is passed over.
const DEPTH: usize = 8;

/// The items of a list. What stands in it for half a character becomes U+FFFD.
pub(super) fn list(mut body: Vec<u8>) -> Option<Vec<Value>> {
    mend(&mut body);
    let mut read = serde_json::Deserializer::from_slice(&body);
    let value = Shallow(DEPTH).deserialize(&mut read).ok()?;
    read.end().ok()?;
    if let Value::Array(items) = value { Some(items) } else { None }
}

/// Halves of surrogate pairs, which JavaScript writes as they are, and no text can hold.
fn mend(mut rest: &mut [u8]) {
    while let Some(at) = memchr(b'\\', rest) {
        let (_, escape) = rest.split_at_mut(at);
        let next = escape.get(6..).and_then(is_first_half);
        let length = match (is_first_half(escape), next) {
            (None, _) => 2,
            (Some(true), Some(false)) => 12,
            (Some(_), _) => {
                if let Some(digits) = escape.get_mut(2..6) {
                    digits.copy_from_slice(b"fffd");
                }
                6
            }
        };
        rest = escape.get_mut(length..).unwrap_or_default();
    }
}

/// Which half of a pair an escape is; none if it is no half.
fn is_first_half(escape: &[u8]) -> Option<bool> {
    let [b'\\', b'u', b'd' | b'D', half, _, _, ..] = escape else { return None };
    match half.to_ascii_lowercase() {
        b'8' | b'9' | b'a' | b'b' => Some(true),
        b'c'..=b'f' => Some(false),
        _ => None,
    }
}

/// A value, to so many levels.
struct Shallow(usize);

impl<'de> DeserializeSeed<'de> for Shallow {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        if self.0 > 0 {
            from.deserialize_any(self)
        } else {
            IgnoredAny::deserialize(from).map(|_| Value::Null)
        }
    }
}

impl<'de> Visitor<'de> for Shallow {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = from.next_element_seed(Self(self.0 - 1))? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = from.next_key::<String>()? {
            members.insert(name, from.next_value_seed(Self(self.0 - 1))?);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Option<Value> {
        list(text.as_bytes().to_vec()).map(Value::from)
    }

    #[test]
    fn what_strangers_write_keeps_nothing_else_from_being_read() {
        let table = [
            (r#"["\ud800"]"#, json!(["\u{fffd}"])),
            (r#"["a\uDFFFb\ud83d\uDE00"]"#, json!(["a\u{fffd}b😀"])),
            (r#"["\ud83d\ud83d\ude00", "\udc00\ud800"]"#, json!(["\u{fffd}😀", "\u{fffd}\u{fffd}"])),
            (r#"["\\ud800", "\\\ud800", "\"\udead"]"#, json!(["\\ud800", "\\\u{fffd}", "\"\u{fffd}"])),
            (
                r#"[{"\ud800": 1, "b": [true, null, -1, 0.5]}]"#,
                json!([{ "\u{fffd}": 1, "b": [true, null, -1, 0.5] }]),
            ),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Some(expected), "{text}");
        }
        let deep = format!("[{{\"a\":{}1e999{},\"b\":2}}]", "[".repeat(9000), "]".repeat(9000));
        assert_eq!(read(&deep).unwrap()[0]["b"], 2);
        for text in ["", "{}", "[", "[1]]", "[\"\\u\"]", "[\"\\ud8\"]", "[\"\\", "[\\ud800]"] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = list(bytes);
        }

        #[test]
        fn what_is_sound_stays(text in "\\PC{0,20}", number in any::<i64>()) {
            let value = json!([{ "t": text, "n": number }]);
            prop_assert_eq!(read(&value.to_string()), Some(value));
        }
    }
}
