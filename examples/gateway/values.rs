//! The values in the file: each is checked where it is read, so that the complaint shows the line.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use http::uri::{Authority, Scheme};
use http::{Method, Uri};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use tower_bearer::{Algorithm, ClientCredentials, Profile, ScopeToken, WhenStale};

use crate::path::RequestPath;

/// A stretch of time, such as `"500ms"`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Period(pub(crate) Duration);

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let unit = match unit {
            "ms" => Some(1),
            "s" => Some(1000),
            "m" => Some(60 * 1000),
            "h" => Some(3600 * 1000),
            "d" => Some(24 * 3600 * 1000),
            _ => None,
        };
        let millis =
            number.parse().ok().zip(unit).and_then(|(number, unit): (u64, u64)| number.checked_mul(unit));
        let remedy = "write a whole number and ms, s, m, h or d, such as \"500ms\" or \"24h\"";
        millis
            .map(Duration::from_millis)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no duration: {remedy}"))
    }
}

/// An address of this machine.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address(pub(crate) SocketAddr);

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let remedy = "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:0\"";
        text.parse().map(Self).map_err(|_| format!("`{text}` is no socket address: {remedy}"))
    }
}

/// Where admitted requests go.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Upstream(pub(crate) Authority);

impl TryFrom<String> for Upstream {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let complaint = |problem: &str| format!("`{text}` {problem}: write it as \"http://host:port\"");
        let parts = text.parse::<Uri>().map_err(|_| complaint("is no URL"))?.into_parts();
        let Some(authority) = parts.authority else { return Err(complaint("names no host")) };
        if parts.scheme != Some(Scheme::HTTP) {
            return Err(complaint("is not plain http, and this version has no TLS towards the upstream"));
        }
        if parts.path_and_query.is_some_and(|path| path != "/") {
            return Err(complaint("has a path, but paths are passed on as they are"));
        }
        if authority.as_str().contains('@') {
            return Err(complaint("has a user or password, which is not sent"));
        }
        Ok(Self(authority))
    }
}

/// The prefix of a route.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Prefix {
    pub(crate) text: String,
    pub(crate) path: RequestPath,
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let complaint = |problem: &str, remedy: &str| Err(format!("`{text}` {problem}: {remedy}"));
        if text.contains(['%', ';', '?', '#', '*']) {
            return complaint(
                "has a character that does not belong in a prefix",
                "write the decoded path, without wildcards",
            );
        }
        if text.len() > 1 && text.ends_with('/') {
            return complaint(
                "ends in a slash",
                "leave it out: a prefix matches whole segments, with or without a slash behind",
            );
        }
        match RequestPath::parse(&text) {
            Ok(path) => Ok(Self { path, text }),
            Err(problem) => complaint(problem, "write it as \"/\" or \"/one/two\""),
        }
    }
}

/// A method, spelled as on the wire.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) struct Verb(pub(crate) Method);

impl TryFrom<String> for Verb {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let upper = text.to_ascii_uppercase();
        match text.parse() {
            Ok(method) if text == upper => Ok(Self(method)),
            Ok(_) => Err(format!("`{text}` is not how methods are written: write \"{upper}\"")),
            Err(_) => Err(format!("`{text}` is no method: write it as \"GET\" or \"POST\"")),
        }
    }
}

/// A scope value.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Scope(pub(crate) ScopeToken);

impl TryFrom<String> for Scope {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let remedy = "write one scope a string, such as \"read:events\"";
        ScopeToken::try_from(text.as_str()).map(Self).map_err(|error| format!("`{text}`: {error}: {remedy}"))
    }
}

/// Issuers that are not known at start. Not an untagged enum: that would not say what is wrong.
#[derive(Clone, Debug)]
pub(crate) enum Names {
    Pattern(String),
    Listed(Vec<String>),
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NamesVisitor)
    }
}

struct NamesVisitor;

impl<'de> Visitor<'de> for NamesVisitor {
    type Value = Names;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern such as \"https://{tenant}.example.com/\", or a list of issuers")
    }

    fn visit_str<E: Error>(self, pattern: &str) -> Result<Names, E> {
        Ok(Names::Pattern(pattern.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, names: A) -> Result<Names, A::Error> {
        Vec::deserialize(SeqAccessDeserializer::new(names)).map(Names::Listed)
    }
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct AlgorithmName(pub(crate) Algorithm);

impl TryFrom<String> for AlgorithmName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let remedy = "write it as in RFC 7518, such as \"RS256\", \"ES256\" or \"EdDSA\"";
        Algorithm::from_name(&text)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no signature algorithm: {remedy}"))
    }
}

/// Which shape of token the issuer sends.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ProfileName(pub(crate) Profile);

impl TryFrom<String> for ProfileName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Profile::from_name(&text).map(Self).ok_or_else(|| {
            let names: Vec<_> = Profile::NAMES.iter().map(|(name, _)| format!("\"{name}\"")).collect();
            format!("`{text}` is no profile: write one of {}", names.join(", "))
        })
    }
}

/// Where revocations come from.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub(crate) enum Source {
    Feed,
    List,
    Auth0,
    None,
}

impl TryFrom<String> for Source {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "feed" => Ok(Self::Feed),
            "list" => Ok(Self::List),
            "auth0" => Ok(Self::Auth0),
            "none" => Ok(Self::None),
            _ => Err(format!(
                "the source `{text}` is not in this version: use \"feed\", \"list\", \"auth0\" or \"none\""
            )),
        }
    }
}

/// Where a client shows its secret when it asks for a token.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ClientAuthentication {
    Basic,
    Post,
}

impl ClientAuthentication {
    pub(crate) fn of(client: ClientCredentials, way: Self) -> ClientCredentials {
        match way {
            Self::Basic => client.in_header(),
            Self::Post => client.in_body(),
        }
    }
}

/// What a stale feed means.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StaleChoice {
    Refuse,
    Admit,
}

impl From<StaleChoice> for WhenStale {
    fn from(choice: StaleChoice) -> Self {
        match choice {
            StaleChoice::Refuse => Self::Refuse,
            StaleChoice::Admit => Self::Admit,
        }
    }
}
