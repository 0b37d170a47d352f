//! Changes after a token was signed: no issuer meant them.

use base64_simd::URL_SAFE_NO_PAD;

use crate::keys::{By, base64url, keys};
use crate::rng::Rng;

/// The order of P-256 (FIPS 186-4 §D.1.2.3).
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

pub(crate) fn damage(rng: &mut Rng, token: &mut Vec<u8>, by: By) -> String {
    let at = rng.below(token.len());
    match rng.below(12) {
        0 => {
            token[at] ^= 1 << rng.below(8);
            format!("bit flipped in byte {at}")
        }
        1 => {
            let byte = rng.pick(b"Aaz09-_.=+/~ \n\xff");
            token[at] = byte;
            format!("byte {at} = {byte:#x}")
        }
        2 => {
            let byte = rng.pick(b"A-_.=+/ \t\n");
            token.insert(at, byte);
            format!("{byte:#x} put in at {at}")
        }
        3 => {
            token.remove(at);
            format!("byte {at} taken out")
        }
        4 => {
            token.truncate(at);
            format!("cut at {at}")
        }
        5 => {
            let tail =
                rng.pick(&["A", "AA", "AAAA", "=", "==", ".", ".AAAA", ".AA.AA", " ", " x", ", Bearer x"]);
            token.extend(tail.bytes());
            format!("then {tail:?}")
        }
        6 => {
            let spaces = 1 + rng.below(3);
            token.splice(0..0, vec![b' '; spaces]);
            format!("after {spaces} more spaces")
        }
        7 => segments(rng, token),
        8 => last_bits(rng, token),
        _ => signature(rng, token, by),
    }
}

fn parts(token: &[u8]) -> Vec<Vec<u8>> {
    token.split(|byte| *byte == b'.').map(<[u8]>::to_vec).collect()
}

fn segments(rng: &mut Rng, token: &mut Vec<u8>) -> String {
    let mut parts = parts(token);
    let (from, to) = (rng.below(parts.len()), rng.below(parts.len()));
    let done = match rng.below(4) {
        0 => {
            parts.remove(from);
            format!("without part {from}")
        }
        1 => {
            parts.swap(from, to);
            format!("parts {from} and {to} changed places")
        }
        2 => {
            let part = if rng.chance(50) { parts[to].clone() } else { Vec::new() };
            parts.insert(from, part);
            format!("one more part at {from}")
        }
        _ => {
            parts[from].clear();
            format!("part {from} emptied")
        }
    };
    *token = parts.join(&b'.');
    done
}

/// Bits that no byte has, set in the last character of a part (RFC 4648 §3.5).
fn last_bits(rng: &mut Rng, token: &mut Vec<u8>) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut parts = parts(token);
    let which = rng.below(parts.len());
    if let Some(last) = parts[which].last_mut() {
        let value = ALPHABET.iter().position(|byte| byte == last).unwrap_or(0);
        *last = ALPHABET[value ^ (1 + rng.below(3))];
    }
    *token = parts.join(&b'.');
    format!("last bits of part {which}")
}

fn signature(rng: &mut Rng, token: &mut Vec<u8>, by: By) -> String {
    let mut parts = parts(token);
    let Some(encoded) = parts.last_mut() else { return String::new() };
    let mut bytes = URL_SAFE_NO_PAD.decode_to_vec(&encoded[..]).unwrap();
    let done = match rng.below(9) {
        0 => {
            bytes.pop();
            "a byte shorter"
        }
        1 => {
            bytes.push(0);
            "a byte longer"
        }
        2 => {
            bytes.insert(0, 0);
            "a zero before it"
        }
        3 => {
            bytes.fill(0);
            "zeros"
        }
        4 => {
            bytes = [vec![0x30, 0x44, 0x02, 0x20], bytes].concat();
            "as if in DER"
        }
        5 => {
            bytes = keys().sign(by, b"something else");
            "of something else"
        }
        6 => {
            bytes.extend_from_within(..);
            "twice"
        }
        7 if by.algorithm() == "ES256" => {
            negate(&mut bytes[32..]);
            "its s negated, which ECDSA allows"
        }
        _ => {
            bytes.clear();
            "none"
        }
    };
    *encoded = base64url(bytes).into_bytes();
    *token = parts.join(&b'.');
    format!("signature: {done}")
}

/// The order of the curve minus `s`: with it a signature verifies as before (JW-32).
pub(crate) fn negate(s: &mut [u8]) {
    let mut borrow = 0;
    for (byte, order) in s.iter_mut().zip(P256_ORDER).rev() {
        let difference = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = difference.rem_euclid(256) as u8;
    }
}
