//! What looking up, loading and keeping revocations costs, beside what else could hold them.
//!
//! `cargo test --release --lib revocation::tests::figures -- --ignored --nocapture` prints Markdown and writes
//! `target/bench/revocation.json`. Rows of one size take turns, a few thousand look-ups each; figures are medians of
//! thread CPU time. Each look-up waits for the result of the one before it. Timing decides nothing here.

use std::collections::HashSet;
use std::hint::black_box;

use moka::sync::Cache;

use super::super::fingerprint::AsItIs;
use super::super::identifier::Identifiers;
use super::super::words::{Word, Words};
use super::*;

const ROUNDS: usize = 41;
const BATCH: u64 = 8192;

fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let before = cpu();
    let done = black_box(work());
    (done, (cpu() - before).as_secs_f64() * 1e3)
}

/// Bijective, and as good as random.
fn mix(n: u64) -> u64 {
    let n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    n ^ (n >> 31)
}

/// Resident memory, in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"));
    kib.unwrap().trim().parse::<f64>().unwrap() * 1024.0
}

struct Row<'a> {
    name: String,
    bytes: f64,
    load: f64,
    look_up: Box<dyn Fn(u64) -> bool + 'a>,
}

/// Medians in nanoseconds of absent and of present look-ups.
fn measure(rows: &[Row<'_>], count: u64) -> Vec<[f64; 2]> {
    let mut times = vec![[const { Vec::new() }; 2]; rows.len()];
    for round in 0..ROUNDS as u64 {
        for (row, times) in rows.iter().zip(&mut times) {
            for (present, times) in times.iter_mut().enumerate() {
                let (mut found, nothing) = (0, black_box(0));
                let ((), took) = timed(|| {
                    for n in 0..BATCH {
                        let random = mix(round << 32 | n) ^ (found & nothing);
                        let number = if present == 1 { random % count } else { random | 1 << 63 };
                        found = u64::from((row.look_up)(number));
                    }
                });
                assert_eq!(black_box(found), present as u64, "{}", row.name);
                times.push(took * 1e6 / BATCH as f64);
            }
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.into_iter().map(|times| times.map(median)).collect()
}

fn tables(count: u64) -> Vec<Value> {
    let word =
        |n: u64| Word { said_at: NOW - (n % 1_000_000) as i64, ends: (LATER + (n % 80_000) as i64) * 1000 };
    let list: Vec<_> = (0..count).map(|n| (mix(n), word(n))).collect();
    let (words, load) = timed(|| {
        let mut list = list.clone();
        list.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        Words::of(None, |_, _| true, &list, i64::MIN).unwrap()
    });
    let (set, set_load) = timed(|| {
        let mut set = HashSet::<u64, AsItIs>::default();
        set.extend(list.iter().map(|(fingerprint, _)| *fingerprint));
        set
    });
    // A byte of control for each slot; seven of eight slots may be full.
    let slots = (set.capacity() * 8 / 7).next_power_of_two() as f64;
    let mut rows = vec![
        Row {
            name: "none (making the question)".to_owned(),
            bytes: 0.0,
            load: 0.0,
            look_up: Box::new(|n| black_box(mix(n) | 1) != 0 && n >> 63 == 0),
        },
        Row {
            name: "the compact set, with times and ends".to_owned(),
            bytes: words.bytes() as f64 / count as f64,
            load,
            look_up: Box::new(|n| words.contains(mix(n))),
        },
        Row {
            name: "hash set of 64-bit fingerprints, without".to_owned(),
            bytes: slots * 9.0 / count as f64,
            load: set_load,
            look_up: Box::new(|n| set.contains(&mix(n))),
        },
    ];
    if count <= 1_000_000 {
        let before = resident();
        let (live, load) = timed(|| {
            let mut place = Identifiers::new(["jti".into()].into());
            list.iter().for_each(|(fingerprint, word)| place.put_live(*fingerprint, *word));
            place
        });
        let bytes = (resident() - before) / count as f64;
        rows.push(Row {
            name: "moka, contains_key".to_owned(),
            bytes,
            load,
            look_up: Box::new(move |n| live.contains(mix(n))),
        });
        let plain: Cache<u64, (), AsItIs> = Cache::builder().build_with_hasher(AsItIs::default());
        list.iter().for_each(|(fingerprint, _)| plain.insert(*fingerprint, ()));
        rows.push(Row {
            name: "moka, get, no ends".to_owned(),
            bytes: f64::NAN,
            load: f64::NAN,
            look_up: Box::new(move |n| plain.get(&mix(n)).is_some()),
        });
    }
    let times = measure(&rows, count);
    println!(
        "\n{count} entries\n\n| | bytes an entry | load ms | absent ns | present ns |\n|---|---:|---:|---:|---:|"
    );
    rows.iter()
        .zip(times)
        .map(|(row, [absent, present])| {
            println!("| {} | {:.1} | {:.0} | {absent:.1} | {present:.1} |", row.name, row.bytes, row.load);
            json!({"entries":count,"row":row.name,"bytes":row.bytes,"load_ms":row.load,"absent_ns":absent,"present_ns":present})
        })
        .collect()
}

/// Whole verdicts: reading the claims, hashing them and looking them up, in one kind of entry and in five.
fn verdicts(count: u64) -> Vec<Value> {
    let words: Vec<_> = {
        let mut prints: Vec<_> = (0..count).map(mix).collect();
        prints.sort_unstable();
        prints.into_iter().map(|print| (print, Word { said_at: 0, ends: LATER * 1000 })).collect()
    };
    let one = revocations();
    let mut exported = one.export(now());
    exported.identifiers = vec![shape(&["jti"], words)];
    let ((), import) = timed(|| one.import(&exported, now()).unwrap());
    let (_, export) = timed(|| one.export(now()));
    let page = |from: u64, count: u64| -> Vec<_> {
        (from..from + count).map(|n| entry(&json!({"jti":format!("new-{n}"),"exp":LATER}))).collect()
    };
    let page = page(0, limits::LIVE_IDENTIFIERS.max(count as usize / limits::BULK_PER_LIVE) as u64 + 1);
    let ((), fold) = timed(|| one.apply(&page, UnixTime::from_secs(NOW), now()).unwrap());
    drop((page, exported));

    let five = revocations();
    let mut exported = one.export(now());
    exported.identifiers[0].entries.truncate(count as usize);
    let bulk = exported.identifiers[0].entries.clone();
    let (first, rest) = bulk.split_at(bulk.len() / 2);
    let (second, third) = rest.split_at(rest.len() / 2);
    let cut_off = |words: &[(u64, Word)]| {
        let cut_off = |(print, word): &(u64, Word)| {
            (*print, cut_off::CutOff { issued_before: NOW, said_at: NOW, ends: word.ends })
        };
        words.iter().map(cut_off).collect::<Vec<_>>()
    };
    exported.identifiers = vec![shape(&["jti"], first.to_vec()), shape(&["sid"], second.to_vec())];
    let (fourth, fifth) = third.split_at(third.len() / 2);
    exported.cut_offs =
        vec![shape(&["sub"], cut_off(fourth)), shape(&["aud", "client_id", "sub"], cut_off(fifth))];
    five.import(&exported, now()).unwrap();
    five.apply(&[entry(&json!({"issued_before":NOW - 1000,"exp":LATER}))], UnixTime::from_secs(NOW), now())
        .unwrap();
    let token = |n: u64| {
        let id = format!("{:032x}", u128::from(mix(n)) << 64 | u128::from(mix(!n)));
        let claims = json!({
            "iss":"https://tenant.example/","sub":format!("auth0|{id}"),"aud":["https://api.example/","https://tenant.example/userinfo"],
            "iat":NOW,"exp":LATER,"scope":"openid profile email","azp":"client-of-the-application","jti":id,"sid":format!("s-{id}")
        });
        Object::parse(claims.to_string().into(), 8, 64).unwrap()
    };
    let tokens: Vec<_> = (0..50_000).map(token).collect();
    let mut medians = Vec::new();
    let empty = revocations();
    let all = [("nothing revoked", &empty), ("identifiers only", &one), ("five kinds", &five)];
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS {
        for ((_, revocations), times) in all.iter().zip(&mut times) {
            let mut found = 0;
            let ((), took) = timed(|| {
                for n in 0..BATCH as usize {
                    let token = &tokens[(round * BATCH as usize + n + found) % tokens.len()];
                    found += usize::from(revocations.revokes(token, Some(UnixTime::from_secs(NOW))));
                }
            });
            assert_eq!(found, 0);
            times.push(took * 1e6 / BATCH as f64);
        }
    }
    println!(
        "\n{count} entries: import {import:.1} ms, export {export:.1} ms, a page that renews the bulk {fold:.1} ms"
    );
    for ((name, _), times) in all.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!("verdict on a token, {name}: {:.1} ns", times[ROUNDS / 2]);
        medians.push(json!({"entries":count,"verdict":name,"ns":times[ROUNDS / 2],"import_ms":import,"export_ms":export,"fold_ms":fold}));
    }
    medians
}

fn shape<T>(names: &[&str], entries: Vec<(u64, T)>) -> export::ExportedShape<T> {
    export::ExportedShape { names: names.iter().map(|name| Box::from(*name)).collect(), entries }
}

#[test]
#[ignore = "measures"]
fn figures() {
    let mut all = Vec::new();
    for count in [1_000, 10_000, 100_000, 1_000_000, 10_000_000] {
        all.extend(tables(count));
    }
    for count in [1_000, 1_000_000, 8_000_000] {
        all.extend(verdicts(count));
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench");
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(format!("{folder}/revocation.json"), serde_json::to_vec_pretty(&all).unwrap()).unwrap();
}
