//! What the same request costs through tower-bearer and through what else there is: the same token, the same inner
//! service, one process, by the rules of `benches/harness/measure.rs`.
//!
//! `benches/run peers`, or from the root of the repository
//! `cargo run --release --locked --manifest-path benches/peers/Cargo.toml --target-dir target/peers`. It prints Markdown and
//! writes `target/bench/peers.json`. Every stack must admit the good token and refuse five bad ones before it is measured;
//! `--check` does only that, and fails where one does not.

#![allow(clippy::disallowed_methods, reason = "a bench, and what others do")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::process::ExitCode;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::service_fn;
use tower::util::ServiceFn;
use tower_bearer::Algorithm;

#[path = "../../harness/auth0.rs"]
mod auth0;
#[path = "../../harness/measure.rs"]
mod measure;
#[path = "../../harness/poll.rs"]
mod poll;
mod stacks;
mod world;
use measure::{Bench, Figures, measure, write_json};
pub(crate) use poll::poll_once;
use stacks::Stack;
use world::World;

const ALGORITHMS: [Algorithm; 4] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256];

/// Tokens that come once before any of them comes again, as in `hot_path`.
const FRESH: usize = 128;
/// Too small for that many verdicts.
const SMALL: usize = 64 * 1024;
const LARGE: usize = 32 << 20;

/// The rows that others are compared with.
const BARE: usize = 0;
const BY_HAND: usize = 1;
const OURS: usize = 2;

pub(crate) type Answer = Ready<Result<Response, Infallible>>;
pub(crate) type Inner = ServiceFn<fn(Request) -> Answer>;

pub(crate) fn inner() -> Inner {
    let answer: fn(Request) -> Answer = |request| {
        black_box(&request);
        ready(Ok(Response::new(Body::empty())))
    };
    service_fn(answer)
}

