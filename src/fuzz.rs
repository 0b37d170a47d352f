//! Doors into the house for the targets in `fuzz/` (docs/fuzzing.md). They exist under `--cfg fuzzing` only.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use serde_json::Map;
use url::Url;

use crate::algorithm::{Algorithm, Algorithms};
use crate::background::discovery;
use crate::background::fetch::{self, Answer};
use crate::background::page::Page;
use crate::clock::{Now, UnixTime};
use crate::issuer::TrustedIssuer;
use crate::issuer::directory::Directory;
use crate::json::{Object, Value};
use crate::keys::{KeyRing, KeySet, VerifyingKey};
use crate::limits;
use crate::names::{Audience, ClaimName, Issuer};
use crate::numeric_date;
use crate::policy::profile::{Profile, Rules};
use crate::policy::{self, Policy, WhenStale};
use crate::redact::Shown;
use crate::rejection::RejectionKind;
use crate::request::{AccessToken, Judge, Stop, Verdicts};
use crate::revocation::Revocations;
use crate::revocation::entry::{CLAIMS, Entry, EntryRules, IDENTIFIERS};
use crate::revocation::freshness::{Bounds, Freshness};
use crate::revocation::in_process::InProcess;

mod files;
pub use files::{Image, SignedPages, framed_record, list, read_journal, read_record};

/// The moment at which everything is judged, in unix seconds.
pub const NOW: i64 = 1_732_200_000;
/// The one issuer.
pub const ISSUER: &str = "https://as.example/";
/// The one audience.
pub const AUDIENCE: &str = "https://api.example/";
/// What the route asks for.
pub const SCOPE: &str = "read";

const LEEWAY: Duration = Duration::from_secs(5);
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

fn now() -> Now {
    Now { wall: UnixTime::from_secs(NOW), uptime: Duration::ZERO }
}

/// The request's way, with settings and a clock that stand still.
#[expect(missing_debug_implementations, reason = "nobody but the targets sees it")]
pub struct Frozen {
    judge: Judge,
    policy: Policy,
}

impl Frozen {
    /// Trusts a published key set.
    pub fn with_keys(keys: &[u8], profile: Profile, revoked: &[u8]) -> Option<Self> {
        let ring = KeyRing::awaiting(Duration::MAX);
        ring.replace(KeySet::parse(keys, Algorithms::ASYMMETRIC).ok()?, Duration::ZERO, Duration::MAX);
        Self::of(ring, Algorithms::ASYMMETRIC, profile, revoked)
    }

    /// Trusts a shared secret.
    pub fn with_secret(secret: &[u8], profile: Profile, revoked: &[u8]) -> Option<Self> {
        let key = VerifyingKey::secret(secret, Algorithms::HMAC, false).ok()?;
        Self::of(KeyRing::fixed(KeySet::of(vec![key])), Algorithms::HMAC, profile, revoked)
    }

    fn of(keys: KeyRing, algorithms: Algorithms, profile: Profile, revoked: &[u8]) -> Option<Self> {
        let known = Known::default();
        Entries::read(revoked).ok()?.apply(&known).then_some(())?;
        known.0.freshness.confirm(Duration::ZERO, true);
        let rules = Rules {
            profile,
            audiences: [Audience::try_from(AUDIENCE).ok()?].into(),
            algorithms,
            leeway: LEEWAY,
            max_lifetime: Some(LIFETIME),
            require_jti: true,
            scope_claims: claim_names(profile.shape().scope_claims),
            accept_sender_constrained: false,
        };
        let name = Issuer::try_from(ISSUER).ok()?;
        let revocations = [Arc::new(known.0)].into();
        let in_process = Arc::new(InProcess::new(entry_rules()));
        let issuer = TrustedIssuer { name, rules, keys, revocations, in_process, life: None };
        let issuers = Directory::new([Arc::new(issuer)], Box::default());
        Some(Self { judge: Judge::new(issuers, Verdicts::new(1 << 20)), policy: policy::scope(SCOPE) })
    }

    /// The whole way of an `Authorization` value. No kind: the key is worth asking for.
    pub fn judge(&self, authorization: HeaderValue) -> Result<AccessToken, Option<RejectionKind>> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        self.judge.judge(&headers, &self.policy, now()).map_err(|stop| match stop {
            Stop::Refused(rejection) => Some(rejection.kind()),
            Stop::UnknownKey(_) | Stop::NewTenant(_) => None,
        })
    }

    /// The way of a token that was admitted before.
    pub fn judge_again(&self, token: &AccessToken) -> Result<(), RejectionKind> {
        self.judge.judge_again(token, &self.policy, now()).map_err(|rejection| rejection.kind())
    }
}

/// The usable keys of a JWK set, or of the operator.
#[derive(Debug)]
pub struct Keys(KeySet);

impl Keys {
    /// Reads a JWK set; the complaint in words where it is none.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        KeySet::parse(body, Algorithms::ASYMMETRIC).map(Self).map_err(|error| error.to_string())
    }

    /// Reads what the operator gave, in either form.
    pub fn given(text: &[u8]) -> Result<Self, String> {
        KeySet::given(text, Algorithms::ASYMMETRIC).map(Self).map_err(|error| error.to_string())
    }

    /// Whether one of the keys that may have signed it did.
    pub fn verify(&self, kid: Option<&str>, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let found: Vec<_> = self.0.candidates(kid, algorithm).collect();
        assert!(found.len() <= limits::KEY_TRIES && self.0.keys().len() <= limits::KEYS);
        let fits = |key: &&VerifyingKey| kid.is_none() || key.kid() == kid || key.fits_any_kid();
        assert!(found.iter().all(fits), "a key of another id");
        found.iter().any(|key| key.verify(algorithm, message, signature))
    }
}

