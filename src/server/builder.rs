//! The builder, whose type says what is still missing.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::danger::Danger;
use super::error::StartError;
use super::settings::{IssuerSettings, KeysSetting, Settings};
use super::{ResourceServer, start};
use crate::algorithm::Algorithm;
use crate::background::source::SourceSettings;
use crate::background::transport::Transport;
use crate::clock::Clock;
use crate::middleware::metadata::ProtectedResource;
use crate::policy::profile::Profile;
use crate::policy::tenants::Tenants;
use crate::redact::Secret;

/// Nothing has been said yet.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a state, never made")]
pub enum NeedsIssuer {}
/// An issuer has been named; what its tokens must be meant for has not.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a state, never made")]
pub enum NeedsAudience {}
/// Where revocations come from has not been said, nor that there are none.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a state, never made")]
pub enum NeedsRevocation {}
/// Everything that must be said has been said.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a state, never made")]
pub enum Complete {}

/// Builds a [`ResourceServer`]. `State` is what still has to be said.
///
/// Settings such as [`Builder::leeway`] belong to the issuer that was named last.
#[derive(Debug)]
#[must_use = "nothing happens before `.start().await`"]
pub struct Builder<State> {
    pub(super) settings: Settings,
    state: PhantomData<fn() -> State>,
}

impl<State> Builder<State> {
    fn to<Next>(self) -> Builder<Next> {
        Builder { settings: self.settings, state: PhantomData }
    }

    /// The issuer being described. There is one in every state but the first, whose methods do not come here.
    fn with(mut self, change: impl FnOnce(&mut IssuerSettings)) -> Self {
        if let Some(issuer) = self.settings.issuers.last_mut() {
            change(issuer);
        }
        self
    }

    /// The protection space named in challenges (RFC 9110 §11.5). Default: the first audience.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.settings.realm = Some(realm.into());
        self
    }

    /// Describes this resource server by RFC 9728: challenges then name the document, and
    /// [`ResourceServer::resource_metadata`] serves it. `resource` is its identifier, or a [`ProtectedResource`].
    pub fn resource(mut self, resource: impl Into<ProtectedResource>) -> Self {
        self.settings.resource = Some(resource.into());
        self
    }

    /// How many bytes of verdicts on admitted tokens are remembered, so that a token that comes again need not be read and
    /// verified again; all else is judged on every request. A verdict takes about 1.3 times the token's bytes, and as long
    /// as a thread has the token at hand once more the token's bytes there. Default 32 MiB; zero turns it off.
    pub fn verdict_cache(mut self, bytes: usize) -> Self {
        self.settings.verdict_cache = bytes;
        self
    }

    /// Where the time comes from. Default: the system's clocks.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.settings.clock = Arc::new(clock);
        self
    }
}

impl Builder<NeedsIssuer> {
    pub(super) fn new() -> Self {
        Self { settings: Settings::default(), state: PhantomData }
    }

    /// Trusts tokens whose `iss` is exactly this. Its keys are found through its metadata (RFC 8414, OpenID Connect
    /// Discovery), unless [`Builder::jwks_url`], [`Builder::keys`], [`Builder::keys_file`] or [`Builder::shared_secret`]
    /// say otherwise.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Builder<NeedsAudience> {
        self.settings.issuers.push(IssuerSettings::new(issuer.into()));
        self.to()
    }
}

impl Builder<NeedsIssuer> {
    /// Trusts issuers that are not known at start, each with keys, revocations and settings of its own: what is said from
    /// here on is said of each of them. In [`Builder::jwks_url`], in audiences and in the feed's URL, `{tenant}` stands for
    /// what it stands for in the issuer, and where issuers are listed, `{issuer}` for the issuer without a last `/`.
    ///
    /// An issuer that is named besides is not one of them; where several permit one, the first that was given counts.
    /// `docs/tenants.md` tells what strangers can do with made-up names.
    pub fn tenants(mut self, tenants: Tenants) -> Builder<NeedsAudience> {
        self.settings.issuers.push(IssuerSettings::of_tenants(tenants));
        self.to()
    }
}

