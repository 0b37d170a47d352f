//! What clients get, judged.

use std::time::Duration;

use super::super::tokens::{Set, Token};
use super::super::trace::{Event, Seen};
use super::{Oracle, Request};
use crate::limits;

impl Oracle {
    pub(in crate::simulation) fn arrived(&mut self, now: Duration, number: usize, token: Token) {
        let arrived = self.event(now, Event::Arrived(number, token));
        self.requests.insert(number, Request { token, arrived, at: now, waits: false });
    }

    /// The request was not answered when it was polled first.
    pub(in crate::simulation) fn waits(&mut self, now: Duration, number: usize) {
        self.event(now, Event::Waits(number));
        self.waited = true;
        let Some(request) = self.requests.get_mut(&number) else { return };
        request.waits = true;
        let token = request.token;
        let ring = self.ring(now);
        self.demand(ring.is_some(), || format!("{token:?} waits though there are no keys"));
        let known = ring.zip(token.key()).is_some_and(|(ring, key)| ring & (1 << key) != 0);
        self.demand(!known, || format!("{token:?} waits though its key is known"));
        self.note_asked(now, token);
    }

    /// Somebody has gone before the answer came.
    pub(in crate::simulation) fn dropped(&mut self, now: Duration, number: usize) {
        self.event(now, Event::Dropped(number));
        self.requests.remove(&number);
        self.tally.count(Seen::Dropped);
    }

    /// What the client got; `retry` says whether it was told when to come back.
    pub(in crate::simulation) fn told(&mut self, now: Duration, number: usize, status: u16, retry: bool) {
        self.event(now, Event::Told(number, status));
        let Some(request) = self.requests.remove(&number) else { return };
        let Request { token, at, .. } = request;
        self.demand(now - at <= limits::BELL_WAIT, || format!("{token:?} took {:?}", now - at));
        match status {
            200 => self.admitted(now, request),
            401 => self.refused(now, request),
            503 => {
                self.demand(retry, || format!("503 without Retry-After for {token:?}"));
                self.undecided(now, token);
            }
            _ => self.demand(false, || format!("status {status} for {token:?}")),
        }
        self.demand_admission(now, request, status == 200);
        if status != 200 {
            self.note_asked(now, token);
        }
    }

    fn admitted(&mut self, now: Duration, request: Request) {
        self.tally.count(Seen::Admitted);
        if request.waits {
            self.tally.count(Seen::AdmittedAfterWait);
        }
        let token = request.token;
        let Some(key) = token.signed_with() else {
            return self.demand(false, || format!("{token:?} is forged and was admitted"));
        };
        let known = self.ring(now).is_some_and(|ring| ring & (1 << key) != 0);
        self.demand(known, || format!("{token:?} was admitted by a key that the last answer does not have"));
        let truth = self.truth[key];
        if truth.published.is_some() {
            return;
        }
        self.tally.count(Seen::WithdrawnAdmitted);
        let Some(withdrawn) = truth.withdrawn else {
            return self.demand(false, || format!("{token:?} was admitted, its key never published"));
        };
        let over = withdrawn + self.bounds.relied_on_unheard();
        self.demand(now < over, || format!("{token:?} was admitted {:?} after withdrawal", now - withdrawn));
        if let Some(good) = self.good {
            let over = withdrawn.max(good) + self.bounds.refreshed();
            self.demand(now <= over, || {
                format!("{token:?} was admitted {:?} after withdrawal, for all to hear", now - withdrawn)
            });
        }
    }

    /// A 401 needs a proof: of forgery, or of absence by a fetch that began after the token came.
    fn refused(&mut self, now: Duration, request: Request) {
        let token = request.token;
        let ring = self.ring(now);
        self.demand(ring.is_some(), || format!("{token:?} was refused without any keys"));
        match token.signed_with() {
            Some(_) => self.tally.count(Seen::GenuineRefused),
            None => self.tally.count(Seen::ForgedRefused),
        }
        let has = |set: Set, key: Option<usize>| key.is_some_and(|key| set & (1 << key) != 0);
        if matches!(token, Token::Forged { .. }) && ring.is_some_and(|ring| has(ring, token.named())) {
            return;
        }
        let key = token.key();
        let mut since = self.recent.iter().filter(|success| success.begun > request.arrived);
        let proven = since.any(|success| !has(success.set, key));
        let taken_away = token.named().is_some_and(|key| self.is_taken_away(now, key));
        if taken_away && !proven {
            self.tally.count(Seen::RefusedAsTakenAway);
        }
        self.demand(proven || taken_away, || format!("{token:?} was refused without a proof of absence"));
    }

    fn undecided(&mut self, now: Duration, token: Token) {
        match self.ring(now) {
            None => self.tally.count(Seen::NoKeys),
            Some(ring) => {
                self.tally.count(Seen::Pending);
                let known = token.key().is_some_and(|key| ring & (1 << key) != 0);
                self.demand(!known, || format!("503 for {token:?} though its key is known"));
            }
        }
    }

    fn is_taken_away(&self, now: Duration, key: usize) -> bool {
        self.truth[key].taken_away.is_some_and(|at| now - at < limits::KEYS_REFRESH)
    }

    /// Since when its key has been there to be found.
    fn findable(&self, key: usize) -> Option<Duration> {
        Some(self.truth[key].published?.max(self.good?))
    }

    /// A client has asked for a key that is there to be found, with nothing in the way.
    fn note_asked(&mut self, now: Duration, token: Token) {
        let Some(key) = token.signed_with() else { return };
        let Some(since) = self.findable(key) else { return };
        let taken_away = token.has_kid() && self.is_taken_away(now, key);
        if now >= since + self.bounds.settled() && !taken_away {
            self.truth[key].asked.get_or_insert(now);
        }
    }

    /// By the propagation bound, a token whose key is published is admitted.
    fn demand_admission(&mut self, now: Duration, request: Request, admitted: bool) {
        let Request { token, at, .. } = request;
        let Some(key) = token.signed_with() else { return };
        let Some(since) = self.findable(key) else { return };
        let asked = self.truth[key].asked;
        let refreshed = at > since + self.bounds.refreshed();
        let rung = asked.is_some_and(|asked| at > asked + self.bounds.rung());
        if refreshed || rung {
            self.tally.count(Seen::Demanded);
        }
        self.demand(admitted || !refreshed, || {
            format!("{token:?} was not admitted {:?} after its key could be found", now - since)
        });
        self.demand(admitted || !rung, || {
            format!("{token:?} was not admitted {:?} after somebody rang", now - asked.unwrap_or_default())
        });
    }
}
