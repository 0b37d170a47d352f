//! Counting instructions: the bench starts itself under callgrind, which writes one file for each counted run.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

const INSIDE: &str = "TOWER_BEARER_COUNTS";
/// Of each path, so that what happens once in a while counts in none of them.
const RUNS: usize = 3;
/// What may differ, as a part of the figure; below this many instructions, by that many.
const SAME: f64 = 0.03;
const FEW: f64 = 15.0;
/// Likewise where another compiler made the figures.
const OTHER_COMPILER: f64 = 0.2;

/// Whether this process is the one whose instructions are counted.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// What is counted, told to the process outside in the order of callgrind's files.
#[derive(Debug)]
pub struct Counts;

impl Counts {
    /// Counts `work`, which is done `times` over; the figure is what it takes more than all of `over` together, none for
    /// what only others are compared with.
    pub fn count<T>(&mut self, name: &str, times: usize, over: &[&str], work: impl FnMut() -> T) {
        self.count_after(name, times, over, || (), work);
    }

    /// The same, where something happens before each run that does not count.
    pub fn count_after<T>(
        &mut self,
        name: &str,
        times: usize,
        over: &[&str],
        mut before: impl FnMut(),
        mut work: impl FnMut() -> T,
    ) {
        let mut work = move || drop(black_box(work()));
        (0..2 * times).for_each(|_| work());
        for _ in 0..RUNS {
            before();
            counted_by_callgrind(times, &mut work);
        }
        println!("{name} {times} {}", over.join(" "));
    }
}

/// Callgrind counts what happens in here, and knows it by this name.
#[inline(never)]
fn counted_by_callgrind(times: usize, work: &mut dyn FnMut()) {
    for _ in 0..times {
        work();
    }
}

/// Counts everything, then checks it against the file, or writes that.
pub fn run(name: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = root.join("benches").join(name).with_extension("json");
    let figures = figures(&count(&root.join("target").join(name)));
    let compiler = compiler();
    if std::env::args().any(|argument| argument == "--write") {
        let made = json!({ "arch": std::env::consts::ARCH, "rustc": compiler, "instructions": figures });
        std::fs::write(&file, serde_json::to_string_pretty(&made).unwrap() + "\n").unwrap();
        print!("{}", table(&figures, &figures));
        return println!("written to {}", file.display());
    }
    let expected: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    if expected["arch"] != std::env::consts::ARCH {
        print!("{}", table(&figures, &figures));
        return println!("nothing checked: the figures in {} are for {}", file.display(), expected["arch"]);
    }
    let same = if expected["rustc"] == compiler.as_str() { SAME } else { OTHER_COMPILER };
    let expected = expected["instructions"].as_object().unwrap();
    print!("{}", table(&figures, expected));
    let differ = differing(&figures, expected, same);
    if !differ.is_empty() {
        eprintln!("{} % more or less than in {}: {}", same * 100.0, file.display(), differ.join(", "));
        eprintln!("where that is meant: cargo bench --bench {name} -- --write");
        std::process::exit(1);
    }
}

/// Runs this program under callgrind. What it says it counted, and callgrind's files.
fn count(folder: &Path) -> (String, PathBuf) {
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir_all(folder).unwrap();
    let out = folder.join("callgrind.out");
    let outcome = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--compress-strings=no", "--compress-pos=no"])
        // Of two options with the very same pattern, callgrind heeds one.
        .args(["--toggle-collect=*counted_by_callgrind*", "--dump-after=*::counted_by_callgrind*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output();
    let output = outcome.unwrap_or_else(|error| panic!("valgrind is needed to count instructions: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the counted program failed: {said}");
    (String::from_utf8(output.stdout).unwrap(), out)
}

fn figures((said, out): &(String, PathBuf)) -> Map<String, Value> {
    let mut raw = HashMap::new();
    let mut figures = Map::new();
    for (place, line) in said.lines().enumerate() {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        let times: f64 = words.next().unwrap().parse().unwrap();
        let mut runs: Vec<_> = (1..=RUNS).map(|run| total(out, place * RUNS + run)).collect();
        runs.sort_by(f64::total_cmp);
        let own = runs[RUNS / 2] / times;
        raw.insert(name, own);
        let over: Vec<f64> = words.map(|word| raw[word]).collect();
        if !over.is_empty() {
            figures.insert(name.to_owned(), json!((own - over.iter().sum::<f64>()).round()));
        }
    }
    assert!(!figures.is_empty(), "nothing was counted");
    figures
}

/// The instructions in callgrind's file of that number. What the allocator does with the same demands depends on all that
/// came before, so of the C library only what moves and compares memory counts; `tests/allocations.rs` counts allocations.
fn total(out: &Path, number: usize) -> f64 {
    let text = std::fs::read_to_string(format!("{}.{number}", out.display())).unwrap();
    let (mut in_libc, mut counts, mut of_callee) = (false, false, false);
    let mut total = 0;
    for line in text.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            in_libc = object.contains("/libc.so") || object.contains("/libc-");
        } else if let Some(function) = line.strip_prefix("fn=") {
            counts = !in_libc || function.contains("mem");
        } else if line.starts_with("calls=") {
            of_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit()) && !std::mem::take(&mut of_callee) {
            let cost = line.split_whitespace().nth(1).map_or(0, |cost| cost.parse::<u64>().unwrap());
            total += if counts { cost } else { 0 };
        }
    }
    assert!(total > 0, "callgrind did not find what to count");
    total as f64
}

fn table(figures: &Map<String, Value>, expected: &Map<String, Value>) -> String {
    let row = |(name, figure): (&String, &Value)| {
        let (now, then) = (figure.as_f64().unwrap(), expected.get(name).and_then(Value::as_f64));
        let change =
            then.map_or_else(|| "new".to_owned(), |then| format!("{:+.1} %", (now / then - 1.0) * 100.0));
        format!("| {name} | {now} | {change} |\n")
    };
    "| instructions | | to the file |\n|---|---:|---:|\n".to_owned()
        + &figures.iter().map(row).collect::<String>()
}

/// The names of figures that are not the same, and of those that are on one side only.
fn differing(figures: &Map<String, Value>, expected: &Map<String, Value>, same: f64) -> Vec<String> {
    let differs = |name: &&String| match (figures.get(*name), expected.get(*name)) {
        (Some(now), Some(then)) => {
            let (now, then) = (now.as_f64().unwrap(), then.as_f64().unwrap());
            (now - then).abs() > (then * same).max(FEW)
        }
        _ => true,
    };
    let new = figures.keys().filter(|name| !expected.contains_key(*name));
    expected.keys().chain(new).filter(differs).cloned().collect()
}

fn compiler() -> String {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_whitespace().nth(1).unwrap_or_default().to_owned()
}
