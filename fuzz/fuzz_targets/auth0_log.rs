//! A page of an Auth0 tenant's log: each entry ends what it ends alone, and no more than it names.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::fuzz::{AUDIENCE, Log, NOW, Said, read_date};

/// As deep as entries are looked at.
const DEPTH: usize = 8;

/// How far ahead of an answer a date may lie.
const AHEAD: i64 = 300;

const ENDS: [&str; 5] = ["srrt", "ferrt", "sdu", "universal_logout_succeeded", "sapi"];

/// What is below is passed over.
fn pruned(value: Value, depth: usize) -> Value {
    match value {
        _ if depth == 0 => Value::Null,
        Value::Array(items) => items.into_iter().map(|item| pruned(item, depth - 1)).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name, pruned(value, depth - 1))).collect()
        }
        value => value,
    }
}

/// A text that may be the value of a claim.
fn name(value: &Value, pointer: &str) -> Option<String> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty() && text.len() <= 4096).map(str::to_owned)
}

/// All texts of an entry, and what they are where they are parts of a URL.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let mut bytes = Vec::new();
            let mut rest = text.as_bytes();
            while let Some((byte, others)) = rest.split_first() {
                let hex = others
                    .get(..2)
                    .filter(|_| *byte == b'%')
                    .and_then(|digits| std::str::from_utf8(digits).ok());
                let hex = hex.filter(|digits| !digits.starts_with('+'));
                if let Some(byte) = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                    bytes.push(byte);
                    rest = &others[2..];
                } else {
                    bytes.push(*byte);
                    rest = others;
                }
            }
            let decoded = String::from_utf8_lossy(&bytes).into_owned();
            found.extend([text.clone(), decoded.replace('+', " "), decoded]);
        }
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// What entries of a simple kind end: claims, by a plain reading; none for another kind.
fn reading(value: &Value) -> Option<Vec<(String, String)>> {
    let claim = |claim: &str, pointer| name(value, pointer).map(|value| (claim.to_owned(), value));
    let named: Vec<_> = match value["type"].as_str()? {
        "sdu" | "universal_logout_succeeded" => claim("sub", "/user_id").into_iter().collect(),
        "srrt" => {
            let parties: Vec<_> =
                [claim("client_id", "/client_id"), claim("sub", "/user_id")].into_iter().flatten().collect();
            let audience = claim("aud", "/details/audience").filter(|_| !parties.is_empty());
            audience.into_iter().chain(parties).collect()
        }
        _ => return None,
    };
    Some(if named.is_empty() { vec![("aud".to_owned(), AUDIENCE.to_owned())] } else { named })
}

fn is_everybody(said: &Said) -> bool {
    said.claims == [("aud".to_owned(), AUDIENCE.to_owned())]
}

/// Up to when an entry may end tokens.
fn last_second(value: &Value) -> i64 {
    let date = name(value, "/date").and_then(|date| read_date(&date));
    date.unwrap_or(NOW).min(NOW + AHEAD) + 1
}

fn take(values: Vec<Value>) -> (Vec<Said>, u64) {
    let (entries, unnamed) = Log { values }.take().expect("whatever it says can be taken in");
    (entries.said(), unnamed)
}

fn is_in(said: &Said, all: &[Said]) -> bool {
    all.iter().any(|other| other.claims == said.claims && other.issued_before == said.issued_before)
}

fuzz_target!(|bytes: &[u8]| {
    let log = Log::read(bytes);
    if let Ok(Value::Array(items)) = serde_json::from_slice::<Value>(bytes) {
        let plain: Vec<_> = items.into_iter().map(|item| pruned(item, DEPTH - 1)).collect();
        let is_entry = |value: &Value| {
            value.is_object()
                && name(value, "/type").is_some()
                && (name(value, "/log_id").is_some() || name(value, "/_id").is_some())
        };
        let plain = plain.iter().all(is_entry).then_some(plain);
        assert_eq!(log.as_ref().map(|log| &log.values), plain.as_ref(), "as serde_json reads it");
    }
    let Some(log) = log else { return };
    let (all, unnamed) = take(log.values.clone());
    let (mut alone, mut unnamed_alone) = (Vec::new(), 0);
    for value in &log.values {
        let (own, unnamed) = take(vec![value.clone()]);
        let kind = value["type"].as_str().expect("a type");
        for said in &own {
            assert!(is_in(said, &all), "hidden by another entry: {said:?}");
            assert!(ENDS.contains(&kind), "{kind} ends nothing");
            assert!(!said.claims.is_empty() && !said.withdrawn);
            if let Some(at) = said.issued_before {
                assert_eq!(at, last_second(value), "no later and no earlier than it says");
            }
            assert!(
                !(kind == "ferrt" && name(value, "/user_id").is_none()),
                "anybody can make an exchange fail"
            );
        }
        if let Some(expected) = reading(value) {
            assert!(own.iter().any(|said| said.claims == expected), "{expected:?}");
            if expected.len() > 1 || expected[0].0 != "aud" {
                assert!(!own.iter().any(is_everybody), "{kind} names somebody");
            }
        }
        unnamed_alone += unnamed;
        alone.extend(own);
    }
    assert!(unnamed <= unnamed_alone, "other entries only tell more");
    for said in &all {
        if is_in(said, &alone) {
            continue;
        }
        // What an entry ends with the help of others: no more than one of these names.
        assert!(!is_everybody(said), "everybody");
        let named = log.values.iter().any(|value| {
            let mut own = Vec::new();
            texts(value, &mut own);
            said.claims.iter().all(|(_, value)| own.iter().any(|text| text.contains(&**value)))
        });
        assert!(named, "nobody has named {:?}", said.claims);
        let identifies = said.issued_before.is_none() && said.claims.len() == 1 && said.claims[0].0 == "jti";
        let of_user = said.issued_before.is_some() && said.claims.iter().any(|(claim, _)| claim == "sub");
        assert!(identifies || of_user, "{:?}", said.claims);
        let last = log.values.iter().map(last_second).max();
        assert!(said.issued_before <= last);
    }
});
