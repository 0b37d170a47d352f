//! base64, digests and random identifiers: text that stands for bytes.

use aws_lc_rs::{digest, rand};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};

/// base64url without padding, as JOSE writes bytes.
pub(super) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The bytes behind base64url text, where it is that.
pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// What follows `Basic ` in an `Authorization` header (RFC 7617).
pub(super) fn to_basic(user: &str, password: &str) -> String {
    STANDARD.encode_to_string(format!("{user}:{password}"))
}

/// A client's half of its Basic credentials, which RFC 6749 §2.3.1 has form-encoded before they are joined.
pub(super) fn form_decoded(text: &str) -> String {
    // One value, whatever is in it: a bare `&` would begin another one.
    let single = format!("={}", text.replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(single.as_bytes());
    pairs.next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// The digest of a code verifier, as a challenge carries it (RFC 7636 §4.2).
pub(super) fn s256(verifier: &str) -> String {
    base64url(digest::digest(&digest::SHA256, verifier.as_bytes()))
}

/// User and password of what follows `Basic `.
pub(super) fn from_basic(text: &str) -> Option<(String, String)> {
    let pair = String::from_utf8(STANDARD.decode_to_vec(text).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

/// A strong entity tag of `body`.
pub(super) fn entity_tag(body: &[u8]) -> String {
    format!("\"{}\"", base64url(digest::digest(&digest::SHA256, body)))
}

/// 128 random bits as text: an identifier that no one can guess and that never comes again.
#[expect(clippy::expect_used, reason = "a generator that has failed leaves nothing to go on with")]
pub(super) fn random_id() -> String {
    let mut bytes = [0; 16];
    rand::fill(&mut bytes).expect("the operating system gives random bytes");
    base64url(bytes)
}
