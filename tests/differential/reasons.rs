//! Where we are stricter than jsonwebtoken 11.1, and why. Names such as JW-09 number the demands of the standards, as in
//! other tests. `docs/stricter-than-jsonwebtoken.md` says the same to users.

use tower_bearer::{Profile, RejectionKind};

use crate::judges::{LEEWAY, LONGEST_LIFE, Trust};
use crate::keys::By;
use crate::view::{Json, View};

/// A token and the circumstances in which it is judged.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) view: &'a View,
    pub(crate) by: By,
    pub(crate) trust: Trust,
    pub(crate) profile: Profile,
    /// Wall clock in milliseconds.
    pub(crate) now: u64,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Why we refuse what jsonwebtoken accepts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];
        }
    };
}

reasons! {
    /// RFC 7515 §4.1.11 (JW-09): what `crit` lists must be understood, and nothing it could list is. PyJWT
    /// CVE-2026-32597, Authlib CVE-2025-59420.
    CriticalExtension,
    /// RFC 7797 §7 (JW-10): a JWT's payload is always encoded.
    UnencodedPayload,
    /// RFC 7516 §4.1.3 (JW-28): `zip` belongs to JWE; nothing is ever inflated. CVE-2024-28180 and others.
    Compression,
    /// RFC 7516 §4.1.2 (JW-28): `enc` marks a JWE.
    Encryption,
    /// RFC 7519 §5.2 (JW-15): with `cty: JWT` the payload is another JWT, not claims.
    NestedToken,
    /// RFC 9068 §4, RFC 8725 §3.11 (AT-01, JW-14, BCP-13): a logout token, DPoP proof or security event is no access
    /// token.
    OtherType,
    /// RFC 8725 §3.12 (BCP-14): claims that mark an ID token, a security event or a DPoP proof.
    ForeignClaim,
    /// RFC 7515 §4.1.4, §4.1.9, §4.1.10 (JW-12): `kid`, `typ` and `cty` are strings; null is none.
    NullInHeader,
    /// JW-12: `kid`, `typ` and `cty` have at most 256 bytes.
    LongInHeader,
    /// RFC 7515 §4.1.4 (JW-12, JK-05): `kid` names another key than the one that signed, or none. jsonwebtoken leaves
    /// the choice of the key to its caller; this oracle tries them all.
    KeyIdOfAnotherKey,
    /// RFC 7517 §4.2, §4.3 (JK-03, JK-04): a key published with `use: enc`, or `key_ops` without `verify`.
    KeyNotForSignatures,
    /// RFC 7519 §4, RFC 7515 §4 (JW-05, JW-06): two readers of one token must not read different claims.
    DuplicateMember,
    /// Nesting beyond 8 levels in the header or 16 in the claims (RFC 8259 §9). CVE-2025-53864 nimbus.
    NestedTooDeep,
    /// More than 256 members in one object (RFC 8259 §9).
    TooManyMembers,
    /// A header of more than 4 KiB or a credential of more than 16 KiB. CVE-2025-30204 golang-jwt.
    TooLarge,
    /// RFC 7519 §7.2 (JW-04): claims are an object. jsonwebtoken reads `[exp, nbf, sub, iss, aud]` as a struct.
    ClaimsAreAnArray,
    /// RFC 7519 §4.1.1 (JW-22): an issuer is one string. fast-jwt CVE-2025-30144.
    IssuerIsAnArray,
    /// RFC 7519 §4.1.4 (JW-17): not valid *on* or after `exp`, leeway added; jsonwebtoken accepts on it, and rounds.
    ExpiryReached,
    /// JW-19: an `exp` after the year 5138 is milliseconds, or a way to make a revocation live for ever.
    ExpiryBeyondBelief,
    /// RFC 7519 §4.1.5 (JW-20): not before `nbf`, to the millisecond; jsonwebtoken rounds to the second.
    NotBeforeInAFraction,
    /// RFC 7519 §4.1.6 (JW-21): issued in the future, past leeway; such a token would outlive every cut-off.
    IssuedInFuture,
    /// RFC 7519 §2 (JW-18, JW-19): `iat` is a number, not negative and not milliseconds.
    IssuedAtIsNoDate,
    /// RFC 9068 §2.2 (AT-04): `sub`, `client_id`, `iat` and `jti` are required under [`Profile::Rfc9068`].
    MissingProfileClaim,
    /// RFC 7519 §4.1.2, §4.1.7 (JW-23, JW-24): who is meant is a string, and not an empty one.
    IdentityIsNoText,
    /// RFC 9449 §7.2, RFC 8705 §3 (DP-15, AT-17): a token bound to a key is no bearer token.
    SenderConstrained,
    /// Our own limit, where it is set: `exp - iat` beyond `max_token_lifetime`.
    LivesTooLong,
}

use RejectionKind as K;

