//! The tenant's stream of events: read beside the polls, and taken in as soon as something is said.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::call::Caller;
use super::told::{Ended, Told, everybody};
use super::{Auth0Error, Follower, Plan};
use crate::background::source::Pulled;
use crate::background::{Background, Surroundings};
use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::limits;
use crate::revocation::stated::Revocation;

#[cfg(fuzzing)]
pub(crate) mod bare;
mod connection;
mod listener;
mod meaning;
mod skim;
pub(crate) mod sse;

use listener::Listener;

/// Its path.
const NAME: &str = "events";

/// From where the stream is to go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Place {
    /// After this offset.
    #[serde(rename = "o")]
    After(String),
    /// From this second on: no offset has come yet.
    #[serde(rename = "t")]
    Since(i64),
}

/// What one message, or the lack of one, has said.
#[derive(Debug, Default)]
struct Heard {
    revocations: Vec<Ended>,
    /// Up to where everything has been said with this.
    place: Option<Place>,
}

/// How the stream is doing.
#[derive(Clone, Debug, Default)]
struct Signs {
    /// The uptime up to which it has told everything.
    told: Option<Duration>,
    /// Why it is not open.
    trouble: Option<Auth0Error>,
}

/// What outlives the task that reads.
pub(super) struct Events {
    url: Url,
    audiences: Box<[String]>,
    max_staleness: Duration,
    caller: Caller,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// Up to where it was taken in.
    place: Option<Place>,
    /// What was said, and may not have been taken in.
    said: Told,
}

impl Events {
    pub(super) fn new(plan: &Plan, caller: Caller) -> Option<Self> {
        let url = plan.api.join(NAME).ok().filter(|_| plan.parts.events)?;
        Some(Self {
            url,
            audiences: plan.audiences.clone(),
            max_staleness: plan.max_staleness,
            caller,
            kept: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where an earlier process has stopped.
    pub(super) fn resume(&self, place: Option<&Place>) {
        self.lock().place = place.cloned();
    }

    pub(super) fn place(&self) -> Option<Place> {
        self.lock().place.clone()
    }

    /// What has been said, where that is to be told again. Otherwise it is in force.
    pub(super) fn said(&self, again: bool) -> Vec<Revocation> {
        let mut kept = self.lock();
        if !again {
            kept.said.clear();
        }
        kept.said.again().collect()
    }

    fn note(&self, heard: &[Heard]) {
        let mut kept = self.lock();
        for Heard { revocations, place } in heard {
            for ended in revocations {
                kept.said.add(ended.clone(), &self.audiences);
            }
            if place.is_some() {
                kept.place.clone_from(place);
            }
        }
    }

    /// All tokens for the audiences that are asked about.
    fn everybody(&self, at: UnixTime) -> Vec<Ended> {
        everybody(&self.audiences, at).collect()
    }
}

/// What was said, and up to when everything was.
pub(in crate::background) struct News {
    pub(in crate::background) pulled: Pulled,
    /// The uptime before which nothing is missing once this is taken in; none before the stream has told anything.
    pub(in crate::background) told: Option<Duration>,
}

/// Where the stream is heard. It is read until this is dropped.
pub(in crate::background) struct Ear {
    follower: Follower,
    events: Arc<Events>,
    from: mpsc::Receiver<Heard>,
    to: mpsc::Sender<Heard>,
    signs: watch::Sender<Signs>,
    reading: Option<Background>,
}

impl Ear {
    pub(super) fn new(follower: &Follower, events: &Arc<Events>) -> Self {
        let (to, from) = mpsc::channel(limits::EVENTS_UNTAKEN);
        let (follower, events, signs) = (follower.clone(), Arc::clone(events), watch::Sender::default());
        Self { follower, events, from, to, signs, reading: None }
    }

    /// Reads from now on, if it does not yet. Where to begin is known only after the first poll. What is handed back waits
    /// until the stream has told something, or why it does not; for so long at most.
    pub(in crate::background) fn start(
        &mut self,
        issuer: &Arc<TrustedIssuer>,
        around: &Surroundings,
        within: Duration,
    ) -> impl Future<Output = Result<(), Auth0Error>> + Send + use<> {
        let (signs, clock) = (self.signs.clone(), Arc::clone(&around.clock));
        self.reading.get_or_insert_with(|| {
            let (to, events) = (self.to.clone(), Arc::clone(&self.events));
            let (issuer, around, own) = (Arc::clone(issuer), around.clone(), signs.clone());
            let listener = move || {
                let (events, issuer) = (Arc::clone(&events), Arc::clone(&issuer));
                Listener::new(events, issuer, around.clone(), to.clone(), own.clone()).run()
            };
            let lost = signs.clone();
            let lost = move |code| {
                let trouble = Auth0Error::Ended { call: NAME, code };
                lost.send_modify(|signs| signs.trouble = Some(trouble));
            };
            let mut reading = Background::default();
            reading.spawn(Arc::clone(&clock), listener, lost);
            reading
        });
        let mut seen = signs.subscribe();
        async move {
            let first = tokio::select! {
                biased;
                first = seen.wait_for(|signs| signs.told.is_some() || signs.trouble.is_some()) => {
                    first.map(|signs| signs.clone()).unwrap_or_default()
                }
                () = clock.sleep(within) => Signs::default(),
            };
            match first {
                Signs { told: Some(_), .. } => Ok(()),
                Signs { trouble, .. } => Err(trouble.unwrap_or(Auth0Error::Unopened { call: NAME })),
            }
        }
    }

    /// Why the stream is not open.
    pub(in crate::background) fn trouble(&self) -> Option<String> {
        self.signs.borrow().trouble.as_ref().map(ToString::to_string)
    }

    /// Waits for `future`, or for something to be said before that. However much is said, `future` goes before it.
    pub(in crate::background) async fn next_before<T>(
        &mut self,
        future: Pin<&mut (impl Future<Output = T> + ?Sized)>,
    ) -> Result<T, News> {
        let first = tokio::select! {
            biased;
            output = future => return Ok(output),
            Some(first) = self.from.recv() => first,
        };
        Err(self.take(vec![first]))
    }

    /// What was said and has not been taken yet.
    pub(in crate::background) fn rest(&mut self) -> News {
        self.take(Vec::new())
    }

    fn take(&mut self, mut heard: Vec<Heard>) -> News {
        // Before the channel is emptied: what was told until then is in it.
        let told = self.signs.borrow().told;
        while heard.len() <= limits::EVENTS_UNTAKEN
            && let Ok(more) = self.from.try_recv()
        {
            heard.push(more);
        }
        self.events.note(&heard);
        let revocations = heard.into_iter().flat_map(|heard| heard.revocations);
        News { pulled: Pulled::news(revocations.map(|(revocation, _)| revocation)), told }
    }

    /// From where to go on after what was taken.
    pub(in crate::background) async fn cursor(&self) -> String {
        self.follower.cursor().await
    }
}

#[cfg(test)]
mod tests;
