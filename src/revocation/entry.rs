//! One entry of a feed: a conjunction of claims, and how long it matters.

use std::borrow::Cow;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::json::{Object, Value};
use crate::limits;
use crate::names::{ClaimName, spellings};
use crate::numeric_date;

/// Claims whose values an issuer never uses again.
pub(crate) const IDENTIFIERS: [&str; 5] = ["jti", "sid", "grant_id", "origin_jti", "uti"];

/// What an operator may decide about the entries of a source.
#[derive(Clone, Debug)]
pub(crate) struct EntryRules {
    /// Claims that identify by themselves.
    pub(crate) identifiers: Box<[ClaimName]>,
    /// Stands in for an entry's `exp` where it has none.
    pub(crate) max_token_lifetime: Option<Duration>,
    /// How long past `exp` tokens are accepted.
    pub(crate) leeway: Duration,
}

/// An entry, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Names and values that must all be equal, ordered by name. Empty for "every token of the issuer".
    pub(crate) claims: Vec<(Box<str>, Box<str>)>,
    /// Tokens issued up to this second are revoked; none for an identifier.
    pub(crate) issued_before: Option<i64>,
    /// When it was said, in seconds. The latest word on the same claims wins, a tie stays revoked.
    pub(crate) said_at: i64,
    /// This entry takes an earlier one back.
    pub(crate) withdrawn: bool,
    /// After this moment no token it could match is valid any more.
    pub(crate) ends: UnixTime,
}

/// Why an entry is none. Such an entry may have been a revocation, so it is never skipped in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("an entry is not a JSON object")]
    NotAnObject,
    #[error("a claim's value is not a string, or is longer than {} bytes", limits::ENTRY_VALUE_BYTES)]
    BadValue,
    #[error("more than {} claims in one entry", limits::ENTRY_CLAIMS)]
    TooManyClaims,
    #[error("`exp`, `at` or `issued_before` is not a date in seconds")]
    BadDate,
    #[error("`issued_before` lies more than a day ahead")]
    CutOffAhead,
    #[error("neither `issued_before` nor a claim that identifies a token or grant")]
    NothingToMatch,
    #[error("no `exp`, and no max_token_lifetime is set to stand in for it")]
    NoEnd,
    #[error("`withdrawn` is not a boolean, or comes without `at`")]
    BadWithdrawal,
}

impl Entry {
    /// Reads an entry of the native feed (docs/revocation-feed.md).
    pub(crate) fn read(object: &Object, rules: &EntryRules, wall: UnixTime) -> Result<Self, EntryError> {
        let mut claims = Vec::new();
        let (mut issued_before, mut exp, mut at, mut withdrawn) = (None, None, None, false);
        for (name, value) in object.iter() {
            match name.as_ref() {
                "issued_before" => issued_before = Some(date(&value)?),
                "exp" => exp = Some(date(&value)?),
                "at" => at = Some(date(&value)?),
                "withdrawn" => match value {
                    Value::Bool(flag) => withdrawn = flag,
                    _ => return Err(EntryError::BadWithdrawal),
                },
                "reason" => {}
                name => {
                    claims.push((spellings(&name).first().map_or(name, |usual| usual).into(), text(value)?))
                }
            }
        }
        if claims.len() > limits::ENTRY_CLAIMS {
            return Err(EntryError::TooManyClaims);
        }
        claims.sort_unstable();
        let identifies =
            |(name, _): &(Box<str>, Box<str>)| rules.identifiers.iter().any(|id| id.as_str() == &**name);
        if issued_before.is_none() && !claims.iter().any(identifies) {
            return Err(EntryError::NothingToMatch);
        }
        if issued_before.is_some_and(|cut_off| cut_off > wall.plus(limits::CUT_OFF_AHEAD)) {
            return Err(EntryError::CutOffAhead);
        }
        if withdrawn && at.is_none() {
            return Err(EntryError::BadWithdrawal);
        }
        let last_valid = match (exp, rules.max_token_lifetime) {
            (Some(exp), _) => exp,
            (None, Some(lifetime)) => issued_before.unwrap_or(wall).plus(lifetime),
            (None, None) => return Err(EntryError::NoEnd),
        };
        Ok(Self {
            claims,
            issued_before: issued_before.map(UnixTime::as_secs),
            said_at: at.or(issued_before).map_or(0, UnixTime::as_secs),
            withdrawn,
            ends: last_valid.plus(rules.leeway),
        })
    }
}

