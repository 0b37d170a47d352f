//! As much of JSON Schema 2020-12 as docs/revocation-feed.schema.json uses. A keyword that is not known here panics, so
//! that none is passed over.

use serde_json::Value;

pub(crate) fn schema() -> Value {
    serde_json::from_str(include_str!("../../docs/revocation-feed.schema.json")).unwrap()
}

/// Whether `value` is valid under `schema`, a part of `root`.
pub(crate) fn is_valid(root: &Value, schema: &Value, value: &Value) -> bool {
    let Some(keywords) = schema.as_object() else { return schema.as_bool().unwrap() };
    let valid = |schema: &Value, value: &Value| is_valid(root, schema, value);
    let none = serde_json::Map::new();
    let members = value.as_object().unwrap_or(&none);
    keywords.iter().all(|(keyword, argument)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" => true,
        "$ref" => {
            let pointer = argument.as_str().unwrap().strip_prefix('#').unwrap();
            valid(root.pointer(pointer).unwrap(), value)
        }
        "type" => match argument {
            Value::Array(types) => types.iter().any(|name| is_of(name, value)),
            name => is_of(name, value),
        },
        "const" => value == argument,
        "minimum" => value.as_f64().is_none_or(|number| number >= argument.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|number| number <= argument.as_f64().unwrap()),
        "maxLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 <= argument.as_u64().unwrap())
        }
        "required" => {
            let mut names = argument.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            !value.is_object() || names.all(|name| members.contains_key(name))
        }
        "properties" => argument
            .as_object()
            .unwrap()
            .iter()
            .all(|(name, schema)| members.get(name).is_none_or(|member| valid(schema, member))),
        // Their schemas only describe.
        "patternProperties" => true,
        "additionalProperties" => members.iter().all(|(name, member)| {
            let named = keywords["properties"].get(name).is_some();
            let mut patterns =
                keywords.get("patternProperties").and_then(Value::as_object).unwrap_or(&none).keys();
            named
                || patterns.any(|pattern| name.starts_with(pattern.strip_prefix('^').unwrap()))
                || valid(argument, member)
        }),
        "items" => value.as_array().is_none_or(|items| items.iter().all(|item| valid(argument, item))),
        "anyOf" => argument.as_array().unwrap().iter().any(|schema| valid(schema, value)),
        "if" => {
            let branch = if valid(argument, value) { "then" } else { "else" };
            keywords.get(branch).is_none_or(|schema| valid(schema, value))
        }
        "then" | "else" => true,
        unknown => panic!("the schema uses `{unknown}`, which this test cannot judge"),
    })
}

fn is_of(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        unknown => panic!("{unknown} is no type"),
    }
}
