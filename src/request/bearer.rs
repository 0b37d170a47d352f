//! Stage 1: exactly one `Authorization` header of the Bearer scheme (RFC 6750 §2.1, RFC 9110 §11.6.2).

use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::limits;
use crate::rejection::RejectionKind;

/// Proof that one bearer credential of bounded size came; what it says is still anybody's.
pub(super) struct Bearer<'a>(&'a [u8]);

impl<'a> Bearer<'a> {
    #[inline]
    pub(super) fn into_token(self) -> &'a [u8] {
        self.0
    }
}

/// Takes the credentials out of the header. Two headers are refused rather than one of them chosen.
#[inline]
pub(super) fn read(headers: &HeaderMap) -> Result<Bearer<'_>, RejectionKind> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let value = all.next().ok_or(RejectionKind::NoCredentials)?.as_bytes();
    if all.next().is_some() {
        return Err(RejectionKind::RepeatedCredentials);
    }
    let rest = match value.split_at_checked(6) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer") => rest,
        _ => return Err(RejectionKind::OtherScheme),
    };
    match rest.first() {
        Some(b' ') => {}
        // `Bearer` alone or with a tab; a longer word is another scheme.
        None | Some(b'\t') => return Err(RejectionKind::MalformedCredentials),
        Some(byte) if is_scheme_character(*byte) => return Err(RejectionKind::OtherScheme),
        Some(_) => return Err(RejectionKind::MalformedCredentials),
    }
    if value.len() > limits::AUTHORIZATION_BYTES {
        return Err(RejectionKind::TooLarge);
    }
    let start = rest.iter().position(|byte| *byte != b' ').ok_or(RejectionKind::MalformedCredentials)?;
    Ok(Bearer(rest.get(start..).unwrap_or_default()))
}

/// The places of the first two dots of a token: one that is well-formed has no more.
pub(super) type Dots = [Option<usize>; 2];

pub(super) fn dots(token: &[u8]) -> Dots {
    let mut dots = [None; 2];
    // Where there are fewer, it is asked but once what is behind the last one.
    for (dot, place) in dots.iter_mut().zip(memchr::memchr_iter(b'.', token)) {
        *dot = Some(place);
    }
    dots
}

/// Whether `bytes` could be credentials of this scheme at all: `1*( ALPHA / DIGIT / "-._~+/" ) *"="`.
/// `dots` are where its first ones stand.
pub(super) fn is_b64token(bytes: &[u8], dots: Dots) -> bool {
    let rest = behind_base64url(bytes, dots);
    let end = rest.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last + 1);
    let (body, _) = rest.split_at(end);
    let fits = |b: &u8| {
        let letter = (b | 0x20).wrapping_sub(b'a') < 26;
        // `-./` and the digits follow one another.
        let digit = b.wrapping_sub(b'-') < 13;
        letter | digit | (*b == b'_') | (*b == b'~') | (*b == b'+')
    };
    let something = rest.len() < bytes.len() || !body.is_empty();
    // Without leaving early inside of a chunk, several bytes are looked at at once.
    something && body.chunks(256).all(|chunk| chunk.iter().fold(true, |all, byte| all & fits(byte)))
}

/// What is left to look at behind those parts of a JWS, three at most, that are base64url and long enough to gain by it:
/// for that alphabet the library looks at more bytes at once.
fn behind_base64url(bytes: &[u8], dots: Dots) -> &[u8] {
    const LONG: usize = 32;
    let mut start = 0;
    for dot in dots.into_iter().chain([None]) {
        let part = bytes.get(start..dot.unwrap_or(bytes.len())).unwrap_or_default();
        if part.len() < LONG || base64_simd::URL_SAFE_NO_PAD.check(part).is_err() {
            break;
        }
        start += part.len() + usize::from(dot.is_some());
    }
    bytes.get(start..).unwrap_or_default()
}

/// RFC 9110 §5.6.2: the characters of a token.
fn is_scheme_character(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_b64token(bytes: &[u8]) -> bool {
        super::is_b64token(bytes, dots(bytes))
    }

    #[test]
    fn every_byte_is_of_a_token_or_not() {
        for byte in 0..=u8::MAX {
            let expected = byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
            assert_eq!(is_b64token(&[byte]), expected, "{byte}");
            let late = [&[b'a'; 300], &[byte][..], b"=="].concat();
            assert_eq!(is_b64token(&late), expected || byte == b'=', "{byte}");
            for place in [0, 100, 101, 200, 201, 299] {
                let mut parts = [&[b'a'; 100][..], &[b'b'; 100], &[b'c'; 100]].join(&b'.');
                parts[place] = byte;
                assert_eq!(is_b64token(&parts), expected, "{byte} at {place}");
            }
        }
        assert!(!is_b64token(b"") && !is_b64token(b"==") && !is_b64token(b"a=a"));
        let (part, text) = ("a".repeat(40), |text: String| is_b64token(text.as_bytes()));
        assert!(is_b64token(b".") && is_b64token(b"a...") && is_b64token(b".=") && !is_b64token(b"a.=.b"));
        assert!(
            text(format!("{part}.")) && text(format!("{part}.=")) && text(format!("{part}.{part}~.{part}="))
        );
        assert!(!text(format!("{part}.=.{part}")) && !text(format!("{part}.{part}.{part}.\u{e9}")));
    }
}
