//! Where entries are kept, how many, and who hears of them.

use super::super::export::{Exported, ExportedShape, ImportError, Withdrawn};
use super::super::recent::JUMP;
use super::super::words::Word;
use super::*;

fn said(n: usize) -> Value {
    json!({"jti":format!("t-{n}"),"exp":LATER,"at":10})
}

/// The declared state of a declared cap: what came first stays, what comes later is refused, with its number.
#[test]
fn beyond_the_cap_entries_are_refused_and_nothing_in_force_goes() {
    for live in [0, 2, 100] {
        let revocations = of_sizes(Sizes { entries: 5, ..tiny(live, 100) });
        let full = |left_out| Err(NoRoom { left_out, reason: Full::Entries(5) });
        apply(&revocations, &(0..3).map(said).collect::<Vec<_>>()).unwrap();
        let cut_off = json!({"sub":"u","issued_before":NOW,"exp":LATER});
        assert_eq!(
            apply(&revocations, &(0..8).map(said).chain([cut_off.clone()]).collect::<Vec<_>>()),
            full(4)
        );
        let seen = (0..8).filter(|n| revokes(&revocations, &json!({"jti":format!("t-{n}")})));
        assert_eq!(seen.count(), 5);
        assert!((0..3).all(|n| revokes(&revocations, &json!({"jti":format!("t-{n}")}))));
        // What is known may be said again, for longer, and taken back.
        apply(&revocations, &[json!({"jti":"t-1","exp":LATER + 9999,"at":11})]).unwrap();
        apply(&revocations, &[json!({"jti":"t-0","exp":LATER,"at":20,"withdrawn":true})]).unwrap();
        assert!(!revokes(&revocations, &json!({"jti":"t-0"})));
        assert_eq!(apply(&revocations, &[cut_off]), full(1), "a withdrawal takes room too");
        let unknown = json!({"jti":"other","exp":LATER,"at":20,"withdrawn":true});
        assert_eq!(apply(&revocations, &[unknown]), full(1));
    }
}

#[test]
fn an_epoch_is_what_may_revoke_and_nothing_else() {
    for live in [0, 100] {
        let revocations = of_sizes(tiny(live, 0));
        let mut heard = revocations.subscribe();
        let mut epochs = Vec::new();
        let steps = [
            vec![said(1)],
            vec![said(1)],
            vec![json!({"jti":"t-1","exp":LATER,"at":20,"withdrawn":true})],
            vec![said(1)],
            vec![json!({"sub":"u","issued_before":NOW,"exp":LATER})],
            vec![json!({"sub":"u","issued_before":NOW - 1,"exp":LATER})],
            vec![json!({"sub":"u","issued_before":NOW + 1,"exp":LATER})],
            vec![],
        ];
        for step in steps {
            apply(&revocations, &step).unwrap();
            revocations.tidy(now());
            epochs.push(revocations.epoch());
        }
        assert_eq!(epochs, [1, 1, 1, 1, 2, 2, 3, 3], "{live} live");
        assert!(heard.has_changed().unwrap());
        assert_eq!(*heard.borrow_and_update(), 3);
    }
}

#[test]
fn a_kind_whose_entries_are_all_taken_back_is_not_looked_up() {
    for live in [0, 100] {
        let revocations = of_sizes(tiny(live, 0));
        let entries = [said(1), json!({"sub":"u","issued_before":NOW,"exp":LATER,"at":10})];
        apply(&revocations, &entries).unwrap();
        assert_eq!(revocations.count(), (1, 1));
        for mut entry in entries {
            (entry["at"], entry["withdrawn"]) = (json!(20), json!(true));
            apply(&revocations, &[entry]).unwrap();
        }
        assert!(revocations.state.load().is_empty() || live > 0);
        revocations.tidy(now());
        assert!(revocations.state.load().is_empty());
    }
}

#[test]
fn what_has_ended_goes_from_the_bulk_once_it_is_a_good_share() {
    let revocations = of_sizes(tiny(0, 100));
    let entries: Vec<_> = (0..100)
        .flat_map(|n| {
            let exp = if n < 40 { NOW + 100 } else { LATER };
            let cut_off = json!({"sub":format!("u-{n}"),"issued_before":NOW,"exp":exp});
            [json!({"jti":format!("t-{n}"),"exp":exp}), cut_off]
        })
        .collect();
    apply(&revocations, &entries).unwrap();
    let at = |secs| Now { wall: UnixTime::from_secs(NOW + secs), uptime: Duration::from_secs(secs as u64) };
    revocations.tidy(at(105 + 3600));
    assert_eq!(revocations.count(), (100, 100), "the last moment of the tokens, and the lag");
    // Ends of identifiers may be a quarter of an hour late.
    revocations.tidy(at(105 + 3600 + 900));
    assert_eq!(revocations.count(), (60, 60));
    assert!((40..100).all(|n| revokes(&revocations, &json!({"jti":format!("t-{n}")}))));
}

/// Copying hundreds of thousands of cut-offs for each delta would cost as much as taking them in.
#[test]
fn a_delta_copies_no_bulk() {
    let revocations = of_sizes(tiny(4, 100));
    let cut_off = |n: usize| json!({"sub":format!("u-{n}"),"issued_before":NOW,"exp":LATER});
    apply(&revocations, &(0..1000).map(cut_off).collect::<Vec<_>>()).unwrap();
    let bulk = |revocations: &Revocations| revocations.state.load().cut_offs[0].bulk_place();
    let before = bulk(&revocations);
    apply(&revocations, &[cut_off(1000)]).unwrap();
    apply(
        &revocations,
        &[json!({"sub":"u-7","issued_before":NOW,"exp":LATER,"at":NOW + 1,"withdrawn":true})],
    )
    .unwrap();
    assert_eq!(bulk(&revocations), before);
    assert_eq!(revocations.count(), (0, 1000));
}

