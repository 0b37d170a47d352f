//! The token with which a source is asked: fetched by client credentials (RFC 6749 §4.4), renewed before it ends.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::Surroundings;
use super::discovery::{self, DiscoveryError};
use super::fetch::{FetchError, Question};
use super::source::ClientCredentials;
use crate::limits;
use crate::names::Issuer;
use crate::redact::{Secret, Shown};

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientTokenError {
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    #[error("the token endpoint: {0}")]
    Fetch(#[from] FetchError),
    #[error("the token endpoint answered {status}{}", words(*status, code.as_deref()))]
    Refused { status: u16, code: Option<String>, retry_after: Option<Duration> },
    #[error("the token endpoint's answer is not that of RFC 6749 §5.1 with a bearer token")]
    NotAToken,
}

/// The code, and what to look at where the client was not recognised.
fn words(status: u16, code: Option<&str>) -> String {
    let code = code.map(|code| format!(" ({code})")).unwrap_or_default();
    let remedy = ": check the client's id, its secret, and how it authenticates (in_header or in_body)";
    format!("{code}{}", if status == 401 { remedy } else { "" })
}

impl ClientTokenError {
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Refused { retry_after, .. } => retry_after.unwrap_or_default(),
            Self::Discovery(_) | Self::Fetch(_) | Self::NotAToken => Duration::ZERO,
        }
    }
}

/// Keeps one client's token.
#[derive(Debug)]
pub(super) struct ClientToken {
    client: ClientCredentials,
    /// The one that the operator named; otherwise metadata are asked each time, as for keys.
    endpoint: Option<Url>,
    current: Option<Token>,
}

/// The whole `Authorization` value, and the uptime from which it is to be renewed.
#[derive(Debug)]
struct Token {
    authorization: Secret,
    renew_at: Duration,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    token_type: String,
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl ClientToken {
    pub(super) fn new(client: ClientCredentials, endpoint: Option<Url>) -> Self {
        Self { client, endpoint, current: None }
    }

    /// What was fetched is not accepted any more.
    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    /// The `Authorization` value that is good now.
    pub(super) async fn get(
        &mut self,
        issuer: &Issuer,
        around: &Surroundings,
    ) -> Result<Secret, ClientTokenError> {
        let now = around.clock.uptime();
        if let Some(token) = self.current.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.authorization.clone());
        }
        let token = self.fetch(issuer, around).await?;
        Ok(self.current.insert(token).authorization.clone())
    }

    async fn fetch(&self, issuer: &Issuer, around: &Surroundings) -> Result<Token, ClientTokenError> {
        let found;
        let url = match &self.endpoint {
            Some(url) => url,
            None => {
                found = discovery::token_endpoint(&around.fetcher, issuer).await?;
                &found
            }
        };
        let asked = around.clock.uptime();
        let (authorization, form) = (self.client.authorization(), self.client.form());
        let question = Question {
            url,
            accept: "application/json",
            limit: limits::TOKEN_ANSWER_BYTES,
            authorization: authorization.as_ref(),
            known: None,
            form: Some(&form),
            within: around.fetcher.within(),
        };
        let answer = around.fetcher.ask(question).await?;
        if answer.status != 200 {
            let refusal: Option<Refusal> = serde_json::from_slice(&answer.body).ok();
            let code = refusal.map(|refusal| Shown(&refusal.error).to_string());
            let (status, retry_after) = (answer.status, answer.retry_after);
            return Err(ClientTokenError::Refused { status, code, retry_after });
        }
        let granted: Granted =
            serde_json::from_slice(&answer.body).map_err(|_| ClientTokenError::NotAToken)?;
        let text = |byte: u8| byte.is_ascii_graphic();
        let sound = !granted.access_token.is_empty() && granted.access_token.bytes().all(text);
        if !sound || !granted.token_type.eq_ignore_ascii_case("bearer") {
            return Err(ClientTokenError::NotAToken);
        }
        let lifetime = granted.expires_in.map_or(limits::CLIENT_TOKEN_LIFETIME, Duration::from_secs);
        // A fifth before its end, so that it does not end on its way.
        let renew_at = asked.saturating_add(lifetime - lifetime / 5);
        let authorization = Secret::new(format!("Bearer {}", granted.access_token).into_bytes());
        Ok(Token { authorization, renew_at })
    }
}
