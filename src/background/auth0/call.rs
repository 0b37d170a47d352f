//! One call of the Management API: with a token that is good, and when the tenant's rate limit allows it.

use std::time::Duration;

use url::Url;

use super::super::client_token::{ClientToken, ClientTokenError};
use super::super::fetch::{Answer, FetchError, Question};
use super::super::source::ClientCredentials;
use super::Round;

/// Why a part of the source has no complete answer. `call` is the path of its endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Auth0Error {
    #[error("client credentials: {0}")]
    Token(#[from] ClientTokenError),
    #[error("{call}: {error}")]
    Fetch { call: &'static str, error: FetchError },
    #[error("{call} answered 403: the client needs a grant for the Management API with the scope {scope}")]
    Scope { call: &'static str, scope: &'static str },
    #[error("{call} answered {status}")]
    Status { call: &'static str, status: u16, retry_after: Option<Duration> },
    #[error("{call}: the tenant's rate limit leaves no room; the next call is in {wait:?}")]
    Limited { call: &'static str, wait: Duration },
    #[error("{call}: the answer is not what Auth0 documents")]
    Unreadable { call: &'static str },
    #[error("{call}: a listing without `Date` does not tell when it was made")]
    Undated { call: &'static str },
    #[error("{call}: the listing changed while it was read, or its pages do not end")]
    Restless { call: &'static str },
    #[error("{call}: there is more than one poll reads; what was read is in force, and the rest follows")]
    Behind { call: &'static str },
}

impl Auth0Error {
    /// Whether other calls may well be answered.
    pub(super) fn is_of_one_part(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::Fetch { .. } | Self::Limited { .. })
    }

    /// Whether the next poll goes on where this one stopped.
    pub(in crate::background) fn is_progress(&self) -> bool {
        matches!(self, Self::Behind { .. })
    }

    pub(in crate::background) fn retry_after(&self) -> Duration {
        match self {
            Self::Token(error) => error.retry_after(),
            Self::Limited { wait, .. } => *wait,
            Self::Status { retry_after, .. } => retry_after.unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What to get.
pub(super) struct Call<'a> {
    pub(super) url: &'a Url,
    /// Its path, for people.
    pub(super) name: &'static str,
    /// What the client needs for it.
    pub(super) scope: &'static str,
    /// In bytes.
    pub(super) limit: usize,
}

/// Makes all calls, so that they share token and rate limit.
pub(super) struct Caller {
    token: ClientToken,
    /// The uptime before which the tenant has no room for another call.
    closed_until: Duration,
    /// The uptime until which this poll may wait for that.
    patient_until: Duration,
    longest_wait: Duration,
}

impl Caller {
    pub(super) fn new(client: ClientCredentials, token_endpoint: Url, longest_wait: Duration) -> Self {
        let token = ClientToken::new(client, Some(token_endpoint));
        Self { token, closed_until: Duration::ZERO, patient_until: Duration::ZERO, longest_wait }
    }

    /// A poll begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.patient_until = now.saturating_add(self.longest_wait);
    }

    /// An answer with status 200.
    pub(super) async fn get(&mut self, call: &Call<'_>, round: &Round<'_>) -> Result<Answer, Auth0Error> {
        let name = call.name;
        let mut renewed = false;
        // What a refusal without a word on time means, longer each time.
        let mut pause = FIRST_PAUSE;
        loop {
            self.wait(name, round).await?;
            let authorization = self.token.get(round.issuer, round.around).await?;
            let question = Question {
                url: call.url,
                accept: "application/json",
                limit: call.limit,
                authorization: Some(&authorization),
                known: None,
                form: None,
                within: round.within,
            };
            let answer = round.around.fetcher.ask(question).await;
            let answer = answer.map_err(|error| Auth0Error::Fetch { call: name, error })?;
            self.heed(&answer, pause, round);
            match answer.status {
                200 => return Ok(answer),
                // Waited for at the next turn of this loop.
                429 => pause = pause.saturating_mul(2),
                401 if !renewed => {
                    self.token.forget();
                    renewed = true;
                }
                403 => {
                    // A token that was given out before the client was granted more must not be kept.
                    self.token.forget();
                    return Err(Auth0Error::Scope { call: name, scope: call.scope });
                }
                status => {
                    return Err(Auth0Error::Status { call: name, status, retry_after: answer.retry_after });
                }
            }
        }
    }

    /// Until the tenant has room, or for as long as this poll may wait.
    async fn wait(&self, call: &'static str, round: &Round<'_>) -> Result<(), Auth0Error> {
        let clock = &round.around.clock;
        let wait = self.closed_until.saturating_sub(clock.uptime());
        if self.closed_until >= self.patient_until && !wait.is_zero() {
            return Err(Auth0Error::Limited { call, wait });
        }
        if !wait.is_zero() {
            clock.sleep(wait).await;
        }
        Ok(())
    }

    /// Remembers what an answer says of the rate limit. Its reset is in the server's time, which `Date` tells.
    fn heed(&mut self, answer: &Answer, pause: Duration, round: &Round<'_>) {
        let clock = &round.around.clock;
        let refused = answer.status == 429;
        let used_up = answer.rate.filter(|rate| rate.remaining == 0 || refused);
        if !refused && used_up.is_none() {
            return;
        }
        let date = answer.date.unwrap_or_else(|| clock.wall());
        let reset = used_up.map_or(Duration::ZERO, |rate| rate.reset.since(date));
        let least = if refused { pause } else { Duration::ZERO };
        let wait = reset.max(answer.retry_after.unwrap_or_default()).max(least);
        // However far away a server says that is, it is asked again in time to be believed again.
        self.closed_until = clock.uptime().saturating_add(wait.min(self.longest_wait));
    }
}
