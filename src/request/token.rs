//! Stage 2: a JWS in compact serialization whose header and claims are strict JSON (RFC 7515 §5.2, §7.1).

use std::borrow::Cow;

use crate::algorithm::Algorithm;
use crate::json::{Object, Value};
use crate::limits;
use crate::rejection::RejectionKind;

use super::bearer::{Bearer, is_b64token};

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
    /// Still encoded.
    pub(super) signature: &'a [u8],
    pub(super) algorithm: Algorithm,
    pub(super) header: Object,
    pub(super) claims: Object,
}

impl Content<'_> {
    /// The key id, where the header has one.
    pub(super) fn kid(&self) -> Option<Cow<'_, str>> {
        self.header.get("kid").and_then(Value::into_string)
    }
}

/// Header members that change what a token means, and that nobody here understands.
const UNSUPPORTED: [&str; 4] = ["crit", "b64", "zip", "enc"];

/// Splits and reads the token; each part is bounded before it is decoded.
pub(super) fn parse(bearer: Bearer<'_>) -> Result<Parsed<'_>, RejectionKind> {
    let token = bearer.into_token();
    read(token).map(Parsed).map_err(|kind| {
        // RFC 6750 §3.1: what cannot be a bearer token at all makes the request malformed, not the token invalid.
        if is_b64token(token) { kind } else { RejectionKind::MalformedCredentials }
    })
}

fn read(token: &[u8]) -> Result<Content<'_>, RejectionKind> {
    let mut dots = memchr::memchr_iter(b'.', token);
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(RejectionKind::MalformedToken);
    };
    let part = |range: std::ops::Range<usize>| token.get(range).unwrap_or_default();
    let (header, claims) = (part(0..first), part(first + 1..second));
    if header.len() > limits::JOSE_HEADER_BYTES {
        return Err(RejectionKind::TooLarge);
    }
    let signature = part(second + 1..token.len());
    let longest = base64_simd::URL_SAFE_NO_PAD.encoded_length(limits::SIGNATURE_BYTES);
    if signature.len() > longest || base64_simd::URL_SAFE_NO_PAD.check(signature).is_err() {
        return Err(RejectionKind::MalformedToken);
    }
    let header = object(header, limits::HEADER_DEPTH)?;
    let algorithm = check_header(&header)?;
    let claims = object(claims, limits::CLAIMS_DEPTH)?;
    Ok(Content { signing_input: part(0..second), signature, algorithm, header, claims })
}

fn object(encoded: &[u8], depth: usize) -> Result<Object, RejectionKind> {
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(encoded).ok();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| Object::parse(text.into_boxed_str(), depth, limits::OBJECT_MEMBERS).ok())
        .ok_or(RejectionKind::MalformedToken)
}

/// What the header demands. Keys that it brings along (`jwk`, `jku`, `x5u`, `x5c`) are never looked at.
fn check_header(header: &Object) -> Result<Algorithm, RejectionKind> {
    let algorithm = match header.get("alg") {
        Some(Value::String(name)) => Algorithm::from_name(&name).ok_or(RejectionKind::WrongAlgorithm)?,
        _ => return Err(RejectionKind::WrongAlgorithm),
    };
    if UNSUPPORTED.iter().any(|name| header.get(name).is_some()) {
        return Err(RejectionKind::UnsupportedToken);
    }
    for (name, longest) in
        [("kid", limits::KEY_ID_BYTES), ("typ", limits::KEY_ID_BYTES), ("cty", limits::KEY_ID_BYTES)]
    {
        match header.get(name) {
            None => {}
            Some(Value::String(text)) if text.len() <= longest => {}
            Some(_) => return Err(RejectionKind::MalformedToken),
        }
    }
    let content = header.get("cty").and_then(Value::into_string);
    if content.is_some_and(|cty| ["jwt", "application/jwt"].iter().any(|jwt| cty.eq_ignore_ascii_case(jwt))) {
        return Err(RejectionKind::UnsupportedToken);
    }
    Ok(algorithm)
}
