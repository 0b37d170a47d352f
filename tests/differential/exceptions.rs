//! The other way round: what we admit and jsonwebtoken 11.1 refuses. Each is allowed by an RFC, and each is proved by
//! taking nothing but the excused thing out of the token: jsonwebtoken must then accept it.

use crate::judges::{LEEWAY, Trust};
use crate::keys::{By, base64url, keys};
use crate::reasons::Scene;
use crate::view::{Json, View};

/// Why we admit what jsonwebtoken refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exception {
    /// RFC 9864 §2.2: the name `Ed25519` is newer than the library.
    Ed25519,
    /// RFC 7518 §3.4: the library has no P-521.
    Es512,
    /// RFC 7515 §4.1.2 to §4.1.8, RFC 8555: keys that a token brings along are never looked at, so their shape does not
    /// matter; `url` and `nonce` mean something to ACME only.
    IgnoredHeaderMember,
    /// RFC 8259 §6: a number that no double holds, where nobody reads it.
    NumberBeyondDouble,
    /// RFC 7519 §4.1.5: `nbf` has come to the millisecond; the library cuts its clock and rounds the claim to seconds.
    NotBeforeReached,
    /// RFC 9110 §11.4: one or more spaces separate scheme and credentials.
    SpacesBeforeToken,
}

/// Header members that the library types and we ignore.
const IGNORED: [&str; 8] = ["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "url", "nonce"];

impl Exception {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ed25519,
        Self::Es512,
        Self::IgnoredHeaderMember,
        Self::NumberBeyondDouble,
        Self::NotBeforeReached,
        Self::SpacesBeforeToken,
    ];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn applies(self, scene: Scene<'_>, token: &[u8]) -> bool {
        let View { header, claims, .. } = scene.view;
        match self {
            Self::Ed25519 => header.text_of("alg") == Some("Ed25519"),
            Self::Es512 => header.text_of("alg") == Some("ES512"),
            Self::IgnoredHeaderMember => IGNORED.iter().any(|name| header.get(name).is_some()),
            Self::NumberBeyondDouble => header.beyond_double() || claims.beyond_double(),
            Self::NotBeforeReached => rounded_up(claims, scene.now),
            Self::SpacesBeforeToken => token.first() == Some(&b' '),
        }
    }
}

/// Whether `nbf` has come, and has not when it and the clock lose their fractions.
fn rounded_up(claims: &Json, now: u64) -> bool {
    let Some((exact, rounded)) = claims.millis_of("nbf").zip(claims.seconds_of("nbf").map(f64::round)) else {
        return false;
    };
    exact <= now + LEEWAY * 1000 && rounded as u64 > now / 1000 + LEEWAY
}

/// The same token without anything that an exception excuses, signed anew.
pub(crate) fn without_excuses(scene: Scene<'_>) -> Vec<u8> {
    let Json::Object(header) = scene.view.header.clone() else { panic!("a header that we admitted") };
    let Json::Object(claims) = scene.view.claims.clone() else { panic!("claims that we admitted") };
    let (by, alg) = match scene.trust {
        Trust::KeySet => (By::Es256, "ES256"),
        Trust::SharedSecret => (By::Secret, "HS256"),
    };
    let kept = |(name, value): &(String, Json)| !IGNORED.contains(&name.as_str()) && !value.beyond_double();
    let mut header: Vec<_> = header.into_iter().filter(kept).filter(|(name, _)| name != "alg").collect();
    header.push(("alg".to_owned(), Json::String(alg.to_owned())));
    let late = rounded_up(&scene.view.claims, scene.now);
    let claims = claims.into_iter().filter(|(name, value)| !(value.beyond_double() || late && name == "nbf"));
    let claims = Json::Object(claims.collect());
    let input = format!("{}.{}", base64url(Json::Object(header).to_string()), base64url(claims.to_string()));
    let signature = base64url(keys().sign(by, input.as_bytes()));
    format!("{input}.{signature}").into_bytes()
}
