//! One page of a revocation feed, as bytes that somebody sent (docs/revocation-feed.md).

use crate::clock::UnixTime;
use crate::json::{Array, Error, Object, Value};
use crate::limits;
use crate::numeric_date;

/// A page whose outside is right; its entries are read one by one.
#[derive(Debug)]
pub(crate) struct Page {
    object: Object,
    pub(crate) issuer: String,
    pub(crate) as_of: UnixTime,
    pub(crate) cursor: Option<String>,
    /// These pages hold everything in force.
    pub(crate) full: bool,
    /// There is a next page.
    pub(crate) more: bool,
    /// The server asks to start over.
    pub(crate) resync: bool,
}

/// Why bytes are not a page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    #[error("the page is not UTF-8")]
    NotUtf8,
    #[error("the page is not strict JSON: {0}")]
    NotJson(#[from] Error),
    #[error("`{0}` is missing or has the wrong type")]
    Member(&'static str),
}

impl Page {
    pub(crate) fn parse(body: Vec<u8>) -> Result<Self, PageError> {
        let text = String::from_utf8(body).map_err(|_| PageError::NotUtf8)?;
        let object = Object::parse(text.into_boxed_str(), limits::FEED_DEPTH, limits::OBJECT_MEMBERS)?;
        let flag = |name: &'static str| match object.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(PageError::Member(name)),
        };
        let text = |name: &'static str| match object.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.into_owned())),
            Some(_) => Err(PageError::Member(name)),
        };
        let resync = flag("resync")?;
        let as_of = match object.get("as_of") {
            Some(Value::Number(raw)) => numeric_date::parse(raw).ok_or(PageError::Member("as_of"))?,
            None if resync => UnixTime::from_secs(0),
            _ => return Err(PageError::Member("as_of")),
        };
        let issuer = match text("iss")? {
            Some(issuer) => issuer,
            None if resync => String::new(),
            None => return Err(PageError::Member("iss")),
        };
        let (cursor, full, more) = (text("cursor")?, flag("full")?, flag("more")?);
        let page = Self { issuer, as_of, cursor, full, more, resync, object };
        if !resync && page.entries_array().is_none() {
            return Err(PageError::Member("revocations"));
        }
        Ok(page)
    }

    fn entries_array(&self) -> Option<Array<'_>> {
        match self.object.get("revocations") {
            Some(Value::Array(entries)) => Some(entries),
            _ => None,
        }
    }

    /// The entries in order; none in place of one that is not an object.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Option<Object>> {
        self.entries_array().into_iter().flat_map(Array::items).map(|item| match item {
            Value::Object(text) => {
                Object::parse(text.into(), limits::FEED_DEPTH, limits::OBJECT_MEMBERS).ok()
            }
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Page, PageError> {
        Page::parse(text.as_bytes().to_vec())
    }

    #[test]
    fn reads_the_page_of_the_specification() {
        let page = parse(
            r#"{"iss":"https://as/","as_of":1732200000,"cursor":"c42","full":true,"more":false,
                "revocations":[{"jti":"t-1","exp":1732286400},7,{"issued_before":1,"exp":2}]}"#,
        )
        .unwrap();
        assert_eq!((page.issuer.as_str(), page.cursor.as_deref()), ("https://as/", Some("c42")));
        assert!(page.full && !page.more && !page.resync);
        let entries: Vec<_> = page.entries().map(|entry| entry.is_some()).collect();
        assert_eq!(entries, [true, false, true]);
    }

    #[test]
    fn a_call_to_start_over_needs_nothing_else() {
        assert!(parse(r#"{"resync":true}"#).unwrap().resync);
    }

    #[test]
    fn refuses() {
        let table = [
            ("<html>", "not strict JSON"),
            ("[]", "not strict JSON"),
            (r#"{"iss":"a","iss":"b","as_of":1,"revocations":[]}"#, "not strict JSON"),
            (r#"{"as_of":1,"revocations":[]}"#, "`iss`"),
            (r#"{"iss":"a","revocations":[]}"#, "`as_of`"),
            (r#"{"iss":"a","as_of":1732200000000,"revocations":[]}"#, "`as_of`"),
            (r#"{"iss":"a","as_of":1}"#, "`revocations`"),
            (r#"{"iss":"a","as_of":1,"revocations":{}}"#, "`revocations`"),
            (r#"{"iss":"a","as_of":1,"full":1,"revocations":[]}"#, "`full`"),
            (r#"{"iss":"a","as_of":1,"cursor":5,"revocations":[]}"#, "`cursor`"),
        ];
        for (text, expected) in table {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(Page::parse(vec![0xff]).unwrap_err(), PageError::NotUtf8);
    }
}