impl Builder<NeedsAudience> {
    /// Demands that a token's `aud` is, or contains, this (RFC 9068 §4).
    pub fn audience(self, audience: impl Into<String>) -> Builder<NeedsRevocation> {
        self.with(|issuer| issuer.audiences.push(audience.into())).to()
    }
}

impl Builder<NeedsRevocation> {
    /// Another audience of this resource server: one of them suffices.
    pub fn audience(self, audience: impl Into<String>) -> Self {
        self.with(|issuer| issuer.audiences.push(audience.into()))
    }

    /// Refuses tokens that this source revokes ([`Feed`](crate::Feed), [`List`](crate::List),
    /// [`Polled`](crate::Polled)), and, while it is stale, all of them.
    pub fn revocation(self, source: impl Into<SourceSettings>) -> Builder<Complete> {
        self.with(|issuer| issuer.sources.push(source.into())).to()
    }

    /// Accepts that tokens of this issuer are valid until they expire, whatever happened since, unless this very process
    /// revokes them ([`ResourceServer::revocations`]).
    pub fn without_revocation(self) -> Builder<Complete> {
        self.to()
    }
}

impl Builder<Complete> {
    /// Another source of the same issuer's revocations, with freshness of its own: a token is revoked if any source says
    /// so, none takes back what another said, and each must be fresh enough.
    pub fn revocation(self, source: impl Into<SourceSettings>) -> Self {
        self.with(|issuer| issuer.sources.push(source.into()))
    }

    /// Another issuer, with keys, revocations and settings of its own.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Builder<NeedsAudience> {
        self.settings.issuers.push(IssuerSettings::new(issuer.into()));
        self.to()
    }

    /// Further issuers that are not known at start: see [`Builder::tenants`].
    pub fn tenants(mut self, tenants: Tenants) -> Builder<NeedsAudience> {
        self.settings.issuers.push(IssuerSettings::of_tenants(tenants));
        self.to()
    }

    /// Starts, and returns once every issuer's keys and revocations are known.
    ///
    /// # Errors
    /// If a setting is wrong, or an issuer's metadata, keys or feed cannot be had: the error names the setting, its
    /// value and the remedy. Must be called on a tokio runtime.
    pub async fn start(self) -> Result<ResourceServer, StartError> {
        start::eagerly(&self.settings).await
    }

    /// Starts without waiting for anybody: requests are answered with 503 until keys and revocations are known. For
    /// services that must come up while the authorization server is down.
    ///
    /// # Errors
    /// If a setting is wrong. Must be called on a tokio runtime.
    pub fn start_lazily(self) -> Result<ResourceServer, StartError> {
        start::lazily(&self.settings)
    }
}

/// A state in which an issuer has been named: the settings that belong to an issuer are there.
#[expect(unnameable_types, reason = "sealed: only the states above have it")]
pub trait HasIssuer {}
impl HasIssuer for NeedsAudience {}
impl HasIssuer for NeedsRevocation {}
impl HasIssuer for Complete {}

impl<State: HasIssuer> Builder<State> {
    /// Allows plain http to this very machine (127.0.0.0/8, `[::1]`, `localhost`) for this issuer's metadata, keys and
    /// feed: for tests and sidecars.
    pub fn allow_loopback_http(self) -> Self {
        self.with(|issuer| issuer.loopback_http = true)
    }

    /// How this issuer's metadata, keys and feed are reached: private CA, client certificate, proxy, timeouts.
    pub fn transport(self, transport: Transport) -> Self {
        self.with(|issuer| issuer.transport = transport)
    }

    /// The URL of the issuer's JWK set, in place of discovery.
    pub fn jwks_url(self, url: impl Into<String>) -> Self {
        self.with(|issuer| issuer.keys = KeysSetting::Url(url.into()))
    }

