//! One entry of a feed: a conjunction of claims, and how long it matters.

use std::borrow::Cow;
use std::time::Duration;

use crate::clock::UnixTime;
use crate::json::{Object, Value};
use crate::limits;
use crate::names::{ClaimName, spellings, usual};
use crate::numeric_date;

/// Claims whose values an issuer never uses again.
pub(crate) const IDENTIFIERS: [&str; 5] = ["jti", "sid", "grant_id", "origin_jti", "uti"];

/// Claims by which issuers tell tokens apart; what else an entry may name is configured.
pub(crate) const CLAIMS: [&str; 9] =
    ["sub", "client_id", "aud", "tid", "oid", "org_id", "session_state", "session_id", "username"];

/// What an operator may decide about the entries of a source.
#[derive(Clone, Debug)]
pub(crate) struct EntryRules {
    /// Claims that identify by themselves.
    pub(crate) identifiers: Box<[ClaimName]>,
    /// Other claims that entries may name.
    pub(crate) claims: Box<[ClaimName]>,
    /// Stands in for an entry's `exp` where it has none.
    pub(crate) max_token_lifetime: Duration,
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
    /// That moment was reckoned from now, since the entry does not name it.
    pub(crate) open_ended: bool,
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
    #[error(
        "a member is neither of the format nor a claim that is known here: name it with Feed::claim or Feed::identifier if your tokens carry it"
    )]
    UnknownMember,
    #[error("`at` lies ahead of the page's own time")]
    SaidAhead,
    #[error("`withdrawn` is not a boolean, or comes without `at`")]
    BadWithdrawal,
}

impl EntryRules {
    fn identifies(&self, name: &str) -> bool {
        is_among(&self.identifiers, name)
    }

    /// Whether tokens may carry it. An entry that names what no token has would match none, and nobody would notice.
    fn knows(&self, name: &str) -> bool {
        self.identifies(name) || is_among(&self.claims, name)
    }
}

/// In any spelling; `name` is the usual one.
fn is_among(claims: &[ClaimName], name: &str) -> bool {
    claims.iter().any(|own| spellings(&own.as_str()).contains(&name))
}

/// What an entry says, in whatever form it came, before it is checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) claims: Vec<(Box<str>, Box<str>)>,
    pub(crate) issued_before: Option<UnixTime>,
    pub(crate) exp: Option<UnixTime>,
    pub(crate) at: Option<UnixTime>,
    pub(crate) withdrawn: bool,
}

impl Parts {
    /// Reads an entry of the native feed (docs/revocation-feed.md).
    fn read(object: &Object) -> Result<Self, EntryError> {
        let mut parts = Self::default();
        for (name, value) in object.iter() {
            match name.as_ref() {
                "issued_before" => parts.issued_before = Some(date(&value)?),
                "exp" => parts.exp = Some(date(&value)?),
                "at" => parts.at = Some(date(&value)?),
                "withdrawn" => match value {
                    Value::Bool(flag) => parts.withdrawn = flag,
                    _ => return Err(EntryError::BadWithdrawal),
                },
                "reason" => {}
                // Notes for people, and room for what later versions may add.
                name if name.starts_with("x_") => {}
                name => parts.claims.push((name.into(), text(value)?)),
            }
        }
        Ok(parts)
    }
}

