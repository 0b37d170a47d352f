//! Auth0's Management API as a source: its parts, asked one after the other.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use url::Url;

use super::Surroundings;
use super::ask::{Content, Reply};
use super::source::{ClientCredentials, Parts, Pulled};
use crate::clock::UnixTime;
use crate::limits;
use crate::names::Issuer;
use crate::revocation::stated::Revocation;

#[cfg(fuzzing)]
pub(crate) mod bare;
mod blacklist;
mod call;
mod date;
pub(crate) mod events;
mod grants;
mod known;
mod logs;
mod told;

pub(super) use call::Auth0Error;
use call::Caller;
use events::Events;
pub(super) use events::{Ear, News};
use grants::Of;
use known::{Grant, Known};
use told::Told;

/// What the operator has said, checked.
pub(crate) struct Plan {
    /// `…/api/v2/`.
    pub(crate) api: Url,
    pub(crate) client: ClientCredentials,
    pub(crate) token_endpoint: Url,
    pub(crate) audiences: Box<[String]>,
    pub(crate) parts: Parts,
    pub(crate) max_token_lifetime: Duration,
    pub(crate) max_staleness: Duration,
    /// How long one poll may wait for the tenant's rate limit in all.
    pub(crate) longest_wait: Duration,
}

/// What was learnt outlives the task that asks.
#[derive(Clone)]
pub(crate) struct Follower {
    state: Arc<Mutex<State>>,
    /// What was told may not have been taken in.
    forgotten: Arc<AtomicBool>,
    events: Option<Arc<Events>>,
}

/// With what one poll is made.
pub(super) struct Round<'a> {
    pub(super) issuer: &'a Issuer,
    pub(super) around: &'a Surroundings,
    /// Until one answer must have come.
    pub(super) within: Duration,
}

struct State {
    plan: Plan,
    caller: Caller,
    known: Known,
    events: Option<Arc<Events>>,
    /// The cursor of an earlier process has been looked at.
    resumed: bool,
    told: Told,
    /// What of the log later entries refer to.
    memory: logs::Memory,
    /// What of the blacklist was told, and the uptime since when.
    listed: HashSet<Box<str>>,
    listed_since: Duration,
}

impl Follower {
    pub(crate) fn new(plan: Plan) -> Self {
        let client = plan.client.clone().only_for(plan.api.as_str()).rather_in_body();
        let caller = Caller::new(client, plan.token_endpoint.clone(), plan.longest_wait);
        let events = Events::new(&plan, caller.clone()).map(Arc::new);
        let state = State {
            caller,
            plan,
            known: Known::default(),
            events: events.clone(),
            resumed: false,
            told: Told::default(),
            memory: logs::Memory::default(),
            listed: HashSet::new(),
            listed_since: Duration::ZERO,
        };
        Self { state: Arc::new(Mutex::new(state)), forgotten: Arc::default(), events }
    }

    /// What was told is to be told again.
    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::Relaxed);
    }

    /// For the stream of events, if it is to be read.
    pub(super) fn ear(&self) -> Option<Ear> {
        self.events.as_ref().map(|events| Ear::new(self, events))
    }

    /// From where to go on after all that was told.
    async fn cursor(&self) -> String {
        self.state.lock().await.cursor()
    }

    /// Asks every part. Beside an error stands what could be had of the others: it is in force, and not complete.
    pub(super) async fn pull(&self, cursor: Option<&str>, round: &Round<'_>) -> Reply {
        let mut state = self.state.lock().await;
        let again = self.forgotten.swap(false, Ordering::Relaxed);
        let (pulled, trouble) = state.pull(cursor, again, round).await;
        let content = Content::Pulled(pulled);
        match trouble {
            Some(error) => Reply::Broken { content, error: error.into() },
            None => Reply::Page { content, etag: None },
        }
    }
}

