//! What a million revocations cost: to look a token up among them, to keep them, to have them back after a restart.
//!
//! All of it through what users have. A repeated token is compared with what was revoked since it was looked at last, and
//! looked up among everything only where that may be about it, or is more than is told apart. So there are two things to
//! measure: what a request takes more after one revocation of another token (`changed`, `after_news`), and what looking up
//! takes.
//!
//! *In turn*: 20 000 tokens, so many that the processor's nearest caches know neither them nor their places. A source on
//! trial (`dry_run`) looks up each time, and admits what it finds: what a request takes more there than where the source is
//! not on trial, and nothing new, is looking up, absent or present.
//!
//! *At hand* (`at_hand.rs`): the same figures for tokens whose verdicts the processor has, and whose places in the index it
//! does not have.

#![allow(unreachable_pub, reason = "as in measure.rs")]
#![allow(clippy::disallowed_methods, reason = "a bench may look at the clock, and wait")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tower::Layer as _;
use tower_bearer::clock::SystemClock;
use tower_bearer::{
    Algorithm, Polled, Protected, Pulled, ResourceServer, Revocation, RevocationSource, SourceError,
    any_token,
};

use super::at_hand::{SomethingElse, at_hand};
use super::measure::{Figures, cpu_ns, cpu_ns_of_process, large_bytes, median, table};
use super::{AUDIENCE, ISSUER, Inner, SECRET, World, ask, inner, token};

const SIZES: [u64; 4] = [10_000, 100_000, 1_000_000, 10_000_000];
/// A source keeps ten million, and news need room.
const MOST: u64 = 9_990_000;
const LOADS: usize = 5;
const ROUNDS: usize = 42;
/// Of the passes, from round to round: who comes second finds more of the tokens known to the thread.
const ORDERS: [[usize; 6]; 2] = [[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4]];
const TOKENS: u64 = 20_000;
/// Room for all of their verdicts.
const CACHE: usize = 256 << 20;
/// More than are told apart from all that there are.
const MORE: u64 = 100;
const HOUR: Duration = Duration::from_secs(3600);
const SOURCE: &str = "a list of a bench";

/// Tells so many revocations, in pages, and then as many others as it is asked for. One that has nothing to tell from the
/// beginning, and whom nobody asks, is down.
struct Many {
    told: u64,
    count: u64,
    asked: Option<mpsc::UnboundedReceiver<u64>>,
    others: u64,
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
            let Some(asked) = &mut self.asked else { return Err(SourceError::new("down")) };
            let Some(more) = asked.recv().await else { return std::future::pending().await };
            let others = self.others..self.others + more;
            self.others = others.end;
            let others = others.map(|n| Revocation::identifier("jti", format!("another-{n}")));
            return Ok(Pulled::news(others).cursor(self.told.to_string()));
        }
        self.told = page.end;
        let page = page.map(|n| Revocation::identifier("jti", jti(n)));
        let answer = if self.told <= PAGE { Pulled::whole(page) } else { Pulled::news(page) };
        Ok(answer.cursor(self.told.to_string()))
    }
}

/// One that tells all.
fn teller(count: u64, snapshot: &Path) -> Polled {
    let (_, asked) = mpsc::unbounded_channel();
    source(Many { told: 0, count, asked: Some(asked), others: 0 }, snapshot)
}

/// One that is down.
fn down(count: u64, snapshot: &Path) -> Polled {
    source(Many { told: count, count, asked: None, others: 0 }, snapshot)
}

/// One that tells what it is asked for.
fn askable(count: u64, snapshot: &Path) -> (mpsc::UnboundedSender<u64>, Polled) {
    let (ask, asked) = mpsc::unbounded_channel();
    (ask, source(Many { told: count, count, asked: Some(asked), others: 0 }, snapshot))
}

fn source(many: Many, snapshot: &Path) -> Polled {
    Polled::new(SOURCE, many)
        .poll_interval(Duration::from_millis(100))
        .max_staleness(HOUR)
        .expires_after(HOUR)
        .snapshot(snapshot)
}

fn api(source: Polled, cache: usize) -> ResourceServer {
    let builder = ResourceServer::builder().verdict_cache(cache).issuer(ISSUER).audience(AUDIENCE);
    builder.shared_secret(SECRET).revocation(source).start_lazily().unwrap()
}

pub async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}

