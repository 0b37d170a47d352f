//! How everything here is measured: one process, all benches in turn in short batches, this thread's own CPU time,
//! medians; ratios are of the batches of the same round, so that what disturbs one disturbs the other.

#![allow(
    unsafe_code,
    dead_code,
    unreachable_pub,
    reason = "an allocator that counts is unsafe by its trait; each bench uses what it needs"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicI64, Ordering};

#[path = "machine.rs"]
mod machine;

/// How long one batch runs, about.
const BATCH_NS: f64 = 2e6;
const ROUNDS: usize = 61;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// Taken and not given back; less than nothing where others' is.
    static BYTES: Cell<i64> = const { Cell::new(0) };
}

/// Blocks from this size on are counted for all threads together: none of them is of a request.
const LARGE: usize = 4096;
static LARGE_BYTES: AtomicI64 = AtomicI64::new(0);

struct Counting;

// Counts, and leaves everything else to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() + taken(layout)));
        if layout.size() >= LARGE {
            LARGE_BYTES.fetch_add(taken(layout), Ordering::Relaxed);
        }
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        let _ = BYTES.try_with(|bytes| bytes.set(bytes.get() - taken(layout)));
        if layout.size() >= LARGE {
            LARGE_BYTES.fetch_sub(taken(layout), Ordering::Relaxed);
        }
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// With what glibc's allocator adds: a word, and up to 16 bytes.
fn taken(layout: Layout) -> i64 {
    ((layout.size() + 8).max(24).div_ceil(16) * 16) as i64
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that this thread takes from the heap during `work`, and keeps.
pub fn bytes_of(work: impl FnOnce()) -> i64 {
    let before = BYTES.get();
    work();
    BYTES.get() - before
}

/// Bytes in large blocks, of all threads.
pub fn large_bytes() -> i64 {
    LARGE_BYTES.load(Ordering::Relaxed)
}

/// CPU time of all threads in nanoseconds.
#[cfg(target_os = "linux")]
pub fn cpu_ns_of_process() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// As [`cpu_ns`] there.
#[cfg(not(target_os = "linux"))]
pub fn cpu_ns_of_process() -> f64 {
    cpu_ns()
}

/// CPU time of this thread in nanoseconds.
#[cfg(target_os = "linux")]
pub fn cpu_ns() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Where threads have no such clock: time on the wall, which others disturb.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::disallowed_methods, reason = "a bench may look at the clock")]
pub fn cpu_ns() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as f64
}

/// One thing to measure.
pub struct Bench<'a> {
    name: String,
    once: Box<dyn FnMut() + 'a>,
}

impl<'a> Bench<'a> {
    pub fn new<T>(name: impl Into<String>, mut once: impl FnMut() -> T + 'a) -> Self {
        Self { name: name.into(), once: Box::new(move || drop(black_box(once()))) }
    }

    fn batch(&mut self, times: u64) -> f64 {
        let start = cpu_ns();
        for _ in 0..times {
            (self.once)();
        }
        (cpu_ns() - start) / times as f64
    }
}

/// What came out.
pub struct Figures {
    pub name: String,
    /// Nanoseconds of an operation in each round.
    pub rounds: Vec<f64>,
    pub allocations: f64,
}

impl Figures {
    pub fn ns(&self) -> f64 {
        median(self.rounds.clone())
    }

    /// How many times what `base` takes, round by round.
    pub fn ratio_to(&self, base: &Self) -> f64 {
        median(self.rounds.iter().zip(&base.rounds).map(|(own, base)| own / base).collect())
    }

    /// How many times what `base` takes, `plain` not counted in, round by round.
    pub fn ratio_over(&self, plain: &Self, base: &Self) -> f64 {
        let rounds = self.rounds.iter().zip(&plain.rounds).zip(&base.rounds);
        median(rounds.map(|((own, plain), base)| (own - plain) / base).collect())
    }

    /// What this takes more than `base`, round by round.
    pub fn over(&self, base: &Self) -> f64 {
        median(self.rounds.iter().zip(&base.rounds).map(|(own, base)| own - base).collect())
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Measures all of them, interleaved. Each round has an order of its own, so that none always follows the same.
pub fn measure(mut benches: Vec<Bench<'_>>) -> Vec<Figures> {
    let mut plans = Vec::new();
    for bench in &mut benches {
        bench.batch(20);
        let before = ALLOCATIONS.get();
        bench.batch(100);
        let allocations = (ALLOCATIONS.get() - before) as f64 / 100.0;
        let times = (BATCH_NS / bench.batch(100).max(1.0)).clamp(10.0, 1e7) as u64;
        plans.push((times, Figures { name: bench.name.clone(), rounds: Vec::new(), allocations }));
    }
    let mut order: Vec<_> = (0..benches.len()).collect();
    let mut drawn = 1_u64;
    for _ in 0..ROUNDS {
        for last in (1..order.len()).rev() {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(last, (drawn >> 33) as usize % (last + 1));
        }
        for &place in &order {
            let (bench, (times, figures)) = (&mut benches[place], &mut plans[place]);
            figures.rounds.push(bench.batch(*times));
        }
    }
    plans.into_iter().map(|(_, figures)| figures).collect()
}

/// A Markdown table; ratios are to the first row.
pub fn table(title: &str, figures: &[Figures]) -> String {
    let mut text = format!("\n## {title}\n\n| | ns | ratio | allocations |\n|---|---:|---:|---:|\n");
    for row in figures {
        let (ns, ratio) = (row.ns(), row.ratio_to(&figures[0]));
        let _ = writeln!(text, "| {} | {ns:.1} | {ratio:.3} | {:.2} |", row.name, row.allocations);
    }
    text
}

/// Writes to `target/bench/NAME.json`, with what it was measured on.
pub fn write_json(name: &str, figures: &serde_json::Value) {
    let folder = machine::root().join("target/bench");
    std::fs::create_dir_all(&folder).expect("a folder for figures");
    let mut all = figures.clone();
    all["machine"] = machine::look();
    let text = serde_json::to_string_pretty(&all).expect("figures are JSON");
    std::fs::write(folder.join(format!("{name}.json")), text + "\n").expect("figures are written");
}
