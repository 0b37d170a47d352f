//! Auth0's Management API as a source: its settings.

use std::fmt;
use std::time::Duration;

use super::{ClientCredentials, Common, Kind, SourceSettings};
use crate::policy::WhenStale;

/// What an Auth0 tenant knows of ended access, read from its Management API. Nothing is changed in the tenant.
///
/// ```
/// use tower_bearer::{Auth0, ClientCredentials};
///
/// let client = ClientCredentials::new("client id", "its secret");
/// let auth0 = Auth0::new("tenant.eu.auth0.com", client).audience("https://api.example.com/calendar/v1/");
/// ```
///
/// The client is an application of its own, authorized for the Management API with the scopes below and no others. Its
/// token is fetched from `{domain}/oauth/token` and renewed before it ends. Its id and secret go in the request's body, as
/// Auth0's documentation and its own clients have it; where the application's authentication method is "Client Secret
/// (Basic)", say [`in_header`](ClientCredentials::in_header).
///
/// | part | scope | sees | does not see |
/// |---|---|---|---|
/// | blacklist (on) | `blacklist:tokens` | `POST /api/v2/blacklists/tokens` with one of the audiences, as a `jti` | entries without `aud`; tokens without `jti` cannot be listed, and are refused ([`require_jti`](crate::Builder::require_jti)) |
/// | client grants (on) | `read:client_grants` | a deleted client grant, as a cut-off on client and audience | a grant whose scopes were changed; tokens of a deleted application whose grants the tenant still lists |
/// | user grants ([off](Auth0::user_grants)) | `read:grants` | a deleted user grant, as a cut-off on user, client and audience | blocked users, revoked refresh tokens |
/// | log ([off](Auth0::logs)) | `read:logs` | revoked and re-used refresh tokens, ended sessions, deleted and blocked users, deleted applications and grants, tokens put on the blacklist: as cut-offs, and as the `jti`s of tokens that were seen to be given out | what the tenant's log does not say, or says by an id that was never seen with a user |
/// | events ([off](Auth0::events)) | `read:events` | deleted and blocked users, deleted organizations, members who leave an organization, lose a role in it or leave a group, as a cut-off on user or organization or both, when it is told | grants, tokens, sessions; roles outside of organizations; roles of groups |
///
/// Each part but the events is asked once every [`poll_interval`](Auth0::poll_interval), so what it sees is refused at the
/// latest that long after, plus the time of its calls (and, for the log, of the tenant's own delay). The source is as fresh as
/// the part that was asked first, or as the last sign of life of the events. A call that the tenant's rate
/// limit does not allow waits for its turn, for half of [`max_staleness`](Auth0::max_staleness) at most, and the answer is
/// older by that time. A poll takes one call an audience for the blacklist, and one for each hundred grants: all resource
/// servers of a tenant share its limit.
///
/// That a grant was deleted is seen by comparing complete listings. Its tokens are cut off at the time of the listing that
/// lacks it, by Auth0's `Date`, and one second more; a client that is granted access again gets good tokens from the second
/// after. Which grants there were is kept in the [`snapshot`](Auth0::snapshot), up to 1000 of them. **Without a snapshot, or
/// beyond that number, a grant that is deleted while this process does not run is not seen**: its tokens live until they
/// expire.
#[derive(Clone)]
#[must_use = "a source does nothing before it is given to `Builder::revocation`"]
pub struct Auth0 {
    /// Without a slash after it.
    pub(crate) base: String,
    pub(crate) client: ClientCredentials,
    pub(crate) audiences: Vec<String>,
    pub(crate) parts: Parts,
    common: Common,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    pub(crate) blacklist: bool,
    pub(crate) client_grants: bool,
    pub(crate) user_grants: bool,
    pub(crate) logs: bool,
    pub(crate) events: bool,
}

common_settings!(Auth0, 10, 60);

impl Auth0 {
    /// The tenant's own domain, `tenant.eu.auth0.com`, or its URL. Where tokens come from a custom domain, that is the
    /// issuer, and the domain here is still the tenant's own: the Management API knows no other.
    pub fn new(domain: impl AsRef<str>, client: ClientCredentials) -> Self {
        let domain = domain.as_ref().trim_end_matches('/');
        let base = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
        let parts =
            Parts { blacklist: true, client_grants: true, user_grants: false, logs: false, events: false };
        Self { base, client, audiences: Vec::new(), parts, common: Common::of(10, 60) }
    }

    /// The identifier of an API whose tokens come here: what is asked about. At least one; may be called repeatedly.
    pub fn audience(mut self, identifier: impl Into<String>) -> Self {
        self.audiences.push(identifier.into());
        self
    }

    /// Reads what users granted, too (`read:grants`). A tenant with many users needs many calls for that: one for each
    /// hundred grants, every poll interval. Default: off.
    pub fn user_grants(mut self) -> Self {
        self.parts.user_grants = true;
        self
    }

    /// Follows the tenant's log, too (`read:logs`): revoked refresh tokens, ended sessions, deleted and blocked users, deleted
    /// applications and grants. A poll takes one call, and one more for each hundred entries since the last; after fifty the
    /// rest is left to the next poll, a second later, and the source is not fresh until it has been read. **An entry comes into
    /// the log some time after what it tells of**; Auth0 promises no bound, and that time comes on top of the poll interval. What was logged before the first look is not seen; from there on the
    /// [`snapshot`](Auth0::snapshot) remembers up to where the log was read.
    ///
    /// The end of a refresh token cuts off its user's tokens of that application, **on other devices too**: these need a
    /// new token. Where entries may have been lost, since the tenant keeps its log for a limited time, all tokens from before
    /// the oldest one that is left are cut off. An entry that ends access and cannot be understood cuts off more rather than
    /// less, up to all tokens of that moment for the audiences. Default: off.
    pub fn logs(mut self) -> Self {
        self.parts.logs = true;
        self
    }

    /// Follows the tenant's stream of events, too (`read:events`): deleted and blocked users, and who leaves an organization
    /// or a group. It is one connection that stays open, beside the polls; plans limit how many a tenant may have. While it
    /// cannot be opened the source grows old, although polls succeed. Where events were missed for good, or cannot be read,
    /// **all** tokens for the audiences are cut off that were given out until then, and clients need new ones.
    ///
    /// With a [`snapshot`](Auth0::snapshot) a restart goes on where the last process stopped. Without one, what happens while
    /// this process does not run is not seen. [`max_staleness`](Auth0::max_staleness) must be 15 s at least. Default: off.
    pub fn events(mut self) -> Self {
        self.parts.events = true;
        self
    }

    /// Does not read the blacklist: a token that is listed there is **admitted**. Tokens without `jti` are refused all the
    /// same, unless `require_jti(false)` says otherwise.
    pub fn without_blacklist(mut self) -> Self {
        self.parts.blacklist = false;
        self
    }

    /// Does not read the client grants: tokens of a client whose grant was deleted are **admitted** until they expire.
    pub fn without_client_grants(mut self) -> Self {
        self.parts.client_grants = false;
        self
    }
}

impl From<Auth0> for SourceSettings {
    fn from(auth0: Auth0) -> Self {
        Self { common: auth0.common.clone(), kind: Kind::Auth0(auth0) }
    }
}

impl fmt::Debug for Auth0 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Auth0");
        shown.field("base", &self.base).field("audiences", &self.audiences).field("parts", &self.parts);
        shown.finish_non_exhaustive()
    }
}
