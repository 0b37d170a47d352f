//! What is demanded of every token of an issuer, before any route has its say.

use std::time::Duration;

use crate::algorithm::Algorithms;
use crate::names::{Audience, ClaimName};

/// Which shape of access token an issuer sends.
///
/// Every profile demands `iss`, `aud` and `exp`. docs/profiles.md has the whole table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Profile {
    /// RFC 9068: `typ` is `at+jwt`, and `sub`, `client_id`, `iat` and `jti` are all there.
    ///
    /// Strict, and the one to prefer: no ID token, logout token or other JWT of the same issuer can pass.
    #[default]
    Rfc9068,
    /// `typ` is `at+jwt`, `JWT` or absent, and nothing marks the token as a JWT of another kind.
    Generic,
    /// Auth0, in both of its token profiles: the client is `azp` or `client_id`, and there may be no `jti`.
    ///
    /// Scopes are read from `scope`. Where an API uses Auth0's `permissions`, name it with `scope_claims`.
    Auth0,
    /// A custom authorization server of Okta: no `typ`, the client is `cid`, scopes are the array `scp`.
    Okta,
    /// Microsoft Entra ID, tokens of version 1: the client is `appid`, the token's id is `uti`, scopes are `scp` for users
    /// and `roles` for applications.
    EntraV1,
    /// Microsoft Entra ID, tokens of version 2: as version 1, but the client is `azp`.
    EntraV2,
    /// Keycloak: the claim `typ` is `Bearer`, the client is `azp`.
    Keycloak,
    /// Amazon Cognito: `token_use` is `access`, and where there is no `aud` the `client_id` stands in for it: give the
    /// app clients' ids as audiences.
    Cognito,
    /// node oidc-provider with JWT access tokens: RFC 9068.
    OidcProvider,
}

/// One row of the table: what makes a token of this issuer an access token.
pub(crate) struct Shape {
    /// `typ` values of the header; without `application/`, in lower case.
    pub(crate) types: &'static [&'static str],
    pub(crate) type_optional: bool,
    /// Of each group at least one claim must be there.
    pub(crate) required: &'static [&'static [&'static str]],
    /// Claims that must have exactly this value.
    pub(crate) fixed: &'static [(&'static str, &'static str)],
    /// Claims that only other kinds of JWT have.
    pub(crate) foreign: &'static [&'static str],
    /// Where scopes are read from unless it is configured.
    pub(crate) scope_claims: &'static [&'static str],
    /// Where the client is read from, in this order.
    pub(crate) client_claims: &'static [&'static str],
    /// The claim that stands in where `aud` is missing.
    pub(crate) audience_stand_in: Option<&'static str>,
}

/// ID tokens (OpenID Connect Core §2, §3.3.2.11), security events and logout tokens (RFC 8417 §2.2), DPoP proofs
/// (RFC 9449 §4.2), introspection responses (RFC 9701 §5).
const FOREIGN: &[&str] =
    &["nonce", "at_hash", "c_hash", "s_hash", "events", "htm", "htu", "token_introspection"];

const RFC9068: Shape = Shape {
    types: &["at+jwt"],
    type_optional: false,
    required: &[&["sub"], &["client_id"], &["iat"], &["jti"]],
    fixed: &[],
    foreign: &["events", "token_introspection"],
    scope_claims: &["scope"],
    client_claims: &["client_id"],
    audience_stand_in: None,
};

const GENERIC: Shape = Shape {
    types: &["at+jwt", "jwt"],
    type_optional: true,
    required: &[],
    fixed: &[],
    foreign: FOREIGN,
    scope_claims: &["scope", "scp"],
    client_claims: &["client_id", "azp", "appid", "cid"],
    audience_stand_in: None,
};

const ENTRA: Shape = Shape {
    types: &["jwt"],
    type_optional: false,
    required: &[&["iat"], &["tid"], &["scp", "roles"]],
    scope_claims: &["scp", "roles"],
    ..GENERIC
};

