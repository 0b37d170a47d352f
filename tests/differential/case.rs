//! Whole tokens, made from a seed: a sound one, changed in a few places before it is signed, and sometimes after.

use crate::changes::change_text;
use crate::damage::damage;
use crate::in_claims::change_claims;
use crate::in_header::change_header;
use crate::judges::{AUDIENCE, ISSUER, Trust};
use crate::keys::{By, base64url, keys};
use crate::rng::Rng;

pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) trust: Trust,
    pub(crate) by: By,
    /// Milliseconds to add to the second in which it is judged.
    pub(crate) fraction: u64,
    /// What was done to the sound token.
    pub(crate) recipe: Vec<String>,
    pub(crate) token: Vec<u8>,
}

/// A JSON object before it is written: equal names are allowed, values are JSON text.
pub(crate) type Members = Vec<(String, String)>;

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The token of a seed, at a time in whole seconds.
pub(crate) fn case(seed: u64, now: u64) -> Case {
    let rng = &mut Rng::new(seed);
    let (trust, by) = match rng.below(100) {
        0..58 => (Trust::KeySet, rng.pick(&[By::Es256, By::Es256, By::EdDsa])),
        58..65 => (
            Trust::KeySet,
            rng.pick(&[
                By::Es512,
                By::Es512,
                By::Enc,
                By::Ops,
                By::Enc,
                By::Ops,
                By::Stranger,
                By::PublicKeyAsSecret,
            ]),
        ),
        65..98 => (Trust::SharedSecret, By::Secret),
        _ => (Trust::SharedSecret, rng.pick(&[By::OtherSecret, By::PublicKeyAsSecret, By::Es256])),
    };
    let fraction = rng.pick(&[0, 0, 0, 1, 400, 500, 600, 999]);
    let mut recipe = vec![format!("{by:?} for {trust:?}, {fraction} ms past the second")];

    let mut header: Members = vec![("alg".to_owned(), quoted(by.algorithm()))];
    if let Some(typ) = rng.pick(&[Some("at+jwt"), Some("at+jwt"), Some("at+jwt"), Some("JWT"), None]) {
        header.push(("typ".to_owned(), quoted(typ)));
    }
    if let Some(kid) = by.kid().filter(|_| trust == Trust::KeySet) {
        header.push(("kid".to_owned(), quoted(kid)));
    }
    let mut claims: Members = [
        ("iss", quoted(ISSUER)),
        ("aud", quoted(AUDIENCE)),
        ("sub", quoted("user-1")),
        ("client_id", quoted("app")),
        ("iat", (now - 10).to_string()),
        ("exp", (now + 600).to_string()),
        ("jti", quoted("t-1")),
        ("scope", quoted("read:events write:events")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();

    for _ in 0..rng.pick(&[0, 1, 1, 1, 1, 2, 2, 3]) {
        let done = if rng.chance(40) {
            change_header(rng, &mut header)
        } else {
            change_claims(rng, &mut claims, now)
        };
        recipe.push(done);
    }
    let mut header = written(rng, &mut header);
    let mut claims = written(rng, &mut claims);
    if rng.chance(8) {
        let (name, text) = if rng.chance(30) { ("header", &mut header) } else { ("claims", &mut claims) };
        recipe.push(format!("{name}: {}", change_text(rng, text, now)));
    }
    let input = format!("{}.{}", base64url(header), base64url(claims));
    let mut token = format!("{input}.{}", base64url(keys().sign(by, input.as_bytes()))).into_bytes();
    if rng.chance(18) {
        recipe.push(damage(rng, &mut token, by));
    }
    Case { seed, trust, by, fraction, recipe, token }
}

/// Members as JSON text, with the whitespace, the order and the escapes that the dice want.
fn written(rng: &mut Rng, members: &mut Members) -> Vec<u8> {
    if rng.chance(30) {
        for at in (1..members.len()).rev() {
            members.swap(at, rng.below(at + 1));
        }
    }
    let (spaces, escapes) = (if rng.chance(15) { 40 } else { 0 }, if rng.chance(15) { 30 } else { 0 });
    let mut text = String::new();
    let space = |rng: &mut Rng, text: &mut String| {
        while rng.chance(spaces) {
            text.push(rng.pick(&[' ', '\n', '\t', '\r']));
        }
    };
    space(rng, &mut text);
    text.push('{');
    for (at, (name, value)) in members.iter().enumerate() {
        if at > 0 {
            text.push(',');
        }
        space(rng, &mut text);
        text.push_str(&escaped(rng, &quoted(name), escapes));
        space(rng, &mut text);
        text.push(':');
        space(rng, &mut text);
        text.push_str(&escaped(rng, value, escapes));
        space(rng, &mut text);
    }
    text.push('}');
    space(rng, &mut text);
    text.into_bytes()
}

/// A string with some of its characters as escapes; anything else, and a string that has escapes already, as it is.
fn escaped(rng: &mut Rng, value: &str, percent: usize) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    if percent == 0 || inner.contains('\\') {
        return value.to_owned();
    }
    let mut text = String::from("\"");
    for character in inner.chars() {
        match character {
            '/' if rng.chance(percent) => text.push_str("\\/"),
            _ if rng.chance(percent) => {
                let mut units = [0; 2];
                for unit in character.encode_utf16(&mut units) {
                    let escape =
                        if rng.chance(50) { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") };
                    text.push_str(&escape);
                }
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}
