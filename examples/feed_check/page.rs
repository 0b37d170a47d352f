//! A page, as docs/revocation-feed.md wants it: read strictly, every mistake with its rule.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Claims whose values are never used again.
const IDENTIFIERS: [&str; 5] = ["jti", "sid", "grant_id", "origin_jti", "uti"];
/// The other claims that every resource server knows, in all their spellings.
const CLAIMS: [&str; 12] = [
    "sub",
    "client_id",
    "azp",
    "appid",
    "cid",
    "aud",
    "tid",
    "oid",
    "org_id",
    "session_state",
    "session_id",
    "username",
];
/// The year 5138, in seconds; milliseconds lie beyond.
const LATEST: f64 = 1e11;
const CUT_OFF_AHEAD: f64 = 86_400.0;
const SAID_AHEAD: f64 = 300.0;
const DEPTH: usize = 8;
const MEMBERS: usize = 256;
const ENTRY_CLAIMS: usize = 8;
const VALUE_BYTES: usize = 4096;

/// A rule that is broken, and how.
pub(crate) type Flaw = (&'static str, String);

/// What the operators of the resource servers have added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) claims: Vec<String>,
    pub(crate) identifiers: Vec<String>,
}

/// What a page says, as far as it could be understood.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) iss: Option<String>,
    pub(crate) as_of: Option<f64>,
    pub(crate) cursor: Option<String>,
    pub(crate) full: bool,
    pub(crate) more: bool,
    pub(crate) resync: bool,
    pub(crate) entries: Vec<Value>,
}

impl Page {
    /// Reads a page. None where it is not even JSON.
    pub(crate) fn read(body: &[u8], flaws: &mut Vec<Flaw>) -> Option<Self> {
        let object = match serde_json::from_slice::<Strict>(body) {
            Ok(Strict(Value::Object(object))) => object,
            Ok(_) => {
                flaws.push(("json", "the page is not a JSON object".to_owned()));
                return None;
            }
            Err(error) => {
                flaws.push(("json", error.to_string()));
                return None;
            }
        };
        let mut page = Self::default();
        let mut flag = |name: &str| match object.get(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(_) => {
                flaws.push(("page", format!("`{name}` is not a boolean")));
                false
            }
        };
        (page.full, page.more, page.resync) = (flag("full"), flag("more"), flag("resync"));
        page.cursor = match object.get("cursor") {
            None | Some(Value::Null) => None,
            Some(Value::String(cursor)) => Some(cursor.clone()),
            Some(_) => {
                flaws.push(("page", "`cursor` is not a string".to_owned()));
                None
            }
        };
        page.iss = object.get("iss").and_then(Value::as_str).map(str::to_owned);
        page.as_of = object.get("as_of").and_then(seconds);
        if page.resync {
            return Some(page);
        }
        if page.as_of.is_none() {
            let found = object.get("as_of").map_or_else(|| "nothing".to_owned(), shown);
            flaws.push(("as-of", format!("`as_of` is not a date in seconds: {found}")));
        }
        if page.iss.is_none() {
            flaws.push(("page", "`iss` is missing, or is not a string".to_owned()));
        }
        match object.get("revocations") {
            Some(Value::Array(entries)) => page.entries.clone_from(entries),
            _ => flaws.push(("page", "`revocations` is missing, or is not an array".to_owned())),
        }
        let whole = Value::Object(object);
        if depth(&whole) > DEPTH {
            flaws.push(("limits", format!("nested deeper than {DEPTH}")));
        }
        if widest(&whole) > MEMBERS {
            flaws.push(("limits", format!("an object with more than {MEMBERS} members")));
        }
        Some(page)
    }

    /// What is wrong with the entries, by place; counted from 0, as health of a resource server does.
    pub(crate) fn entry_flaws(&self, known: &Known) -> Vec<Flaw> {
        let of = |(place, entry): (usize, &Value)| {
            let flaws = entry_flaws(entry, self.as_of, known).into_iter();
            flaws.map(move |(rule, words)| (rule, format!("entry {place}: {words}"))).collect::<Vec<_>>()
        };
        self.entries.iter().enumerate().flat_map(of).collect()
    }
}

