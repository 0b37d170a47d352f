//! The hot path: a token that comes again, one that is seen for the first time, and one that is refused, each over a bare
//! inner service, and over what the signature alone costs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench"
)]

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;
use std::sync::Arc;

use http::{HeaderValue, Request, Response};
use serde_json::{Value, json};
use tower::{Layer, Service, service_fn};
use tower_bearer::clock::SystemClock;
use tower_bearer::testing::Token;
use tower_bearer::{AccessToken, Algorithm, Policy, ResourceServer, any_token, scope};

#[path = "harness/at_hand.rs"]
mod at_hand;
#[path = "harness/auth0.rs"]
mod auth0;
#[path = "harness/hand_written.rs"]
mod hand_written;
#[path = "harness/measure.rs"]
mod measure;
#[path = "harness/poll.rs"]
mod poll;
#[path = "harness/revocation.rs"]
mod revocation;
#[path = "harness/threads.rs"]
mod threads;
#[path = "harness/world.rs"]
mod world;
use measure::{Bench, Figures, bytes_of, measure, table, write_json};
use poll::poll_once;
use world::{
    AUDIENCE, ISSUER, Inner, SECRET, SMALL, World, ask, bare, inner, refused, request, token, turns,
};

/// Tokens that come once before any of them comes again; few enough to be in the processor's cache, as what was read
/// from a connection a moment ago is.
const FRESH: usize = 128;

/// What nobody can do without: the token is handed on in the extensions.
fn handing_on(service: &mut Inner, value: &HeaderValue, token: &Arc<str>) {
    let mut request = request(value);
    request.extensions_mut().insert(Arc::clone(token));
    poll_once(service.call(request));
}

fn named<'a>(figures: &'a [Figures], name: &str) -> &'a Figures {
    figures.iter().find(|figures| figures.name == name).unwrap()
}

/// A token that comes again.
async fn repeat(world: &World<SystemClock>) -> Value {
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let with_feed = world.api_with_feed().await;
    let off = world.api(Algorithm::RS256, 0).await;
    let service = |api: &ResourceServer, policy: Policy| api.protect(policy).layer(inner());
    let good = world.mint(token(Algorithm::RS256, ISSUER, 0));
    let fed = world.mint(token(Algorithm::RS256, world.server.issuer(), 0));
    let many: Vec<_> = (0..1000).map(|n| world.mint(token(Algorithm::RS256, ISSUER, n))).collect();
    let (mut plain, mut any, mut scoped) =
        (inner(), service(&api, any_token()), service(&api, scope("read:events")));
    let (mut feed, mut without) = (service(&with_feed, scope("read:events")), service(&off, any_token()));
    let (mut turning, mut next) = (service(&api, any_token()), turns(&many));
    for token in many.iter().chain(&many) {
        ask(&mut turning, token);
    }
    let (mut handing, handed) = (inner(), Arc::from("token"));
    let figures = measure(vec![
        Bench::new("bare inner service", || bare(&mut plain, &good)),
        Bench::new("handing an Arc on", || handing_on(&mut handing, &good, &handed)),
        Bench::new("any token", || ask(&mut any, &good)),
        Bench::new("one scope of seven", || ask(&mut scoped, &good)),
        Bench::new("one scope, with a feed", || ask(&mut feed, &fed)),
        Bench::new("1 000 tokens in turn", || ask(&mut turning, next())),
        Bench::new("cache off", || ask(&mut without, &good)),
    ]);
    println!("{}", table("A token that comes again (RS256, 1 kB)", &figures));
    let over = |name: &str| named(&figures, name).over(&figures[0]);
    let allocs = |name: &str| named(&figures, name).allocations - figures[0].allocations;
    let bytes = bytes_of_a_verdict(world).await;
    let hot = threads::scaling(|| service(&api, any_token()), std::slice::from_ref(&good));
    let thousand = threads::scaling(|| service(&api, any_token()), &many);
    println!(
        "over the bare inner service: {:.1} ns, {:.1} ns with a scope, {:.1} ns with a feed too; handing an Arc on takes {:.1} ns of them",
        over("any token"),
        over("one scope of seven"),
        over("one scope, with a feed"),
        over("handing an Arc on")
    );
    println!("two threads do {hot:.2} times what one does with one token, {thousand:.2} times with 1 000");
    println!("a verdict takes {:.2} times its token", bytes.0);
    json!({
        "overhead_ns": over("any token"),
        "of_that_handing_on_ns": over("handing an Arc on"),
        "overhead_with_scope_ns": over("one scope of seven"),
        "overhead_with_feed_ns": over("one scope, with a feed"),
        "overhead_1k_ns": over("1 000 tokens in turn"),
        "allocs": allocs("any token"),
        "two_thread_hot_scaling": hot,
        "two_thread_1k_scaling": thousand,
        "bytes_per_token_byte": bytes.0,
        "bytes_per_token_byte_at_hand": bytes.1,
    })
}

