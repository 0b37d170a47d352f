//! What the server knows: shared by its handle in the test and its endpoints.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::ending::secs;
use super::feed::Feed;
use super::keys::{KeySet, SigningKey, is_shared};
use super::management::guard::Guard;
use super::management::rate_limit::Meter;
use super::reply::Reply;
use super::tenant::Tenant;
use crate::algorithm::Algorithm;
use crate::clock::{Clock, UnixTime};

/// The paths of the endpoints.
pub(super) mod path {
    pub(in super::super) const METADATA: &str = "/.well-known/oauth-authorization-server";
    pub(in super::super) const OPENID_METADATA: &str = "/.well-known/openid-configuration";
    pub(in super::super) const JWKS: &str = "/jwks.json";
    pub(in super::super) const TOKEN: &str = "/oauth/token";
    pub(in super::super) const AUTHORIZE: &str = "/authorize";
    pub(in super::super) const REVOKE: &str = "/oauth/revoke";
    pub(in super::super) const DEVICE: &str = "/oauth/device/code";
    pub(in super::super) const ACTIVATE: &str = "/activate";
    pub(in super::super) const FEED: &str = "/revocations";
}

/// What stays as the builder set it.
pub(super) struct Settings {
    pub(super) issuer: String,
    /// What paths are appended to.
    pub(super) base: String,
    pub(super) clock: Arc<dyn Clock>,
    /// Seconds.
    pub(super) token_lifetime: u64,
    /// Signs where nothing else is asked for.
    pub(super) algorithm: Algorithm,
    /// Audience and secret.
    pub(super) shared_secrets: Vec<(String, Vec<u8>)>,
    /// What the feed demands.
    pub(super) feed_credentials: Option<FeedCredentials>,
    pub(super) revocation_deletes_grant: bool,
    pub(super) rotate_refresh_tokens: bool,
}

/// What a reader of the feed must show.
pub(super) enum FeedCredentials {
    /// Scheme and credentials.
    Fixed(&'static str, String),
    /// A token of the token endpoint for this audience.
    TokenFor(String),
}

impl Settings {
    pub(super) fn management_audience(&self) -> String {
        format!("{}/api/v2/", self.base)
    }
}

/// What changes while the server runs, and survives a restart.
pub(super) struct State {
    pub(super) tenant: Tenant,
    pub(super) keys: KeySet,
    pub(super) feed: Feed,
    /// Seconds; the longest life that a token was ever given, so how long a revocation must be kept.
    pub(super) longest_lifetime: u64,
    /// What the token endpoint has given out: for which audience, and until when, in unix seconds.
    pub(super) client_tokens: HashMap<String, (String, u64)>,
    /// Whether the feed's pages are signed.
    pub(super) feed_is_signed: bool,
    /// The latest `iat` that an endpoint gave out.
    pub(super) last_issued: u64,
    replies: HashMap<String, Reply>,
    requests: HashMap<String, usize>,
}

/// Settings and state.
pub(super) struct Shared {
    pub(super) settings: Settings,
    state: Mutex<State>,
    changed: watch::Sender<()>,
    pub(super) guard: Guard,
    pub(super) meter: Meter,
}

impl Shared {
    pub(super) fn new(settings: Settings, keys: KeySet, feed_page_size: usize) -> Self {
        let state = State {
            tenant: Tenant::default(),
            keys,
            feed: Feed::new(settings.issuer.clone(), feed_page_size),
            longest_lifetime: settings.token_lifetime,
            client_tokens: HashMap::new(),
            feed_is_signed: false,
            last_issued: 0,
            replies: HashMap::new(),
            requests: HashMap::new(),
        };
        let (state, changed) = (Mutex::new(state), watch::Sender::new(()));
        Self { settings, state, changed, guard: Guard::default(), meter: Meter::default() }
    }

    /// Unix seconds.
    pub(super) fn now(&self) -> u64 {
        secs(self.wall())
    }

