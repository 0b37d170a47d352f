//! How a new state is published, restated step by step and run in every order that the memory model allows.
//!
//! arc-swap, moka and the atomics of `std` cannot be watched by loom, so the steps stand here once more, over loom's
//! atomics. The restatement asks less of them than they give: what `ArcSwap` publishes is a release and an acquire and no
//! more, and moka is ordered by nothing at all. `steps` holds it to the source. Each model is
//! run broken too, in each of the ways that would matter, and must notice.

use loom::sync::atomic::{AtomicUsize, Ordering::*};
use loom::sync::{Arc, Mutex};

mod explored;
mod steps;

/// One way of doing it wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// As in the source.
    None,
    /// `announce` before the state is stored.
    EpochFirst,
    /// The epoch grows without a release.
    EpochRelaxed,
    /// The epoch is read without an acquire.
    EpochReadRelaxed,
    /// The state is stored without a release.
    StateRelaxed,
    /// A fold empties the live part that earlier states share, instead of starting another one.
    FoldEmptiesLive,
    /// A fold leaves out what was live.
    FoldForgetsLive,
    /// A new state can be seen before all is in it.
    FoldStoresEarly,
    /// What a page takes back goes before what it says.
    TakeBackFirst,
    /// Nobody waits for the other writer.
    NoLock,
    /// Readers look before they ask how fresh it is.
    FreshnessLast,
    /// An answer counts as complete before its entries are in force.
    ConfirmedFirst,
    /// Readers ask for flaws before they ask for the age.
    TroubleReadFirst,
    /// A flaw is noted after the answer was confirmed.
    TroubleLast,
    /// A whole state makes good for a flaw before its entries are in force.
    MadeGoodFirst,
    /// The epoch of a kept verdict is read after the look.
    EpochAfterLook,
    /// What was said is noted with the epoch that it came after.
    NotedEarly,
    /// What is too much to be noted leaves no trace.
    MuchForgotten,
    /// Since when a source is to be asked is reckoned back from an epoch that may be later than the one that was compared.
    SinceReckonedLate,
}

/// Entries are bits.
const A: usize = 1;
const B: usize = 2;

const STATES: usize = 4;

/// `State`: which live part it has, what lies in bulk, and what is `Recent`. All of it is plain memory: only its publication
/// orders it.
struct State {
    live: AtomicUsize,
    bulk: AtomicUsize,
    since: AtomicUsize,
    /// Two bits for each epoch.
    said: AtomicUsize,
}

/// `Revocations`, with its `Writer` and `Freshness`.
struct Revocations {
    flaw: Flaw,
    states: [State; STATES],
    /// The contents of moka's caches.
    lives: [AtomicUsize; STATES],
    /// `Revocations::state`.
    state: AtomicUsize,
    /// `Revocations::writer`, and how many states have been made.
    writer: Mutex<()>,
    made: AtomicUsize,
    /// `Revocations::epoch`.
    epoch: AtomicUsize,
    /// The same, as the writer reads it under its lock: a load of its own there would hide the readers' loads from loom.
    announced: std::sync::atomic::AtomicUsize,
    /// `Freshness::confirmed`.
    confirmed: AtomicUsize,
    /// `Freshness::flawed`.
    flawed: AtomicUsize,
}

/// How entries are added.
#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    /// To the shared live part.
    Live,
    /// In bulk, with all that was live.
    Fold,
    /// The same, and more than is noted one by one.
    Much,
}

/// `recent::JUMP`.
const JUMP: usize = 8;

impl Revocations {
    fn new(flaw: Flaw) -> Arc<Self> {
        let zero = || AtomicUsize::new(0);
        let state = || State { live: zero(), bulk: zero(), since: zero(), said: zero() };
        Arc::new(Self {
            flaw,
            states: [(); STATES].map(|()| state()),
            lives: [(); STATES].map(|()| zero()),
            state: zero(),
            writer: Mutex::new(()),
            made: AtomicUsize::new(1),
            epoch: zero(),
            announced: std::sync::atomic::AtomicUsize::new(0),
            confirmed: zero(),
            flawed: zero(),
        })
    }

    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    /// `Revocations::apply`, of a page that says `said` and takes back what was said of `taken_back` before.
    fn apply(&self, said: usize, taken_back: usize, how: How) {
        let _writer = (!self.is(Flaw::NoLock)).then(|| self.writer.lock().unwrap());
        // `State::clone`.
        let new = self.made.fetch_add(1, Relaxed);
        let (live, bulk) = self.clone_to(new);
        let steps = self.note(new, said, how);
        if self.is(Flaw::EpochFirst) {
            self.announce(steps);
        }
        if self.is(Flaw::FoldStoresEarly) {
            self.store(new);
        }
        // What is said again after it was taken back is not taken back: `Identifiers::take_back` finds a later word.
        let gone = taken_back & !said;
        if self.is(Flaw::TakeBackFirst) {
            self.lives[live].fetch_and(!taken_back, Relaxed);
        }
        match how {
            // `Identifiers::add`.
            How::Live => {
                self.lives[live].fetch_or(said, Relaxed);
            }
            // `Identifiers::fold`.
            How::Fold | How::Much => {
                let was = if self.is(Flaw::FoldForgetsLive) { 0 } else { self.lives[live].load(Relaxed) };
                self.states[new].bulk.store(bulk | was | said, Relaxed);
                if self.is(Flaw::FoldEmptiesLive) {
                    self.lives[live].store(0, Relaxed);
                } else {
                    self.states[new].live.store(new, Relaxed);
                }
            }
        }
        if gone != 0 {
            self.lives[self.states[new].live.load(Relaxed)].fetch_and(!gone, Relaxed);
        }
        self.store(new);
        if !self.is(Flaw::EpochFirst) {
            self.announce(steps);
        }
    }

