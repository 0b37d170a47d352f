//! What figures were measured on: read while they are, and kept beside them.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Processor, cores, memory, kernel, compiler, and how busy the machine was with other things.
pub fn look() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let line = |text: &str, name: &str| {
        let (_, value) = text.lines().find(|line| line.starts_with(name))?.split_once(':')?;
        Some(value.trim().to_owned())
    };
    let compiler = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let compiler = Command::new(compiler).arg("--version").output();
    let memory_kb = line(&read("/proc/meminfo"), "MemTotal")
        .and_then(|kb| kb.trim_end_matches(" kB").parse::<f64>().ok());
    json!({
        "processor": line(&read("/proc/cpuinfo"), "model name"),
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "memory_gib": memory_kb.map(|kb| (kb / f64::from(1 << 20)).round()),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "rustc": compiler.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default(),
        "load_average": read("/proc/loadavg").split(' ').next().and_then(|load| load.parse::<f64>().ok()),
    })
}

/// Where the repository begins, for a crate of its own in it too.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = own.ancestors().find(|folder| folder.join("benches/harness").is_dir());
    root.unwrap_or(own).to_owned()
}
