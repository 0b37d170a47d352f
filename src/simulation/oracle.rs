//! What must hold in every world. The oracle sees what the authorization server does and what clients get, and nothing of
//! what the code under test thinks.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::bounds::Bounds;
use super::tokens::{KEYS, Set, Token};
use super::trace::{Event, Seen, Tally, Trace};
use crate::limits;

mod clients;

/// An answer that brought or confirmed a key set.
#[derive(Clone, Copy, Debug)]
struct Success {
    /// Which event began the fetch.
    begun: u64,
    set: Set,
}

#[derive(Clone, Copy, Debug)]
struct Fetch {
    begun: u64,
    at: Duration,
}

/// A request that has not been answered.
#[derive(Clone, Copy, Debug)]
struct Request {
    token: Token,
    /// Which event its arrival was.
    arrived: u64,
    at: Duration,
    waits: bool,
}

/// What an issuer's own view of one key is.
#[derive(Clone, Copy, Debug, Default)]
struct Truth {
    published: Option<Duration>,
    withdrawn: Option<Duration>,
    /// How many answers have lacked it since one held it; none before the first that did.
    lacking: Option<u32>,
    /// When a fetch was begun whose answer was the second in succession that lacked it.
    taken_away: Option<Duration>,
    /// When a client rang, or could have, for it, after everything of worse times was over.
    asked: Option<Duration>,
}

#[derive(Debug)]
pub(super) struct Oracle {
    bounds: Bounds,
    pub(super) trace: Trace,
    events: u64,
    truth: [Truth; KEYS],
    good: Option<Duration>,
    fetch: Option<Fetch>,
    /// When the last fetch ended, and how long the next one must wait unless somebody rings.
    pause: Option<(Duration, Duration)>,
    failures: u32,
    /// When the bell caused a fetch last.
    rung: Option<Duration>,
    /// Whether a client has waited since the last fetch ended.
    waited: bool,
    recent: VecDeque<Success>,
    /// The set that is relied on, and until when.
    ring: Option<(Set, Duration)>,
    requests: BTreeMap<usize, Request>,
    pub(super) violation: Option<String>,
    pub(super) tally: Tally,
}

/// Successful answers that are looked back at: a request lives for two seconds.
const RECENT: usize = 64;

impl Oracle {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            trace: Trace::default(),
            events: 0,
            truth: [Truth::default(); KEYS],
            good: None,
            fetch: None,
            pause: None,
            failures: 0,
            rung: None,
            waited: false,
            recent: VecDeque::new(),
            ring: None,
            requests: BTreeMap::new(),
            violation: None,
            tally: Tally::default(),
        }
    }

    fn event(&mut self, now: Duration, event: Event) -> u64 {
        self.trace.add(now, event);
        self.events += 1;
        self.events
    }

    fn demand(&mut self, holds: bool, law: impl FnOnce() -> String) {
        if !holds && self.violation.is_none() {
            self.violation = Some(law());
        }
    }

    // === The authorization server ===

    pub(super) fn published(&mut self, now: Duration, set: Set) {
        self.event(now, Event::Published(set));
        for (key, truth) in self.truth.iter_mut().enumerate() {
            let is = set & (1 << key) != 0;
            if is != truth.published.is_some() {
                truth.asked = None;
                (truth.published, truth.withdrawn) = if is { (Some(now), None) } else { (None, Some(now)) };
            }
        }
    }

    /// From now on every question is answered truthfully and soon, or not.
    pub(super) fn good(&mut self, now: Duration, good: bool) {
        self.event(now, Event::Good(good));
        self.good = good.then(|| self.good.unwrap_or(now));
        if !good {
            self.truth.iter_mut().for_each(|truth| truth.asked = None);
        }
    }

    // === The network ===

    /// A question: the first of a fetch, or one that follows from it.
    pub(super) fn asked(&mut self, now: Duration) {
        let event = self.event(now, Event::Asked);
        if self.fetch.is_some() {
            return;
        }
        self.fetch = Some(Fetch { begun: event, at: now });
        self.tally.count(Seen::Fetches);
        let Some((ended, pause)) = self.pause else { return };
        if now.saturating_sub(ended) < pause {
            self.tally.count(Seen::RungFetches);
            let last = self.rung.replace(now);
            let apart = last.map(|last| now - last);
            self.demand(apart.is_none_or(|apart| apart >= limits::BELL_COOLDOWN), || {
                format!("two fetches that clients caused are {apart:?} apart")
            });
            let waited = self.waited;
            self.demand(waited, || "a fetch that nobody has asked for".to_owned());
        }
    }

    /// A fetch has ended, with a set that holds for so long or without one.
    pub(super) fn answered(&mut self, now: Duration, outcome: Option<(Set, Duration)>) {
        self.event(now, Event::Answered(outcome));
        let Some(fetch) = self.fetch.take() else {
            return self.demand(false, || "an answer that nobody asked for".to_owned());
        };
        // A set is the answer for whoever came before it was asked for; everybody else rings again.
        let unanswered = |request: &Request| outcome.is_none() || request.arrived > fetch.begun;
        self.waited = self.requests.values().any(|request| request.waits && unanswered(request));
        let Some((set, holds)) = outcome else {
            self.tally.count(Seen::Failures);
            let blind = self.ring(now).is_none();
            let longest = if blind { limits::BACKOFF_BLIND } else { limits::BACKOFF_LONGEST };
            let full = limits::BACKOFF_FIRST.saturating_mul(2_u32.saturating_pow(self.failures));
            self.failures = self.failures.saturating_add(1);
            self.pause = Some((now, full.min(longest) / 2));
            return;
        };
        self.failures = 0;
        self.pause = Some((now, holds * 9 / 10));
        self.ring = Some((set, fetch.at + holds + self.bounds.stale_after));
        self.recent.push_back(Success { begun: fetch.begun, set });
        if self.recent.len() > RECENT {
            self.recent.pop_front();
        }
        for (key, truth) in self.truth.iter_mut().enumerate() {
            if set & (1 << key) != 0 {
                truth.lacking = Some(0);
            } else if let Some(lacking) = &mut truth.lacking {
                *lacking += 1;
                if *lacking == 2 {
                    truth.taken_away = Some(fetch.at);
                }
            }
        }
    }

    /// The keys that must be relied on now.
    fn ring(&self, now: Duration) -> Option<Set> {
        self.ring.filter(|(_, until)| now < *until).map(|(set, _)| set)
    }
}
