use std::time::Duration;

use serde_json::{Value, json};

use super::entry::{CLAIMS, EntryRules, IDENTIFIERS};
use super::freshness::Bounds;
use super::room::{Full, Sizes};
use super::*;
use crate::limits;
use crate::names::ClaimName;
use crate::policy::WhenStale;

#[cfg(target_os = "linux")]
mod figures;
mod kept;
mod oracle;
mod publication;
mod stress;

const NOW: i64 = 1_732_200_000;
const LATER: i64 = NOW + 86_400;

fn now() -> Now {
    Now { wall: UnixTime::from_secs(NOW), uptime: Duration::ZERO }
}

fn revocations() -> Revocations {
    of_sizes(Sizes::default())
}

/// Everything goes in bulk after a few entries.
fn tiny(live: usize, taken_back: usize) -> Sizes {
    Sizes { live_identifiers: live, live_cut_offs: live, taken_back, ..Sizes::default() }
}

fn of_sizes(sizes: Sizes) -> Revocations {
    let bounds = Bounds {
        max_staleness: Duration::from_secs(30),
        expires_after: Duration::from_secs(300),
        when_stale: WhenStale::Refuse,
        poll_interval: Duration::from_secs(1),
    };
    Revocations::with_sizes(Freshness::new(bounds), String::new(), sizes)
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
    apply(&revocations, entries).unwrap();
    revocations
}

fn apply(revocations: &Revocations, entries: &[Value]) -> Result<(), NoRoom> {
    revocations.apply(&entries.iter().map(entry).collect::<Vec<_>>(), UnixTime::from_secs(NOW), now())
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

/// Verdicts on a token issued between an issuer's cut-off and a client's, and on one issued after both: live and in
/// bulk, whichever was said first.
fn between_and_after(issuer: i64, client: i64) {
    let entries = [
        json!({"issued_before":issuer,"exp":LATER}),
        json!({"client_id":"app","issued_before":client,"exp":LATER}),
    ];
    let between = json!({"client_id":"app","iat":(issuer + client) / 2});
    let after = json!({"client_id":"app","iat":issuer.max(client) + 1});
    for order in [[0, 1], [1, 0]] {
        for live in [0, 8] {
            let revocations = of_sizes(tiny(live, 0));
            for place in order {
                apply(&revocations, &entries[place..=place]).unwrap();
            }
            assert!(revokes(&revocations, &between) && !revokes(&revocations, &after), "{order:?}");
        }
    }
}

/// The client's cut-off was ignored where the realm's was older.
#[test]
fn cve_2026_18218_an_older_cut_off_of_the_issuer_does_not_hide_a_newer_one_of_the_client() {
    between_and_after(NOW - 100, NOW - 50);
}

/// The realm's cut-off was ignored where the client had one.
#[test]
fn cve_2026_8922_a_cut_off_of_the_client_does_not_hide_that_of_the_issuer() {
    between_and_after(NOW - 50, NOW - 100);
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

/// What full states say again and again is not written down again, also where it was taken back or has no end of its own.
#[test]
fn only_what_changes_something_is_news() {
    let of = |value: Value, later: u64| {
        let mut entry = entry(&value);
        entry.ends = entry.ends.plus(Duration::from_secs(if entry.open_ended { later } else { 0 }));
        entry
    };
    let said = |later| {
        [
            of(json!({"jti":"a","at":NOW - 9}), later),
            of(json!({"jti":"b","at":NOW - 9,"exp":LATER}), later),
            of(json!({"jti":"b","at":NOW - 5,"withdrawn":true}), later),
            of(json!({"sub":"u","issued_before":NOW - 9,"at":NOW - 9}), later),
            of(json!({"sub":"u","issued_before":NOW - 9,"at":NOW - 5,"withdrawn":true}), later),
        ]
    };
    let revocations = revocations();
    assert_eq!(revocations.news(&said(0), now()), said(0));
    revocations.apply(&said(0), UnixTime::from_secs(NOW), now()).unwrap();
    assert_eq!(revocations.news(&said(60), now()), []);
    let again = [of(json!({"jti":"b","at":NOW - 4}), 0)];
    assert_eq!(revocations.news(&again, now()), again);
}
