//! Why a request is refused, and THE table of what is said about it to whom.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;

/// A refusal: small, and silent about the token.
///
/// It is also put into the extensions of the response, so that outer layers can log or count it.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection {
    kind: RejectionKind,
    needed_scope: Option<Arc<str>>,
    retry_after: Option<Duration>,
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No `Authorization` header.
    NoCredentials,
    /// An `Authorization` header of another scheme.
    OtherScheme,
    /// More than one `Authorization` header, or a token in the query besides (RFC 6750 §2).
    RepeatedCredentials,
    /// `Bearer` without a token, or followed by what is not one (RFC 6750 §2.1).
    MalformedCredentials,
    /// More bytes than any access token has.
    TooLarge,
    /// Not a JWS in compact serialization (RFC 7515 §7.1), or not strict JSON inside.
    MalformedToken,
    /// A header with an extension that must be understood and is not: `crit`, `b64`, `zip`, encryption, nesting.
    UnsupportedToken,
    /// A `typ`, or a claim, that no access token of this issuer has: an ID token, a logout token, a security event.
    WrongType,
    /// An `alg` that is unknown or not allowed, `none` among them.
    WrongAlgorithm,
    /// An `iss` that is not configured.
    UnknownIssuer,
    /// The issuer publishes no key that fits.
    UnknownKey,
    /// The signature does not verify.
    WrongSignature,
    /// A required claim is missing or has the wrong JSON type.
    MissingClaim,
    /// Meant for somebody else.
    WrongAudience,
    /// Past `exp`.
    Expired,
    /// Before `nbf`.
    NotYetValid,
    /// `iat` lies in the future.
    IssuedInFuture,
    /// Valid for longer than the operator allows.
    LivesTooLong,
    /// Bound to a key (`cnf`) whose proof a bearer token cannot give (RFC 9449 §7.2, RFC 8705 §3).
    SenderConstrained,
    /// The token, or the grant behind it, has been revoked.
    Revoked,
    /// The token is valid but its scopes do not suffice.
    InsufficientScope,
    /// The issuer's keys are not known, or were last seen too long ago.
    NoKeys,
    /// An unknown key id, and no fresh key set to look it up in within the time a request may wait.
    KeysPending,
    /// No complete answer about revocations has been received yet.
    RevocationsUnknown,
    /// The last complete answer about revocations is too old.
    RevocationsStale,
}

/// One row of the table.
pub(crate) struct Row {
    pub(crate) status: StatusCode,
    /// The error code of RFC 6750 §3.1; none where no credentials came, or where it is our own fault.
    pub(crate) code: Option<&'static str>,
    /// For the client: nothing about keys or signatures, nothing that only an unverified token claims.
    pub(crate) public: Option<&'static str>,
    /// For the operator.
    pub(crate) log: &'static str,
}

impl RejectionKind {
    /// Every kind, in the order of the request's way.
    pub const ALL: &'static [Self] = &[
        Self::NoCredentials,
        Self::OtherScheme,
        Self::RepeatedCredentials,
        Self::MalformedCredentials,
        Self::TooLarge,
        Self::MalformedToken,
        Self::UnsupportedToken,
        Self::WrongType,
        Self::WrongAlgorithm,
        Self::UnknownIssuer,
        Self::UnknownKey,
        Self::WrongSignature,
        Self::MissingClaim,
        Self::WrongAudience,
        Self::Expired,
        Self::NotYetValid,
        Self::IssuedInFuture,
        Self::LivesTooLong,
        Self::SenderConstrained,
        Self::Revoked,
        Self::InsufficientScope,
        Self::NoKeys,
        Self::KeysPending,
        Self::RevocationsUnknown,
        Self::RevocationsStale,
    ];

    /// THE table.
    #[rustfmt::skip]
    pub(crate) const fn row(self) -> Row {
        const INVALID: &str = "The access token is invalid";
        const LATER: &str = "The access token cannot be checked right now";
        match self {
            Self::NoCredentials => bare("no Authorization header"),
            Self::OtherScheme => bare("Authorization of another scheme than Bearer"),
            Self::RepeatedCredentials => bad_request("The request carries more than one access token", "more than one Authorization header, or a token in the query too"),
            Self::MalformedCredentials => bad_request("The Authorization header is malformed", "Bearer without a well-formed token"),
            Self::TooLarge => invalid(INVALID, "Authorization header beyond the size limit"),
            Self::MalformedToken => invalid(INVALID, "not a well-formed JWS compact serialization of strict JSON"),
            Self::UnsupportedToken => invalid(INVALID, "JOSE header demands an extension that is not supported"),
            Self::WrongType => invalid(INVALID, "not an access token under the issuer's profile: typ, or a claim of another kind of JWT"),
            Self::WrongAlgorithm => invalid(INVALID, "alg is unknown or not allowed for the issuer"),
            Self::UnknownIssuer => invalid(INVALID, "iss is not a configured issuer"),
            Self::UnknownKey => invalid(INVALID, "no key of the issuer fits kid and alg"),
            Self::WrongSignature => invalid(INVALID, "signature does not verify"),
            Self::MissingClaim => invalid(INVALID, "a required claim is missing or has the wrong type"),
            Self::WrongAudience => invalid(INVALID, "aud does not name this resource server"),
            Self::Expired => invalid("The access token expired", "past exp"),
            Self::NotYetValid => invalid(INVALID, "before nbf"),
            Self::IssuedInFuture => invalid(INVALID, "iat lies in the future"),
            Self::LivesTooLong => invalid(INVALID, "lifetime beyond max_token_lifetime"),
            Self::SenderConstrained => invalid(INVALID, "sender-constrained token (cnf) presented as plain Bearer"),
            Self::Revoked => invalid("The access token was revoked", "token or grant revoked"),
            Self::InsufficientScope => Row {
                status: StatusCode::FORBIDDEN,
                code: Some("insufficient_scope"),
                public: Some("The request requires higher privileges than the access token has"),
                log: "scopes do not suffice for the route",
            },
            Self::NoKeys => undecidable(LATER, "the issuer's keys are unknown or too old"),
            Self::KeysPending => undecidable(LATER, "unknown kid, and no fresh key set in time"),
            Self::RevocationsUnknown => undecidable(LATER, "no complete revocation answer received yet"),
            Self::RevocationsStale => undecidable(LATER, "the last complete revocation answer is too old"),
        }
    }
}