impl Reason {
    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    /// The rejections that this reason can explain.
    pub(crate) fn kinds(self) -> &'static [RejectionKind] {
        match self {
            Self::CriticalExtension
            | Self::UnencodedPayload
            | Self::Compression
            | Self::Encryption
            | Self::NestedToken => &[K::UnsupportedToken],
            Self::OtherType | Self::ForeignClaim => &[K::WrongType],
            Self::NullInHeader
            | Self::LongInHeader
            | Self::DuplicateMember
            | Self::NestedTooDeep
            | Self::TooManyMembers
            | Self::ClaimsAreAnArray => &[K::MalformedToken],
            Self::KeyIdOfAnotherKey => &[K::UnknownKey],
            Self::KeyNotForSignatures => &[K::UnknownKey, K::WrongSignature],
            Self::TooLarge => &[K::TooLarge],
            Self::IssuerIsAnArray => &[K::UnknownIssuer],
            Self::ExpiryReached => &[K::Expired],
            Self::NotBeforeInAFraction => &[K::NotYetValid],
            Self::IssuedInFuture => &[K::IssuedInFuture],
            Self::ExpiryBeyondBelief
            | Self::IssuedAtIsNoDate
            | Self::MissingProfileClaim
            | Self::IdentityIsNoText => &[K::MissingClaim],
            Self::SenderConstrained => &[K::SenderConstrained],
            Self::LivesTooLong => &[K::LivesTooLong],
        }
    }

    /// Whether the token is such a one, told without our own code.
    pub(crate) fn applies(self, scene: Scene<'_>) -> bool {
        let Scene { view: View { header, claims, .. }, by, trust, profile, now } = scene;
        let leeway = LEEWAY * 1000;
        match self {
            Self::CriticalExtension => header.get("crit").is_some(),
            Self::UnencodedPayload => header.get("b64").is_some(),
            Self::Compression => header.get("zip").is_some(),
            Self::Encryption => header.get("enc").is_some(),
            Self::NestedToken => {
                header.text_of("cty").map(short).is_some_and(|cty| cty.eq_ignore_ascii_case("jwt"))
            }
            Self::OtherType => match header.text_of("typ").map(short) {
                Some(typ) => typ != "at+jwt" && (typ != "jwt" || profile == Profile::Rfc9068),
                None => profile == Profile::Rfc9068,
            },
            Self::ForeignClaim => {
                let everywhere = ["events", "token_introspection"];
                let generic = ["nonce", "at_hash", "c_hash", "s_hash", "htm", "htu"];
                everywhere.iter().any(|name| claims.get(name).is_some())
                    || (profile == Profile::Generic && generic.iter().any(|name| claims.get(name).is_some()))
            }
            Self::NullInHeader => NAMES.iter().any(|name| matches!(header.get(name), Some(Json::Null))),
            Self::LongInHeader => {
                NAMES.iter().any(|name| header.text_of(name).is_some_and(|text| text.len() > 256))
            }
            Self::KeyIdOfAnotherKey => {
                trust == Trust::KeySet && header.text_of("kid").is_some_and(|kid| Some(kid) != key_id(header))
            }
            Self::KeyNotForSignatures => matches!(by, By::Enc | By::Ops),
            Self::DuplicateMember => header.has_duplicates() || claims.has_duplicates(),
            Self::NestedTooDeep => header.depth() > 8 || claims.depth() > 16,
            Self::TooManyMembers => header.members() > 256 || claims.members() > 256,
            Self::TooLarge => {
                scene.view.header_bytes > 4096 || scene.view.token_bytes + "Bearer ".len() > 16 * 1024
            }
            Self::ClaimsAreAnArray => matches!(claims, Json::Array(_)),
            Self::IssuerIsAnArray => matches!(claims.get("iss"), Some(Json::Array(_))),
            Self::ExpiryReached => claims.millis_of("exp").is_some_and(|exp| exp + leeway <= now),
            Self::ExpiryBeyondBelief => claims.seconds_of("exp").is_some_and(|exp| exp > 1e11),
            Self::NotBeforeInAFraction => {
                let fraction = claims.seconds_of("nbf").is_some_and(|nbf| nbf.fract() != 0.0);
                fraction && claims.millis_of("nbf").is_some_and(|nbf| nbf > now + leeway)
            }
            Self::IssuedInFuture => claims.millis_of("iat").is_some_and(|iat| iat > now + leeway),
            Self::IssuedAtIsNoDate => claims.get("iat").is_some() && claims.millis_of("iat").is_none(),
            Self::MissingProfileClaim => {
                let required = ["sub", "client_id", "iat", "jti"];
                profile == Profile::Rfc9068 && required.iter().any(|name| claims.get(name).is_none())
            }
            Self::IdentityIsNoText => {
                let odd = |name: &&str| {
                    claims.get(name).is_some() && claims.text_of(name).is_none_or(str::is_empty)
                };
                ["sub", "client_id", "jti"].iter().any(odd)
            }
            Self::SenderConstrained => claims.get("cnf").is_some(),
            Self::LivesTooLong => {
                let dates = claims.millis_of("exp").zip(claims.millis_of("iat"));
                profile == Profile::Rfc9068 && dates.is_some_and(|(exp, iat)| exp > iat + LONGEST_LIFE * 1000)
            }
        }
    }
}

const NAMES: [&str; 3] = ["kid", "typ", "cty"];

/// A media type as JOSE compares it (RFC 7515 §4.1.9, §4.1.10).
fn short(media_type: &str) -> String {
    let lower = media_type.to_ascii_lowercase();
    lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
}

/// The id of the one published key that verifies signatures of the header's algorithm.
fn key_id(header: &Json) -> Option<&'static str> {
    match header.text_of("alg")? {
        "ES256" => By::Es256.kid(),
        "EdDSA" | "Ed25519" => By::EdDsa.kid(),
        "ES512" => By::Es512.kid(),
        _ => None,
    }
}