/// What the heap grows by for each verdict, as a multiple of its token: in the store, and in a thread that has it at hand.
async fn bytes_of_a_verdict(world: &World<SystemClock>) -> (f64, f64) {
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let mut service = api.protect(any_token()).layer(inner());
    let tokens: Vec<_> = (0..2000).map(|n| world.mint(token(Algorithm::RS256, ISSUER, n + 5000))).collect();
    let length: usize = tokens.iter().map(|token| token.len() - "Bearer ".len()).sum();
    let kept = bytes_of(|| tokens.iter().for_each(|token| ask(&mut service, token)));
    let at_hand = bytes_of(|| tokens.iter().for_each(|token| ask(&mut service, token)));
    (kept as f64 / length as f64, (kept + at_hand) as f64 / length as f64)
}

/// Tokens seen for the first time.
async fn first(world: &World<SystemClock>, algorithm: Algorithm) -> Value {
    let tokens: Vec<_> = (0..FRESH).map(|n| world.mint(token(algorithm, ISSUER, n))).collect();
    println!("\n{algorithm}: {} bytes", tokens[0].len() - "Bearer ".len());
    // The first clone of a value makes it one that is counted, which is no part of this.
    tokens.iter().for_each(|token| drop(token.clone()));
    let (kept, off) = (world.api(algorithm, SMALL).await, world.api(algorithm, 0).await);
    let mut kept = kept.protect(any_token()).layer(inner());
    let mut off = off.protect(any_token()).layer(inner());
    let mut hand_written = hand_written::Service::new(algorithm, &world.keys, SECRET, ISSUER, AUDIENCE);
    let mut floor = world.floor(algorithm, &tokens);
    let mut plain = inner();
    let (mut one, mut two, mut three) = (turns(&tokens), turns(&tokens), turns(&tokens));
    let figures = measure(vec![
        Bench::new("signature alone", &mut floor),
        Bench::new("bare inner service", || bare(&mut plain, &tokens[0])),
        Bench::new("first sight", || ask(&mut kept, one())),
        Bench::new("first sight, cache off", || ask(&mut off, two())),
        Bench::new("jsonwebtoken by hand", || hand_written.ask(three())),
    ]);
    println!("{}", table(&format!("First sight, {algorithm}"), &figures));
    let (floor, plain, first) = (&figures[0], &figures[1], &figures[2]);
    let ratio = first.ratio_over(plain, floor);
    let to_hand_written = first.ratio_to(&figures[4]);
    println!(
        "over the bare service: {ratio:.3} times the signature; whole: {to_hand_written:.3} times jsonwebtoken by hand"
    );
    json!({
        "ratio_to_floor": ratio,
        "whole_ratio_to_floor": first.ratio_to(floor),
        "cache_off_ratio_to_floor": figures[3].ratio_over(plain, floor),
        "ratio_to_hand_written": to_hand_written,
        "overhead_ns": first.over(plain) - floor.ns(),
        "allocs": first.allocations - plain.allocations,
    })
}

