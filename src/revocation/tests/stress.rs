//! Readers beside a writer: what is revoked is never again seen live.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

const IDENTIFIERS: usize = 2_000;

/// One page for each identifier, which makes one epoch; the bulk is made anew all the while, for many reasons.
fn write(revocations: &Revocations, round: usize) {
    let exp = LATER;
    let every = |n: usize| entry(&json!({"jti":format!("t-{n}"),"sub":"u","exp":exp,"at":10}));
    let client = |n: usize| entry(&json!({"client_id":format!("c-{n}"),"issued_before":NOW,"exp":exp}));
    let page = |entries: &[Entry]| {
        let time = Duration::from_secs(round as u64);
        let now = Now { wall: UnixTime::from_secs(NOW).plus(time), uptime: time };
        revocations.apply(entries, now.wall, now).unwrap();
        if entries.len() > 1 {
            revocations.tidy(now);
        }
    };
    for n in 0..IDENTIFIERS {
        page(&[if n % 2 == 0 { every(n) } else { client(n) }]);
        // Taken back and said again, in one page and in the order that would be worst; and others that come and go.
        if n % 7 == 0 {
            let (at, old) = (20 + n, n / 14 * 2 % 8);
            page(&[
                entry(&json!({"jti":format!("t-{old}"),"sub":"u","exp":exp,"at":at,"withdrawn":true})),
                entry(&json!({"jti":format!("t-{old}"),"sub":"u","exp":exp,"at":at + 1})),
                entry(&json!({"jti":"noise","exp":exp,"at":n})),
                entry(&json!({"jti":"noise","exp":exp,"at":n + 1,"withdrawn":true})),
                entry(
                    &json!({"client_id":"noise","issued_before":NOW,"exp":exp,"at":n + 1,"withdrawn":true}),
                ),
                entry(&json!({"client_id":"noise","issued_before":NOW,"exp":NOW + 1,"at":n})),
            ]);
        }
    }
}

/// How many have been told at an epoch, which is all that readers go by: one each, and one more after every seventh.
fn told(epoch: u64) -> usize {
    let (rounds, rest) = (epoch / 8, epoch % 8);
    (rounds * 7 + rest.saturating_sub(1).max(rest.min(1))) as usize
}

fn check(checks: u64) {
    let object = |value: Value| Object::parse(value.to_string().into(), 8, 64).unwrap();
    let token = |n: usize| match n % 2 {
        0 => object(json!({"jti":format!("t-{n}"),"sub":"u","client_id":"other"})),
        _ => object(json!({"jti":"other","sub":"u","client_id":format!("c-{n}")})),
    };
    let tokens: Vec<_> = (0..IDENTIFIERS).map(token).collect();
    let live = object(json!({"jti":"live","sub":"u","client_id":"live"}));
    let mut left = checks;
    while left > 0 {
        let revocations = of_sizes(tiny(40, 3));
        let done = AtomicBool::new(false);
        let read = |seed: u64| {
            let (mut random, mut looked) = (seed, 0_u64);
            loop {
                let last = done.load(Ordering::Relaxed) && looked >= checks.min(1_000_000);
                let told = told(revocations.epoch());
                if told > 0 {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let any = (random >> 33) as usize % told;
                    // Those that are taken back and said again, half of the time.
                    let n = if random >> 63 == 0 { any } else { any % 4 * 2 };
                    let n = if n < told { n } else { any };
                    assert!(revocations.revokes(&tokens[n], Some(UnixTime::from_secs(NOW))), "{n} of {told}");
                    looked += 1;
                    if looked.is_multiple_of(16) {
                        assert!(!revocations.revokes(&live, Some(UnixTime::from_secs(NOW))));
                    }
                }
                if last {
                    return looked;
                }
            }
        };
        let looked = std::thread::scope(|scope| {
            let readers = [scope.spawn(|| read(1)), scope.spawn(|| read(2))];
            write(&revocations, 0);
            done.store(true, Ordering::Relaxed);
            readers.map(|reader| reader.join().unwrap()).iter().sum::<u64>()
        });
        left = left.saturating_sub(looked);
    }
}

#[test]
fn what_is_revoked_is_never_again_seen_live() {
    check(50_000);
}

/// `cargo test --release --lib a_hundred_million -- --ignored`
#[test]
#[ignore = "takes a while"]
fn a_hundred_million_checks_see_nothing_revoked_live() {
    check(100_000_000);
}
