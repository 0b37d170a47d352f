use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::entry::{CLAIMS, EntryRules, IDENTIFIERS};
use super::freshness::Bounds;
use super::room::Full;
use super::*;
use crate::limits;
use crate::names::ClaimName;
use crate::policy::WhenStale;

const NOW: i64 = 1_732_200_000;
const LATER: i64 = NOW + 86_400;

fn now() -> Now {
    Now { wall: UnixTime::from_secs(NOW), uptime: Duration::ZERO }
}

fn revocations() -> Revocations {
    let bounds = Bounds {
        max_staleness: Duration::from_secs(30),
        expires_after: Duration::from_secs(300),
        when_stale: WhenStale::Refuse,
        poll_interval: Duration::from_secs(1),
    };
    Revocations::new(Freshness::new(bounds), String::new())
}

fn entry(value: &Value) -> Entry {
    let rules = EntryRules {
        identifiers: IDENTIFIERS.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect(),
        claims: CLAIMS.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect(),
        max_token_lifetime: Duration::from_secs(86_400),
        leeway: Duration::from_secs(5),
    };
    let object = Object::parse(value.to_string().into(), 8, 64).unwrap();
    Entry::read(&object, &rules, UnixTime::from_secs(NOW)).unwrap()
}

fn applied(entries: &[Value]) -> Revocations {
    let revocations = revocations();
    revocations
        .apply(&entries.iter().map(entry).collect::<Vec<_>>(), UnixTime::from_secs(NOW), now())
        .unwrap();
    revocations
}

fn revokes(revocations: &Revocations, claims: &Value) -> bool {
    let issued_at = claims["iat"].as_i64().map(UnixTime::from_secs);
    revocations.revokes(&Object::parse(claims.to_string().into(), 8, 64).unwrap(), issued_at)
}

#[test]
fn entries_match_the_tokens_they_name() {
    let token =
        json!({"iss":"i","sub":"u","client_id":"app","aud":["api","info"],"jti":"t","sid":"s","iat":NOW});
    let with = |name: &str, value: Value| {
        let mut token = token.clone();
        token[name] = value;
        token
    };
    let without = |name: &str| {
        let mut token = token.clone();
        token.as_object_mut().unwrap().remove(name);
        token
    };
    let table = [
        (json!({"jti":"t","exp":LATER}), token.clone(), true),
        (json!({"jti":"T","exp":LATER}), token.clone(), false),
        (json!({"jti":"t","exp":LATER}), without("jti"), false),
        (json!({"jti":"t","aud":"info","exp":LATER}), token.clone(), true),
        (json!({"jti":"t","aud":"other","exp":LATER}), token.clone(), false),
        (json!({"sid":"s","exp":LATER}), without("iat"), true),
        (json!({"grant_id":"s","exp":LATER}), token.clone(), false),
        // A cut-off hits what was issued up to its second.
        (json!({"sub":"u","issued_before":NOW,"exp":LATER}), token.clone(), true),
        (json!({"sub":"u","issued_before":NOW - 1,"exp":LATER}), token.clone(), false),
        (json!({"sub":"u","issued_before":NOW - 1,"exp":LATER}), without("iat"), true),
        (
            json!({"sub":"u","client_id":"app","aud":"api","issued_before":NOW,"exp":LATER}),
            token.clone(),
            true,
        ),
        (
            json!({"sub":"u","client_id":"app","aud":"api","issued_before":NOW,"exp":LATER}),
            with("sub", json!("v")),
            false,
        ),
        (json!({"azp":"app","issued_before":NOW,"exp":LATER}), token.clone(), true),
        (json!({"client_id":"app","issued_before":NOW,"exp":LATER}), json!({"azp":"app","iat":NOW}), true),
        (json!({"issued_before":NOW,"exp":LATER}), token.clone(), true),
        (json!({"issued_before":NOW - 1,"exp":LATER}), token, false),
    ];
    for (entry, token, expected) in table {
        assert_eq!(revokes(&applied(std::slice::from_ref(&entry)), &token), expected, "{entry} on {token}");
    }
}