async fn until_it_has(api: &ResourceServer, count: u64) {
    for _ in 0..30_000 {
        // An estimate, of those that came in last.
        if api.health().issuers[0].feeds[0].identifiers >= count - count / 1000 - 1 {
            return;
        }
        pause().await;
    }
    panic!("{count} revocations were not taken in: {:?}", api.health());
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
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/snapshots");
        // Of a run that was broken off.
        let _ = std::fs::remove_dir_all(&folder);
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
    let api = api(teller(count, path), 0);
    api.ready().await;
    until_it_has(&api, count).await;
    settled().await;
}

struct Loaded {
    bytes: f64,
    /// On the wall, and of all threads together.
    ms: f64,
    cpu_ms: f64,
}

/// A restart while the source is down: from the start to the first request that could be served.
async fn load(path: &Path, count: u64) -> Loaded {
    let (mut bytes, mut walls, mut cpus) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..if count > 1_000_000 { 1 } else { LOADS } {
        let before = settled().await;
        let (wall, cpu) = (std::time::Instant::now(), cpu_ns_of_process());
        let api = api(down(count, path), 0);
        api.ready().await;
        walls.push(wall.elapsed().as_secs_f64() * 1e3);
        cpus.push((cpu_ns_of_process() - cpu) / 1e6);
        assert!(api.health().is_ready());
        until_it_has(&api, count).await;
        bytes.push((settled().await - before) as f64);
    }
    Loaded { bytes: median(bytes), ms: median(walls), cpu_ms: median(cpus) }
}

/// A service, and the tokens that it is asked with in each pass.
struct Passes<'a> {
    service: Protected<Inner>,
    tokens: &'a [HeaderValue],
    figures: Figures,
}

impl<'a> Passes<'a> {
    fn of(name: &str, api: &ResourceServer, tokens: &'a [HeaderValue]) -> Self {
        let figures = Figures { name: name.to_owned(), rounds: Vec::new(), allocations: f64::NAN };
        let mut passes = Self { service: api.protect(any_token()).layer(inner()), tokens, figures };
        passes.pass();
        passes.figures.rounds.clear();
        passes
    }

    fn pass(&mut self) {
        let start = cpu_ns();
        for token in self.tokens {
            ask(&mut self.service, token);
        }
        self.figures.rounds.push((cpu_ns() - start) / self.tokens.len() as f64);
    }

    /// The mean of each two rounds, which went in both orders.
    fn in_pairs(self) -> Figures {
        let rounds = self.figures.rounds.chunks_exact(2).map(|pair| pair.iter().sum::<f64>() / 2.0).collect();
        Figures { rounds, ..self.figures }
    }
}

/// Something that concerns none of the tokens.
fn news(api: &ResourceServer, number: usize) {
    api.revocations().revoke(Revocation::identifier("jti", format!("news-{number}"))).unwrap();
}

struct LookedUp {
    /// What a request takes more after one revocation: with the source, and where there is nothing else.
    after_news: f64,
    changed: f64,
    absent: f64,
    present: f64,
}

async fn look_up(
    path: &Path,
    count: u64,
    plain: &ResourceServer,
    absent: &[HeaderValue],
    present: &[HeaderValue],
) -> LookedUp {
    let with = api(down(count, path), CACHE);
    until_it_has(&with, count).await;
    let on_trial = api(down(count, path).dry_run(), CACHE);
    until_it_has(&on_trial, count).await;
    let mut passes = [
        Passes::of("no source", plain, absent),
        Passes::of("no source, after news", plain, absent),
        Passes::of("the source", &with, absent),
        Passes::of("the source, after news", &with, absent),
        Passes::of("on trial, absent", &on_trial, absent),
        Passes::of("on trial, present", &on_trial, present),
    ];
    let mut something_else = SomethingElse::new();
    for round in 0..ROUNDS {
        for place in ORDERS[round % 2] {
            let passes = &mut passes[place];
            // So that each pass that counts comes after exactly one of the same tokens, and finds as much of them in the caches.
            something_else.fill_caches();
            passes.pass();
            passes.figures.rounds.pop();
            match place {
                1 => news(plain, round + count as usize),
                3 => news(&with, round),
                _ => {}
            }
            passes.pass();
        }
    }
    let figures = passes.map(Passes::in_pairs);
    println!(
        "{}",
        table(&format!("A repeated token, {TOKENS} of them in turn; {count} revocations"), &figures)
    );
    let [plain, plain_news, with, with_news, on_trial, found] = &figures;
    LookedUp {
        after_news: with_news.over(with),
        changed: plain_news.over(plain),
        absent: on_trial.over(with),
        present: found.over(with),
    }
}