const fn bare(log: &'static str) -> Row {
    Row { status: StatusCode::UNAUTHORIZED, code: None, public: None, log }
}

const fn bad_request(public: &'static str, log: &'static str) -> Row {
    Row { status: StatusCode::BAD_REQUEST, code: Some("invalid_request"), public: Some(public), log }
}

const fn invalid(public: &'static str, log: &'static str) -> Row {
    Row { status: StatusCode::UNAUTHORIZED, code: Some("invalid_token"), public: Some(public), log }
}

const fn undecidable(public: &'static str, log: &'static str) -> Row {
    Row { status: StatusCode::SERVICE_UNAVAILABLE, code: None, public: Some(public), log }
}

impl Rejection {
    pub(crate) const fn new(kind: RejectionKind) -> Self {
        Self { kind, needed_scope: None, retry_after: None }
    }

    /// With the scopes that the route needs, for the challenge.
    pub(crate) fn needing(mut self, scope: Option<&Arc<str>>) -> Self {
        self.needed_scope = scope.cloned();
        self
    }

    /// With the time after which another try makes sense.
    pub(crate) const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// What was wrong.
    #[must_use]
    pub const fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// The status of the answer: 400, 401, 403, or 503 where we cannot decide.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.kind.row().status
    }

    /// The error code of RFC 6750 §3.1, where one applies.
    #[must_use]
    pub const fn error_code(&self) -> Option<&'static str> {
        self.kind.row().code
    }

    /// What the client may know, in the words of `error_description`; none where no credentials came.
    #[must_use]
    pub const fn public_words(&self) -> Option<&'static str> {
        self.kind.row().public
    }

    /// What is wrong, for the operator's eyes.
    #[must_use]
    pub const fn log_words(&self) -> &'static str {
        self.kind.row().log
    }

    /// The scopes that the route needs, space-delimited.
    #[must_use]
    pub fn needed_scope(&self) -> Option<&str> {
        self.needed_scope.as_deref()
    }

    /// When to try again; only where [`Rejection::status`] is 503.
    #[must_use]
    pub const fn retry_after_hint(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<RejectionKind> for Rejection {
    fn from(kind: RejectionKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rejection({:?})", self.kind)
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.log_words())
    }
}

impl std::error::Error for Rejection {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_row_that_fits_its_status() {
        for &kind in RejectionKind::ALL {
            let row = kind.row();
            let code = match row.status.as_u16() {
                400 => Some("invalid_request"),
                403 => Some("insufficient_scope"),
                503 => None,
                401 if row.public.is_none() => None,
                401 => Some("invalid_token"),
                other => panic!("{kind:?} has status {other}"),
            };
            assert_eq!(row.code, code, "{kind:?}");
            // RFC 6750 §3: the characters of error_description.
            assert!(
                row.public
                    .unwrap_or_default()
                    .bytes()
                    .all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{kind:?}"
            );
            assert!(!row.log.is_empty(), "{kind:?}");
        }
    }

    #[test]
    fn all_lists_every_kind_once() {
        let kinds: std::collections::HashSet<_> = RejectionKind::ALL.iter().collect();
        assert_eq!(kinds.len(), RejectionKind::ALL.len());
        assert!(RejectionKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
        assert_eq!(kinds.len(), RejectionKind::RevocationsStale as usize + 1, "the last one is the last");
    }
}