/// CVE-2026-18218 and CVE-2026-8922: an older cut-off of one kind hid a newer one of another.
#[test]
fn the_verdict_is_the_union_whatever_the_order() {
    let realm = json!({"issued_before":NOW - 100,"exp":LATER});
    let client = json!({"client_id":"app","issued_before":NOW - 50,"exp":LATER});
    let between = json!({"client_id":"app","iat":NOW - 75});
    let after = json!({"client_id":"app","iat":NOW - 49});
    for entries in [[realm.clone(), client.clone()], [client, realm]] {
        let revocations = applied(&entries);
        assert!(revokes(&revocations, &between) && !revokes(&revocations, &after));
    }
    let (newer, older) = (
        json!({"issued_before":NOW - 50,"exp":LATER}),
        json!({"client_id":"app","issued_before":NOW - 100,"exp":LATER}),
    );
    assert!(revokes(&applied(&[newer.clone(), older.clone()]), &between));
    assert!(revokes(&applied(&[older, newer]), &between));
}

#[test]
fn an_earlier_cut_off_never_replaces_a_later_one() {
    let at = |time: i64| json!({"sub":"u","issued_before":time,"exp":LATER});
    let token = json!({"sub":"u","iat":NOW - 5});
    assert!(revokes(&applied(&[at(NOW), at(NOW - 100)]), &token));
    assert!(revokes(&applied(&[at(NOW - 100), at(NOW)]), &token));
}

#[test]
fn withdrawing_takes_back_what_was_said_before_and_nothing_else() {
    let said = |at: i64| json!({"jti":"t","exp":LATER,"at":at});
    let taken_back = |at: i64| json!({"jti":"t","exp":LATER,"at":at,"withdrawn":true});
    let token = json!({"jti":"t","iat":NOW});
    let table = [
        (vec![said(10), taken_back(20)], false),
        (vec![taken_back(20), said(10)], false),
        (vec![said(20), taken_back(20)], true),
        (vec![taken_back(20), said(20)], true),
        (vec![said(10), taken_back(20), said(30)], true),
        (vec![said(30), taken_back(20), said(10)], true),
        (vec![json!({"jti":"t","exp":LATER}), taken_back(20)], false),
        (vec![json!({"jti":"t","issued_before":NOW,"exp":LATER,"at":10}), taken_back(20)], true),
    ];
    for (entries, expected) in table {
        assert_eq!(revokes(&applied(&entries), &token), expected, "{entries:?}");
    }
}

/// Law 6: a full cache with a capacity would have dropped them.
#[test]
fn no_number_of_entries_makes_one_forgotten() {
    let entries: Vec<_> = (0..20_000).map(|n| json!({"jti":format!("t-{n}"),"exp":LATER})).collect();
    let revocations = applied(&entries);
    revocations.tidy(now());
    for n in 0..20_000 {
        assert!(revokes(&revocations, &json!({"jti":format!("t-{n}")})), "t-{n}");
    }
    assert_eq!(revocations.count(), (20_000, 0));
}

#[test]
fn entries_end_after_their_tokens_and_not_before() {
    let revocations = applied(&[json!({"sub":"u","issued_before":NOW,"exp":NOW + 100})]);
    let token = json!({"sub":"u","iat":NOW});
    let end = Duration::from_secs(105) + limits::ENTRY_LAG;
    let at = |uptime: Duration| Now { wall: UnixTime::from_secs(NOW).plus(uptime), uptime };
    revocations.tidy(at(end));
    assert!(revokes(&revocations, &token));
    revocations.tidy(at(end + Duration::from_millis(1)));
    assert_eq!((revokes(&revocations, &token), revocations.count()), (false, (0, 0)));
}