    fn clone_to(&self, new: usize) -> (usize, usize) {
        let (old, new) = (&self.states[self.state.load(Acquire)], &self.states[new]);
        for (from, to) in [(&old.live, &new.live), (&old.bulk, &new.bulk)] {
            to.store(from.load(Relaxed), Relaxed);
        }
        for (from, to) in [(&old.since, &new.since), (&old.said, &new.said)] {
            to.store(from.load(Relaxed), Relaxed);
        }
        (new.live.load(Relaxed), new.bulk.load(Relaxed))
    }

    /// `State::note`: by how much the epoch moves.
    fn note(&self, new: usize, said: usize, how: How) -> usize {
        let (state, epoch) = (&self.states[new], self.announced.load(Relaxed));
        if how == How::Much {
            if !self.is(Flaw::MuchForgotten) {
                state.since.store(epoch + 1, Relaxed);
            }
            state.said.store(0, Relaxed);
            return JUMP;
        }
        let noted = if self.is(Flaw::NotedEarly) { epoch } else { epoch + 1 };
        state.said.fetch_or(said << (2 * noted), Relaxed);
        1
    }

    /// `ArcSwap::store`.
    fn store(&self, new: usize) {
        self.state.store(new, if self.is(Flaw::StateRelaxed) { Relaxed } else { Release });
    }

    /// `Revocations::announce`.
    fn announce(&self, steps: usize) {
        self.announced.fetch_add(steps, Relaxed);
        self.epoch.fetch_add(steps, if self.is(Flaw::EpochRelaxed) { Relaxed } else { Release });
    }

    /// `Revocations::epoch`.
    fn epoch(&self) -> usize {
        self.epoch.load(if self.is(Flaw::EpochReadRelaxed) { Relaxed } else { Acquire })
    }

    /// `Revocations::revokes`: the live part first, then the bulk of the same state.
    fn revokes(&self, entry: usize) -> bool {
        self.is_in(&self.states[self.state.load(Acquire)], entry)
    }

    fn is_in(&self, state: &State, entry: usize) -> bool {
        self.lives[state.live.load(Relaxed)].load(Relaxed) & entry != 0
            || state.bulk.load(Relaxed) & entry != 0
    }

    /// `Revocations::revokes_since`.
    fn revokes_since(&self, epoch: usize, entry: usize) -> bool {
        if self.epoch() <= epoch {
            return false;
        }
        let state = &self.states[self.state.load(Acquire)];
        let said = state.said.load(Relaxed) >> (2 * (epoch + 1));
        let may_concern =
            epoch < state.since.load(Relaxed) || (0..16).any(|later| said >> (2 * later) & entry != 0);
        may_concern && self.is_in(state, entry)
    }

    /// `Freshness::confirm_aged`.
    fn confirm(&self, told: usize, whole: bool) {
        self.confirmed.fetch_max(told, AcqRel);
        if whole {
            self.flawed.store(0, Release);
        }
    }

    /// `Freshness::state`: of what time our news tell, and whether all of it was understood.
    fn fresh(&self) -> (usize, bool) {
        if self.is(Flaw::TroubleReadFirst) {
            let understood = self.flawed.load(Acquire) == 0;
            return (self.confirmed.load(Acquire), understood);
        }
        (self.confirmed.load(Acquire), self.flawed.load(Acquire) == 0)
    }

    /// `request::revoked::check`: of what time the news told on which it was admitted; none where it was refused.
    fn admits(&self, entry: usize) -> Option<usize> {
        let early = (!self.is(Flaw::FreshnessLast)).then(|| self.fresh());
        let revoked = self.revokes(entry);
        let (told, understood) = early.unwrap_or_else(|| self.fresh());
        (!revoked && understood).then_some(told)
    }
}

/// `request::revoked::look`, of a verdict that was looked at before: whether it is live.
fn is_live_again(sources: [&Revocations; 2], looked_at: &mut usize, entry: usize) -> bool {
    let epoch = sources[0].epoch() + sources[1].epoch();
    if *looked_at == epoch {
        return true;
    }
    let since = |own: usize| match sources[own].flaw {
        Flaw::SinceReckonedLate => sources[own].epoch().saturating_sub(epoch - *looked_at),
        _ => looked_at.saturating_sub(sources[1 - own].epoch()),
    };
    if (0..2).any(|own| sources[own].revokes_since(since(own), entry)) {
        return false;
    }
    *looked_at = epoch;
    true
}
