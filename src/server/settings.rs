//! Settings as they were said, and their translation into rules, with the complaint of each that does not work.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use url::Url;

use super::error::StartError;
use crate::algorithm::{Algorithm, Algorithms};
use crate::background::discovery;
use crate::background::fetch::{self, Fetcher};
use crate::background::jwks::KeySource;
use crate::background::source::Feed;
use crate::background::transport::Transport;
use crate::clock::{Clock, SystemClock};
use crate::keys::{KeyRing, KeySet, VerifyingKey};
use crate::limits;
use crate::middleware::metadata::{ProtectedResource, ResourceMetadata};
use crate::names::{Audience, ClaimName, Issuer};
use crate::policy::profile::{Profile, Rules};
use crate::redact::Secret;
use crate::revocation::entry::{CLAIMS, EntryRules, IDENTIFIERS};
use crate::revocation::freshness::Bounds;

const LONGEST_LEEWAY: Duration = Duration::from_secs(300);
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);
const SHORTEST_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) issuers: Vec<IssuerSettings>,
    pub(super) realm: Option<String>,
    pub(super) resource: Option<ProtectedResource>,
    pub(super) clock: Arc<dyn Clock>,
    /// In bytes.
    pub(super) verdict_cache: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            realm: None,
            resource: None,
            clock: Arc::new(SystemClock::new()),
            verdict_cache: limits::VERDICT_CACHE_BYTES,
        }
    }
}

#[derive(Debug)]
pub(super) struct IssuerSettings {
    pub(super) name: String,
    pub(super) keys: KeysSetting,
    pub(super) loopback_http: bool,
    pub(super) transport: Transport,
    pub(super) keys_stale_after: Duration,
    pub(super) audiences: Vec<String>,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(super) profile: Profile,
    pub(super) leeway: Duration,
    pub(super) max_token_lifetime: Option<Duration>,
    pub(super) require_jti: Option<bool>,
    pub(super) scope_claims: Option<Vec<String>>,
    pub(super) accept_sender_constrained: bool,
    pub(super) revocation: Option<Feed>,
}

#[derive(Debug)]
pub(super) enum KeysSetting {
    Discovery,
    Url(String),
    Given(String),
    Secret { secret: Secret, weak: bool },
}

impl IssuerSettings {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            keys: KeysSetting::Discovery,
            loopback_http: false,
            transport: Transport::new(),
            keys_stale_after: limits::KEYS_STALE_AFTER,
            audiences: Vec::new(),
            algorithms: None,
            profile: Profile::default(),
            leeway: DEFAULT_LEEWAY,
            max_token_lifetime: None,
            require_jti: None,
            scope_claims: None,
            accept_sender_constrained: false,
            revocation: None,
        }
    }

    pub(super) fn issuer(&self) -> Result<Issuer, StartError> {
        Issuer::try_from(self.name.as_str()).map_err(|error| {
            StartError::because("issuer", &self.name, error, "Give the exact value of the tokens' `iss`")
        })
    }

    fn lifetime(&self) -> Option<Duration> {
        self.max_token_lifetime.or_else(|| self.revocation.as_ref().map(|_| DEFAULT_LIFETIME))
    }

    pub(super) fn rules(&self) -> Result<Rules, StartError> {
        if self.leeway > LONGEST_LEEWAY {
            let remedy = "RFC 9068 §4 speaks of no more than a few minutes: 300 s at most, and better none";
            return Err(StartError::new("leeway", format!("{:?}", self.leeway), "it is too long", remedy));
        }
        let audiences = self.audiences.iter().map(|name| {
            Audience::try_from(name.as_str()).map_err(|error| {
                StartError::because(
                    "audience",
                    name,
                    error,
                    "Give the identifier that the issuer knows this API by",
                )
            })
        });
        let scope_claims = match &self.scope_claims {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => self.profile.shape().scope_claims.to_vec(),
        };
        Ok(Rules {
            profile: self.profile,
            audiences: audiences.collect::<Result<_, _>>()?,
            algorithms: self.algorithms()?,
            leeway: self.leeway,
            max_lifetime: self.lifetime(),
            require_jti: self.require_jti.unwrap_or_else(|| self.revocation.is_some()),
            scope_claims: claim_names("scope_claims", scope_claims)?,
            accept_sender_constrained: self.accept_sender_constrained,
        })
    }

    fn algorithms(&self) -> Result<Algorithms, StartError> {
        let (usable, default, remedy) = match self.keys {
            KeysSetting::Secret { .. } => (
                Algorithms::HMAC,
                Algorithms::of(&[Algorithm::HS256]),
                "A shared secret goes with HS256, HS384 and HS512 only",
            ),
            _ => (
                Algorithms::ASYMMETRIC,
                Algorithms::ASYMMETRIC,
                "HMAC algorithms need shared_secret: with published keys anybody could sign",
            ),
        };
        let Some(listed) = &self.algorithms else { return Ok(default) };
        let value = || format!("{listed:?}");
        if listed.is_empty() {
            return Err(StartError::new(
                "algorithms",
                value(),
                "it is empty",
                "Name at least one, or leave it out",
            ));
        }
        let listed = Algorithms::of(listed);
        if listed.and(usable) != listed {
            return Err(StartError::new("algorithms", value(), "not all of them fit the keys", remedy));
        }
        Ok(listed)
    }

    /// The ring, and where its keys come from unless they are given.
    pub(super) fn keys(
        &self,
        algorithms: Algorithms,
        fetcher: &Fetcher,
    ) -> Result<(KeyRing, Option<KeySource>), StartError> {
        match &self.keys {
            KeysSetting::Discovery => {
                if let Ok(url) = Url::parse(&self.name) {
                    permit(fetcher, "issuer", &url, &self.name)?;
                }
                discovery::placements(&self.issuer()?).map_err(|error| {
                    let remedy = "Give the issuer's URL, or where its keys are with jwks_url or keys";
                    StartError::because("issuer", &self.name, error, remedy)
                })?;
                Ok((KeyRing::awaiting(self.keys_stale_after), Some(KeySource::Discovery)))
            }
            KeysSetting::Url(url) => {
                let url = parse_url(fetcher, "jwks_url", url)?;
                Ok((KeyRing::awaiting(self.keys_stale_after), Some(KeySource::Url(url))))
            }
            KeysSetting::Given(text) => {
                let set = KeySet::parse(text.as_bytes(), algorithms).map_err(|error| {
                    let remedy = "Give a JWK set with at least one public signature key";
                    StartError::because("keys", format!("{} bytes", text.len()), error, remedy)
                })?;
                Ok((KeyRing::fixed(set), None))
            }
            KeysSetting::Secret { secret, weak } => {
                let key = VerifyingKey::secret(secret.expose(), algorithms, *weak).map_err(|error| {
                    let remedy = "Use a random secret as long as the hash (32 bytes for HS256), or danger().short_shared_secret";
                    StartError::because("shared_secret", format!("[{} bytes]", secret.expose().len()), error, remedy)
                })?;
                Ok((KeyRing::fixed(KeySet::of(vec![key])), None))
            }
        }
    }
}

