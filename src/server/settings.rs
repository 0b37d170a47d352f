//! Settings as they were said, and their translation into rules, with the complaint of each that does not work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::error::StartError;
use crate::algorithm::{Algorithm, Algorithms};
use crate::background::discovery;
use crate::background::fetch::{self, Fetcher};
use crate::background::jwks::KeySource;
use crate::background::keys_file::KeysFile;
use crate::background::source::SourceSettings;
use crate::background::transport::Transport;
use crate::clock::{Clock, SystemClock};
use crate::keys::{KeyRing, KeySet, VerifyingKey};
use crate::limits;
use crate::middleware::metadata::{ProtectedResource, ResourceMetadata};
use crate::names::{Audience, ClaimName, Issuer};
use crate::policy::profile::{Profile, Rules};
use crate::policy::tenants::Tenants;
use crate::redact::Secret;

const LONGEST_LEEWAY: Duration = Duration::from_secs(300);
const DEFAULT_LEEWAY: Duration = Duration::from_secs(5);
pub(super) const DEFAULT_LIFETIME: Duration = Duration::from_secs(24 * 3600);

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

#[derive(Clone, Debug)]
pub(super) struct IssuerSettings {
    pub(super) name: String,
    /// Not one issuer, but all of these; the name is theirs.
    pub(super) tenants: Option<Tenants>,
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
    /// Where revocations come from; none where the operator does without.
    pub(super) sources: Vec<SourceSettings>,
}

#[derive(Clone, Debug)]
pub(super) enum KeysSetting {
    Discovery,
    Url(String),
    Given(String),
    File(PathBuf),
    Secret { secret: Secret, weak: bool },
}

impl IssuerSettings {
    pub(super) fn new(name: String) -> Self {
        Self {
            name,
            tenants: None,
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
            sources: Vec::new(),
        }
    }

    pub(super) fn issuer(&self) -> Result<Issuer, StartError> {
        Issuer::try_from(self.name.as_str()).map_err(|error| {
            StartError::because("issuer", &self.name, error, "Give the exact value of the tokens' `iss`")
        })
    }

    /// Whether tokens are refused for what a source says. One on trial must not refuse any for want of a `jti` either.
    fn is_revocable(&self) -> bool {
        self.sources.iter().any(|source| !source.common.dry_run)
    }

    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.max_token_lifetime.or_else(|| self.is_revocable().then_some(DEFAULT_LIFETIME))
    }

    pub(super) fn requires_jti(&self) -> bool {
        self.require_jti.unwrap_or_else(|| self.is_revocable())
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
            require_jti: self.requires_jti(),
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
                let set = KeySet::given(text.as_bytes(), algorithms).map_err(|error| {
                    let remedy = "Give a JWK set, or PEM, with at least one public signature key";
                    StartError::because("keys", format!("{} bytes", text.len()), error, remedy)
                })?;
                Ok((KeyRing::fixed(set), None))
            }
            KeysSetting::File(path) => {
                let source = KeySource::File(KeysFile::new(path.clone()));
                Ok((KeyRing::awaiting(self.keys_stale_after), Some(source)))
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
        // Those under a pattern are not known.
        let names = |issuer: &'_ IssuerSettings| match &issuer.tenants {
            Some(tenants) => tenants.names().to_vec(),
            None => vec![issuer.name.clone()],
        };
        let issuers: Vec<_> = self.issuers.iter().flat_map(names).collect();
        let issuers = issuers.iter().map(String::as_str);
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

pub(super) fn claim_names(setting: &'static str, names: Vec<&str>) -> Result<Box<[ClaimName]>, StartError> {
    let parse = |name: &str| {
        ClaimName::try_from(name)
            .map_err(|error| StartError::because(setting, name, error, "Give the name of a claim"))
    };
    names.into_iter().map(parse).collect()
}

pub(super) fn parse_url(fetcher: &Fetcher, setting: &'static str, text: &str) -> Result<Url, StartError> {
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
