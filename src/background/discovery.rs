//! Where an issuer's keys are: its metadata document (RFC 8414 §3, OpenID Connect Discovery §4).

use serde::Deserialize;
use url::Url;

use super::fetch::{Answer, FetchError, Fetcher, Question};
use crate::limits;
use crate::names::Issuer;
use crate::redact::Shown;

/// The members that matter here; others are ignored.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) token_endpoint: Option<String>,
}

/// Why the issuer's metadata cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DiscoveryError {
    #[error("the issuer is not a URL with a host: give jwks_url, or keys")]
    NotAUrl,
    #[error("the issuer has a query or fragment (RFC 8414 §2)")]
    QueryOrFragment,
    #[error("{url}: {error}")]
    Fetch { url: Box<str>, error: FetchError },
    #[error("{url} answered {status}")]
    Status { url: Box<str>, status: u16 },
    #[error("{url} is not a JSON metadata document: {reason}")]
    NotMetadata { url: Box<str>, reason: String },
    #[error("{url} says that its issuer is `{found}`; both must be equal to the last byte (RFC 8414 §3.3)")]
    OtherIssuer { url: Box<str>, found: String },
    #[error("{url} has no usable {member}: {reason}")]
    Unusable { url: Box<str>, member: &'static str, reason: String },
}

/// Finds the `jwks_uri`.
pub(crate) async fn keys_url(fetcher: &Fetcher, issuer: &Issuer) -> Result<Url, DiscoveryError> {
    let keys = |metadata: Metadata| usable(metadata.jwks_uri, |url| fetcher.permits_keys(url));
    find(fetcher, issuer, "jwks_uri", keys).await
}

/// Finds the `token_endpoint`.
pub(crate) async fn token_endpoint(fetcher: &Fetcher, issuer: &Issuer) -> Result<Url, DiscoveryError> {
    let permits = |url: &Url| fetcher.permits(url).map_err(|error| error.to_string());
    let endpoint = |metadata: Metadata| usable(metadata.token_endpoint, permits);
    find(fetcher, issuer, "token_endpoint", endpoint).await
}

fn usable(found: Option<String>, permits: impl FnOnce(&Url) -> Result<(), String>) -> Result<Url, String> {
    let found = found.ok_or_else(|| "it is missing".to_owned())?;
    let url = Url::parse(&found).map_err(|error| format!("`{}`: {error}", Shown(&found)))?;
    permits(&url).map(|()| url)
}

/// Finds a URL in the metadata. The document must name exactly this issuer.
async fn find(
    fetcher: &Fetcher,
    issuer: &Issuer,
    member: &'static str,
    pick: impl Fn(Metadata) -> Result<Url, String>,
) -> Result<Url, DiscoveryError> {
    let mut complaint = None;
    for url in placements(issuer)? {
        let found = read(fetcher, issuer, &url).await.and_then(|metadata| {
            let unusable = |reason| DiscoveryError::Unusable { url: url.as_str().into(), member, reason };
            pick(metadata).map_err(unusable)
        });
        match found {
            Ok(found) => return Ok(found),
            // Nobody is there: the other placements would only take as long again.
            Err(
                error @ DiscoveryError::Fetch {
                    error: FetchError::Timeout | FetchError::Connection(_), ..
                },
            ) => {
                return Err(error);
            }
            // That a document exists but is wrong says more than that another one does not exist.
            Err(error) if complaint.is_none() || !matches!(error, DiscoveryError::Status { .. }) => {
                complaint = Some(error);
            }
            Err(_) => {}
        }
    }
    Err(complaint.unwrap_or(DiscoveryError::NotAUrl))
}

async fn read(fetcher: &Fetcher, issuer: &Issuer, url: &Url) -> Result<Metadata, DiscoveryError> {
    let question = Question {
        url,
        accept: "application/json",
        limit: limits::METADATA_BYTES,
        authorization: None,
        known: None,
        form: None,
        within: fetcher.within(),
    };
    let answer = fetcher
        .ask(question)
        .await
        .map_err(|error| DiscoveryError::Fetch { url: url.as_str().into(), error })?;
    let metadata = parse(url, &answer)?;
    if metadata.issuer != issuer.as_str() {
        let found = Shown(&metadata.issuer).to_string();
        return Err(DiscoveryError::OtherIssuer { url: url.as_str().into(), found });
    }
    Ok(metadata)
}

pub(crate) fn parse(url: &Url, answer: &Answer) -> Result<Metadata, DiscoveryError> {
    if answer.status != 200 {
        return Err(DiscoveryError::Status { url: url.as_str().into(), status: answer.status });
    }
    let not_metadata = |reason: String| DiscoveryError::NotMetadata { url: url.as_str().into(), reason };
    let content = answer.content_type.as_deref().unwrap_or_default();
    let media = content.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media != "application/json" && !media.ends_with("+json") {
        return Err(not_metadata(format!("its content type is `{}`", Shown(content))));
    }
    serde_json::from_slice(&answer.body).map_err(|error| not_metadata(Shown(&error.to_string()).to_string()))
}

/// Where the document may be, in the order in which it is looked for.
pub(crate) fn placements(issuer: &Issuer) -> Result<Vec<Url>, DiscoveryError> {
    let base = Url::parse(issuer.as_str()).map_err(|_| DiscoveryError::NotAUrl)?;
    if base.host().is_none() || base.cannot_be_a_base() {
        return Err(DiscoveryError::NotAUrl);
    }
    if base.query().is_some() || base.fragment().is_some() {
        return Err(DiscoveryError::QueryOrFragment);
    }
    let path = base.path();
    let path = path.strip_suffix('/').unwrap_or(path).to_owned();
    let mut placements = Vec::new();
    for place in [
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
        format!("{path}/.well-known/openid-configuration"),
    ] {
        let mut url = base.clone();
        url.set_path(&place);
        if !placements.contains(&url) {
            placements.push(url);
        }
    }
    Ok(placements)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(issuer: &str) -> Result<Vec<String>, DiscoveryError> {
        let issuer = Issuer::try_from(issuer).unwrap();
        placements(&issuer).map(|urls| urls.iter().map(Url::to_string).collect())
    }

    /// DI-01, DI-02, DI-03.
    #[test]
    fn both_rules_of_insertion_are_followed() {
        let root = [
            "https://h/.well-known/oauth-authorization-server",
            "https://h/.well-known/openid-configuration",
        ];
        assert_eq!(places("https://h").unwrap(), root);
        assert_eq!(places("https://h/").unwrap(), root);
        let tenant = [
            "https://h/.well-known/oauth-authorization-server/t1",
            "https://h/.well-known/openid-configuration/t1",
            "https://h/t1/.well-known/openid-configuration",
        ];
        assert_eq!(places("https://h/t1").unwrap(), tenant);
        assert_eq!(places("https://h/t1/").unwrap(), tenant);
    }

    #[test]
    fn issuers_without_metadata_are_said_so() {
        assert_eq!(places("accounts.example"), Err(DiscoveryError::NotAUrl));
        assert_eq!(places("mailto:a@b"), Err(DiscoveryError::NotAUrl));
        assert_eq!(places("https://h/?a=b"), Err(DiscoveryError::QueryOrFragment));
        assert_eq!(places("https://h/#a"), Err(DiscoveryError::QueryOrFragment));
    }
}
