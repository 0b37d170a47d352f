//! Dates as events have them: RFC 3339.

use crate::clock::UnixTime;

/// To the second, rounded up. None for what is no such date, or is before the epoch.
pub(super) fn read(text: &str) -> Option<UnixTime> {
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<i64>().ok())?
    };
    let is = |at: usize, allowed: &[u8]| text.as_bytes().get(at).is_some_and(|byte| allowed.contains(byte));
    let separated = is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":");
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let rest = text.get(19..)?;
    let fraction = rest.strip_prefix('.').map(|rest| {
        let end = rest.bytes().take_while(u8::is_ascii_digit).count();
        rest.split_at(end)
    });
    let (fraction, zone) = fraction.unwrap_or(("0", rest));
    let up = i64::from(fraction.bytes().any(|byte| byte != b'0'));
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    // A leap second is there on some days.
    let valid = separated
        && !fraction.is_empty()
        && year >= 1970
        && (1..=days).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then_some(())?;
    let secs = days_since_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second + up;
    Some(UnixTime::from_secs(secs - offset(zone)?))
}

/// In seconds east of UTC.
fn offset(zone: &str) -> Option<i64> {
    if zone.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let sign = match zone.bytes().next()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str, below: i64| {
        let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number < below)
    };
    Some(sign * (number(hours, 24)? * 3600 + number(minutes, 60)? * 60))
}

/// In the Gregorian calendar; years are counted from March, so that the leap day is the last one.
fn days_since_epoch(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + day_of_year - 719_468
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
    fn dates_are_read_to_the_next_second() {
        let table = [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01T00:00:00.000Z", Some(0)),
            ("1970-01-01T00:00:00.001Z", Some(1)),
            ("1970-01-01 00:00:00.9999999999Z", Some(1)),
            ("2000-02-29t00:00:00z", Some(951_782_400)),
            ("2026-11-21T23:59:59.999Z", Some(1_795_305_600)),
            ("2100-03-01T00:00:00Z", Some(4_107_542_400)),
            ("2026-11-21T12:00:00+01:30", Some(1_795_262_400 - 5400)),
            ("2026-11-21T12:00:00-00:30", Some(1_795_262_400 + 1800)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("1969-12-31T23:59:59Z", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-13-01T00:00:00Z", None),
            ("2026-00-01T00:00:00Z", None),
            ("2026-11-31T00:00:00Z", None),
            ("2026-11-21T24:00:00Z", None),
            ("2026-11-21T23:60:00Z", None),
            ("2026-11-21T23:59:61Z", None),
            ("2026-11-21T12:00:00", None),
            ("2026-11-21T12:00:00.Z", None),
            ("2026-11-21T12:00:00+1:30", None),
            ("2026-11-21T12:00:00+24:00", None),
            ("2026-11-21T12:00:00+0130", None),
            ("2026-11-21T12:00:00ZZ", None),
            ("2026/11/21T12:00:00Z", None),
            ("+026-11-21T12:00:00Z", None),
            ("1795262400", None),
            ("2026-11-21", None),
            ("", None),
            ("é026-11-21T12:00:00Z", None),
        ];
        for (text, expected) in table {
            assert_eq!(read(text).map(UnixTime::as_secs), expected, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(write(951_782_407), "2000-02-29T00:00:07Z");
        for day in 0..80_000 {
            let second = day * 86_400 + day % 86_400;
            assert_eq!(read(&write(second)), Some(UnixTime::from_secs(second)));
        }
    }
}
