//! Stage 2: a JWS in compact serialization whose header and claims are strict JSON (RFC 7515 §5.2, §7.1).

use std::mem::MaybeUninit;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use crate::json::Object;
use crate::limits;
use crate::rejection::RejectionKind;

use super::bearer::{self, Dots};
use super::header::{self, Claimed};
use super::verdict::{Name, Unseen};

/// Proof of form: nothing in it is true yet.
pub(super) struct Parsed<'a>(Content<'a>);

impl<'a> Parsed<'a> {
    pub(super) fn into_content(self) -> Content<'a> {
        self.0
    }
}

/// What a well-formed token holds.
pub(super) struct Content<'a> {
    /// What was signed: header and claims as they came.
    pub(super) signing_input: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) header: Claimed<'a>,
    /// Behind them stands the signature as it came.
    pub(super) claims: Object,
    pub(super) name: Option<Name>,
}

/// Where signature and header are decoded to.
pub(super) struct Room {
    signature: [MaybeUninit<u8>; limits::SIGNATURE_BYTES],
    header: header::Room,
}

impl Room {
    pub(super) const fn new() -> Self {
        Self {
            signature: [const { MaybeUninit::uninit() }; limits::SIGNATURE_BYTES],
            header: [const { MaybeUninit::uninit() }; limits::JOSE_HEADER_BYTES],
        }
    }
}

/// Splits and reads the token; each part is bounded before it is decoded.
pub(super) fn parse<'a>(unseen: Unseen<'a>, room: &'a mut Room) -> Result<Parsed<'a>, RejectionKind> {
    let (token, name) = unseen.into_parts();
    let dots = bearer::dots(token);
    read(token, dots, name, room).map(Parsed).map_err(|kind| {
        // RFC 6750 §3.1: what cannot be a bearer token at all makes the request malformed, not the token invalid.
        if bearer::is_b64token(token, dots) { kind } else { RejectionKind::MalformedCredentials }
    })
}

fn read<'a>(
    token: &'a [u8],
    dots: Dots,
    name: Option<Name>,
    room: &'a mut Room,
) -> Result<Content<'a>, RejectionKind> {
    let [Some(first), Some(second), None] = dots else {
        return Err(RejectionKind::MalformedToken);
    };
    let part = |range: std::ops::Range<usize>| token.get(range).unwrap_or_default();
    let (header, claims) = (part(0..first), part(first + 1..second));
    if header.len() > limits::JOSE_HEADER_BYTES {
        return Err(RejectionKind::TooLarge);
    }
    let encoded = part(second + 1..token.len());
    if encoded.len() > URL_SAFE_NO_PAD.encoded_length(limits::SIGNATURE_BYTES) {
        return Err(RejectionKind::MalformedToken);
    }
    let signature = URL_SAFE_NO_PAD.decode(encoded, room.signature.as_mut_slice().as_out());
    let signature = signature.map_err(|_| RejectionKind::MalformedToken)?;
    let header = header::read(header, &mut room.header)?;
    let claims = read_claims(claims, encoded).ok_or(RejectionKind::MalformedToken)?;
    Ok(Content { signing_input: part(0..second), signature, header, claims, name })
}

/// One text for the claims and the signature behind them.
fn read_claims(encoded: &[u8], signature: &[u8]) -> Option<Object> {
    let length = encoded.len() / 4 * 3 + (encoded.len() % 4 * 3) / 4;
    let mut text = Vec::with_capacity(length + signature.len());
    text.resize(length, 0);
    let decoded = URL_SAFE_NO_PAD.decode(encoded, text.as_mut_slice().as_out()).ok()?.len();
    if decoded != length {
        return None;
    }
    text.extend_from_slice(signature);
    let text = String::from_utf8(text).ok()?.into_boxed_str();
    Object::parse_start(text, length, limits::CLAIMS_DEPTH, limits::OBJECT_MEMBERS).ok()
}