impl Entry {
    /// Names and values.
    pub(super) fn named(&self) -> impl Iterator<Item = (&str, &str)> {
        self.claims.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether these are the names of its claims.
    pub(super) fn names_only(&self, names: &[Box<str>]) -> bool {
        names.iter().eq(self.claims.iter().map(|(name, _)| name))
    }

    /// Reads an entry of the native feed, on a page made at `as_of`.
    pub(crate) fn read(object: &Object, rules: &EntryRules, as_of: UnixTime) -> Result<Self, EntryError> {
        Self::check(Parts::read(object)?, rules, as_of)
    }

    /// The one law for entries of every form. `as_of` is when they were said to be in force: our own clock takes no part.
    pub(crate) fn check(parts: Parts, rules: &EntryRules, as_of: UnixTime) -> Result<Self, EntryError> {
        let Parts { mut claims, issued_before, exp, at, withdrawn } = parts;
        for (name, value) in &mut claims {
            if value.len() > limits::ENTRY_VALUE_BYTES {
                return Err(EntryError::BadValue);
            }
            if usual(name) != &**name {
                *name = usual(name).into();
            }
        }
        if ![issued_before, exp, at].into_iter().flatten().all(numeric_date::is_credible) {
            return Err(EntryError::BadDate);
        }
        if !claims.iter().all(|(name, _)| rules.knows(name)) {
            return Err(EntryError::UnknownMember);
        }
        if claims.len() > limits::ENTRY_CLAIMS {
            return Err(EntryError::TooManyClaims);
        }
        claims.sort_unstable();
        if issued_before.is_none() && !claims.iter().any(|(name, _)| rules.identifies(name)) {
            return Err(EntryError::NothingToMatch);
        }
        if issued_before.is_some_and(|cut_off| cut_off > as_of.plus(limits::CUT_OFF_AHEAD)) {
            return Err(EntryError::CutOffAhead);
        }
        if at.is_some_and(|at| at > as_of.plus(limits::SAID_AHEAD)) {
            return Err(EntryError::SaidAhead);
        }
        if withdrawn && at.is_none() {
            return Err(EntryError::BadWithdrawal);
        }
        let last_valid = exp.unwrap_or_else(|| issued_before.unwrap_or(as_of).plus(rules.max_token_lifetime));
        Ok(Self {
            claims,
            issued_before: issued_before.map(UnixTime::as_secs),
            said_at: at.or(issued_before).map_or(0, UnixTime::as_secs),
            withdrawn,
            ends: last_valid.plus(rules.leeway),
            open_ended: exp.is_none(),
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
    value.into_string().map(Cow::into_owned).map(String::into_boxed_str).ok_or(EntryError::BadValue)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_732_200_000;

    fn read(text: &str) -> Result<Entry, EntryError> {
        let rules = EntryRules {
            identifiers: IDENTIFIERS.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect(),
            claims: CLAIMS.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect(),
            max_token_lifetime: Duration::from_secs(100),
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
    fn an_identifier_may_be_configured_in_any_spelling() {
        let rules = EntryRules {
            identifiers: [ClaimName::try_from("cid").unwrap()].into(),
            claims: [].into(),
            max_token_lifetime: Duration::from_secs(100),
            leeway: Duration::ZERO,
        };
        for name in ["cid", "client_id"] {
            let object = Object::parse(format!(r#"{{"{name}":"app"}}"#).into(), 4, 64).unwrap();
            assert!(Entry::read(&object, &rules, UnixTime::from_secs(NOW)).is_ok(), "{name}");
        }
    }

    #[test]
    fn refuses() {
        let table = [
            (r#"{"sub":"u","exp":1732286400}"#, EntryError::NothingToMatch),
            (r#"{"exp":1732286400}"#, EntryError::NothingToMatch),
            (r#"{"jti":5,"exp":1732286400}"#, EntryError::BadValue),
            (r#"{"jti":null,"exp":1732286400}"#, EntryError::BadValue),
            (r#"{"jti":"t","exp":1732286400,"revoked_by":"admin"}"#, EntryError::UnknownMember),
            (r#"{"jti":"t","exp":1732286400,"at":1732200301}"#, EntryError::SaidAhead),
            (r#"{"jti":"t","exp":"1732286400"}"#, EntryError::BadDate),
            (r#"{"jti":"t","exp":1732286400000}"#, EntryError::BadDate),
            (r#"{"issued_before":1732200000000,"exp":1732286400}"#, EntryError::BadDate),
            (r#"{"issued_before":1732400000,"exp":1732486400}"#, EntryError::CutOffAhead),
            (r#"{"jti":"t","exp":1732286400,"withdrawn":true}"#, EntryError::BadWithdrawal),
            (r#"{"jti":"t","exp":1732286400,"withdrawn":1,"at":1}"#, EntryError::BadWithdrawal),
            (
                r#"{"jti":"t","sid":"","sub":"","aud":"","tid":"","oid":"","org_id":"","client_id":"","grant_id":"","exp":1732286400}"#,
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
            claims: [ClaimName::try_from("sub").unwrap()].into(),
            max_token_lifetime: Duration::from_secs(100),
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
