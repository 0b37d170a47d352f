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
}

/// Entries are bits.
const A: usize = 1;
const B: usize = 2;

const STATES: usize = 4;

/// `State`: which live part it has, and what lies in bulk. Both are plain memory: only its publication orders them.
struct State {
    live: AtomicUsize,
    bulk: AtomicUsize,
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
}

impl Revocations {
    fn new(flaw: Flaw) -> Arc<Self> {
        let zero = || AtomicUsize::new(0);
        let state = || State { live: zero(), bulk: zero() };
        Arc::new(Self {
            flaw,
            states: [(); STATES].map(|()| state()),
            lives: [(); STATES].map(|()| zero()),
            state: zero(),
            writer: Mutex::new(()),
            made: AtomicUsize::new(1),
            epoch: zero(),
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
        let (live, bulk) = self.clone_of(self.state.load(Acquire));
        let new = self.made.fetch_add(1, Relaxed);
        self.states[new].live.store(live, Relaxed);
        self.states[new].bulk.store(bulk, Relaxed);
        if self.is(Flaw::EpochFirst) {
            self.announce();
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
            How::Fold => {
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
            self.announce();
        }
    }

    fn clone_of(&self, state: usize) -> (usize, usize) {
        (self.states[state].live.load(Relaxed), self.states[state].bulk.load(Relaxed))
    }

    /// `ArcSwap::store`.
    fn store(&self, new: usize) {
        self.state.store(new, if self.is(Flaw::StateRelaxed) { Relaxed } else { Release });
    }

    /// `Revocations::announce`.
    fn announce(&self) {
        self.epoch.fetch_add(1, if self.is(Flaw::EpochRelaxed) { Relaxed } else { Release });
    }

    /// `Revocations::epoch`.
    fn epoch(&self) -> usize {
        self.epoch.load(if self.is(Flaw::EpochReadRelaxed) { Relaxed } else { Acquire })
    }

    /// `Revocations::revokes`: the live part first, then the bulk of the same state.
    fn revokes(&self, entry: usize) -> bool {
        let state = &self.states[self.state.load(Acquire)];
        self.lives[state.live.load(Relaxed)].load(Relaxed) & entry != 0
            || state.bulk.load(Relaxed) & entry != 0
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
