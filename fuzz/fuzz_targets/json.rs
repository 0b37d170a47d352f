//! Our scanner and serde_json: what one accepts the other accepts, and both read the same.

#![no_main]

use std::collections::HashSet;
use std::fmt;

use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tower_bearer::fuzz;

const DEPTH: usize = 100;
const MEMBERS: usize = 1000;

/// Any JSON in which no object has two members of one name, by way of serde_json.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Unique)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Unique>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("duplicate member"));
            }
            members.next_value::<Unique>()?;
        }
        Ok(self)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let ours = fuzz::scan(text, DEPTH, MEMBERS);
    let unique = serde_json::from_str::<Unique>(text);
    let value = serde_json::from_str::<Value>(text);
    match (ours, value) {
        (Ok(ours), Ok(value)) => {
            unique.expect("we let a duplicate member pass");
            assert_eq!(Value::Object(ours), value);
        }
        // Numbers beyond f64 are correct JSON.
        (Ok(_), Err(error)) => assert!(error.to_string().contains("number out of range"), "{error}"),
        (Err("not an object"), Ok(value)) => assert!(!value.is_object()),
        (Err("duplicate member"), Ok(_)) => assert!(unique.is_err(), "no member is repeated"),
        (Err("nested too deep"), Ok(_)) => {
            let brackets = bytes.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
            assert!(brackets > DEPTH, "it is not deep");
        }
        (Err("too many members"), Ok(_)) => {
            assert!(bytes.iter().filter(|byte| **byte == b':').count() > MEMBERS, "they are few");
        }
        (Err(reason), Ok(_)) => panic!("refused for `{reason}`"),
        (Err(_), Err(_)) => {}
    }
});
