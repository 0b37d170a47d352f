//! A table for people, and all numbers for programs.

use std::fmt::{self, Write as _};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::figures::{Figures, millis, percentile};
use super::load::RATE;

/// What it ran on.
pub(crate) struct Machine {
    cores: usize,
    processor: String,
    /// Of the last minute, before the run.
    load: Option<f64>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let mut names = processor.lines().filter(|line| line.starts_with("model name"));
        let processor = names.next().and_then(|line| line.split_once(':'));
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor.map_or("an unknown processor", |(_, name)| name.trim()).to_owned(),
            load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cores, {}", self.cores, self.processor)?;
        self.load.map_or(Ok(()), |load| write!(f, ", load average {load} before the run"))
    }
}

/// In Markdown.
pub(crate) fn table(all: &[Figures]) -> String {
    let mut text = String::from(
        "| feed | n | p50 | p99 | max | bar for p99 | resolution | wrong answers | load: requests | load: p99 |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for figures in all {
        let ms = |duration: Duration| format!("{:.1} ms", millis(duration));
        let of = |percent| ms(percentile(&figures.delays, percent));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} ms, {} | {} ms | {} | {} | {} |",
            figures.name,
            figures.delays.len(),
            of(50),
            of(99),
            of(100),
            figures.bar.as_millis(),
            if figures.is_within() { "kept" } else { "MISSED" },
            millis(figures.step),
            figures.errors,
            figures.answers.len(),
            ms(percentile(&figures.answers, 99)),
        );
    }
    let _ = write!(
        text,
        "\nFrom the return of the call that revokes to the first 401 at the client, which presents the token once in each \
         \"resolution\", while {RATE} requests a second come in with other tokens. \"load: p99\" is the time from when such a \
         request was due to its answer."
    );
    text
}

pub(crate) fn write_json(all: &[Figures], machine: &Machine) -> io::Result<PathBuf> {
    let one = |figures: &Figures| {
        let of = |percent| millis(percentile(&figures.delays, percent));
        let delays: Vec<f64> = figures.delays.iter().copied().map(millis).collect();
        json!({
            "name": figures.name,
            "n": delays.len(),
            "p50_ms": of(50),
            "p99_ms": of(99),
            "max_ms": of(100),
            "bar_ms": millis(figures.bar),
            "resolution_ms": millis(figures.step),
            "errors": figures.errors,
            "load_requests": figures.answers.len(),
            "load_p99_ms": millis(percentile(&figures.answers, 99)),
            "delays_ms": delays,
        })
    };
    let runs: Vec<Value> = all.iter().map(one).collect();
    let (cores, processor, load) = (machine.cores, &machine.processor, machine.load);
    let document = json!({"cores": cores, "processor": processor, "load_average": load, "runs": runs});
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench/propagation.json");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, format!("{document:#}\n"))?;
    Ok(path)
}
