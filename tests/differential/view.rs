//! What a token says, read by serde_json and independently of the crate's own scanner; duplicates and the text of
//! numbers are kept.

use std::fmt;

use base64_simd::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Self>),
    Object(Vec<(String, Self)>),
}

/// Members in order, equal names included.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Json {
    fn read(text: &str) -> Option<Self> {
        let text = text.trim_matches([' ', '\t', '\n', '\r']);
        Some(match text.as_bytes().first()? {
            b'{' => {
                let members = serde_json::from_str::<Members>(text).ok()?.0;
                let read = |(name, raw): (String, Box<RawValue>)| Some((name, Self::read(raw.get())?));
                Self::Object(members.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let items: Vec<Box<RawValue>> = serde_json::from_str(text).ok()?;
                Self::Array(items.iter().map(|raw| Self::read(raw.get())).collect::<Option<_>>()?)
            }
            b'"' => Self::String(serde_json::from_str(text).ok()?),
            b't' | b'f' => Self::Bool(serde_json::from_str(text).ok()?),
            b'n' => Self::Null,
            _ => Self::Number(text.to_owned()),
        })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        if let Some(Self::String(text)) = self.get(name) { Some(text) } else { None }
    }

    /// Seconds, where the member is a number.
    pub(crate) fn seconds_of(&self, name: &str) -> Option<f64> {
        if let Some(Self::Number(text)) = self.get(name) { text.parse().ok() } else { None }
    }

    /// Milliseconds, rounded down, where the member is a date that can be believed.
    pub(crate) fn millis_of(&self, name: &str) -> Option<u64> {
        let believable = |seconds: &f64| (0.0..=1e11).contains(seconds);
        self.seconds_of(name).filter(believable).map(|seconds| (seconds * 1000.0).floor() as u64)
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match self {
            Self::Array(items) => Box::new(items.iter()),
            Self::Object(members) => Box::new(members.iter().map(|(_, value)| value)),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// Arrays and objects inside each other, itself included.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::Array(_) | Self::Object(_) => 1 + self.children().map(Self::depth).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Members of the largest object in it.
    pub(crate) fn members(&self) -> usize {
        let own = if let Self::Object(members) = self { members.len() } else { 0 };
        self.children().map(Self::members).fold(own, usize::max)
    }

    pub(crate) fn has_duplicates(&self) -> bool {
        let own = match self {
            Self::Object(members) => members
                .iter()
                .enumerate()
                .any(|(at, (name, _))| members[..at].iter().any(|(other, _)| other == name)),
            _ => false,
        };
        own || self.children().any(Self::has_duplicates)
    }

    /// A number that no double holds (RFC 8259 §6).
    pub(crate) fn beyond_double(&self) -> bool {
        match self {
            Self::Number(text) => text.parse::<f64>().is_ok_and(f64::is_infinite),
            _ => self.children().any(Self::beyond_double),
        }
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(text) => f.write_str(text),
            Self::String(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Array(items) => {
                let items: Vec<_> = items.iter().map(Self::to_string).collect();
                write!(f, "[{}]", items.join(","))
            }
            Self::Object(members) => {
                let text = |(name, value): &(String, Self)| {
                    format!("{}:{value}", serde_json::Value::from(name.as_str()))
                };
                let members: Vec<_> = members.iter().map(text).collect();
                write!(f, "{{{}}}", members.join(","))
            }
        }
    }
}

/// A token with two dots whose first two parts are JSON.
#[derive(Debug)]
pub(crate) struct View {
    /// The header as it stands in the token, in bytes.
    pub(crate) header_bytes: usize,
    pub(crate) token_bytes: usize,
    pub(crate) header: Json,
    pub(crate) claims: Json,
}

impl View {
    pub(crate) fn of(token: &[u8]) -> Option<Self> {
        let parts: Vec<&[u8]> = token.split(|byte| *byte == b'.').collect();
        let [header, claims, _] = parts[..] else { return None };
        let header = header.trim_ascii_start();
        let read = |part: &[u8]| {
            let text = String::from_utf8(URL_SAFE_NO_PAD.decode_to_vec(part).ok()?).ok()?;
            Json::read(&text)
        };
        Some(Self {
            header_bytes: header.len(),
            token_bytes: token.len(),
            header: read(header)?,
            claims: read(claims)?,
        })
    }
}
