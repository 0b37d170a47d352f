//! Changes to the claims before a token is signed.

use crate::case::{Members, quoted};
use crate::changes::{ANYTHING, large, remove, set, twice};
use crate::judges::{AUDIENCE, ISSUER};
use crate::rng::Rng;

pub(crate) fn change_claims(rng: &mut Rng, claims: &mut Members, now: u64) -> String {
    const READ: &[&str] = &[
        "iss",
        "aud",
        "exp",
        "nbf",
        "iat",
        "sub",
        "client_id",
        "azp",
        "appid",
        "cid",
        "jti",
        "uti",
        "cnf",
        "scope",
    ];
    const OTHERS: &[&str] = &[
        "scp",
        "roles",
        "act",
        "auth_time",
        "nonce",
        "at_hash",
        "c_hash",
        "s_hash",
        "events",
        "htm",
        "htu",
        "token_introspection",
        "sid",
        "x",
        "",
    ];
    match rng.below(16) {
        0..6 => {
            let name = rng.pick(&["exp", "exp", "nbf", "iat"]);
            let value = date(rng, now);
            set(claims, name, value)
        }
        6 => {
            let value = issuer(rng);
            set(claims, "iss", value)
        }
        7 | 8 => {
            let value = audience(rng);
            set(claims, "aud", value)
        }
        9 => {
            let value = rng.pick(&[r#"{"jkt":"x"}"#, r#"{"x5t#S256":"x"}"#, "{}", "null", "5"]).to_owned();
            set(claims, "cnf", value)
        }
        10 | 11 => {
            let name = rng.pick(READ);
            let value = rng.pick(ANYTHING).to_owned();
            set(claims, name, value)
        }
        12 => {
            let name = rng.pick(OTHERS);
            let value = rng.pick(ANYTHING).to_owned();
            set(claims, name, value)
        }
        13 => {
            let name = if rng.chance(50) { rng.pick(READ) } else { rng.pick(OTHERS) };
            twice(rng, claims, name)
        }
        14 => {
            let name = rng.pick(&["x", "x", "x", "aud", "sub"]);
            let value = large(rng);
            set(claims, name, value)
        }
        _ => {
            let name = rng.pick(READ);
            remove(claims, name)
        }
    }
}

/// A point in time close to where something is decided, in one of the ways to write it; or none at all.
fn date(rng: &mut Rng, now: u64) -> String {
    if rng.chance(15) {
        let values = [
            "-1",
            "-0.5",
            "-0",
            "0",
            "0.4",
            "99999999999",
            "1e11",
            "100000000001",
            "1e12",
            "4102444800000",
            "1e300",
            "18446744073709551615",
            "18446744073709551616",
            "1.8e19",
            "1e999",
            r#""4102444800""#,
            "null",
            "1e-400",
        ];
        return rng.pick(&values).to_owned();
    }
    let around =
        rng.pick(&[0_i64, 0, -5000, -5000, -5000, 5000, 5000, 5000, -3_600_000, 3_600_000, 86_390_000]);
    let offset = rng.pick(&[0_i64, 0, 1, -1, 100, -100, 400, -400, 500, -500, 600, -600, 1000, -1000, 5000]);
    let millis = (now * 1000).saturating_add_signed(around + offset);
    let (seconds, rest) = (millis / 1000, millis % 1000);
    match rng.below(5) {
        0 if rest == 0 => format!("{seconds}.000"),
        1 => format!("{millis}e-3"),
        2 => format!("{}E+3", millis as f64 / 1e6),
        _ if rest == 0 => seconds.to_string(),
        _ => format!("{seconds}.{rest:03}"),
    }
}

fn issuer(rng: &mut Rng) -> String {
    let bare = ISSUER.trim_end_matches('/');
    let array = |items: &[&str]| serde_json::Value::from(items).to_string();
    match rng.below(12) {
        0 => array(&[ISSUER]),
        1 => array(&["https://evil.example/", ISSUER]),
        2 => array(&[ISSUER, ISSUER]),
        3 => array(&[]),
        4 => quoted(bare),
        5 => quoted(&format!("{ISSUER} ")),
        6 => quoted(&format!("{ISSUER}/")),
        7 => quoted(&ISSUER.to_uppercase()),
        8 => quoted(&ISSUER.replace("https", "http")),
        9 => quoted(&format!("{ISSUER}\u{0}")),
        10 => {
            ISSUER
                .chars()
                .map(|c| format!("\\u{:04x}", c as u32))
                .fold("\"".to_owned(), |all, one| all + &one)
                + "\""
        }
        _ => format!("{{\"iss\":{}}}", quoted(ISSUER)),
    }
}

fn audience(rng: &mut Rng) -> String {
    let ours = &quoted(AUDIENCE);
    match rng.below(14) {
        0 => format!("[{ours}]"),
        1 => format!(r#"["https://other.example/",{ours}]"#),
        2 => format!(r#"[{ours},"https://other.example/"]"#),
        3 => format!("[{ours},{ours}]"),
        4 => format!("[ {ours} , 5 ]"),
        5 => format!("[null,{ours}]"),
        6 => format!("[[{ours}]]"),
        7 => "[]".to_owned(),
        8 => quoted("https://other.example/"),
        9 => quoted(AUDIENCE.trim_end_matches('/')),
        10 => quoted(&AUDIENCE.to_uppercase()),
        11 => quoted(&format!("{AUDIENCE} https://other.example/")),
        12 => format!("{{\"0\":{ours}}}"),
        _ => format!("[{}]", ours.replace('/', "\\/").replace('a', "\\u0061")),
    }
}
