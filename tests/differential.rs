//! Our judgement against an independent one: thousands of made tokens, judged by this crate and by jsonwebtoken as strict
//! as it can be made. What we admit it admits, but for named exceptions; what it admits and we refuse has a named
//! reason. The signatures of both come from one library: what is compared is everything around them.
//!
//! `DIFFERENTIAL_SEED=<seed>` judges one token alone; `DIFFERENTIAL_CASES=<count>` as many as there is patience for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "differential/case.rs"]
mod case;
#[path = "differential/changes.rs"]
mod changes;
#[path = "differential/damage.rs"]
mod damage;
#[path = "differential/exceptions.rs"]
mod exceptions;
#[path = "differential/in_claims.rs"]
mod in_claims;
#[path = "differential/in_header.rs"]
mod in_header;
#[path = "differential/judges.rs"]
mod judges;
#[path = "differential/keys.rs"]
mod keys;
#[path = "differential/reasons.rs"]
mod reasons;
#[path = "differential/rng.rs"]
mod rng;
#[path = "differential/tally.rs"]
mod tally;
#[path = "differential/view.rs"]
mod view;

use std::env;
use std::thread;

use case::{Case, case, quoted};
use exceptions::{Exception, without_excuses};
use judges::{AUDIENCE, ISSUER, Oracle, Ours, PROFILES, Trust, Verdict};
use keys::{By, base64url, keys};
use reasons::{Reason, Scene};
use tally::Tally;
use tower_bearer::{AccessToken, Profile};
use view::View;

const FIRST_SEED: u64 = 0x9068;
const CASES: u64 = 20_000;

/// Says which token it was, should judging it end in a panic.
struct Naming<'a>(&'a Case);

impl Drop for Naming<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let token = String::from_utf8_lossy(&self.0.token);
            eprintln!("DIFFERENTIAL_SEED={}\n{:#?}\n{token:.3000}", self.0.seed, self.0.recipe);
            eprintln!(
                "{:#?}",
                View::of(&self.0.token).map(|view| (view.header.to_string(), view.claims.to_string()))
            );
        }
    }
}

fn judge(seed: u64, ours: &Ours, oracle: &Oracle, tally: &mut Tally) {
    loop {
        let now = jsonwebtoken::get_current_timestamp();
        let case = case(seed, now);
        let _naming = Naming(&case);
        ours.set_time(now * 1000 + case.fraction);
        let oracles = oracle.judge(case.trust, &case.token);
        if jsonwebtoken::get_current_timestamp() != now {
            // The oracle may have judged a second later than we would.
            continue;
        }
        for profile in PROFILES {
            let verdict = ours.judge(case.trust, profile, &case.token);
            let again = ours.judge(case.trust, profile, &case.token);
            assert_eq!((verdict.kind(), verdict.admits()), (again.kind(), again.admits()), "the second time");
            let seen = compare(&case, now, profile, &verdict, oracles.as_ref(), oracle);
            tally.count(profile, &verdict, oracles.is_ok(), seen);
        }
        return;
    }
}

/// Why the two judges differ, if they do.
#[derive(Clone, Copy)]
enum Difference {
    Stricter(Reason),
    Looser(Exception),
}

fn compare(
    case: &Case,
    now: u64,
    profile: Profile,
    verdict: &Verdict,
    oracles: Result<&serde_json::Value, &Vec<String>>,
    oracle: &Oracle,
) -> Option<Difference> {
    if !verdict.admits() && oracles.is_err() {
        return None;
    }
    let view = View::of(&case.token);
    let scene = view.as_ref().map(|view| Scene {
        view,
        by: case.by,
        trust: case.trust,
        profile,
        now: now * 1000 + case.fraction,
    });
    let applies = |reason: &Reason| scene.is_some_and(|scene| reason.applies(scene));
    match (verdict, oracles) {
        (Verdict::Admitted(token), _) => {
            // What the page says that we refuse, we refuse.
            let ignored: Vec<_> = Reason::ALL.iter().filter(|reason| applies(reason)).collect();
            assert!(ignored.is_empty(), "{profile:?} admits in spite of {ignored:?}");
            if let Ok(claims) = oracles {
                assert_same_claims(token, claims);
                return None;
            }
            let scene = scene.expect("an admitted token can be read");
            let excuse = Exception::ALL.into_iter().find(|exception| exception.applies(scene, &case.token));
            let excuse =
                excuse.unwrap_or_else(|| panic!("{profile:?} admits, the oracle refuses: {oracles:?}"));
            let plain = oracle.judge(case.trust, &without_excuses(scene));
            assert!(plain.is_ok(), "{profile:?} admits; {excuse:?} is not why the oracle refuses: {plain:?}");
            Some(Difference::Looser(excuse))
        }
        (Verdict::Refused(kind), Ok(_)) => {
            let mut reasons =
                Reason::ALL.iter().filter(|reason| reason.kinds().contains(kind) && applies(reason));
            let reason =
                reasons.next().unwrap_or_else(|| panic!("{profile:?} refuses without a reason: {kind:?}"));
            Some(Difference::Stricter(*reason))
        }
        (Verdict::Unsendable, Ok(_)) => panic!("the oracle accepts what no header can carry"),
        (Verdict::Refused(_) | Verdict::Unsendable, Err(_)) => None,
    }
}