impl State {
    async fn pull(
        &mut self,
        cursor: Option<&str>,
        again: bool,
        round: &Round<'_>,
    ) -> (Pulled, Option<Auth0Error>) {
        if !std::mem::replace(&mut self.resumed, true) {
            self.known = cursor.map(Known::read).unwrap_or_default();
            self.memory.resume(self.known.logs.as_ref());
            if let Some(events) = &self.events {
                events.resume(self.known.events.as_ref());
            }
        }
        let clock = &round.around.clock;
        let now = clock.uptime();
        self.caller.begin(now);
        let whole = cursor.is_none() || again;
        // A listed token ends some time after it was told: it is told again in the middle of that.
        if whole || now.saturating_sub(self.listed_since) >= self.plan.max_token_lifetime / 2 {
            self.listed.clear();
            self.listed_since = now;
        }
        let mut news = Vec::new();
        if again {
            news.extend(self.told.again());
        } else {
            self.told.clear();
        }
        if let Some(events) = &self.events {
            news.extend(events.said(again));
        }
        let mut trouble = None;
        let parts = self.plan.parts;
        if parts.blacklist {
            note(&mut trouble, self.read_blacklist(&mut news, round).await);
        }
        // Before the listings, which forget the grants that the log says the end of.
        if parts.logs && trouble.as_ref().is_none_or(Auth0Error::is_of_one_part) {
            note(&mut trouble, self.follow_logs(&mut news, round).await);
        }
        for of in [Of::Clients, Of::Users] {
            // One part that is refused keeps nothing from the others; a server that does not answer would.
            if parts.lists(of) && trouble.as_ref().is_none_or(Auth0Error::is_of_one_part) {
                note(&mut trouble, self.compare(of, &mut news, round).await);
            }
        }
        let pulled =
            if cursor.is_none() && trouble.is_none() { Pulled::whole(news) } else { Pulled::news(news) };
        let pulled = Pulled { unnamed: self.memory.unnamed, ..pulled.cursor(self.cursor()) };
        (pulled, trouble)
    }

    fn cursor(&mut self) -> String {
        self.known.events = self.events.as_ref().and_then(|events| events.place());
        if let Some(place) = &mut self.known.logs {
            self.memory.keep(place);
        }
        self.known.write()
    }

    /// Says it now, and again if this is lost.
    fn tell(&mut self, ended: Revocation, at: UnixTime, news: &mut Vec<Revocation>) {
        self.told.add((ended.clone(), at), &self.plan.audiences);
        news.push(ended);
    }

    /// Tokens from before this have expired.
    fn oldest_that_matters(&self, now: UnixTime) -> UnixTime {
        now.minus(self.plan.max_token_lifetime.saturating_add(limits::ENTRY_LAG))
    }

    /// Grants that were there and are gone.
    async fn compare(
        &mut self,
        of: Of,
        news: &mut Vec<Revocation>,
        round: &Round<'_>,
    ) -> Result<(), Auth0Error> {
        for audience in &self.plan.audiences {
            let known = self.known.of(of).get(audience);
            let mut listing = grants::list(&mut self.caller, &self.plan.api, of, audience, round).await?;
            let lacks = |grants: &known::Grants| {
                known.is_some_and(|known| known.keys().any(|id| !grants.contains_key(id)))
            };
            if listing.has_pages && lacks(&listing.grants) {
                // Pages move when a grant before them goes. What is in neither of two listings is gone.
                let first = listing.grants;
                listing = grants::list(&mut self.caller, &self.plan.api, of, audience, round).await?;
                listing.grants.extend(first);
            }
            // Everything that was given out before the listing was made has an `iat` up to its second; a second more,
            // since whoever stamps the listing need not be whoever stamps the tokens.
            let at = UnixTime::from_secs(listing.date.as_secs().saturating_add(1));
            let gone = known.into_iter().flatten().filter(|(id, _)| !listing.grants.contains_key(*id));
            for (_, grant) in gone {
                let ended = cut_off(grant, at);
                self.told.add((ended.clone(), at), &self.plan.audiences);
                news.push(ended);
            }
            self.known.of_mut(of).insert(audience.clone(), listing.grants);
        }
        Ok(())
    }
}

impl Parts {
    fn lists(self, of: Of) -> bool {
        match of {
            Of::Clients => self.client_grants,
            Of::Users => self.user_grants,
        }
    }
}

fn note(trouble: &mut Option<Auth0Error>, outcome: Result<(), Auth0Error>) {
    if let Err(error) = outcome {
        trouble.get_or_insert(error);
    }
}

fn cut_off(grant: &Grant, at: UnixTime) -> Revocation {
    let ended = Revocation::cut_off(at).claim("client_id", &grant.client_id).claim("aud", &grant.audience);
    match &grant.user {
        Some(user) => ended.claim("sub", user),
        None => ended,
    }
}
