//! A revocation in the words of whoever makes one in Rust.

use crate::clock::UnixTime;

use super::entry::Parts;

/// One revocation, as a [`RevocationSource`](crate::RevocationSource) brings it or a program says it itself.
///
/// Two kinds are kept apart. An *identifier* is never used again, so every token that carries it is revoked. A *cut-off*
/// ends the tokens that were issued up to a second, `iat` equal to it included, and that have all the claims it names;
/// without any claim it ends those of the whole issuer.
///
/// ```
/// use tower_bearer::Revocation;
/// use tower_bearer::clock::UnixTime;
///
/// let one_token = Revocation::identifier("jti", "t-1").expires_at(UnixTime::from_secs(1_800_000_000));
/// let one_user_of_one_app = Revocation::cut_off(UnixTime::from_secs(1_795_000_000))
///     .claim("sub", "auth0|u1")
///     .claim("client_id", "app");
/// ```
///
/// It is checked where it is used, by the rules of docs/revocation-feed.md: claims must be known, since an entry that names
/// a claim which no token has would match none.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "it revokes nothing before it is given to somebody"]
pub struct Revocation(Parts);

impl Revocation {
    /// Every token whose `claim` is, or contains, `value`. The claim must be an identifier (`jti`, `sid`, `grant_id`,
    /// `origin_jti`, `uti`) or configured to be one.
    pub fn identifier(claim: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self(Parts::default()).claim(claim, value)
    }

    /// Every token issued at this second or before it. Not more than a day ahead.
    pub fn cut_off(issued_before: UnixTime) -> Self {
        Self(Parts { issued_before: Some(issued_before), ..Parts::default() })
    }

    /// Only tokens whose `claim` is, or contains, `value` as well. Eight claims at most.
    pub fn claim(mut self, claim: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.0.claims.push((claim.as_ref().into(), value.as_ref().into()));
        self
    }

    /// After when no token that it could match is valid any more (`exp`). Default: the issuer's `max_token_lifetime` from
    /// the cut-off, or from now. One that is too early lets a revoked token in again.
    pub fn expires_at(mut self, time: UnixTime) -> Self {
        self.0.exp = Some(time);
        self
    }

    /// When it was said, in whole seconds (`at`). On the same claims the latest word counts, and a tie stays revoked.
    pub fn said_at(mut self, time: UnixTime) -> Self {
        self.0.at = Some(time);
        self
    }

    /// Takes back what was said on the same claims before [`Revocation::said_at`], which it needs.
    pub fn withdrawn(mut self) -> Self {
        self.0.withdrawn = true;
        self
    }

    pub(crate) fn into_parts(self) -> Parts {
        self.0
    }
}

/// Names only: whose tokens they are is nobody's business in a log.
impl std::fmt::Debug for Revocation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let claims: Vec<_> = self.0.claims.iter().map(|(name, _)| name).collect();
        f.debug_struct("Revocation")
            .field("claims", &claims)
            .field("issued_before", &self.0.issued_before)
            .field("withdrawn", &self.0.withdrawn)
            .finish_non_exhaustive()
    }
}
