//! The door to the strict scanner.

use serde_json::Map;

use crate::json::{Object, Value};

/// What the strict scanner makes of a text, all levels; the reason where it refuses. A number that `serde_json` cannot
/// hold becomes null.
pub fn scan(
    text: &str,
    depth: usize,
    members: usize,
) -> Result<Map<String, serde_json::Value>, &'static str> {
    let found = Object::parse(text.into(), depth, members).map_err(|error| error.reason)?;
    found.iter().map(|(name, value)| Ok((name.into_owned(), plain(value, depth, members)?))).collect()
}

fn plain(value: Value<'_>, depth: usize, members: usize) -> Result<serde_json::Value, &'static str> {
    Ok(match value {
        Value::String(text) => text.into_owned().into(),
        Value::Number(raw) => serde_json::from_str(raw).unwrap_or_default(),
        Value::Bool(flag) => flag.into(),
        Value::Null => serde_json::Value::Null,
        Value::Array(array) => {
            array.items().map(|item| plain(item, depth, members)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Object(raw) => scan(raw, depth, members)?.into(),
    })
}
