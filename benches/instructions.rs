//! How many instructions each path of a request takes, counted by callgrind, and held to `benches/instructions.json`.
//!
//! A clock tells little on a machine that others use; instructions repeat. So a change that makes a path longer is seen
//! by them, and what they cost is for `hot_path` to say.
//!
//! `cargo bench --bench instructions` runs itself under valgrind and fails where a path takes 3 % more or less than the
//! file says; with `-- --write` it writes the file. Less must be written too, or the next change could lose it again.
//!
//! Each figure is a difference, so that it is of this crate alone: over the bare inner service, a first sight also over
//! the bare verification of the same signatures. The clock is read and stands still: nothing comes by the hour. Figures
//! hold for one processor family and one compiler, which the file names. With another compiler only more than 20 % counts
//! as a change; another family has no figures here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench"
)]

use std::hint::black_box;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::HeaderValue;
use tower::Layer;
use tower_bearer::clock::{Clock, Now, SystemClock, UnixTime};
use tower_bearer::{Algorithm, Policy, Protected, ResourceServer, Revocation, any_token, scope};

#[path = "harness/auth0.rs"]
mod auth0;
#[path = "harness/callgrind.rs"]
mod callgrind;
#[path = "harness/poll.rs"]
mod poll;
#[path = "harness/world.rs"]
mod world;
use callgrind::Counts;
use world::{ISSUER, Inner, SMALL, World, ask, bare, inner, refused, token, turns};

/// Tokens of which each is new each time it comes: more than `SMALL` has room for.
const FRESH: usize = 128;
/// Of what is the same each time, that many in one run.
const ONE: usize = 10;

/// More revocations than are told apart from all that there are.
const MANY: usize = 200;

/// The machine's clock, read each time, that shows the same from a moment on.
#[derive(Clone, Debug)]
struct Stopped {
    clock: SystemClock,
    at: Arc<OnceLock<Now>>,
}

impl Clock for Stopped {
    fn wall(&self) -> UnixTime {
        self.clock.wall()
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }

    fn now(&self) -> Now {
        let now = black_box(self.clock.now());
        self.at.get().copied().unwrap_or(now)
    }
}

fn service(api: &ResourceServer, policy: Policy) -> Protected<Inner> {
    api.protect(policy).layer(inner())
}

/// A token that comes again.
async fn repeat(world: &World<Stopped>, counts: &mut Counts) {
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let fed_api = world.api_with_feed().await;
    let good = world.mint(token(Algorithm::RS256, ISSUER, 0));
    let fed = world.mint(token(Algorithm::RS256, world.server.issuer(), 0));
    let mut plain = inner();
    counts.count("bare", ONE, &[], || bare(&mut plain, &good));
    let all_but_last = || tower_bearer::any_of(["read:none", "write:none", "offline_access"]);
    let cases = [
        ("repeat", &api, any_token(), &good),
        ("repeat_scope", &api, scope("read:events"), &good),
        ("repeat_three_scopes", &api, all_but_last(), &good),
        ("repeat_feed", &fed_api, scope("read:events"), &fed),
    ];
    for (name, api, policy, token) in cases {
        let mut service = service(api, policy);
        counts.count(name, ONE, &["bare"], || ask(&mut service, token));
    }
    for (name, more) in [("repeat_news", 1), ("repeat_news_many", MANY)] {
        after_news(world, counts, name, more).await;
    }
}

/// Tokens that come again after so many revocations of others, where there are few.
async fn after_news(world: &World<Stopped>, counts: &mut Counts, name: &str, more: usize) {
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let tokens: Vec<_> = (0..ONE)
        .map(|n| world.mint(token(Algorithm::RS256, ISSUER, n).claim("jti", format!("jti-of-token-{n:08}"))))
        .collect();
    tokens.iter().for_each(|token| drop(token.clone()));
    let (mut service, mut next, mut said) = (service(&api, any_token()), turns(&tokens), 0);
    let mut news = |more| {
        for _ in 0..more {
            said += 1;
            let entry = Revocation::identifier("jti", format!("revoked-number-{said}"));
            api.revocations().revoke(entry).unwrap();
        }
    };
    (0..2 * ONE).for_each(|_| ask(&mut service, next()));
    news(1);
    (0..ONE).for_each(|_| ask(&mut service, next()));
    counts.count_after(name, ONE, &["bare"], || news(more), || ask(&mut service, next()));
}

/// Tokens seen for the first time.
async fn first(world: &World<Stopped>, counts: &mut Counts, algorithm: Algorithm) {
    let tokens: Vec<_> = (0..FRESH).map(|n| world.mint(token(algorithm, ISSUER, n))).collect();
    tokens.iter().for_each(|token| drop(token.clone()));
    let api = world.api(algorithm, SMALL).await;
    let mut service = service(&api, any_token());
    let (mut floor, mut next) = (world.floor(algorithm, &tokens), turns(&tokens));
    let name = format!("first_{}", algorithm.name().to_lowercase());
    let verification = format!("{name}_signature");
    counts.count(&verification, FRESH, &[], &mut floor);
    counts.count(&name, FRESH, &["bare", &verification], || ask(&mut service, next()));
}

/// Tokens that are refused before any cryptography.
async fn refusals(world: &World<Stopped>, counts: &mut Counts) {
    let api = world.api(Algorithm::RS256, 32 << 20).await;
    let rs256 = || token(Algorithm::RS256, ISSUER, 0);
    let header = |text: &str| HeaderValue::try_from(format!("Bearer {text}")).unwrap();
    let good = world.mint(rs256());
    ask(&mut service(&api, any_token()), &good);
    let start = good.to_str().unwrap().rsplit_once('.').unwrap().0.strip_prefix("Bearer ").unwrap();
    let mut one = |name: &str, value: HeaderValue| {
        let mut service = service(&api, any_token());
        counts.count(name, ONE, &["bare"], || refused(&mut service, &value));
    };
    // Refused at the first glance, with the same answer as the others.
    one("refused_at_a_glance", header(&"a".repeat(20_000)));
    one("refused_word", header("garbage"));
    one("refused_1kb", header(&"a".repeat(1008)));
    one("refused_signature", header(&format!("{start}.!")));
    one("refused_alg", world.mint(rs256().header("alg", "RS1")));
    one("refused_issuer", world.mint(token(Algorithm::RS256, "https://evil.example/", 0)));
    one("refused_kid", world.mint(rs256().header("kid", "another")));
    let mut scoped = service(&api, scope("read:none"));
    counts.count("refused_scope", ONE, &["bare"], || refused(&mut scoped, &good));
}

/// All paths, under callgrind.
#[tokio::main(flavor = "current_thread")]
async fn count() {
    let clock = Stopped { clock: SystemClock::new(), at: Arc::default() };
    let world = World::new(clock.clone()).await;
    let mut counts = Counts;
    let now = clock.now();
    // No token that is made from here on is from the future.
    clock.at.set(Now { wall: now.wall.plus(Duration::from_secs(600)), ..now }).unwrap();
    repeat(&world, &mut counts).await;
    for algorithm in
        [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256]
    {
        first(&world, &mut counts, algorithm).await;
    }
    refusals(&world, &mut counts).await;
}

fn main() {
    if callgrind::is_inside() {
        count();
    } else {
        callgrind::run("instructions");
    }
}