/// Refusals: the whole, and without what making the answer costs.
async fn refusals(world: &World<SystemClock>) -> Value {
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let value = |token: Token| world.mint(token);
    let rs256 = |n| token(Algorithm::RS256, ISSUER, n);
    let good = value(rs256(0));
    let text = good.to_str().unwrap();
    let (start, _) = text.rsplit_once('.').unwrap();
    let header = |text: String| HeaderValue::try_from(text).unwrap();
    let cases = [
        ("malformed_word", header("Bearer garbage".to_owned())),
        ("malformed_1kb", header(format!("Bearer {}", "a".repeat(1008)))),
        ("malformed_signature", header(format!("{start}.!"))),
        ("unknown_issuer", value(token(Algorithm::RS256, "https://evil.example/", 0))),
        ("unknown_kid", value(rs256(0).header("kid", "another"))),
        ("unknown_alg", value(rs256(0).header("alg", "RS1"))),
        ("none", value(rs256(0).header("alg", "none"))),
    ];
    let service = || api.protect(any_token()).layer(inner());
    let mut warm = service();
    ask(&mut warm, &good);
    let mut services: Vec<_> = (0..=cases.len()).map(|_| service()).collect();
    let mut services = services.iter_mut();
    let none = services.next().unwrap();
    // Refused at the first glance, with the same answer as the others.
    let large = header(format!("Bearer {}", "a".repeat(20_000)));
    let mut benches = vec![Bench::new("too large: the answer alone", || refused(none, &large))];
    for ((name, value), service) in cases.iter().zip(services) {
        benches.push(Bench::new(*name, || refused(service, value)));
    }
    let figures = measure(benches);
    println!("{}", table("Refused", &figures));
    let mut rows = serde_json::Map::new();
    for row in &figures[1..] {
        let own = row.over(&figures[0]);
        println!("{}: {own:.0} ns besides the answer", row.name);
        rows.insert(row.name.clone(), json!({ "ns": own, "whole_ns": row.ns() }));
    }
    Value::Object(rows)
}

/// Claims in the caller's own type.
async fn typed(world: &World<SystemClock>) -> Value {
    #[derive(serde::Deserialize)]
    struct Mine {
        sub: String,
        permissions: HashSet<String>,
    }
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let good = world.mint(token(Algorithm::RS256, ISSUER, 0));
    let keep = service_fn(|request: Request<()>| {
        let mut response = Response::new(());
        response.extensions_mut().extend(request.extensions().clone());
        ready(Ok::<_, Infallible>(response))
    });
    let response = poll_once(api.protect(any_token()).layer(keep).call(request(&good)));
    let token = response.extensions().get::<AccessToken>().unwrap();
    let read = |mine: &Mine| black_box(mine.sub.len() + mine.permissions.len());
    let figures = measure(vec![
        Bench::new("claims", || read(&token.claims::<Mine>().unwrap())),
        Bench::new("claims_cached", || read(token.claims_cached::<Mine>().unwrap())),
    ]);
    println!("{}", table("Claims in a type of one's own", &figures));
    json!({ "claims_ns": figures[0].ns(), "claims_cached_ns": figures[1].ns() })
}

/// Everything, or what is named: `cargo bench --bench hot_path -- HS256 refused`.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let named: Vec<_> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|own| own == name);
    let world = World::new(SystemClock::new()).await;
    let mut found = serde_json::Map::new();
    if wanted("repeat") {
        found.insert("repeat".to_owned(), repeat(&world).await);
    }
    let mut sights = serde_json::Map::new();
    for algorithm in
        [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256, Algorithm::HS256]
    {
        if wanted(algorithm.name()) {
            sights.insert(algorithm.name().to_owned(), first(&world, algorithm).await);
        }
    }
    found.insert("first".to_owned(), sights.into());
    if wanted("refused") {
        found.insert("refused".to_owned(), refusals(&world).await);
    }
    if wanted("typed") {
        found.insert("typed".to_owned(), typed(&world).await);
    }
    if wanted("revocation") {
        found.insert("revocation".to_owned(), revocation::revocation(&world).await);
    }
    if named.is_empty() {
        write_json("hot_path", &found.into());
    }
}
