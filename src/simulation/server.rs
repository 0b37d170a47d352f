//! The authorization server and the network in front of it: what is true, what is answered, and how soon.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use url::Url;

use super::oracle::Oracle;
use super::rng::Rng;
use super::scheduler::SimulatedClock;
use super::tokens::{ISSUER, Set, Tokens};
use crate::background::fetch::{Answer, FetchError, Question};
use crate::background::simulated::Reply;
use crate::clock::Clock;
use crate::limits;

/// What the times are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// Every answer is true and soon.
    Good,
    /// Every answer is what was true a while ago.
    Lagging,
    /// Every answer is true, and comes late or too late.
    Slow,
    /// Nobody listens.
    Refusing,
    /// Nobody answers.
    Hanging,
    /// What answers is not the authorization server, or wishes it were not.
    Erring,
    /// Any of these, question by question.
    Mixed,
}

/// What an authorization server is like for its whole life.
#[derive(Clone, Debug)]
pub(super) struct Nature {
    /// Which of the two places has the metadata; none if the operator pinned the key set's URL.
    pub(super) metadata_at: Option<usize>,
    pub(super) etags: bool,
    /// What `Cache-Control` says, any of these.
    pub(super) max_ages: Vec<Option<Duration>>,
    /// The longest that an answer takes in good times.
    pub(super) answer: Duration,
    /// How far answers lag in lagging times, at most.
    pub(super) lag: Duration,
    /// Whether it lags in good times too: an oracle that does not notice is blind.
    pub(super) liar: bool,
}

#[derive(Debug)]
pub(super) struct Server {
    clock: SimulatedClock,
    rng: Rng,
    nature: Nature,
    oracle: Arc<Mutex<Oracle>>,
    times: Times,
    /// What was published from when on.
    history: Vec<(Duration, Set)>,
}

/// What comes of one question, and whether it ends the fetch: with a set, or without.
struct Outcome {
    after: Duration,
    reply: Result<Answer, FetchError>,
    ends: Option<Option<(Set, Duration)>>,
}

const DOCUMENTS: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
pub(super) const KEYS_PATH: &str = "/jwks";

impl Server {
    pub(super) fn new(clock: SimulatedClock, rng: Rng, nature: Nature, oracle: Arc<Mutex<Oracle>>) -> Self {
        Self { clock, rng, nature, oracle, times: Times::Good, history: Vec::new() }
    }

    pub(super) fn publish(&mut self, set: Set) {
        let now = self.clock.uptime();
        self.history.push((now, set));
        self.oracle.lock().unwrap().published(now, set);
    }

    pub(super) fn times(&mut self, times: Times) {
        self.times = times;
        self.oracle.lock().unwrap().good(self.clock.uptime(), times == Times::Good);
    }

    /// What was true so long ago.
    fn view(&self, ago: Duration) -> Set {
        let at = self.clock.uptime().saturating_sub(ago);
        let (_, first) = self.history[0];
        self.history.iter().rev().find(|(since, _)| *since <= at).map_or(first, |(_, set)| *set)
    }

    /// Takes a question, and answers it when its time has come.
    pub(super) fn ask(&mut self, question: &Question<'_>) -> Reply {
        self.oracle.lock().unwrap().asked(self.clock.uptime());
        let mut outcome = self.decide(question);
        if outcome.after >= question.within {
            outcome = Outcome { after: question.within, ..broken(FetchError::Timeout) };
        }
        let (clock, oracle) = (self.clock.clone(), Arc::clone(&self.oracle));
        Box::pin(async move {
            clock.sleep(outcome.after).await;
            if let Some(result) = outcome.ends {
                oracle.lock().unwrap().answered(clock.uptime(), result);
            }
            outcome.reply
        })
    }