    /// The wall clock.
    pub(super) fn wall(&self) -> UnixTime {
        self.settings.clock.wall()
    }

    /// Lets time pass on the server's clock.
    pub(super) async fn sleep(&self, duration: Duration) {
        self.settings.clock.sleep(duration).await;
    }

    /// The state. No one holds it across an await, a signature or the making of a key.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers every held poll of the feed, and lets streams of events look for news.
    pub(super) fn wake(&self) {
        self.changed.send_replace(());
    }

    /// Sees every [`wake`](Self::wake) from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The algorithm of tokens for `audience` where none is asked for.
    pub(super) fn algorithm_for(&self, audience: &str) -> Algorithm {
        let of_api = self.lock().tenant.api(audience).and_then(|api| api.algorithm);
        match (of_api, self.secret_of(audience)) {
            (Some(algorithm), _) => algorithm,
            (None, Some(_)) => Algorithm::HS256,
            // The Management API knows nothing but the published keys.
            (None, None)
                if is_shared(self.settings.algorithm) && audience == self.settings.management_audience() =>
            {
                Algorithm::ES256
            }
            (None, None) => self.settings.algorithm,
        }
    }

    /// The seconds that a token for `audience` lives where nothing else is asked for.
    pub(super) fn lifetime_for(&self, audience: &str) -> u64 {
        let of_api = self.lock().tenant.api(audience).map(|api| api.token_lifetime);
        of_api.unwrap_or(self.settings.token_lifetime)
    }

    /// The key that signs for `audience` with `algorithm`. What does not exist yet is made:
    /// a key pair is published, a secret that nobody was told is not.
    pub(super) fn key_for(&self, audience: &str, algorithm: Algorithm) -> Arc<SigningKey> {
        if !is_shared(algorithm) {
            return self.key_pair(algorithm);
        }
        let first = || self.settings.shared_secrets.first().map(|(_, secret)| secret.clone());
        Arc::new(match self.secret_of(audience).or_else(first) {
            Some(secret) => SigningKey::shared(algorithm, &secret),
            None => SigningKey::generate(algorithm),
        })
    }

    fn secret_of(&self, audience: &str) -> Option<Vec<u8>> {
        let of_api = self.lock().tenant.api(audience).and_then(|api| api.secret.clone());
        of_api.or_else(|| {
            let found = self.settings.shared_secrets.iter().find(|(of, _)| of == audience);
            found.map(|(_, secret)| secret.clone())
        })
    }

    fn key_pair(&self, algorithm: Algorithm) -> Arc<SigningKey> {
        let known = self.lock().keys.current(algorithm);
        known.unwrap_or_else(|| {
            let made = SigningKey::generate(algorithm);
            self.lock().keys.add(made)
        })
    }

    /// Counts a request for `path` and says what to answer, if that is prepared.
    pub(super) fn count_request(&self, path: &str) -> Option<Reply> {
        let mut state = self.lock();
        *state.requests.entry(path.to_owned()).or_default() += 1;
        state.replies.get(path).cloned()
    }

    /// How many requests for this path or URL there were.
    pub(super) fn requests(&self, path_or_url: &str) -> usize {
        let state = self.lock();
        let count = state.requests.get(self.path_of(path_or_url));
        count.copied().unwrap_or(0)
    }

    /// Prepares the answer for a path or URL, or goes back to the endpoint's own.
    pub(super) fn set_reply(&self, path_or_url: &str, reply: Option<Reply>) {
        let path = self.path_of(path_or_url);
        let mut state = self.lock();
        match reply {
            Some(reply) => state.replies.insert(path.to_owned(), reply),
            None => state.replies.remove(path),
        };
        drop(state);
        self.wake();
    }

    fn path_of<'a>(&self, path_or_url: &'a str) -> &'a str {
        path_or_url.strip_prefix(&self.settings.base).unwrap_or(path_or_url)
    }
}