    /// The issuer's keys themselves: a JWK set as JSON (RFC 7517 §5), or PEM. Nothing is fetched, and rotation takes a
    /// restart.
    ///
    /// PEM is one or more sections of `PUBLIC KEY` (RSA, P-256, P-384, P-521, Ed25519) or `RSA PUBLIC KEY`. Such keys have
    /// no id, so they are tried for tokens with any `kid`, at most four for an algorithm; an RSA key verifies every RSA
    /// algorithm that is allowed. Certificates are left out (`openssl x509 -pubkey -noout` gets the key out of one); a
    /// private key is refused.
    pub fn keys(self, keys: impl Into<String>) -> Self {
        self.with(|issuer| issuer.keys = KeysSetting::Given(keys.into()))
    }

    /// A file with the issuer's keys, as [`Builder::keys`] takes them, of at most 512 KiB: for machines that cannot ask the
    /// issuer. It is looked at every five seconds, and when a token comes whose key is not in it; what is new verifies, and
    /// what is gone stops, with that look. Replace it by renaming: a file that is read half written may be a smaller one
    /// that is whole.
    ///
    /// A file that cannot be read, or has no usable key, fails [`Builder::start`]; after [`Builder::start_lazily`] requests
    /// are answered 503 until it has. Later on the last good keys stay, [`ResourceServer::health`] says what is wrong, and
    /// they grow old as fetched ones do ([`Builder::keys_stale_after`]).
    pub fn keys_file(self, path: impl Into<PathBuf>) -> Self {
        self.with(|issuer| issuer.keys = KeysSetting::File(path.into()))
    }

    /// The secret that the issuer signs with by HMAC, at least as long as the hash (RFC 7518 §3.2). Accepts HS256,
    /// unless [`Builder::algorithms`] says otherwise, and no other algorithm.
    pub fn shared_secret(self, secret: impl Into<Vec<u8>>) -> Self {
        let secret = Secret::new(secret.into());
        self.with(|issuer| issuer.keys = KeysSetting::Secret { secret, weak: false })
    }

    /// The algorithms that tokens may be signed with. Default: every asymmetric one.
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.with(|issuer| issuer.algorithms = Some(algorithms.into_iter().collect()))
    }

    /// Which shape of token the issuer sends. Default [`Profile::Rfc9068`].
    pub fn profile(self, profile: Profile) -> Self {
        self.with(|issuer| issuer.profile = profile)
    }

    /// How far the clocks of issuer and resource server may be apart: added to `exp`, and allowed to `nbf` and `iat`.
    /// Default 5 s, at most 5 min.
    pub fn leeway(self, leeway: Duration) -> Self {
        self.with(|issuer| issuer.leeway = leeway)
    }

    /// Refuses tokens whose `exp` lies further behind their `iat`, so that a revocation need not be kept longer than
    /// that. Default 24 h where there is a source of revocations that is not on trial, unlimited otherwise.
    pub fn max_token_lifetime(self, lifetime: Duration) -> Self {
        self.with(|issuer| issuer.max_token_lifetime = Some(lifetime))
    }

    /// How long keys that cannot be fetched, or read from their file, are relied on after they should have been. From then on requests
    /// are answered 503. Default 1 h.
    pub fn keys_stale_after(self, bound: Duration) -> Self {
        self.with(|issuer| issuer.keys_stale_after = bound)
    }

    /// Whether a token must carry a `jti`. Default: where there is a source of revocations that is not on trial, since a
    /// token without one can only be revoked with its grant.
    pub fn require_jti(self, require: bool) -> Self {
        self.with(|issuer| issuer.require_jti = Some(require))
    }

    /// The claims that scopes are read from: space-delimited strings or arrays of strings. Default: what the
    /// profile says. Auth0's `permissions` must be named.
    pub fn scope_claims<'a>(self, claims: impl IntoIterator<Item = &'a str>) -> Self {
        self.with(|issuer| issuer.scope_claims = Some(claims.into_iter().map(str::to_owned).collect()))
    }

    /// The one door to settings that weaken this resource server.
    pub fn danger(self) -> Danger<State> {
        Danger::new(self)
    }

    pub(super) fn sender_constrained(self) -> Self {
        self.with(|issuer| issuer.accept_sender_constrained = true)
    }

    pub(super) fn weak_secret(self, secret: Vec<u8>) -> Self {
        self.with(|issuer| issuer.keys = KeysSetting::Secret { secret: Secret::new(secret), weak: true })
    }
}
