//! What happened in a world: its last events in words, and all of them in one number.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::tokens::{Set, Token};

#[derive(Clone, Debug, Hash)]
pub(super) enum Event {
    Published(Set),
    Good(bool),
    Asked,
    Answered(Option<(Set, Duration)>),
    Arrived(usize, Token),
    Waits(usize),
    Dropped(usize),
    Told(usize, u16),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Trace {
    last: VecDeque<(Duration, Event)>,
    all: DefaultHasher,
}

const LAST: usize = 80;

impl Trace {
    pub(super) fn add(&mut self, now: Duration, event: Event) {
        (now, &event).hash(&mut self.all);
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back((now, event));
    }

    /// Two runs with the same events have the same.
    pub(super) fn fingerprint(&self) -> u64 {
        self.all.finish()
    }

    pub(super) fn shown(&self) -> String {
        let line = |(at, event): &(Duration, Event)| format!("{:>12.3} s  {event:?}", at.as_secs_f64());
        self.last.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// Things that have to happen somewhere, or all the worlds together show nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Seen {
    Admitted,
    AdmittedAfterWait,
    /// With a key that is withdrawn already, within the bounds.
    WithdrawnAdmitted,
    /// A token that had to be admitted by the propagation bound.
    Demanded,
    GenuineRefused,
    /// For a key that two answers have lacked.
    RefusedAsTakenAway,
    ForgedRefused,
    Pending,
    NoKeys,
    Dropped,
    Fetches,
    RungFetches,
    Failures,
}

impl Seen {
    const ALL: [Self; 13] = [
        Self::Admitted,
        Self::AdmittedAfterWait,
        Self::WithdrawnAdmitted,
        Self::Demanded,
        Self::GenuineRefused,
        Self::RefusedAsTakenAway,
        Self::ForgedRefused,
        Self::Pending,
        Self::NoKeys,
        Self::Dropped,
        Self::Fetches,
        Self::RungFetches,
        Self::Failures,
    ];
}

/// How often each has happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(BTreeMap<Seen, u64>);

impl Tally {
    pub(super) fn count(&mut self, seen: Seen) {
        *self.0.entry(seen).or_default() += 1;
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (seen, times) in &other.0 {
            *self.0.entry(*seen).or_default() += times;
        }
    }

    pub(super) fn times(&self, seen: Seen) -> u64 {
        self.0.get(&seen).copied().unwrap_or_default()
    }

    pub(super) fn never(&self) -> Vec<Seen> {
        Seen::ALL.into_iter().filter(|seen| self.times(*seen) == 0).collect()
    }
}