#[test]
fn a_clock_that_jumps_ahead_drops_nothing() {
    let revocations = applied(&[json!({"sub":"u","issued_before":NOW,"exp":NOW + 100})]);
    revocations.tidy(Now { wall: UnixTime::from_secs(NOW + 1_000_000), uptime: Duration::from_secs(1) });
    assert!(revokes(&revocations, &json!({"sub":"u","iat":NOW})));
}

#[test]
fn too_many_kinds_of_entries_are_said_aloud() {
    let one = entry(&json!({"sub":"x","issued_before":NOW,"exp":LATER}));
    let named = |n: usize| vec![(format!("claim-{n}").into(), "x".into())];
    let entries: Vec<_> =
        (0..=limits::ENTRY_SHAPES).map(|n| Entry { claims: named(n), ..one.clone() }).collect();
    assert_eq!(
        revocations().apply(&entries, UnixTime::from_secs(NOW), now()),
        Err(NoRoom { left_out: 1, reason: Full::Shapes })
    );
}

#[test]
fn a_token_with_more_audiences_than_anybody_issues_is_not_let_through() {
    let revocations = applied(&[json!({"aud":"nobody","issued_before":NOW,"exp":LATER})]);
    let audiences = |n: usize| json!({"aud":(0..n).map(|n| n.to_string()).collect::<Vec<_>>(),"iat":NOW});
    assert!(!revokes(&revocations, &audiences(limits::SHAPE_LOOKUPS - 1)));
    assert!(revokes(&revocations, &audiences(limits::SHAPE_LOOKUPS)));
}

