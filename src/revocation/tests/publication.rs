//! How a new state is published, restated step by step and run in every order that the memory model allows.
//!
//! arc-swap, moka and the atomics of `std` cannot be watched by loom, so the steps stand here once more, over loom's
//! atomics. The restatement asks less of them than they give: what `ArcSwap` publishes is a release and an acquire and no
//! more, and moka is ordered by nothing at all. [`the_steps_are_those_of_the_source`] holds it to the source. Each model is
//! run broken too, in each of the ways that would matter, and must notice.

use loom::sync::atomic::{AtomicUsize, Ordering::*};
use loom::sync::{Arc, Mutex};
use loom::thread;

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
    FlawReadFirst,
    /// A flaw is noted after the answer was confirmed.
    FlawLast,
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
        if self.is(Flaw::FlawReadFirst) {
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

fn explore(test: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(test);
}

/// (a) Who reads the epoch and then looks finds all entries of that epoch, wherever they lie by then.
fn an_epoch_has_all_its_entries(flaw: Flaw) {
    explore(move || {
        let known = Revocations::new(flaw);
        let writer = thread::spawn({
            let known = Arc::clone(&known);
            move || {
                known.apply(A, 0, How::Live);
                known.apply(B, 0, How::Fold);
            }
        });
        let epoch = known.epoch();
        assert!(epoch < 1 || known.revokes(A), "A is missing at {epoch}");
        assert!(epoch < 2 || known.revokes(B), "B is missing at {epoch}");
        writer.join().unwrap();
        assert!(known.revokes(A) && known.revokes(B));
    });
}

/// (a) Who has seen an entry sees it again, through folds and through pages that take it back and say it again.
fn what_was_seen_stays(flaw: Flaw) {
    explore(move || {
        let known = Revocations::new(flaw);
        known.apply(A, 0, How::Live);
        let writer = thread::spawn({
            let known = Arc::clone(&known);
            move || {
                known.apply(A, A, How::Live);
                known.apply(B, 0, How::Fold);
            }
        });
        assert!(known.revokes(A) && known.revokes(A));
        writer.join().unwrap();
    });
}

/// (a) Two writers, such as the source's task and one that takes its place: neither undoes what the other did.
fn writers_do_not_undo_each_other(flaw: Flaw) {
    explore(move || {
        let known = Revocations::new(flaw);
        let writer = thread::spawn({
            let known = Arc::clone(&known);
            move || known.apply(A, 0, How::Fold)
        });
        known.apply(B, 0, How::Fold);
        writer.join().unwrap();
        assert!(known.revokes(A) && known.revokes(B) && known.epoch() == 2);
    });
}

/// (b) Whoever is admitted on news that tell of a time has been compared with every entry of that time.
fn freshness_is_of_what_was_looked_at(flaw: Flaw, how: How) {
    explore(move || {
        let known = Revocations::new(flaw);
        let puller = thread::spawn({
            let known = Arc::clone(&known);
            move || {
                known.confirm(1, true);
                if known.is(Flaw::ConfirmedFirst) {
                    known.confirm(2, false);
                }
                known.apply(A, 0, how);
                known.confirm(2, false);
            }
        });
        assert!(known.admits(A).is_none_or(|told| told < 2), "let in on news of an entry that was not seen");
        puller.join().unwrap();
        assert_eq!(known.admits(A), None);
    });
}

/// (b) An answer that comes after one with a flaw lends it no freshness; only a whole state, once it is in force, does.
fn a_flaw_is_seen_until_a_whole_state_is_in_force(flaw: Flaw) {
    explore(move || {
        let known = Revocations::new(flaw);
        known.confirm(1, true);
        let puller = thread::spawn({
            let known = Arc::clone(&known);
            move || {
                // A delta with an entry that was not understood, which is A; the next delta; everything.
                if !known.is(Flaw::FlawLast) {
                    known.flawed.store(1, Release);
                }
                known.confirm(2, false);
                if known.is(Flaw::FlawLast) {
                    known.flawed.store(1, Release);
                }
                if known.is(Flaw::MadeGoodFirst) {
                    known.confirm(3, true);
                }
                known.apply(A, 0, How::Fold);
                known.confirm(3, true);
            }
        });
        assert!(known.admits(A).is_none_or(|told| told < 2), "let in past a flaw");
        puller.join().unwrap();
    });
}

/// (c) A verdict that was kept with an epoch is not used again once `apply` has returned.
fn a_kept_verdict_is_never_used_past_its_epoch(flaw: Flaw, how: How) {
    explore(move || {
        let known = Revocations::new(flaw);
        let returned = Arc::new(AtomicUsize::new(0));
        let writer = thread::spawn({
            let (known, returned) = (Arc::clone(&known), Arc::clone(&returned));
            move || {
                known.apply(A, 0, how);
                returned.store(1, Release);
            }
        });
        let (epoch, live) = if known.is(Flaw::EpochAfterLook) {
            let live = !known.revokes(A);
            (known.epoch(), live)
        } else {
            let epoch = known.epoch();
            (epoch, !known.revokes(A))
        };
        let has_returned = returned.load(Acquire) == 1;
        let used_again = live && known.epoch() == epoch;
        assert!(!(has_returned && used_again), "a stale verdict was used");
        writer.join().unwrap();
        assert!(!(live && known.epoch() == epoch), "a stale verdict would be used for ever");
    });
}

#[test]
fn entries_of_an_epoch_are_there() {
    an_epoch_has_all_its_entries(Flaw::None);
    what_was_seen_stays(Flaw::None);
    writers_do_not_undo_each_other(Flaw::None);
}

#[test]
fn freshness_is_read_before_the_entries_and_written_after_them() {
    freshness_is_of_what_was_looked_at(Flaw::None, How::Live);
    freshness_is_of_what_was_looked_at(Flaw::None, How::Fold);
    a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::None);
}

