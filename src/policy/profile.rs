//! What is demanded of every token of an issuer, before any route has its say.

use std::time::Duration;

use crate::algorithm::Algorithms;
use crate::names::{Audience, ClaimName};

/// Which shape of access token an issuer sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// RFC 9068: `typ` is `at+jwt`, and `iss`, `exp`, `aud`, `sub`, `client_id`, `iat` and `jti` are all there.
    ///
    /// Strict, and the one to prefer: no ID token, logout token or other JWT of the same issuer can pass.
    #[default]
    Rfc9068,
    /// `iss`, `aud` and `exp` are there; `typ` is `at+jwt`, `JWT` or absent.
    Generic,
}

impl Profile {
    /// Claims without which a token is refused, besides `iss`, `aud` and `exp`.
    pub(crate) fn required(self) -> &'static [&'static str] {
        match self {
            Self::Rfc9068 => &["sub", "client_id", "iat", "jti"],
            Self::Generic => &[],
        }
    }

    /// Whether a header with this `typ` may stand on an access token (RFC 7515 §4.1.9: `application/` may be
    /// left out, and case does not count).
    pub(crate) fn accepts_type(self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else { return self == Self::Generic };
        let short = match typ.get(..12) {
            Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or_default(),
            _ => typ,
        };
        short.eq_ignore_ascii_case("at+jwt") || (self == Self::Generic && short.eq_ignore_ascii_case("jwt"))
    }

    /// Where scopes are read from unless it is configured.
    pub(crate) fn scope_claims(self) -> &'static [&'static str] {
        match self {
            Self::Rfc9068 => &["scope"],
            Self::Generic => &["scope", "scp"],
        }
    }
}

/// The compiled demand of one issuer.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) profile: Profile,
    pub(crate) audiences: Box<[Audience]>,
    pub(crate) algorithms: Algorithms,
    /// How far clocks may be apart.
    pub(crate) leeway: Duration,
    /// `exp - iat` at most; what makes dropping an old revocation sound.
    pub(crate) max_lifetime: Option<Duration>,
    pub(crate) require_jti: bool,
    pub(crate) scope_claims: Box<[ClaimName]>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_compared_as_media_types() {
        let table = [
            (Some("at+jwt"), true, true),
            (Some("AT+JWT"), true, true),
            (Some("application/at+jwt"), true, true),
            (Some("Application/AT+jwt"), true, true),
            (Some("JWT"), false, true),
            (Some("application/jwt"), false, true),
            (None, false, true),
            (Some("at+jwt;x=y"), false, false),
            (Some("logout+jwt"), false, false),
            (Some("dpop+jwt"), false, false),
            (Some("secevent+jwt"), false, false),
            (Some(""), false, false),
            (Some("éééééééat+jwt"), false, false),
        ];
        for (typ, strict, generic) in table {
            assert_eq!(Profile::Rfc9068.accepts_type(typ), strict, "{typ:?}");
            assert_eq!(Profile::Generic.accepts_type(typ), generic, "{typ:?}");
        }
    }
}