/// The plain reading of the specification, entry by entry.
fn oracle(entries: &[Value], token: &Value) -> bool {
    let conjunction = |entry: &Value| -> BTreeMap<String, Value> {
        let words = ["issued_before", "exp", "at", "withdrawn"];
        let members = entry.as_object().unwrap().iter().filter(|(name, _)| !words.contains(&name.as_str()));
        members.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let said_at =
        |entry: &Value| entry["at"].as_i64().or_else(|| entry["issued_before"].as_i64()).unwrap_or(0);
    let is_withdrawal = |entry: &Value| entry["withdrawn"] == json!(true);
    let same = |a: &Value, b: &Value| {
        conjunction(a) == conjunction(b) && a["issued_before"].is_null() == b["issued_before"].is_null()
    };
    entries.iter().filter(|entry| !is_withdrawal(entry)).any(|entry| {
        let withdrawn = entries
            .iter()
            .any(|other| is_withdrawal(other) && same(entry, other) && said_at(entry) < said_at(other));
        let matches = conjunction(entry).iter().all(|(name, value)| match &token[name] {
            Value::Array(items) => items.contains(value),
            own => own == value,
        });
        let in_time = match (entry["issued_before"].as_i64(), token["iat"].as_i64()) {
            (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
            _ => true,
        };
        !withdrawn && matches && in_time
    })
}

fn any_entry() -> impl Strategy<Value = Value> {
    let claim =
        |name: &'static str| proptest::option::weighted(0.4, 0..3_u8).prop_map(move |value| (name, value));
    let claims = (claim("jti"), claim("sid"), claim("sub"), claim("client_id"), claim("aud"));
    let times =
        (proptest::option::of(0..4_i64), proptest::option::of(0..4_i64), proptest::bool::weighted(0.3));
    (claims, times).prop_filter_map("an entry that matches nothing by itself", |(claims, times)| {
        let (jti, sid, sub, client, aud) = claims;
        let (issued_before, at, withdrawn) = times;
        let mut entry = json!({"exp": LATER});
        for (name, value) in [jti, sid, sub, client, aud] {
            if let Some(value) = value {
                entry[name] = json!(value.to_string());
            }
        }
        if let Some(cut_off) = issued_before {
            entry["issued_before"] = json!(NOW - cut_off);
        } else if entry["jti"].is_null() && entry["sid"].is_null() {
            return None;
        }
        if let Some(at) = at {
            entry["at"] = json!(NOW - at);
            entry["withdrawn"] = json!(withdrawn);
        }
        Some(entry)
    })
}

fn any_token() -> impl Strategy<Value = Value> {
    let value = || proptest::option::weighted(0.8, 0..3_u8);
    (value(), value(), value(), value(), prop::collection::vec(0..3_u8, 0..3), proptest::option::of(0..5_i64))
        .prop_map(|(jti, sid, sub, client, aud, issued)| {
            let mut token = json!({"aud": aud.iter().map(u8::to_string).collect::<Vec<_>>()});
            for (name, value) in [("jti", jti), ("sid", sid), ("sub", sub), ("client_id", client)] {
                if let Some(value) = value {
                    token[name] = json!(value.to_string());
                }
            }
            if let Some(issued) = issued {
                token["iat"] = json!(NOW - issued);
            }
            token
        })
}

proptest! {
    #[test]
    fn agrees_with_the_plain_reading(
        entries in prop::collection::vec(any_entry(), 0..12),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
        tokens in prop::collection::vec(any_token(), 1..8),
        pages in 1..5_usize,
    ) {
        // In any order, with repetitions, in pages of any size.
        let mut told: Vec<_> = entries.iter().map(entry).collect();
        if !entries.is_empty() {
            for index in order {
                let place = index.index(entries.len());
                told.insert(place, entry(&entries[entries.len() - 1 - place]));
            }
        }
        let revocations = revocations();
        for page in told.chunks(pages) {
            revocations.apply(page, UnixTime::from_secs(NOW), now()).unwrap();
            revocations.tidy(now());
        }
        for token in &tokens {
            prop_assert_eq!(revokes(&revocations, token), oracle(&entries, token), "{} by {:?}", token, entries);
        }
    }
}

/// The wall clock of a machine that starts six hours ahead, and is set right later: nothing in force was dropped.
#[test]
fn a_wrong_clock_at_the_start_drops_nothing() {
    let revocations = revocations();
    let entries = [
        entry(&json!({"jti":"t","exp":NOW + 3600})),
        entry(&json!({"sub":"u","issued_before":NOW,"exp":NOW + 3600})),
    ];
    let ahead = Now { wall: UnixTime::from_secs(NOW + 6 * 3600), uptime: Duration::ZERO };
    revocations.apply(&entries, UnixTime::from_secs(NOW), ahead).unwrap();
    revocations.tidy(ahead);
    assert!(revokes(&revocations, &json!({"jti":"t","iat":NOW})));
    assert!(revokes(&revocations, &json!({"sub":"u","iat":NOW})));
}

/// A shape whose last claim the token lacks is decided at once, however many values the others have.
#[test]
fn looking_a_token_up_is_bounded() {
    let revocations =
        applied(&[json!({"aud":"a","org_id":"o","tid":"t","sub":"s","issued_before":NOW,"exp":LATER})]);
    let many: Vec<_> = (0..1000).map(|n| n.to_string()).collect();
    assert!(!revokes(&revocations, &json!({"aud":many,"org_id":many,"tid":many,"iat":NOW})));
    assert!(
        revokes(&revocations, &json!({"aud":many,"org_id":many,"tid":many,"sub":"s","iat":NOW})),
        "not unchecked"
    );
}

#[test]
fn many_cut_offs_on_the_same_claims_become_one_that_covers_them() {
    let entries: Vec<_> =
        (0..100).map(|n| json!({"sub":"u","issued_before":NOW - n,"at":NOW - 100 + n,"exp":LATER})).collect();
    let revocations = applied(&entries);
    assert!(revocations.count().1 <= limits::CUT_OFFS_APART as u64);
    assert!(
        revokes(&revocations, &json!({"sub":"u","iat":NOW}))
            && !revokes(&revocations, &json!({"sub":"u","iat":NOW + 1}))
    );
}
