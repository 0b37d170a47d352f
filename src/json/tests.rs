use std::collections::HashSet;

use super::*;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

fn parse(text: &str) -> Result<Object, Error> {
    Object::parse(text.into(), 8, 64)
}

#[test]
fn reads_every_kind_of_value() {
    let text = r#" { "s":"x", "e":"a\"\u00e9\ud83d\ude00\n", "n":-1.5e+3, "t":true, "f":false, "z":null, "a":[1,"b",[]], "o":{"k":1} } "#;
    let members = parse(text).unwrap();
    let get = |name| members.get(name);
    assert_eq!(get("s"), Some(Value::String("x".into())));
    assert_eq!(get("e"), Some(Value::String("a\"é😀\n".into())));
    assert_eq!(get("n"), Some(Value::Number("-1.5e+3")));
    assert_eq!(get("t"), Some(Value::Bool(true)));
    assert_eq!(get("f"), Some(Value::Bool(false)));
    assert_eq!(get("z"), Some(Value::Null));
    assert_eq!(get("o"), Some(Value::Object(r#"{"k":1}"#)));
    assert_eq!(get("missing"), None);
    let Some(Value::Array(array)) = get("a") else { panic!("not an array") };
    let items: Vec<_> = array.items().collect();
    assert_eq!(items.len(), 3);
    assert_eq!(items[1], Value::String("b".into()));
}

#[test]
fn an_escaped_name_is_the_name_it_spells() {
    let text = r#"{"j\u0074i":"x"}"#;
    assert_eq!(parse(text).unwrap().get("jti"), Some(Value::String("x".into())));
    // Neither what they look like nor how long they are makes them the same.
    let text = r#"{"\u006ati":1,"\u0073ub":2,"\u0061ud":3}"#;
    for (name, value) in [("jti", "1"), ("sub", "2"), ("aud", "3")] {
        assert_eq!(parse(text).unwrap().get(name), Some(Value::Number(value)));
    }
}

#[test]
fn text_is_a_string_with_something_in_it() {
    let object = parse(r#"{"s":"x","x":"\u0000","e":"","n":123,"z":null,"a":["x"],"o":{"k":"x"}}"#).unwrap();
    let table =
        [("s", true), ("x", true), ("e", false), ("n", false), ("z", false), ("a", false), ("o", false)];
    for (name, expected) in table {
        assert_eq!(object.members().is_text(name), Some(expected), "{name}");
    }
    assert_eq!(object.members().is_text("missing"), None);
}

/// Of names, eight bytes are compared first.
#[test]
fn names_that_begin_alike_are_told_apart_wherever_they_stand() {
    let names = [
        "",
        "a",
        "abcdefg",
        "abcdefgh",
        "abcdefghi",
        "abcdefghj",
        "abcdefghij",
        "abcdéf",
        "abcdéfg",
        "abcdefé",
    ];
    for first in 0..names.len() {
        // The last name stands where there are no eight bytes left.
        let order = names.iter().cycle().skip(first).take(names.len());
        let members: Vec<_> = order.clone().enumerate().map(|(n, name)| format!("\"{name}\":{n}")).collect();
        for last in ["", r#","\u0078":"\\""#] {
            let text = format!("{{{}{last}}}", members.join(","));
            let parsed = parse(&text).unwrap();
            for (n, name) in order.clone().enumerate() {
                assert_eq!(parsed.get(name), Some(Value::Number(&n.to_string())), "{name} in {text}");
            }
            for missing in ["abcdef", "abcdefghk", "a\0", "abcdefgh\0"] {
                assert!(!parsed.members().has(missing), "{missing:?} in {text}");
            }
            for again in names {
                let text = text.replacen('{', &format!("{{\"{again}\":0,"), 1);
                assert_eq!(parse(&text).unwrap_err().reason, "duplicate member", "{text}");
            }
        }
    }
}

#[test]
fn refuses() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(8), "]".repeat(8));
    let many = format!("{{{}\"z\":1}}", (0..64).map(|n| format!("\"{n}\":1,")).collect::<String>());
    let table = [
        ("", "not an object"),
        ("[]", "not an object"),
        ("\u{feff}{}", "not an object"),
        ("{} x", "text after the object"),
        ("{}{}", "text after the object"),
        (r#"{"a":1,"a":2}"#, "duplicate member"),
        (r#"{"a":1,"\u0061":2}"#, "duplicate member"),
        (r#"{"a":{"b":1,"b":2}}"#, "duplicate member"),
        (r#"{"a":[{"b":1,"b":2}]}"#, "duplicate member"),
        (r#"{"a":1,}"#, "expected a member name"),
        (r#"{"a":[1,]}"#, "expected a value"),
        (r#"{"a":01}"#, "expected a comma or a closing bracket"),
        (r#"{"a":1.}"#, "expected a digit"),
        (r#"{"a":NaN}"#, "expected a value"),
        (r#"{"a":"\ud800"}"#, "bad unicode escape"),
        (r#"{"a":"\ud800\u0041"}"#, "bad unicode escape"),
        (r#"{"a":"\x"}"#, "bad escape"),
        ("{\"a\":\"\n\"}", "control character in a string"),
        (r#"{"a":"b"#, "string without an end"),
        (r#"{a:1}"#, "expected a member name"),
        (r#"{"a" 1}"#, "expected a colon"),
        (&deep, "nested too deep"),
        (&many, "too many members"),
    ];
    for (text, reason) in table {
        assert_eq!(parse(text).unwrap_err().reason, reason, "{text}");
    }
}

#[test]
fn equal_names_in_different_objects_are_fine() {
    assert!(parse(r#"{"a":{"a":1},"b":{"a":1},"c":[{"a":1},{"a":2}]}"#).is_ok());
}

proptest! {
    #[test]
    fn accepts_what_serde_json_accepts_and_reads_the_same(text in json_like()) {
        let reference = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text);
        let ours = Object::parse(text.as_str().into(), 100, 10_000);
        match (&ours, &reference) {
            (Ok(members), Ok(map)) => {
                prop_assert_eq!(members.iter().count(), map.len());
                for (name, value) in members.iter() {
                    prop_assert_eq!(plain(&value), map.get(name.as_ref()).cloned());
                }
            }
            (Err(error), Ok(_)) => {
                prop_assert_eq!(error.reason, "duplicate member");
                prop_assert!(serde_json::from_str::<Unique>(&text).is_err(), "{} has no duplicate", text);
            }
            // serde_json refuses numbers beyond f64, which are correct JSON.
            (Ok(_), Err(error)) => prop_assert!(error.to_string().contains("number out of range")),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn never_panics(text in ".{0,200}") {
        let _ = parse(&text);
        let _ = Array::parse(&text, 4);
    }
}

/// Any JSON in which no object has two members of one name, by way of serde_json.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Self)) = members.next_entry::<String, Self>()? {
            if !names.insert(name) {
                return Err(serde::de::Error::custom("duplicate"));
            }
        }
        Ok(self)
    }
}

fn plain(value: &Value<'_>) -> Option<serde_json::Value> {
    match value {
        Value::String(text) => Some(serde_json::Value::String(text.to_string())),
        Value::Number(raw) | Value::Object(raw) => serde_json::from_str(raw).ok(),
        Value::Bool(flag) => Some(serde_json::Value::Bool(*flag)),
        Value::Null => Some(serde_json::Value::Null),
        Value::Array(array) => {
            array.items().map(|item| plain(&item)).collect::<Option<Vec<_>>>().map(Into::into)
        }
    }
}

/// Objects that are mostly right, with a few wrong pieces mixed in.
fn json_like() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        "-?[1-9][0-9]{5,16}(\\.[0-9]{6,17})?",
        "\"([a-c]|\\\\[nt\"/]|\\\\u00[4-6][0-9a-f]|\\\\ud83d\\\\ude0[0-9]|\\\\ud800|é){0,4}\"",
        "\"[ -!#-\\[\\]-~é€]{0,40}\"",
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("01".to_owned()),
        Just("nul".to_owned()),
    ];
    // Some are told apart by their first eight bytes, some by their length, some by neither.
    let name =
        prop_oneof!["\"([a-e]|\\\\u006[1-5]){1,2}\"", "\"abcdef(g|gh)?(h|i|hi)?\"", "\"[a-b]é{3,4}[a-b]?\"",];
    let inner_name = name.clone();
    let value = leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" ,"))),
            prop::collection::vec((inner_name.clone(), inner), 0..4).prop_map(object),
        ]
    });
    prop::collection::vec((name, value), 0..5).prop_map(object)
}

fn object(members: Vec<(String, String)>) -> String {
    let members: Vec<_> = members.into_iter().map(|(name, value)| format!("{name}: {value}")).collect();
    format!("{{{}}}", members.join(","))
}