/// The different sets of claim names among entries: each costs resource servers a look-up on every request.
pub(crate) fn shapes<'a>(entries: impl IntoIterator<Item = &'a Value>) -> usize {
    let mut shapes = HashSet::new();
    for entry in entries.into_iter().filter_map(Value::as_object) {
        let names = entry.keys().map(String::as_str).filter(|name| !is_of_the_format(name));
        shapes.insert((names.map(usual).collect::<BTreeSet<_>>(), entry.contains_key("issued_before")));
    }
    shapes.len()
}

fn entry_flaws(entry: &Value, as_of: Option<f64>, known: &Known) -> Vec<Flaw> {
    let Some(entry) = entry.as_object() else {
        return vec![("entry-object", format!("{} is not a JSON object", shown(entry)))];
    };
    let mut flaws: Vec<Flaw> = Vec::new();
    let among =
        |list: &[&str], own: &[String], name: &str| list.contains(&name) || own.iter().any(|own| own == name);
    let mut claims = 0;
    let mut identifies = false;
    for (name, value) in entry.iter().filter(|(name, _)| !is_of_the_format(name)) {
        claims += 1;
        let identifier = among(&IDENTIFIERS, &known.identifiers, name);
        identifies |= identifier;
        if !identifier && !among(&CLAIMS, &known.claims, name) {
            let remedy =
                "no resource server knows it unless configured (--claim, --identifier); notes begin with x_";
            flaws.push(("entry-members", format!("`{}`: {remedy}", shorten(name))));
        }
        match value.as_str() {
            None => flaws.push(("entry-values", format!("`{}` is not a string", shorten(name)))),
            Some(text) if text.len() > VALUE_BYTES => {
                flaws.push(("limits", format!("`{}` is longer than {VALUE_BYTES} bytes", shorten(name))));
            }
            Some(_) => {}
        }
    }
    if claims > ENTRY_CLAIMS {
        flaws.push(("limits", format!("more than {ENTRY_CLAIMS} claims")));
    }
    if !entry.contains_key("issued_before") && !identifies {
        flaws.push(("entry-match", "neither `issued_before` nor a claim that identifies".to_owned()));
    }
    for (name, ahead) in [("issued_before", CUT_OFF_AHEAD), ("at", SAID_AHEAD), ("exp", f64::INFINITY)] {
        let Some(value) = entry.get(name) else { continue };
        match (seconds(value), as_of) {
            (None, _) => {
                flaws.push(("entry-dates", format!("`{name}` is not a date in seconds: {}", shown(value))));
            }
            (Some(date), Some(as_of)) if date - as_of > ahead => {
                flaws.push(("entry-dates", format!("`{name}` lies {} s ahead of `as_of`", date - as_of)));
            }
            _ => {}
        }
    }
    match entry.get("withdrawn") {
        None | Some(Value::Bool(false)) => {}
        Some(Value::Bool(true)) if entry.contains_key("at") => {}
        Some(Value::Bool(true)) => {
            flaws.push(("entry-withdrawn", "`withdrawn` comes without `at`".to_owned()))
        }
        Some(_) => flaws.push(("entry-withdrawn", "`withdrawn` is not a boolean".to_owned())),
    }
    flaws
}

fn is_of_the_format(name: &str) -> bool {
    matches!(name, "issued_before" | "exp" | "at" | "withdrawn" | "reason") || name.starts_with("x_")
}

fn usual(name: &str) -> &str {
    match name {
        "azp" | "appid" | "cid" => "client_id",
        "uti" => "jti",
        name => name,
    }
}

fn seconds(value: &Value) -> Option<f64> {
    value.as_f64().filter(|secs| (0.0..=LATEST).contains(secs))
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn widest(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(widest).max().unwrap_or(0),
        Value::Object(members) => members.values().map(widest).max().unwrap_or(0).max(members.len()),
        _ => 0,
    }
}

/// Foreign text for a terminal: short, and without what moves the cursor.
pub(crate) fn shorten(text: &str) -> String {
    let mut short: String = text.chars().take(48).flat_map(char::escape_debug).collect();
    if text.chars().nth(48).is_some() {
        short.push('…');
    }
    short
}

fn shown(value: &Value) -> String {
    shorten(&value.to_string())
}

/// JSON without duplicate members, which `serde_json` alone would let the last one win.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some((name, Strict(value))) = members.next_entry::<String, Strict>()? {
            if read.contains_key(&name) {
                return Err(de::Error::custom(format!("duplicate member `{}`", shorten(&name))));
            }
            read.insert(name, value);
        }
        Ok(Value::Object(read))
    }
}
