//! Changes before a token is signed: its issuer meant every one of them.

use crate::case::{Members, quoted};
use crate::judges::{AUDIENCE, ISSUER};
use crate::rng::Rng;

/// Values of every JSON type, valid and not.
pub(crate) const ANYTHING: &[&str] = &[
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "1.5",
    "1e3",
    "-1e-9",
    "1e308",
    "1e999",
    "-1e999",
    "01",
    "+1",
    ".5",
    "1.",
    "NaN",
    "9007199254740993",
    "18446744073709551615",
    "18446744073709551616",
    r#""""#,
    r#""x""#,
    r#"" ""#,
    r#""1""#,
    r#""\"\\\/\b\f\n\r\t\u00e9""#,
    r#""\u0000""#,
    r#""\ud800""#,
    r#""\ud83d\ude00""#,
    r#""\udc00\ud800""#,
    "\"é😀\"",
    "\"\u{7f}\"",
    "\"\u{1}\"",
    r#""\x""#,
    "[]",
    "[1]",
    r#"["x"]"#,
    "[null]",
    "[[[]]]",
    "[1,]",
    "{}",
    r#"{"a":1}"#,
    r#"{"a":1,"a":2}"#,
    r#"{"a":1,"\u0061":2}"#,
    r#"{"a":{"b":[1,{"c":null}]}}"#,
    "{,}",
    "'x'",
];

pub(crate) fn set(members: &mut Members, name: &str, value: String) -> String {
    let done = format!("{name} = {value:.80}");
    members.retain(|(own, _)| own != name);
    members.push((name.to_owned(), value));
    done
}

pub(crate) fn remove(members: &mut Members, name: &str) -> String {
    members.retain(|(own, _)| own != name);
    format!("no {name}")
}

/// A member of that name behind one that is there, or two new ones.
pub(crate) fn twice(rng: &mut Rng, members: &mut Members, name: &str) -> String {
    let first = members.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let first = first.unwrap_or_else(|| rng.pick(ANYTHING).to_owned());
    let second = if rng.chance(50) { first.clone() } else { rng.pick(ANYTHING).to_owned() };
    members.retain(|(own, _)| own != name);
    members.push((name.to_owned(), first));
    members.push((name.to_owned(), second.clone()));
    format!("twice {name}, second {second}")
}

/// Deep, wide or long ones.
pub(crate) fn large(rng: &mut Rng) -> String {
    match rng.below(5) {
        0 => {
            let depth = rng.pick(&[6, 7, 8, 9, 14, 15, 16, 17, 50, 120, 127, 128, 200]);
            format!("{}{}", "[".repeat(depth), "]".repeat(depth))
        }
        1 => {
            let depth = rng.pick(&[7, 8, 15, 16, 100]);
            format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
        }
        2 => {
            let width = rng.pick(&[200, 244, 245, 246, 247, 248, 249, 250, 251, 252, 256, 257, 300]);
            let members: Vec<_> = (0..width).map(|at| format!(r#""m{at}":{at}"#)).collect();
            format!("{{{}}}", members.join(","))
        }
        3 => quoted(&"x".repeat(rng.pick(&[200, 256, 257, 2900, 3050, 4000]))),
        _ => quoted(&"x".repeat(rng.pick(&[11_000, 11_900, 12_100, 13_000]))),
    }
}

/// Changes to the text of one part.
pub(crate) fn change_text(rng: &mut Rng, text: &mut Vec<u8>, now: u64) -> String {
    let at = rng.below(text.len());
    match rng.below(9) {
        0 => {
            text.splice(0..0, *b"\xef\xbb\xbf");
            "byte order mark".to_owned()
        }
        1 => {
            let tail = rng.pick(&["x", "{}", "\u{0}", ",", "}", "//", "\n\n"]);
            text.extend(tail.bytes());
            format!("then {tail:?}")
        }
        2 => {
            let byte = rng.pick(&[0xff, 0xc0, 0x80, 0x00, 0x1f, b'"', b'\\', b',']);
            text.insert(at, byte);
            format!("byte {byte:#x} put in at {at}")
        }
        3 => {
            text.remove(at);
            format!("byte {at} taken out")
        }
        4 => {
            text[at] ^= 1 << rng.below(8);
            format!("byte {at} changed")
        }
        5 => {
            text.truncate(at);
            format!("cut at {at}")
        }
        6 => {
            *text = text.iter().flat_map(|byte| [0, *byte]).collect();
            "UTF-16".to_owned()
        }
        7 => {
            let exp = now + 60;
            *text = format!(r#"[{exp},0,"user-1","{ISSUER}","{AUDIENCE}"]"#).into_bytes();
            "an array in the order of the library's struct".to_owned()
        }
        _ => {
            *text = rng.pick(ANYTHING).into();
            "replaced".to_owned()
        }
    }
}
