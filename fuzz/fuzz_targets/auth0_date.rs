//! A date of Auth0's log or events: it is the second that a calendar counts to, or none.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz::{read_date, write_date};

/// Later seconds are not believed.
const LATEST: i64 = 100_000_000_000;

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_of(year: i64, month: usize) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        month => [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1],
    }
}

/// Digits, and nothing else.
fn number(text: &str, digits: usize) -> Option<i64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().expect("digits"))
}

/// A plain reading: fields between separators, and a calendar that is counted through day by day.
fn reading(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't'])?;
    let [year, month, day] = date.split('-').collect::<Vec<_>>().try_into().ok()?;
    let (year, month, day) = (number(year, 4)?, number(month, 2)?, number(day, 2)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month as usize) {
        return None;
    }
    let zone = time.find(['Z', 'z', '+', '-'])?;
    let (time, zone) = time.split_at(zone);
    let east = match zone {
        "Z" | "z" => 0,
        zone if zone.starts_with(['Z', 'z']) => return None,
        zone => {
            let (hours, minutes) = zone[1..].split_once(':')?;
            let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if zone.starts_with('+') { 60 } else { -60 }
        }
    };
    let [hour, minute, second] = time.split(':').collect::<Vec<_>>().try_into().ok()?;
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let (hour, minute, second) = (number(hour, 2)?, number(minute, 2)?, number(second, 2)?);
    if hour > 23
        || minute > 59
        || second > 60
        || fraction.is_empty()
        || !fraction.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    // Before 1970 there is only what an offset brings back.
    let before: i64 = if year >= 1970 {
        (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum()
    } else {
        -(year..1970).map(|year| if is_leap(year) { 366 } else { 365 }).sum::<i64>()
    };
    let of_year: i64 = (1..month as usize).map(|month| days_of(year, month)).sum();
    let seconds = (before + of_year + day - 1) * 86_400 + hour * 3600 + minute * 60 + second.min(59) - east;
    let seconds = seconds + i64::from(fraction.bytes().any(|byte| byte != b'0'));
    (0..=LATEST).contains(&seconds).then_some(seconds)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let read = read_date(text);
    assert_eq!(read, reading(text), "{text}");
    if let Some(second) = read {
        assert_eq!(read_date(&write_date(second)), Some(second), "written again");
    }
    // Any second, from the bytes.
    let number = bytes.iter().fold(0_i64, |sum, byte| (sum * 257 + i64::from(*byte)) % (LATEST + 1));
    assert_eq!(read_date(&write_date(number)), Some(number), "written");
});