impl Settings {
    /// The document that describes this resource server, if it is to be described.
    pub(super) fn resource_metadata(&self) -> Result<Option<ResourceMetadata>, StartError> {
        let Some(resource) = &self.resource else { return Ok(None) };
        let loopback = self.issuers.iter().any(|issuer| issuer.loopback_http);
        let issuers = self.issuers.iter().map(|issuer| issuer.name.as_str());
        let metadata =
            resource.describe(issuers, |url| fetch::permits(url, loopback).is_ok()).map_err(|error| {
                let remedy = "Give the https URL that clients use, and the scopes that routes ask for";
                StartError::because("resource", resource.id(), error, remedy)
            })?;
        if !self.issuers.iter().flat_map(|issuer| &issuer.audiences).any(|audience| audience == resource.id())
        {
            tracing::warn!(
                resource = resource.id(),
                "the resource is not among the audiences: clients that follow RFC 8707 get tokens that are refused"
            );
        }
        Ok(Some(metadata))
    }
}

/// The parts of a feed's settings that the knowledge and the task need.
pub(super) fn feed(
    settings: &IssuerSettings,
    feed: &Feed,
    fetcher: &Fetcher,
) -> Result<(Url, EntryRules, Bounds), StartError> {
    let url = parse_url(fetcher, "revocation", &feed.url)?;
    if feed.authorization.as_ref().is_some_and(|value| HeaderValue::from_bytes(value.expose()).is_err()) {
        let remedy = "Trim what comes from a file: a line's end is no part of a token";
        return Err(StartError::new("bearer", "[secret]", "it cannot stand in a header", remedy));
    }
    let interval = feed.poll_interval;
    let in_words = |duration: Duration| format!("{duration:?}");
    if interval < SHORTEST_INTERVAL {
        let remedy = "10 ms is the least; 1 s is usual";
        return Err(StartError::new("poll_interval", in_words(interval), "it is too short", remedy));
    }
    if feed.max_staleness < interval.saturating_mul(3) {
        let remedy = "Three poll intervals at least, or one late answer refuses everybody";
        let value = in_words(feed.max_staleness);
        return Err(StartError::new("max_staleness", value, "it is too short", remedy));
    }
    let identifiers = IDENTIFIERS.into_iter().chain(feed.identifiers.iter().map(String::as_str)).collect();
    let rules = EntryRules {
        identifiers: claim_names("identifier", identifiers)?,
        claims: claim_names(
            "claim",
            CLAIMS.into_iter().chain(feed.claims.iter().map(String::as_str)).collect(),
        )?,
        max_token_lifetime: settings.lifetime().unwrap_or(DEFAULT_LIFETIME),
        leeway: settings.leeway,
    };
    let bounds = Bounds {
        max_staleness: feed.max_staleness,
        expires_after: feed.expires_after.max(feed.max_staleness),
        when_stale: feed.when_stale,
        poll_interval: interval,
    };
    Ok((url, rules, bounds))
}

fn claim_names(setting: &'static str, names: Vec<&str>) -> Result<Box<[ClaimName]>, StartError> {
    let parse = |name: &str| {
        ClaimName::try_from(name)
            .map_err(|error| StartError::because(setting, name, error, "Give the name of a claim"))
    };
    names.into_iter().map(parse).collect()
}

fn parse_url(fetcher: &Fetcher, setting: &'static str, text: &str) -> Result<Url, StartError> {
    let url = Url::parse(text)
        .map_err(|error| StartError::because(setting, text, error, "Give an absolute https URL"))?;
    permit(fetcher, setting, &url, text)?;
    Ok(url)
}

fn permit(fetcher: &Fetcher, setting: &'static str, url: &Url, given: &str) -> Result<(), StartError> {
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = "Credentials of a feed go into bearer or basic; keys and metadata are public";
        return Err(StartError::new(setting, "[a URL with credentials]", "it would show them", remedy));
    }
    fetcher.permits(url).map_err(|_| {
        let remedy = "Use https; for this very machine http is possible with allow_loopback_http";
        let given = given.split('?').next().unwrap_or_default();
        StartError::new(setting, given, "it is not https", remedy)
    })
}