/// `issuer` and `jwks_uri` of a metadata document; the complaint in words where it is none.
pub fn metadata(body: Vec<u8>) -> Result<(String, Option<String>), String> {
    let url = Url::parse(ISSUER).map_err(|error| error.to_string())?;
    let content_type = Some("application/json".to_owned());
    let answer = Answer {
        status: 200,
        content_type,
        etag: None,
        max_age: None,
        retry_after: None,
        date: None,
        rate: None,
        body,
    };
    let metadata = discovery::parse(&url, &answer).map_err(|error| error.to_string())?;
    Ok((metadata.issuer, metadata.jwks_uri))
}

/// Foreign text as it stands in a log.
pub fn shown(text: &str) -> String {
    Shown(text).to_string()
}

/// The URL that would be asked, where it may be.
pub fn permitted(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    fetch::permits(&url, false).is_ok().then(|| url.into())
}

/// The entries of a page that are valid.
#[derive(Debug)]
pub struct Entries {
    as_of: UnixTime,
    list: Vec<Entry>,
}

/// What one entry says.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "nobody but the targets sees it")]
pub struct Said {
    /// Names and values.
    pub claims: Vec<(String, String)>,
    /// The cut-off; none for an identifier.
    pub issued_before: Option<i64>,
    /// When it was said.
    pub said_at: i64,
    /// Whether it takes back.
    pub withdrawn: bool,
    /// Whether it was over long ago.
    pub over: bool,
}

impl Entries {
    /// Reads a page; the complaint in words where it is none.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        let page = Page::parse(body.to_vec()).map_err(|error| error.to_string())?;
        let rules = entry_rules();
        let read = |object| Entry::read(&object, &rules, page.as_of).ok();
        Ok(Self { as_of: page.as_of, list: page.entries().flatten().filter_map(read).collect() })
    }

    /// What they say.
    pub fn said(&self) -> Vec<Said> {
        let said = |entry: &Entry| Said {
            claims: entry.claims.iter().map(|(n, v)| (n.as_ref().into(), v.as_ref().into())).collect(),
            issued_before: entry.issued_before,
            said_at: entry.said_at,
            withdrawn: entry.withdrawn,
            over: entry.ends.plus(limits::ENTRY_LAG) < self.as_of.min(now().wall),
        };
        self.list.iter().map(said).collect()
    }

    /// Those before `at` and the others, last ones first.
    pub fn split(&self, at: usize) -> (Self, Self) {
        let (first, second) = self.list.split_at(at.min(self.list.len()));
        let page = |list| Self { as_of: self.as_of, list };
        (page(first.to_vec()), page(second.iter().rev().cloned().collect()))
    }

    /// Puts them in force; false where some had no room.
    pub fn apply(&self, known: &Known) -> bool {
        known.0.apply(&self.list, self.as_of, now()).is_ok()
    }
}

/// What is known to be revoked.
#[derive(Debug)]
pub struct Known(Revocations);

impl Default for Known {
    fn default() -> Self {
        let bounds = Bounds {
            max_staleness: Duration::from_secs(30),
            expires_after: Duration::from_secs(300),
            when_stale: WhenStale::Refuse,
            poll_interval: Duration::from_secs(1),
        };
        Self(Revocations::new(Freshness::new(bounds), String::new()))
    }
}

impl Known {
    /// The verdict on a claims set.
    pub fn revokes(&self, claims: &Claims) -> bool {
        self.0.revokes(&claims.0, claims.1)
    }

    /// Lets go of what can no longer matter.
    pub fn tidy(&self) {
        self.0.tidy(now());
    }
}

/// A claims set as the request's way has it.
#[derive(Debug)]
pub struct Claims(Object, Option<UnixTime>);

impl Claims {
    /// Reads it.
    pub fn parse(text: &str) -> Option<Self> {
        let object = Object::parse(text.into(), limits::CLAIMS_DEPTH, limits::OBJECT_MEMBERS).ok()?;
        let issued_at = match object.get("iat") {
            Some(Value::Number(raw)) => numeric_date::parse(raw),
            _ => None,
        };
        Some(Self(object, issued_at))
    }
}

/// What the strict scanner makes of a text, all levels; the reason where it refuses. A number that `serde_json` cannot
/// hold becomes null.
pub fn scan(
    text: &str,
    depth: usize,
    members: usize,
) -> Result<Map<String, serde_json::Value>, &'static str> {
    let found = Object::parse(text.into(), depth, members).map_err(|error| error.reason)?;
    found.iter().map(|(name, value)| Ok((name.into_owned(), plain(value, depth, members)?))).collect()
}

fn plain(value: Value<'_>, depth: usize, members: usize) -> Result<serde_json::Value, &'static str> {
    Ok(match value {
        Value::String(text) => text.into_owned().into(),
        Value::Number(raw) => serde_json::from_str(raw).unwrap_or_default(),
        Value::Bool(flag) => flag.into(),
        Value::Null => serde_json::Value::Null,
        Value::Array(array) => {
            array.items().map(|item| plain(item, depth, members)).collect::<Result<Vec<_>, _>>()?.into()
        }
        Value::Object(raw) => scan(raw, depth, members)?.into(),
    })
}

fn entry_rules() -> EntryRules {
    EntryRules {
        identifiers: claim_names(&IDENTIFIERS),
        claims: claim_names(&[&CLAIMS[..], &["groups"]].concat()),
        max_token_lifetime: LIFETIME,
        leeway: LEEWAY,
    }
}

fn claim_names(names: &[&str]) -> Box<[ClaimName]> {
    names.iter().filter_map(|name| ClaimName::try_from(*name).ok()).collect()
}