fn date(value: &Value<'_>) -> Result<UnixTime, EntryError> {
    match value {
        Value::Number(raw) => numeric_date::parse(raw).ok_or(EntryError::BadDate),
        _ => Err(EntryError::BadDate),
    }
}

fn text(value: Value<'_>) -> Result<Box<str>, EntryError> {
    value
        .into_string()
        .filter(|text| text.len() <= limits::ENTRY_VALUE_BYTES)
        .map(Cow::into_owned)
        .map(String::into_boxed_str)
        .ok_or(EntryError::BadValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_732_200_000;

    fn read(text: &str) -> Result<Entry, EntryError> {
        let rules = EntryRules {
            identifiers: IDENTIFIERS.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect(),
            max_token_lifetime: None,
            leeway: Duration::from_secs(5),
        };
        let object = Object::parse(text.into(), 4, 64).unwrap();
        Entry::read(&object, &rules, UnixTime::from_secs(NOW))
    }

    #[test]
    fn reads_the_entries_of_the_feed_specification() {
        let table = [
            (r#"{"jti":"t-1","exp":1732286400}"#, 1, None, 0),
            (
                r#"{"grant_id":"g-7","exp":1732286400,"at":1732190000,"reason":"contract ended"}"#,
                1,
                None,
                1_732_190_000,
            ),
            (
                r#"{"sub":"auth0|u1","client_id":"app","aud":"https://api/","issued_before":1732199990.7,"exp":1732286400}"#,
                3,
                Some(1_732_199_990),
                1_732_199_990,
            ),
            (r#"{"issued_before":1732190000,"exp":1732286400}"#, 0, Some(1_732_190_000), 1_732_190_000),
        ];
        for (text, claims, issued_before, said_at) in table {
            let entry = read(text).unwrap();
            assert_eq!(
                (entry.claims.len(), entry.issued_before, entry.said_at),
                (claims, issued_before, said_at),
                "{text}"
            );
            assert_eq!(entry.ends, UnixTime::from_secs(1_732_286_405), "exp and leeway: {text}");
        }
    }

    #[test]
    fn azp_and_client_id_are_one() {
        let spelled = |name: &str| read(&format!(r#"{{"{name}":"app","issued_before":1,"exp":2}}"#)).unwrap();
        assert_eq!(spelled("azp"), spelled("client_id"));
    }

    #[test]
    fn refuses() {
        let table = [
            (r#"{"sub":"u","exp":1732286400}"#, EntryError::NothingToMatch),
            (r#"{"exp":1732286400}"#, EntryError::NothingToMatch),
            (r#"{"jti":5,"exp":1732286400}"#, EntryError::BadValue),
            (r#"{"jti":null,"exp":1732286400}"#, EntryError::BadValue),
            (r#"{"jti":"t"}"#, EntryError::NoEnd),
            (r#"{"jti":"t","exp":"1732286400"}"#, EntryError::BadDate),
            (r#"{"jti":"t","exp":1732286400000}"#, EntryError::BadDate),
            (r#"{"issued_before":1732200000000,"exp":1732286400}"#, EntryError::BadDate),
            (r#"{"issued_before":1732400000,"exp":1732486400}"#, EntryError::CutOffAhead),
            (r#"{"jti":"t","exp":1732286400,"withdrawn":true}"#, EntryError::BadWithdrawal),
            (r#"{"jti":"t","exp":1732286400,"withdrawn":1,"at":1}"#, EntryError::BadWithdrawal),
            (
                r#"{"jti":"t","a":"","b":"","c":"","d":"","e":"","f":"","g":"","h":"","exp":1732286400}"#,
                EntryError::TooManyClaims,
            ),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_lifetime_stands_in_for_a_missing_end() {
        let rules = EntryRules {
            identifiers: [ClaimName::try_from("jti").unwrap()].into(),
            max_token_lifetime: Some(Duration::from_secs(100)),
            leeway: Duration::ZERO,
        };
        let ends = |text: &str| {
            let object = Object::parse(text.into(), 4, 64).unwrap();
            Entry::read(&object, &rules, UnixTime::from_secs(NOW)).unwrap().ends.as_secs()
        };
        assert_eq!(ends(r#"{"jti":"t"}"#), NOW + 100);
        assert_eq!(ends(r#"{"sub":"u","issued_before":1732199000}"#), NOW - 1000 + 100);
    }
}
