//! What a million revocations cost: to look a token up among them, to keep them, to have them back after a restart.
//!
//! All of it through what users have. A repeated token is looked up only when something was revoked since, so the look-up
//! is measured with a source on trial (`dry_run`), which looks each time: a request over the same request without that
//! source, with so many tokens in turn that the processor's caches do not know their places.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use tower::Layer as _;
use tower_bearer::{
    Algorithm, Polled, Protected, Pulled, ResourceServer, Revocation, RevocationSource, SourceError, any_token,
};

use super::measure::{Bench, cpu_ns_of_process, large_bytes, measure, median, table};
use super::{AUDIENCE, ISSUER, Inner, SECRET, World, ask, inner, token, turns};

const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
const LOADS: usize = 5;
const TOKENS: usize = 50_000;
/// Room for all of their verdicts.
const CACHE: usize = 256 << 20;
const HOUR: Duration = Duration::from_secs(3600);
const SOURCE: &str = "a list of a bench";

/// Tells so many revocations, in pages, and nothing more.
struct Many {
    told: u64,
    count: u64,
}

const PAGE: u64 = 1_000_000;

fn jti(n: u64) -> String {
    // Bijective, and as good as random.
    let mut mixed = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}{:016x}", mixed ^ (mixed >> 31), n)
}

impl RevocationSource for Many {
    async fn pull(&mut self, _: Option<&str>) -> Result<Pulled, SourceError> {
        let page = self.told..self.count.min(self.told + PAGE);
        if page.is_empty() {
            std::future::pending::<()>().await;
        }
        self.told = page.end;
        let page = page.map(|n| Revocation::identifier("jti", jti(n)));
        let answer = if self.told <= PAGE { Pulled::whole(page) } else { Pulled::news(page) };
        Ok(answer.cursor(self.told.to_string()))
    }
}

fn source(told: u64, count: u64, snapshot: &Path) -> Polled {
    Polled::new(SOURCE, Many { told, count })
        .poll_interval(Duration::from_millis(100))
        .max_staleness(HOUR)
        .expires_after(HOUR)
        .snapshot(snapshot)
}

fn api(source: Polled, cache: usize) -> ResourceServer {
    let builder = ResourceServer::builder().verdict_cache(cache).issuer(ISSUER).audience(AUDIENCE);
    builder.shared_secret(SECRET).revocation(source).start_lazily().unwrap()
}

async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn until_it_has(api: &ResourceServer, count: u64) {
    // The count is of estimates.
    while api.health().issuers[0].feeds[0].identifiers < count - count / 1000 {
        pause().await;
    }
}

/// Large blocks in use, when nothing moves any more.
async fn settled() -> i64 {
    let (mut before, mut still) = (large_bytes(), 0);
    while still < 10 {
        pause().await;
        let now = large_bytes();
        still = if now == before { still + 1 } else { 0 };
        before = now;
    }
    before
}

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tower-bearer-bench-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Leaves a snapshot of so many.
async fn write(path: &Path, count: u64) {
    let api = api(source(0, count, path), 0);
    until_it_has(&api, count).await;
    settled().await;
}

struct Loaded {
    bytes: f64,
    /// On the wall, and of all threads together.
    ms: f64,
    cpu_ms: f64,
}

/// A restart whose source does not answer: from the start to the first request that could be served.
async fn load(path: &Path, count: u64) -> Loaded {
    let (mut bytes, mut walls, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..LOADS {
        let before = settled().await;
        let (wall, cpu) = (std::time::Instant::now(), cpu_ns_of_process());
        let api = api(source(count, count, path), 0);
        api.ready().await;
        walls.push(wall.elapsed().as_secs_f64() * 1e3);
        cpus.push((cpu_ns_of_process() - cpu) / 1e6);
        assert!(api.health().is_ready());
        until_it_has(&api, count).await;
        bytes.push((settled().await - before) as f64);
    }
    Loaded { bytes: median(bytes), ms: median(walls), cpu_ms: median(cpus) }
}

fn service(api: &ResourceServer) -> Protected<Inner> {
    api.protect(any_token()).layer(inner())
}

/// Nanoseconds that a look-up adds: of a token that is not among them, and of one that is.
async fn look_up(path: &Path, count: u64, plain: &ResourceServer, sets: &[Vec<HeaderValue>; 2]) -> [f64; 2] {
    let on_trial = api(source(count, count, path).dry_run(), CACHE);
    until_it_has(&on_trial, count).await;
    let (mut without, mut with) = (service(plain), service(&on_trial));
    for token in sets.iter().flatten() {
        ask(&mut without, token);
        ask(&mut with, token);
    }
    let [absent, present] = sets;
    let (mut one, mut two, mut three, mut four) =
        (turns(absent), turns(absent), turns(present), turns(present));
    let (mut without_too, mut with_too) = (without.clone(), with.clone());
    let figures = measure(vec![
        Bench::new("a repeated token, no source", || ask(&mut without, one())),
        Bench::new("looked up, absent", || ask(&mut with, two())),
        Bench::new("a repeated token, no source, other tokens", || ask(&mut without_too, three())),
        Bench::new("looked up, present", || ask(&mut with_too, four())),
    ]);
    println!("{}", table(&format!("{count} revocations"), &figures));
    [figures[1].over(&figures[0]), figures[3].over(&figures[2])]
}

/// Look-ups, bytes and loading, by size.
pub async fn revocation(world: &World) -> Value {
    let folder = Folder::new();
    let mint = |from: u64| -> Vec<_> {
        let one = |n: u64| world.mint(token(Algorithm::HS256, ISSUER, 0).claim("jti", jti(n)));
        (from..from + TOKENS as u64).map(one).collect()
    };
    let plain = world.api(Algorithm::HS256, CACHE).await;
    let none = folder.0.join("one");
    write(&none, 1).await;
    let none = load(&none, 1).await;
    let mut sizes = Vec::new();
    let absent = mint(1 << 40);
    for count in SIZES {
        let path = folder.0.join(count.to_string());
        write(&path, count).await;
        let loaded = load(&path, count).await;
        // Those that are there, from all over.
        let step = (count / TOKENS as u64).max(1);
        let jtis = (0..TOKENS as u64).map(|n| jti(n * step % count));
        let present =
            jtis.map(|jti| world.mint(token(Algorithm::HS256, ISSUER, 0).claim("jti", jti))).collect();
        let sets = [absent.clone(), present];
        let [absent_ns, present_ns] = look_up(&path, count, &plain, &sets).await;
        let bytes = (loaded.bytes - none.bytes) / count as f64;
        println!(
            "{count} entries: {bytes:.2} bytes each, loaded in {:.0} ms ({:.0} ms of CPU time), looked up in {absent_ns:.0} ns (absent), {present_ns:.0} ns (present)",
            loaded.ms, loaded.cpu_ms
        );
        sizes.push(json!({
            "entries": count,
            "bytes_per_entry": bytes,
            "load_ms": loaded.ms,
            "load_cpu_ms": loaded.cpu_ms,
            "absent_ns": absent_ns,
            "present_ns": present_ns,
        }));
        let _ = std::fs::remove_file(&path);
    }
    let of = |count: u64| sizes.iter().find(|row| row["entries"] == count).unwrap();
    let (million, ten) = (of(1_000_000), of(10_000_000));
    json!({
        "lookup_1m_ns": { "absent": million["absent_ns"], "present": million["present_ns"] },
        "lookup_10m_ns": { "absent": ten["absent_ns"], "present": ten["present_ns"] },
        "bytes_per_entry": million["bytes_per_entry"],
        "load_1m_ms": million["load_ms"],
        "sizes": sizes,
    })
}
