//! What must hold in every order, and what each of the flaws does to it.

use loom::thread;

use super::*;

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
                if !known.is(Flaw::TroubleLast) {
                    known.flawed.store(1, Release);
                }
                known.confirm(2, false);
                if known.is(Flaw::TroubleLast) {
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

/// (d) A verdict that is only compared with what was said since it was looked at last is not used again either, once `apply`
/// has returned; and what another source says does not hide it.
fn a_later_look_misses_nothing(flaw: Flaw, how: How) {
    explore(move || {
        let sources = [Revocations::new(flaw), Revocations::new(Flaw::None)];
        sources[1].apply(B, 0, How::Live);
        let returned = Arc::new(AtomicUsize::new(0));
        let writer = thread::spawn({
            let (known, returned) = (Arc::clone(&sources[0]), Arc::clone(&returned));
            move || {
                known.apply(A, 0, how);
                returned.store(1, Release);
                known.apply(B, 0, How::Live);
            }
        });
        // It was looked at before either of them said anything, and then while one of them speaks.
        let mut looked_at = 0;
        for _ in 0..2 {
            let has_returned = returned.load(Acquire) == 1;
            let live = is_live_again([&*sources[0], &*sources[1]], &mut looked_at, A);
            assert!(!(has_returned && live), "a verdict outlived what was said");
        }
        writer.join().unwrap();
        let live = is_live_again([&*sources[0], &*sources[1]], &mut looked_at, A);
        assert!(!live, "a verdict would outlive what was said for ever");
    });
}

#[test]
fn a_look_at_what_was_said_since_misses_nothing() {
    for how in [How::Live, How::Fold, How::Much] {
        a_later_look_misses_nothing(Flaw::None, how);
    }
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
    flaws_read_first: a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::TroubleReadFirst), "let in past a flaw";
    flaws_noted_last: a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::TroubleLast), "let in past a flaw";
    flaws_made_good_first: a_flaw_is_seen_until_a_whole_state_is_in_force(Flaw::MadeGoodFirst), "let in past a flaw";
    verdicts_kept_with_a_later_epoch: a_kept_verdict_is_never_used_past_its_epoch(Flaw::EpochAfterLook, How::Live), "a stale verdict";
    entries_noted_too_early: a_later_look_misses_nothing(Flaw::NotedEarly, How::Live), "a verdict";
    much_that_leaves_no_trace: a_later_look_misses_nothing(Flaw::MuchForgotten, How::Much), "a verdict";
    a_look_that_begins_too_late: a_later_look_misses_nothing(Flaw::SinceReckonedLate, How::Live), "a verdict";
    epochs_before_states_and_looks_at_news: a_later_look_misses_nothing(Flaw::EpochFirst, How::Fold), "a verdict";
    verdicts_kept_with_an_early_epoch: a_kept_verdict_is_never_used_past_its_epoch(Flaw::EpochFirst, How::Fold), "a stale verdict";
}
