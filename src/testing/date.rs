//! Dates as Auth0 writes them: RFC 3339 in UTC, with milliseconds; in headers as HTTP wants them.

use std::time::{Duration, UNIX_EPOCH};

use crate::clock::UnixTime;

/// `2026-11-21T12:00:00.000Z`.
pub(super) fn rfc3339(time: UnixTime) -> String {
    let (secs, millis) = (time.as_secs(), time.as_millis().rem_euclid(1000));
    let (year, month, day) = civil(secs.div_euclid(86_400));
    let (hour, minute, second) =
        (secs.rem_euclid(86_400) / 3600, secs.rem_euclid(3600) / 60, secs.rem_euclid(60));
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// `Sat, 21 Nov 2026 12:00:00 GMT`; the epoch for what comes before it.
pub(super) fn http_date(time: UnixTime) -> String {
    let secs = u64::try_from(time.as_secs()).unwrap_or(0);
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs))
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar: years are counted from March, so that
/// the leap day is the last one.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next_year) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next_year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (millis, date) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (1_795_305_599_999, "2026-11-21T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(UnixTime::from_millis(millis)), date);
        }
    }
}
