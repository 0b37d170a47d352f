//! Dates as the log and the events have them (RFC 3339).

use std::time::Duration;

use crate::clock::UnixTime;
use crate::numeric_date;

/// Reads `2026-11-21T12:00:00.000Z`, with any fraction or none, in UTC or with an offset. Fractions are rounded up. What no
/// cut-off can hold, from before 1970 or absurdly late, is none: the whole source would be stale for it.
pub(super) fn parse(text: &str) -> Option<UnixTime> {
    let bytes = text.as_bytes();
    let shape = b"0000-00-00T00:00:00";
    let (head, rest) = (bytes.get(..shape.len())?, text.get(shape.len()..)?);
    let fits = |(byte, shape): (&u8, &u8)| match shape {
        b'0' => byte.is_ascii_digit(),
        shape => byte.eq_ignore_ascii_case(shape),
    };
    if !head.iter().zip(shape).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    // A leap second is the last one of its minute.
    if day < 1 || day > days_of(year, month)? || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (rest, has_fraction) = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let is_zero = fraction.bytes().take(digits).all(|digit| digit == b'0');
            (fraction.get(digits..).filter(|_| digits > 0)?, !is_zero)
        }
        None => (rest, false),
    };
    let seconds =
        days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second.min(59) - offset(rest)?;
    let date = UnixTime::from_secs(seconds);
    let date = if has_fraction { date.plus(Duration::from_secs(1)) } else { date };
    Some(date).filter(|date| numeric_date::is_credible(*date))
}

/// Seconds east of Greenwich.
fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let [sign @ (b'+' | b'-'), a, b, b':', c, d] = text.as_bytes() else { return None };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| i64::from(byte - b'0'));
    let (hours, minutes) = (digit(a)? * 10 + digit(b)?, digit(c)? * 10 + digit(d)?);
    let east = if *sign == b'+' { 1 } else { -1 };
    (hours < 24 && minutes < 60).then_some(east * (hours * 3600 + minutes * 60))
}

fn days_of(year: i64, month: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => Some(31),
        4 | 6 | 9 | 11 => Some(30),
        2 => Some(if is_leap { 29 } else { 28 }),
        _ => None,
    }
}

/// Days since the epoch, in the Gregorian calendar: years are counted from March, so that the leap day is the last one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A second since the epoch, in UTC.
pub(super) fn write(second: i64) -> String {
    let (days, rest) = (second.div_euclid(86_400) + 719_468, second.rem_euclid(86_400));
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + later;
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1)),
            ("1970-01-01T00:00:00.0000000001Z", Some(1)),
            ("2000-02-29T00:00:00Z", Some(951_782_400)),
            ("2026-11-21T23:59:59.999Z", Some(1_795_305_600)),
            ("2100-03-01T00:00:00.000Z", Some(4_107_542_400)),
            ("2026-11-22T00:59:59+01:00", Some(1_795_305_599)),
            ("2026-11-21t18:59:59-05:00", Some(1_795_305_599)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_799)),
            ("5138-11-16T09:46:40Z", Some(100_000_000_000)),
            ("5138-11-16T09:46:41Z", None),
            ("1969-12-31T23:59:59Z", None),
            ("1969-12-31T23:59:59.5Z", Some(0)),
            ("0000-01-01T00:00:00Z", None),
            ("9999-12-31T23:59:59Z", None),
            ("2025-02-29T00:00:00Z", None),
            ("2100-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-01-00T00:00:00Z", None),
            ("2026-04-31T00:00:00Z", None),
            ("2026-01-01T24:00:00Z", None),
            ("2026-01-01T00:60:00Z", None),
            ("2026-01-01T00:00:61Z", None),
            ("2026-01-01T00:00:00", None),
            ("2026-01-01T00:00:00.Z", None),
            ("2026-01-01T00:00:00+24:00", None),
            ("2026-01-01T00:00:00+0100", None),
            ("2026-01-01 00:00:00Z", None),
            ("2026-01-01", None),
            ("+026-01-01T00:00:00Z", None),
            ("2026-01-01T00:00:00Zé", None),
            ("2026-01-01T00:00:0é", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text).map(UnixTime::as_secs), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(write(951_782_407), "2000-02-29T00:00:07Z");
        for day in 0..80_000 {
            let second = day * 86_400 + day % 86_400;
            assert_eq!(parse(&write(second)), Some(UnixTime::from_secs(second)));
        }
    }
}
