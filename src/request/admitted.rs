//! Stage 8: what the inner service gets to see.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::json::Value;
use crate::names::spellings;

use super::facts::Held;
use super::revoked::Live;
use super::verdict::Verdicts;
use super::{header, scopes};

/// An access token that passed every check, with its claims.
///
/// Only this crate can make one; it is found in the extensions of a request that a layer of
/// `ResourceServer::protect` let through. Nothing leads from it to the token's text, and claims do not show in `Debug`.
/// Cloning is cheap.
#[derive(Clone)]
pub struct AccessToken(Held);

/// The claims do not have the shape that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("the claims do not have the wanted shape")]
pub struct ClaimsError(#[source] serde_json::Error);

/// The end of the way of a new token: from here on it is known.
pub(super) fn admit(live: Live, verdicts: &Verdicts) -> AccessToken {
    let facts = live.into_held();
    header::remember(&facts.header);
    verdicts.keep(&facts);
    AccessToken(facts)
}

/// The end of the way of one that was known already.
pub(super) fn admit_again(live: Live) -> AccessToken {
    AccessToken(live.into_held())
}

impl AccessToken {
    pub(super) fn held(&self) -> &Held {
        &self.0
    }

    pub(super) fn comes_from(&self, issuer: &Arc<TrustedIssuer>) -> bool {
        Arc::ptr_eq(&self.0.issuer, issuer)
    }

    pub(crate) fn trusted_issuer(&self) -> &TrustedIssuer {
        &self.0.issuer
    }

    /// The issuer, exactly as in `iss`.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.0.issuer.name.as_str()
    }

    /// The user, or the client itself where no user is involved (`sub`).
    #[must_use]
    pub fn subject(&self) -> Option<Cow<'_, str>> {
        self.string("sub")
    }

    /// The client that the token was issued to: `client_id`, or what the issuer calls it (`azp`, `appid`, `cid`).
    #[must_use]
    pub fn client_id(&self) -> Option<Cow<'_, str>> {
        let own = self.0.issuer.rules.profile.shape().client_claims;
        own.iter().find_map(|claim| self.string(claim))
    }

    /// The token's own id: `jti`, or Entra's `uti`.
    #[must_use]
    pub fn token_id(&self) -> Option<Cow<'_, str>> {
        spellings(&"jti").iter().find_map(|spelling| self.string(spelling))
    }

    /// Whether the client acts for itself, with no user involved, as far as the token tells: `sub` is the client (RFC 9068
    /// §2.2; Auth0 writes `<client>@clients`), or Auth0's `gty`, Entra's `idtyp` or the name of a Keycloak service account
    /// says so. A client that could choose its id must not become a user by it (RFC 9068 §5).
    #[must_use]
    pub fn is_for_client(&self) -> bool {
        let says = |claim: &str, value: &str| self.string(claim).is_some_and(|text| text == value);
        let service =
            self.string("preferred_username").is_some_and(|name| name.starts_with("service-account-"));
        if says("gty", "client-credentials") || says("idtyp", "app") || service {
            return true;
        }
        match (self.subject(), self.client_id()) {
            (Some(subject), Some(client)) => subject.strip_suffix("@clients").unwrap_or(&subject) == client,
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }

    /// When it ends (`exp`), leeway not included.
    #[must_use]
    pub fn expires_at(&self) -> UnixTime {
        self.0.expires_at
    }

    /// When it was issued (`iat`).
    #[must_use]
    pub fn issued_at(&self) -> Option<UnixTime> {
        self.0.issued_at
    }

    /// Whether the token carries this scope, in any of the claims that are configured to hold scopes.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        scopes::carries(&self.0, scope)
    }

    /// The text of a string claim; none where it is missing or something else.
    #[must_use]
    pub fn string(&self, claim: &str) -> Option<Cow<'_, str>> {
        self.0.claims.get(claim).and_then(Value::into_string)
    }

    /// A string claim, or an array of strings with spaces between; none where the reader could not tell what it was.
    pub(crate) fn text_of(&self, claim: &str) -> Option<String> {
        match self.0.claims.get(claim)? {
            Value::String(text) => (text.trim() == text).then(|| text.into_owned()),
            Value::Array(items) => {
                let word = |text: &Cow<'_, str>| !text.is_empty() && !text.contains(char::is_whitespace);
                let items: Option<Vec<_>> =
                    items.items().map(|item| item.into_string().filter(word)).collect();
                items.map(|items| items.join(" "))
            }
            Value::Number(_) | Value::Bool(_) | Value::Null | Value::Object(_) => None,
        }
    }

    /// The claims as the caller's own type.
    ///
    /// # Errors
    /// If they do not have that shape.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, ClaimsError> {
        serde_json::from_str(self.0.claims.text()).map_err(ClaimsError)
    }

    /// The claims as the caller's own type, read once for each token rather than for each request: for what every request
    /// needs. The value lives as long as the verdict on the token is remembered, and what it allocates does not count
    /// towards [`Builder::verdict_cache`](crate::Builder::verdict_cache).
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Mine {
    ///     tenant: String,
    /// }
    ///
    /// fn tenant(token: &tower_bearer::AccessToken) -> Option<&str> {
    ///     token.claims_cached::<Mine>().ok().map(|mine| mine.tenant.as_str())
    /// }
    /// ```
    ///
    /// # Errors
    /// If they do not have that shape.
    pub fn claims_cached<T>(&self) -> Result<&T, ClaimsError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.0.typed.get(self.0.claims.text()).map_err(ClaimsError)
    }

    /// The claims as JSON, as the issuer wrote them.
    #[must_use]
    pub fn claims_json(&self) -> &str {
        self.0.claims.text()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken").field("issuer", &self.0.issuer.name).finish_non_exhaustive()
    }
}