/// Verdicts at hand: what a request takes more after one revocation, and after so many of the source that it is looked up.
async fn look_up_at_hand(path: &Path, count: u64, tokens: &[HeaderValue]) -> (f64, f64) {
    let (ask, source) = askable(count, path);
    let api = api(source, CACHE);
    until_it_has(&api, count).await;
    api.ready().await;
    // It may be writing everything down anew.
    settled().await;
    let known = || api.health().issuers[0].feeds[0].identifiers;
    let looked_up = at_hand(&api, tokens, async || {
        let before = known();
        ask.send(MORE).unwrap();
        while known() < before + MORE / 2 {
            pause().await;
        }
    });
    // First, while this process itself has revoked nothing that would be looked at too.
    let looked_up = looked_up.await;
    let mut said = 0;
    let changed = at_hand(&api, tokens, async || {
        said += 1;
        news(&api, said);
    });
    (changed.await, looked_up)
}

/// Look-ups, bytes and loading, by size.
pub async fn revocation(world: &World<SystemClock>) -> Value {
    let folder = Folder::new();
    let mint = |jti: String| world.mint(token(Algorithm::HS256, ISSUER, 0).claim("jti", jti));
    let plain = world.api(Algorithm::HS256, CACHE).await;
    let none = folder.0.join("one");
    write(&none, 1).await;
    let none = load(&none, 1).await;
    let mut sizes = Vec::new();
    for size in SIZES {
        let path = folder.0.join(size.to_string());
        let count = size.min(MOST);
        write(&path, count).await;
        let loaded = load(&path, count).await;
        // Those that are there are from all over. Made by turns, so that they lie in memory alike.
        let step = (count / TOKENS).max(1);
        let both = (0..TOKENS).map(|n| (mint(jti(1 << 40 | n)), mint(jti(n * step % count))));
        let (absent, present): (Vec<_>, Vec<_>) = both.unzip();
        let looked_up = look_up(&path, count, &plain, &absent, &present).await;
        let (absent_ns, present_ns) = (looked_up.absent, looked_up.present);
        let (changed_at_hand, at_hand_ns) = look_up_at_hand(&path, count, &absent).await;
        let bytes = (loaded.bytes - none.bytes) / count as f64;
        println!(
            "{size} entries: {bytes:.2} bytes each, loaded in {:.0} ms ({:.0} ms of CPU time), looked up in {absent_ns:.0} ns (absent), {present_ns:.0} ns (present), {at_hand_ns:.0} ns (at hand); after one revocation {:.0} ns, {changed_at_hand:.0} ns (at hand)",
            loaded.ms, loaded.cpu_ms, looked_up.after_news
        );
        sizes.push(json!({
            "entries": size,
            "bytes_per_entry": bytes,
            "load_ms": loaded.ms,
            "load_cpu_ms": loaded.cpu_ms,
            "absent_ns": absent_ns,
            "present_ns": present_ns,
            "after_news_ns": looked_up.after_news,
            "changed_ns": looked_up.changed,
            "absent_at_hand_ns": at_hand_ns,
            "after_news_at_hand_ns": changed_at_hand,
        }));
        let _ = std::fs::remove_file(&path);
    }
    let of = |count: u64| sizes.iter().find(|row| row["entries"] == count).unwrap();
    let (million, ten) = (of(1_000_000), of(10_000_000));
    json!({
        "lookup_1m_ns": { "absent": million["absent_ns"], "present": million["present_ns"] },
        "lookup_10m_ns": { "absent": ten["absent_ns"], "present": ten["present_ns"] },
        "lookup_at_hand_1m_ns": million["absent_at_hand_ns"],
        "lookup_at_hand_10m_ns": ten["absent_at_hand_ns"],
        "bytes_per_entry": million["bytes_per_entry"],
        "load_1m_ms": million["load_ms"],
        "load_1m_cpu_ms": million["load_cpu_ms"],
        // The index has no part in it: of the run with the smallest one, which disturbs it least.
        "changed_ns": sizes[0]["changed_ns"],
        "changed_at_hand_ns": sizes[0]["after_news_at_hand_ns"],
        "sizes": sizes,
    })
}
