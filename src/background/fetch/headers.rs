//! What headers of an answer say.

use std::time::Duration;

use http::header::{AGE, CACHE_CONTROL, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName, RETRY_AFTER};

use super::Answer;
use crate::clock::UnixTime;

impl Answer {
    /// But for the body.
    pub(super) fn head(status: u16, headers: &HeaderMap) -> Self {
        let age = text(headers, &AGE).and_then(|value| seconds(&value)).unwrap_or_default();
        Self {
            status,
            content_type: text(headers, &CONTENT_TYPE),
            etag: text(headers, &ETAG),
            max_age: text(headers, &CACHE_CONTROL).and_then(|value| max_age(&value)),
            retry_after: text(headers, &RETRY_AFTER).and_then(|value| seconds(&value)),
            date: text(headers, &DATE).and_then(|value| http_date(&value)).map(|date| date.minus(age)),
            rate: rate(headers),
            body: Vec::new(),
        }
    }
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The `max-age` among the directives; zero where the answer must not be stored.
fn max_age(directives: &str) -> Option<Duration> {
    let mut directives = directives.split(',').map(str::trim);
    directives.find_map(|directive| match directive.split_once('=') {
        Some((name, value)) if name.eq_ignore_ascii_case("max-age") => seconds(value.trim_matches('"')),
        None if directive.eq_ignore_ascii_case("no-store") || directive.eq_ignore_ascii_case("no-cache") => {
            Some(Duration::ZERO)
        }
        _ => None,
    })
}

fn http_date(text: &str) -> Option<UnixTime> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(UnixTime::from_secs(i64::try_from(since.as_secs()).ok()?))
}

/// What is left of a rate limit, in the headers that Auth0 and others use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) remaining: u64,
    /// When there is more, by the server's clock.
    pub(crate) reset: UnixTime,
}

fn rate(headers: &HeaderMap) -> Option<Rate> {
    let number = |name: HeaderName| text(headers, &name)?.trim().parse::<i64>().ok();
    let remaining = number(HeaderName::from_static("x-ratelimit-remaining"))?;
    let reset = UnixTime::from_secs(number(HeaderName::from_static("x-ratelimit-reset"))?);
    Some(Rate { remaining: remaining.try_into().unwrap_or(0), reset })
}

/// A delay in seconds; dates are not read.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_read_from_cache_control() {
        let table = [
            ("max-age=300", Some(300)),
            ("public, Max-Age=60, must-revalidate", Some(60)),
            ("max-age=\"5\"", Some(5)),
            ("no-store", Some(0)),
            ("private", None),
            ("max-age=-1", None),
            ("max-age=soon", None),
            ("s-maxage=9", None),
            ("", None),
        ];
        for (value, secs) in table {
            assert_eq!(max_age(value), secs.map(Duration::from_secs), "{value}");
        }
    }
}