#[test]
fn a_full_state_that_says_nothing_new_changes_nothing() {
    let revocations = of_sizes(tiny(4, 100));
    let page: Vec<_> = (0..100).map(said).collect();
    apply(&revocations, &page).unwrap();
    let place = |revocations: &Revocations| Arc::as_ptr(&revocations.state.load().identifiers[0]);
    let before = place(&revocations);
    apply(&revocations, &page).unwrap();
    assert_eq!(place(&revocations), before);
}

/// 1 000 cut-offs on one fingerprint that no bulk may hold, and all else that no export is.
#[test]
fn an_import_refuses_what_is_no_export() {
    let source = of_sizes(tiny(2, 100));
    apply(&source, &(0..10).map(said).collect::<Vec<_>>()).unwrap();
    let cut_off = |n: i64| json!({"sub":"u","issued_before":NOW - n,"at":NOW + n,"exp":LATER});
    apply(&source, &(0..3).map(cut_off).collect::<Vec<_>>()).unwrap();
    apply(&source, &[json!({"jti":"x","exp":LATER,"at":20,"withdrawn":true})]).unwrap();
    let good = source.export(now());
    assert_eq!((good.identifiers[0].entries.len(), good.cut_offs[0].entries.len()), (10, 3));

    let mut wrong = Vec::new();
    let mut change = |expected, change: &dyn Fn(&mut Exported)| {
        let mut exported = good.clone();
        change(&mut exported);
        wrong.push((expected, exported));
    };
    change(ImportError::OutOfOrder, &|exported| exported.identifiers[0].entries.swap(0, 1));
    change(ImportError::OutOfOrder, &|exported| {
        let twice = exported.identifiers[0].entries[3];
        exported.identifiers[0].entries.insert(3, twice);
    });
    change(ImportError::OutOfOrder, &|exported| {
        let one = exported.cut_offs[0].entries[0];
        exported.cut_offs[0].entries = vec![one; 9];
    });
    change(ImportError::OutOfOrder, &|exported| exported.cut_offs[0].entries[2].0 = 0);
    change(ImportError::OutOfOrder, &|exported| {
        let twice = exported.withdrawn[0];
        exported.withdrawn.push(Withdrawn { at: 9, ..twice });
    });
    change(ImportError::BadNames, &|exported| exported.identifiers[0].names = [].into());
    change(ImportError::BadNames, &|exported| {
        exported.cut_offs[0].names = ["sub".into(), "aud".into()].into()
    });
    change(ImportError::BadNames, &|exported| exported.cut_offs[0].names = vec!["sub".into(); 9].into());
    change(ImportError::BadNames, &|exported| {
        let twice = exported.identifiers[0].clone();
        exported.identifiers.push(twice);
    });
    change(ImportError::TooMany, &|exported| {
        let shape = |n: usize| ExportedShape { names: [format!("c-{n}").into()].into(), entries: vec![] };
        exported.identifiers.extend((0..limits::ENTRY_SHAPES).map(shape));
    });
    change(ImportError::TooMany, &|exported| {
        let more = (1..100).map(|n| (u64::MAX - 100 + n, Word { said_at: 0, ends: i64::MAX }));
        exported.identifiers[0].entries.extend(more);
    });
    for (expected, exported) in wrong {
        let target = of_sizes(Sizes { entries: 50, ..Sizes::default() });
        assert_eq!(target.import(&exported, now()), Err(expected));
        assert!(target.state.load().is_empty() && target.epoch() == 0);
    }

    let target = of_sizes(Sizes { entries: 14, ..Sizes::default() });
    target.import(&good, now()).unwrap();
    assert_eq!((target.count(), target.epoch()), ((10, 3), JUMP));
    assert_eq!(target.import(&good, now()), Err(ImportError::NotEmpty));
    apply(&target, &[json!({"jti":"x","exp":LATER,"at":19})]).unwrap();
    assert!(revokes(&target, &json!({"jti":"t-3"})) && !revokes(&target, &json!({"jti":"x"})));
    assert!(!format!("{good:?}").contains("key"), "the key is a secret");
}

/// Extreme values are as good as any.
#[test]
fn an_import_takes_any_numbers() {
    let extremes = [i64::MIN, -1, 0, 1, NOW, i64::MAX];
    let word = |said_at, ends| Word { said_at, ends };
    let words = extremes.iter().flat_map(|said_at| extremes.map(|ends| word(*said_at, ends)));
    let mut exported = revocations().export(now());
    let entries: Vec<_> = (0..).zip(words).map(|(n, word)| (n << 58 | n, word)).collect();
    exported.identifiers = vec![ExportedShape { names: ["jti".into()].into(), entries }];
    exported.heard = Some(UnixTime::from_millis(i64::MAX));
    let revocations = revocations();
    revocations.import(&exported, now()).unwrap();
    assert_eq!(revocations.count().0, 6, "the others are over");
    revocations.tidy(Now { wall: UnixTime::from_millis(i64::MAX), uptime: Duration::MAX });
}