    fn decide(&mut self, question: &Question<'_>) -> Outcome {
        use Times as T;

        let times = match self.times {
            T::Mixed => {
                self.rng.pick(&[T::Good, T::Lagging, T::Slow, T::Refusing, T::Hanging, T::Erring, T::Erring])
            }
            times => times,
        };
        let soon = self.rng.within(0..millis(self.nature.answer) + 1);
        let lag = self.rng.within(0..millis(self.nature.lag) + 1);
        match times {
            T::Good if self.nature.liar => self.truth(question, soon, Duration::from_secs(7 * 3600)),
            T::Good | T::Mixed => self.truth(question, soon, Duration::ZERO),
            T::Lagging => self.truth(question, soon, lag),
            T::Slow => {
                let late = self.rng.within(0..millis(limits::TOTAL_TIMEOUT) + 500);
                self.truth(question, late, Duration::ZERO)
            }
            T::Refusing => {
                let after =
                    self.rng.pick(&[Duration::ZERO, Duration::from_millis(30), limits::CONNECT_TIMEOUT]);
                Outcome { after, ..broken(FetchError::Connection("refused".to_owned())) }
            }
            T::Hanging => broken(FetchError::Timeout),
            T::Erring => self.error(question.url, soon),
        }
    }

    fn truth(&mut self, question: &Question<'_>, after: Duration, ago: Duration) -> Outcome {
        if let Some(place) = DOCUMENTS.iter().position(|path| *path == question.url.path()) {
            let right = Some(place) == self.nature.metadata_at;
            let reply = if right { metadata() } else { answer(404, "text/html", "<html>") };
            let ends = (!right && place + 1 == DOCUMENTS.len()).then_some(None);
            return Outcome { after, reply: Ok(reply), ends };
        }
        let set = self.view(ago);
        let max_age = self.rng.pick(&self.nature.max_ages);
        let (shortest, longest) = limits::KEYS_REFRESH_BOUNDS.into_inner();
        let holds = max_age.unwrap_or(limits::KEYS_REFRESH).clamp(shortest, longest);
        let etag = self.nature.etags.then(|| format!("\"{set:x}\""));
        let unchanged = etag.is_some() && etag.as_deref() == question.known;
        let mut reply = if unchanged {
            answer(304, "", "")
        } else {
            answer(200, "application/jwk-set+json", &Tokens::get().set(set, self.rng.chance(5)))
        };
        (reply.etag, reply.max_age) = (etag, max_age);
        Outcome { after, reply: Ok(reply), ends: Some(Some((set, holds))) }
    }

    /// An answer of which nothing can be made.
    fn error(&mut self, url: &Url, after: Duration) -> Outcome {
        let json = "application/json";
        let reply = match self.rng.below(10) {
            0 => answer(500, "text/plain", "no"),
            1 | 2 => {
                let mut reply = answer(self.rng.pick(&[429, 503]), "text/plain", "later");
                reply.retry_after = Some(self.rng.within(0..120_000));
                reply
            }
            3 => answer(200, "text/html", "<html>Log in</html>"),
            4 => answer(200, json, r#"{"issuer":"https://as.example","jwks_uri":"https://as.ex"#),
            5 => answer(200, json, r#"{"keys":[]}"#),
            6 => answer(200, json, r#"{"issuer":"https://other.example","keys":[{"kty":"AKP"}]}"#),
            7 => answer(404, json, "{}"),
            8 => {
                return Outcome {
                    after,
                    ..self.ended(url, Err(FetchError::TooLarge(limits::KEY_SET_BYTES)))
                };
            }
            _ => answer(302, "text/html", ""),
        };
        Outcome { after, ..self.ended(url, Ok(reply)) }
    }

    /// After an answer without use, the metadata's other place is asked.
    fn ended(&self, url: &Url, reply: Result<Answer, FetchError>) -> Outcome {
        let another = url.path() == DOCUMENTS[0];
        Outcome { after: Duration::ZERO, reply, ends: (!another).then_some(None) }
    }
}

/// No connection: that ends a fetch whatever was asked.
fn broken(error: FetchError) -> Outcome {
    Outcome { after: Duration::MAX, reply: Err(error), ends: Some(None) }
}

fn answer(status: u16, content_type: &str, body: &str) -> Answer {
    Answer {
        status,
        content_type: Some(content_type.to_owned()),
        etag: None,
        max_age: None,
        retry_after: None,
        date: None,
        rate: None,
        body: body.as_bytes().to_vec(),
    }
}

fn metadata() -> Answer {
    let document = format!(r#"{{"issuer":"{ISSUER}","jwks_uri":"{ISSUER}{KEYS_PATH}"}}"#);
    answer(200, "application/json", &document)
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
