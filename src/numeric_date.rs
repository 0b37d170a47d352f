//! NumericDate: seconds since the epoch as a JSON number (RFC 7519 §2).

use crate::clock::UnixTime;

/// Later than this (the year 5138) nothing is believed: milliseconds in place of seconds land far behind it.
const LATEST_SECS: f64 = 1e11;

/// Reads the raw text of a JSON number. Fractions are kept to the millisecond, rounded down.
///
/// Negative, infinite and absurdly late dates are none.
pub(crate) fn parse(raw: &str) -> Option<UnixTime> {
    if let Some(secs) = ten_digits(raw).or_else(|| raw.parse::<u64>().ok()) {
        return (secs <= LATEST_SECS as u64).then(|| UnixTime::from_secs(secs as i64));
    }
    let secs: f64 = raw.parse().ok()?;
    (0.0..=LATEST_SECS).contains(&secs).then(|| UnixTime::from_millis((secs * 1000.0).floor() as i64))
}

/// What every date has for now, for half of what a number of any length takes.
#[inline]
fn ten_digits(raw: &str) -> Option<u64> {
    let digits = <[u8; 10]>::try_from(raw.as_bytes()).ok()?.map(|digit| digit.wrapping_sub(b'0'));
    let all = digits.iter().fold(true, |all, digit| all & (*digit < 10));
    all.then(|| digits.iter().fold(0, |number, digit| number * 10 + u64::from(*digit)))
}

/// Whether a date that came in another form than JSON lies within what [`parse`] believes.
pub(crate) fn is_credible(date: UnixTime) -> bool {
    (0..=LATEST_SECS as i64).contains(&date.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_decided() {
        let table = [
            ("0", Some(0)),
            ("1732200000", Some(1_732_200_000_000)),
            ("0999999999", Some(999_999_999_000)),
            ("9999999999", Some(9_999_999_999_000)),
            ("1732200000.5", Some(1_732_200_000_500)),
            ("1.7322e9", Some(1_732_200_000_000)),
            ("100000000000", Some(100_000_000_000_000)),
            ("-0", Some(0)),
            ("-173220000", None),
            ("17322000:0", None),
            ("1732200/00", None),
            ("-1", None),
            ("-0.5", None),
            ("100000000001", None),
            ("1732200000000", None),
            ("18446744073709551615", None),
            ("18446744073709551616", None),
            ("1e300", None),
            ("1e999", None),
        ];
        for (raw, expected) in table {
            assert_eq!(parse(raw).map(UnixTime::as_millis), expected, "{raw}");
        }
    }
}