#[test]
fn kept_verdicts_end_with_their_epoch() {
    a_kept_verdict_is_never_used_past_its_epoch(Flaw::None, How::Live);
    a_kept_verdict_is_never_used_past_its_epoch(Flaw::None, How::Fold);
}

/// A model that is broken in one way, and the words in which it must complain.
macro_rules! notices {
    ($($name:ident: $model:expr, $words:literal;)*) => {
        mod notices {
            use super::*;
            $(#[test] #[should_panic(expected = $words)] fn $name() { $model })*
        }
    };
}

notices! {
    an_epoch_before_its_state: an_epoch_has_all_its_entries(Flaw::EpochFirst), "is missing at";
    an_epoch_without_release: an_epoch_has_all_its_entries(Flaw::EpochRelaxed), "is missing at";
    an_epoch_read_without_acquire: an_epoch_has_all_its_entries(Flaw::EpochReadRelaxed), "is missing at";
    a_state_without_release: what_was_seen_stays(Flaw::StateRelaxed), "revokes(A)";
    a_fold_that_empties_what_others_read: what_was_seen_stays(Flaw::FoldEmptiesLive), "revokes(A)";
    a_fold_that_forgets: an_epoch_has_all_its_entries(Flaw::FoldForgetsLive), "revokes(A)";
    a_fold_that_is_seen_half_done: what_was_seen_stays(Flaw::FoldStoresEarly), "revokes(A)";
    taking_back_before_saying_again: what_was_seen_stays(Flaw::TakeBackFirst), "revokes(A)";
    writers_without_a_lock: writers_do_not_undo_each_other(Flaw::NoLock), "revokes(A)";
    freshness_read_last: freshness_is_of_what_was_looked_at(Flaw::FreshnessLast, How::Live), "let in on news";
    freshness_confirmed_first: freshness_is_of_what_was_looked_at(Flaw::ConfirmedFirst, How::Fold), "let in on news";
    flaws_read_first: a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::FlawReadFirst), "let in past a flaw";
    flaws_noted_last: a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::FlawLast), "let in past a flaw";
    flaws_made_good_first: a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::MadeGoodFirst), "let in past a flaw";
    verdicts_kept_with_a_later_epoch: a_kept_verdict_is_never_used_past_its_epoch(Flaw::EpochAfterLook, How::Live), "a stale verdict";
    verdicts_kept_with_an_early_epoch: a_kept_verdict_is_never_used_past_its_epoch(Flaw::EpochFirst, How::Fold), "a stale verdict";
}

