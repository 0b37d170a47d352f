//! Stage 2: a JWS in compact serialization whose header and claims are strict JSON (RFC 7515 §5.2, §7.1).

use std::mem::MaybeUninit;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};

use crate::json::{self, Members};
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
    pub(super) claims: Members<'a>,
    /// By what it will be known again once it is admitted.
    pub(super) again: Again<'a>,
}

/// What a verdict on a token keeps of it, beside header and claims.
pub(super) struct Again<'a> {
    /// The signature as it came.
    pub(super) signature: &'a [u8],
    pub(super) name: Option<Name>,
}

/// What claims can take: they are no more than the whole header.
const CLAIMS_BYTES: usize = limits::AUTHORIZATION_BYTES / 4 * 3;

/// Where the parts are decoded to. Before a token is admitted nothing is allocated for it.
pub(super) struct Room {
    signature: [MaybeUninit<u8>; limits::SIGNATURE_BYTES],
    header: header::Room,
    claims: Text<CLAIMS_BYTES>,
    members: json::Room,
}

impl Room {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            signature: [const { MaybeUninit::uninit() }; limits::SIGNATURE_BYTES],
            header: header::Room::new(),
            claims: Text::new(),
            members: json::Room::default(),
        }
    }
}

/// Room for a part that is to be JSON. It begins with a whole word, since that is how text is checked.
#[repr(align(8))]
pub(super) struct Text<const BYTES: usize>([MaybeUninit<u8>; BYTES]);

impl<const BYTES: usize> Text<BYTES> {
    pub(super) const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; BYTES])
    }

    /// The text; none where there is no room for it.
    pub(super) fn decode(&mut self, encoded: &[u8]) -> Option<&str> {
        if URL_SAFE_NO_PAD.estimated_decoded_length(encoded.len()) > BYTES {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded, self.0.as_mut_slice().as_out()).ok()?;
        std::str::from_utf8(bytes).ok()
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
    let [Some(first), Some(second)] = dots else {
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
    // This also refuses whatever has more dots.
    let signature = URL_SAFE_NO_PAD.decode(encoded, room.signature.as_mut_slice().as_out());
    let signature = signature.map_err(|_| RejectionKind::MalformedToken)?;
    let header = header::read(header, &mut room.header)?;
    let claims = room.claims.decode(claims).ok_or(RejectionKind::MalformedToken)?;
    let claims = Members::read(claims, limits::CLAIMS_DEPTH, limits::OBJECT_MEMBERS, &mut room.members)
        .map_err(|_| RejectionKind::MalformedToken)?;
    let again = Again { signature: encoded, name };
    Ok(Content { signing_input: part(0..second), signature, header, claims, again })
}