impl Profile {
    /// Every profile, with the name that a configuration file calls it by.
    pub const NAMES: &'static [(&'static str, Self)] = &[
        ("rfc9068", Self::Rfc9068),
        ("generic", Self::Generic),
        ("auth0", Self::Auth0),
        ("okta", Self::Okta),
        ("entra-v1", Self::EntraV1),
        ("entra-v2", Self::EntraV2),
        ("keycloak", Self::Keycloak),
        ("cognito", Self::Cognito),
        ("oidc-provider", Self::OidcProvider),
    ];

    /// The profile of that name, in lower case; see [`Profile::NAMES`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(own, _)| *own == name).map(|(_, profile)| *profile)
    }

    /// THE table.
    pub(crate) const fn shape(self) -> &'static Shape {
        match self {
            Self::Rfc9068 | Self::OidcProvider => &RFC9068,
            Self::Generic => &GENERIC,
            Self::Auth0 => &Shape {
                type_optional: false,
                required: &[&["sub"], &["iat"], &["azp", "client_id"]],
                scope_claims: &["scope"],
                client_claims: &["azp", "client_id"],
                ..GENERIC
            },
            Self::Okta => &Shape {
                types: &["jwt"],
                required: &[&["sub"], &["iat"], &["cid"], &["jti"]],
                scope_claims: &["scp"],
                client_claims: &["cid"],
                ..GENERIC
            },
            Self::EntraV1 => &Shape {
                required: &[&["iat"], &["tid"], &["appid"], &["scp", "roles"]],
                fixed: &[("ver", "1.0")],
                client_claims: &["appid"],
                ..ENTRA
            },
            Self::EntraV2 => &Shape {
                required: &[&["iat"], &["tid"], &["azp"], &["scp", "roles"]],
                fixed: &[("ver", "2.0")],
                client_claims: &["azp"],
                ..ENTRA
            },
            Self::Keycloak => &Shape {
                type_optional: false,
                required: &[&["iat"], &["jti"], &["azp"]],
                fixed: &[("typ", "Bearer")],
                scope_claims: &["scope"],
                client_claims: &["azp"],
                // Access tokens of older versions repeat the nonce of the login.
                foreign: &["at_hash", "c_hash", "s_hash", "events", "htm", "htu", "token_introspection"],
                ..GENERIC
            },
            Self::Cognito => &Shape {
                types: &["jwt"],
                required: &[&["sub"], &["iat"], &["jti"], &["client_id"]],
                fixed: &[("token_use", "access")],
                scope_claims: &["scope"],
                client_claims: &["client_id"],
                audience_stand_in: Some("client_id"),
                ..GENERIC
            },
        }
    }
}

impl Shape {
    /// Whether a header with this `typ` may stand on an access token (RFC 7515 §4.1.9: `application/` may be
    /// left out, and case does not count).
    pub(crate) fn accepts_type(&self, typ: Option<&str>) -> bool {
        let Some(typ) = typ else { return self.type_optional };
        let short = match typ.get(..12) {
            Some(prefix) if prefix.eq_ignore_ascii_case("application/") => typ.get(12..).unwrap_or_default(),
            _ => typ,
        };
        self.types.iter().any(|own| short.eq_ignore_ascii_case(own))
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
    /// Whether `cnf` is somebody else's business, in front of us.
    pub(crate) accept_sender_constrained: bool,
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
            (Some("token-introspection+jwt"), false, false),
            (Some("statuslist+jwt"), false, false),
            (Some("entity-statement+jwt"), false, false),
            (Some(""), false, false),
            (Some("éééééééat+jwt"), false, false),
        ];
        for (typ, strict, generic) in table {
            assert_eq!(Profile::Rfc9068.shape().accepts_type(typ), strict, "{typ:?}");
            assert_eq!(Profile::Generic.shape().accepts_type(typ), generic, "{typ:?}");
        }
    }
}