/// The source, and in which order a function of it takes which steps. What it takes besides is not restated.
const STEPS: &[(&str, &str, &[&str])] = &[
    (
        include_str!("../../revocation.rs"),
        "fn apply(",
        &[
            "self.writer.lock()",
            "State::clone(&self.state.load())",
            "writer.apply(&mut state,",
            "self.state.store(",
            "if added",
            "self.announce()",
            "outcome",
        ],
    ),
    (
        include_str!("../../revocation.rs"),
        "fn tidy(",
        &["self.writer.lock()", "State::clone(&self.state.load())", "writer.tidy(", "self.state.store("],
    ),
    (include_str!("../../revocation.rs"), "fn announce(", &["self.epoch.fetch_add(1, Ordering::Release)"]),
    (include_str!("../../revocation.rs"), "fn epoch(", &["self.epoch.load(Ordering::Acquire)"]),
    (include_str!("../../revocation.rs"), "fn revokes(", &["self.state.load().revokes("]),
    (
        include_str!("../writer.rs"),
        "fn apply(",
        &["self.add(state,", "self.take_back(state,", "state.renew("],
    ),
    (include_str!("../identifier.rs"), "fn contains(", &["self.live.contains_key(", "self.bulk"]),
    (
        include_str!("../identifier.rs"),
        "fn add(",
        &["Arc::make_mut(place).fold(", "} else {", "place.live.insert("],
    ),
    (
        include_str!("../identifier.rs"),
        "fn fold(",
        &["self.live_words()", "self.bulk = ", "self.live = no_live()"],
    ),
    (
        include_str!("../export.rs"),
        "fn import(",
        &["self.writer.lock()", "state.renew(", "self.state.store(", "self.announce()"],
    ),
    (
        include_str!("../freshness.rs"),
        "fn confirm_aged(",
        &["self.confirmed.fetch_max(told, Ordering::AcqRel)", "self.flawed.store(0, Ordering::Release)"],
    ),
    (include_str!("../freshness.rs"), "fn flaw(", &["self.flawed.store(1, Ordering::Release)"]),
    (include_str!("../freshness.rs"), "fn age(", &["self.confirmed.load(Ordering::Acquire)"]),
    (
        include_str!("../freshness.rs"),
        "fn state(",
        &["self.age(uptime)", "self.flawed.load(Ordering::Acquire)"],
    ),
    (
        include_str!("../../request/revoked.rs"),
        "fn check(",
        &["source.freshness.suffices(", "source.revokes(", "in_process", "own.revokes("],
    ),
    (include_str!("../../background/pull.rs"), "fn refresh(", &["self.pull().await", "self.confirm("]),
    (
        include_str!("../../background/pull/answer.rs"),
        "fn take_in(",
        &["take_in::take_in(", ".await", "self.note_flaws("],
    ),
];

/// Steps that would break what is restated, wherever they stood.
const NEVER: &[(&str, &str, &str)] = &[
    (include_str!("../identifier.rs"), "fn fold(", "invalidate"),
    (include_str!("../identifier.rs"), "fn renew(", "invalidate"),
    (include_str!("../state.rs"), "fn renew(", "invalidate"),
    (include_str!("../freshness.rs"), "fn state(", "Relaxed"),
];

/// The body of a function, up to the brace that stands under its beginning.
fn body<'a>(source: &'a str, function: &str) -> &'a str {
    let start = source.find(function).unwrap_or_else(|| panic!("no {function}"));
    let line = source[..start].rfind('\n').map_or(0, |end| end + 1);
    let indent = source[line..].len() - source[line..].trim_start().len();
    let close = format!("\n{}}}\n", " ".repeat(indent));
    let end = source[start..].find(&close).unwrap_or_else(|| panic!("{function} does not end"));
    &source[start..start + end]
}

fn takes(body: &str, steps: &[&str]) -> Result<(), String> {
    let mut rest = body;
    for step in steps {
        rest = rest.split_once(step).ok_or_else(|| format!("`{step}` is missing, or comes too early"))?.1;
    }
    Ok(())
}

#[test]
fn the_steps_are_those_of_the_source() {
    for (source, function, steps) in STEPS {
        if let Err(what) = takes(body(source, function), steps) {
            panic!("{function} {what}: restate it above, and see whether the models still hold");
        }
        let reversed: Vec<_> = steps.iter().rev().copied().collect();
        assert!(
            steps.len() < 2 || takes(body(source, function), &reversed).is_err(),
            "{function} says nothing"
        );
    }
    for (source, function, step) in NEVER {
        assert!(!body(source, function).contains(step), "{function} has `{step}`");
    }
}
