//! One call of the Management API: with a token that is good, and when the tenant's rate limit allows it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use url::Url;

use super::super::client_token::{ClientToken, ClientTokenError};
use super::super::fetch::{Answer, FetchError, Flow, Question};
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
    #[error("{call}: the stream has ended{}", if code.is_empty() { String::new() } else { format!(" ({code})") })]
    Ended { call: &'static str, code: String },
    #[error("{call}: the stream has said nothing for {silence:?}")]
    Silent { call: &'static str, silence: Duration },
    #[error("{call}: the stream could not be opened in time")]
    Unopened { call: &'static str },
}

impl Auth0Error {
    /// Whether other calls may well be answered.
    pub(super) fn is_of_one_part(&self) -> bool {
        match self {
            Self::Fetch { error, .. } => matches!(error, FetchError::TooLarge(_)),
            Self::Token(_) | Self::Limited { .. } => false,
            _ => true,
        }
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

/// Makes calls. Clones share token and rate limit.
#[derive(Clone)]
pub(super) struct Caller {
    shared: Arc<Mutex<Shared>>,
    /// The uptime until which whoever calls may wait for the rate limit.
    patient_until: Duration,
    longest_wait: Duration,
}

struct Shared {
    token: ClientToken,
    /// The uptime before which the tenant has no room for another call.
    closed_until: Duration,
}

/// What of an answer is waited for.
#[derive(Clone, Copy)]
enum Asking<'a> {
    Whole,
    /// Its beginning; the offset after which it is to go on.
    Stream(Option<&'a str>),
}

impl Caller {
    pub(super) fn new(client: ClientCredentials, token_endpoint: Url, longest_wait: Duration) -> Self {
        let token = ClientToken::new(client, Some(token_endpoint));
        let shared = Arc::new(Mutex::new(Shared { token, closed_until: Duration::ZERO }));
        Self { shared, patient_until: Duration::ZERO, longest_wait }
    }

    /// A poll begins.
    pub(super) fn begin(&mut self, now: Duration) {
        self.patient_until = now.saturating_add(self.longest_wait);
    }

    /// An answer with status 200.
    pub(super) async fn get(&mut self, call: &Call<'_>, round: &Round<'_>) -> Result<Answer, Auth0Error> {
        self.call(call, Asking::Whole, round).await.map(|(answer, _)| answer)
    }

    /// The beginning of an answer with status 200 that goes on.
    pub(super) async fn open(
        &mut self,
        call: &Call<'_>,
        last: Option<&str>,
        round: &Round<'_>,
    ) -> Result<(Answer, Flow), Auth0Error> {
        let (answer, flow) = self.call(call, Asking::Stream(last), round).await?;
        flow.map(|flow| (answer, flow)).ok_or(Auth0Error::Unreadable { call: call.name })
    }

    async fn call(
        &mut self,
        call: &Call<'_>,
        asking: Asking<'_>,
        round: &Round<'_>,
    ) -> Result<(Answer, Option<Flow>), Auth0Error> {
        let name = call.name;
        let mut renewed = false;
        // What a refusal without a word on time means, longer each time.
        let mut pause = FIRST_PAUSE;
        loop {
            self.wait(name, round).await?;
            let authorization = self.shared.lock().await.token.get(round.issuer, round.around).await?;
            let accept = match asking {
                Asking::Whole => "application/json",
                Asking::Stream(_) => "text/event-stream",
            };
            let question = Question {
                url: call.url,
                accept,
                limit: call.limit,
                authorization: Some(&authorization),
                known: None,
                form: None,
                within: round.within,
            };
            let fetcher = &round.around.fetcher;
            let answer = match asking {
                Asking::Whole => fetcher.ask(question).await.map(|answer| (answer, None)),
                Asking::Stream(last) => fetcher.open(question, last).await,
            };
            let (answer, flow) = answer.map_err(|error| Auth0Error::Fetch { call: name, error })?;
            self.heed(&answer, pause, round).await;
            match answer.status {
                200 => return Ok((answer, flow)),
                // Waited for at the next turn of this loop.
                429 => pause = pause.saturating_mul(2),
                401 if !renewed => {
                    self.shared.lock().await.token.forget();
                    renewed = true;
                }
                403 => {
                    // A token that was given out before the client was granted more must not be kept.
                    self.shared.lock().await.token.forget();
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
        loop {
            let closed_until = self.shared.lock().await.closed_until;
            let wait = closed_until.saturating_sub(clock.uptime());
            if wait.is_zero() {
                return Ok(());
            }
            if closed_until >= self.patient_until {
                return Err(Auth0Error::Limited { call, wait });
            }
            clock.sleep(wait).await;
        }
    }

    /// Remembers what an answer says of the rate limit. Its reset is in the server's time, which `Date` tells.
    async fn heed(&self, answer: &Answer, pause: Duration, round: &Round<'_>) {
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
        let until = clock.uptime().saturating_add(wait.min(self.longest_wait));
        let mut shared = self.shared.lock().await;
        // An answer that was under way when another part was refused knows less.
        shared.closed_until = shared.closed_until.max(until);
    }
}