/// All that know the algorithm, and why the others do not.
async fn stacks(
    world: &World,
    algorithm: Algorithm,
    cache: usize,
) -> (Vec<Stack>, Vec<(&'static str, String)>) {
    let mut all = vec![
        stacks::bare(),
        stacks::by_hand(world, algorithm),
        stacks::tower_bearer("tower-bearer", world, algorithm, cache).await,
        stacks::tower_bearer("tower-bearer, cache off", world, algorithm, 0).await,
        stacks::jwt_authorizer(world, algorithm).await,
        stacks::tower_oauth2(world, algorithm, false).await,
        stacks::tower_oauth2(world, algorithm, true).await,
        stacks::axum_jwt_auth(world, algorithm),
    ];
    let mut without = Vec::new();
    match algorithm {
        Algorithm::HS256 => {
            without.push(("oauth-resource-server 0.4", "takes no HMAC, by design".to_owned()))
        }
        _ => all.push(stacks::oauth_resource_server(world, algorithm).await),
    }
    match algorithm {
        Algorithm::EdDSA => without.push(("aliri_tower 0.6", "has no EdDSA".to_owned())),
        _ => all.push(stacks::aliri(world, algorithm)),
    }
    (all, without)
}

/// The words on what is wrong with it.
fn check(stack: &mut Stack, world: &World, algorithm: Algorithm) -> Result<(), String> {
    let good = (stack.ask)(&world.good(algorithm, 0));
    if good != StatusCode::OK {
        return Err(format!("answers a good token with {good}"));
    }
    for (what, value) in world.bad(algorithm) {
        let status = (stack.ask)(&value);
        if !status.is_client_error() && !status.is_server_error() {
            return Err(format!("answers a token {what} with {status}"));
        }
    }
    Ok(())
}

/// Takes out what does not judge as it should, and says why. What the others are compared with must be sound.
fn keep_sound(
    first: &mut Vec<Stack>,
    again: &mut Vec<Stack>,
    world: &World,
    algorithm: Algorithm,
) -> Vec<(&'static str, String)> {
    let mut trouble: Vec<(&'static str, String)> = Vec::new();
    for set in [&mut *first, &mut *again] {
        for stack in &mut set[BY_HAND..] {
            if let Err(words) = check(stack, world, algorithm)
                && trouble.iter().all(|(name, _)| *name != stack.name)
            {
                eprintln!("{algorithm}: {} is left out: it {words}", stack.name);
                trouble.push((stack.name, words));
            }
        }
    }
    for set in [first, again] {
        set.retain(|stack| trouble.iter().all(|(name, _)| *name != stack.name));
        assert!(set[BY_HAND].name.contains("by hand") && set[OURS].name == "tower-bearer");
    }
    trouble
}

fn rows(figures: &[Figures]) -> Value {
    let row = |row: &Figures| {
        json!({
            "name": row.name,
            "ns": row.ns(),
            "over_bare_ns": row.over(&figures[BARE]),
            "ratio_to_by_hand": row.ratio_to(&figures[BY_HAND]),
            "allocs": row.allocations,
        })
    };
    figures.iter().map(row).collect()
}

fn compare(title: &str, stacks: &mut [Stack], tokens: &[HeaderValue]) -> Vec<Figures> {
    // The first clone of a value makes it one that is counted, which is no part of this.
    tokens.iter().for_each(|token| drop(token.clone()));
    let benches = stacks.iter_mut().map(|stack| {
        let mut turn = 0;
        Bench::new(stack.name, move || {
            turn = (turn + 1) % tokens.len();
            assert_eq!((stack.ask)(&tokens[turn]), StatusCode::OK);
        })
    });
    let figures = measure(benches.collect());
    println!(
        "\n## {title}\n\n| | ns | over the bare service | times by hand | allocations |\n|---|---:|---:|---:|---:|"
    );
    for row in &figures {
        let (ns, over, ratio) = (row.ns(), row.over(&figures[BARE]), row.ratio_to(&figures[BY_HAND]));
        println!("| {} | {ns:.0} | {over:.0} | {ratio:.3} | {:.0} |", row.name, row.allocations);
    }
    figures
}

/// Nothing is measured: whether all that is compared still judges as it should.
fn check_all(runtime: &Runtime, world: &World) -> ExitCode {
    let mut sound = true;
    let _entered = runtime.enter();
    for algorithm in ALGORITHMS {
        let (mut stacks, without) = runtime.block_on(stacks(world, algorithm, LARGE));
        for stack in &mut stacks[BY_HAND..] {
            // What is remembered must be judged as well as what is new.
            for _ in 0..2 {
                if let Err(words) = check(stack, world, algorithm) {
                    eprintln!("{algorithm}: {} {words}", stack.name);
                    sound = false;
                }
            }
        }
        println!("{algorithm}: {} stacks checked, {} left out", stacks.len() - BY_HAND, without.len());
    }
    if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    stacks::install_back_ends();
    let world = runtime.block_on(World::new());
    if std::env::args().nth(1).as_deref() == Some("--check") {
        return check_all(&runtime, &world);
    }
    let mut found = serde_json::Map::new();
    // Outside of any task: what waits there is counted, and must yield now and then.
    let _entered = runtime.enter();
    for algorithm in ALGORITHMS {
        let tokens: Vec<_> = (0..FRESH).map(|n| world.good(algorithm, n)).collect();
        let bytes = tokens[0].len() - "Bearer ".len();
        let (mut first, mut without) = runtime.block_on(stacks(&world, algorithm, SMALL));
        let (mut again, _) = runtime.block_on(stacks(&world, algorithm, LARGE));
        for (name, why) in keep_sound(&mut first, &mut again, &world, algorithm) {
            without.push((name, why));
        }
        let first = compare(&format!("First sight, {algorithm}, {bytes} bytes"), &mut first, &tokens);
        let again = compare(&format!("The same token again, {algorithm}"), &mut again, &tokens[..1]);
        println!();
        without.iter().for_each(|(name, why)| println!("Left out: {name} {why}."));
        let left_out: Vec<_> =
            without.into_iter().map(|(name, why)| json!({ "name": name, "why": why })).collect();
        found.insert(
            algorithm.name().to_owned(),
            json!({ "token_bytes": bytes, "first": rows(&first), "again": rows(&again), "left_out": left_out }),
        );
    }
    write_json("peers", &Value::Object(found));
    ExitCode::SUCCESS
}