/// What the inner service is told is what the oracle has read.
fn assert_same_claims(token: &AccessToken, claims: &serde_json::Value) {
    let own: serde_json::Value = serde_json::from_str(token.claims_json()).unwrap();
    assert_eq!(&own, claims);
    assert_eq!(token.issuer(), claims["iss"].as_str().unwrap());
    for (name, value) in claims.as_object().unwrap() {
        assert_eq!(token.string(name).as_deref(), value.as_str(), "{name}");
    }
    let seconds = |millis: i64| millis as f64 / 1000.0;
    let near = |own: i64, claim: &str| (seconds(own) - claims[claim].as_f64().unwrap()).abs() < 0.002;
    assert!(near(token.expires_at().as_millis(), "exp"));
    assert!(token.issued_at().is_none_or(|own| near(own.as_millis(), "iat")));
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap())
}

#[test]
fn what_we_admit_an_independent_judge_admits() {
    if let Some(seed) = number("DIFFERENTIAL_SEED") {
        return judge(seed, &Ours::new(), &Oracle::new(), &mut Tally::default());
    }
    let cases = number("DIFFERENTIAL_CASES").unwrap_or(CASES);
    let half = |part: u64| {
        let (ours, oracle, mut tally) = (Ours::new(), Oracle::new(), Tally::default());
        for seed in (FIRST_SEED..FIRST_SEED + cases).filter(|seed| seed % 2 == part) {
            judge(seed, &ours, &oracle, &mut tally);
        }
        tally
    };
    let tally = thread::scope(|scope| {
        let other = scope.spawn(|| half(1));
        half(0).and(other.join().unwrap())
    });
    println!("{tally}");
    tally.assert_complete(cases);
}

fn sound(by: By, now: u64) -> Vec<u8> {
    let kid = by.kid().map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
    let header = format!(r#"{{"alg":"{}","typ":"at+jwt"{kid}}}"#, by.algorithm());
    let claims = format!(
        r#"{{"iss":{},"aud":{},"sub":"u","client_id":"c","iat":{now},"exp":{},"jti":"j"}}"#,
        quoted(ISSUER),
        quoted(AUDIENCE),
        now + 600
    );
    let input = format!("{}.{}", base64url(header), base64url(claims));
    let signature = base64url(keys().sign(by, input.as_bytes()));
    format!("{input}.{signature}").into_bytes()
}

/// One byte changed anywhere, or left out, is a refusal.
#[test]
fn every_byte_counts() {
    let ours = Ours::new();
    ours.set_time(1_795_000_000_000);
    let mut judged = 0;
    for (trust, by) in [(Trust::KeySet, By::Es256), (Trust::SharedSecret, By::Secret)] {
        let token = sound(by, 1_795_000_000);
        let mut refused = |changed: &[u8], what: &str, at: usize| {
            for profile in PROFILES {
                let verdict = ours.judge(trust, profile, changed);
                let changed = String::from_utf8_lossy(changed);
                assert!(!verdict.admits(), "{by:?} {profile:?}: {what} {at} of\n{changed}");
                judged += 1;
            }
        };
        assert!(PROFILES.iter().all(|profile| ours.judge(trust, *profile, &token).admits()));
        for at in 0..token.len() {
            let near = [token[at] ^ 1, token[at] ^ 0x20, token[at] ^ 0x80, token[at].wrapping_add(1)];
            let ends_a_part = matches!(token.get(at + 1), None | Some(b'.'));
            let every = if ends_a_part { (0..=u8::MAX).collect() } else { Vec::new() };
            for byte in near.into_iter().chain(*b"A_.= ~/").chain(every).filter(|byte| *byte != token[at]) {
                let mut changed = token.clone();
                changed[at] = byte;
                refused(&changed, &format!("{byte:#x} in place of byte"), at);
            }
            let mut shorter = token.clone();
            shorter.remove(at);
            refused(&shorter, "without byte", at);
            refused(&token[..at], "cut before byte", at);
        }
    }
    println!("{judged} changed tokens refused");
    assert!(judged > 10_000);
}

/// ECDSA lets anybody write a signature in a second way (JW-32): both judges admit it, so no token is known by its text.
#[test]
fn a_second_signature_is_no_second_token() {
    let now = jsonwebtoken::get_current_timestamp();
    let token = String::from_utf8(sound(By::Es256, now)).unwrap();
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    damage::negate(&mut signature[32..]);
    let second = format!("{input}.{}", base64url(signature)).into_bytes();
    assert_ne!(second, token.as_bytes());
    let ours = Ours::new();
    ours.set_time(now * 1000);
    assert!(PROFILES.iter().all(|profile| ours.judge(Trust::KeySet, *profile, &second).admits()));
    assert!(Oracle::new().judge(Trust::KeySet, &second).is_ok());
}

/// docs/stricter-than-jsonwebtoken.md keeps step with what is tested.
#[test]
fn the_page_names_every_reason_and_exception() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/stricter-than-jsonwebtoken.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows: Vec<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let reasons = Reason::ALL.iter().map(|reason| reason.name());
    let names: Vec<String> = reasons.chain(Exception::ALL.map(Exception::name)).collect();
    assert_eq!(rows, names, "the rows of the page, in the order of the enums");
    for reason in Reason::ALL {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{reason:?}`"))).unwrap();
        for kind in reason.kinds() {
            assert!(row.contains(&format!("`{kind:?}`")), "{reason:?} is answered with {kind:?}");
        }
    }
}
