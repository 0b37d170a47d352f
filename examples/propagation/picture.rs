//! Three histograms, one beside the other, as SVG that can be read on light and dark pages.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::figures::{Figures, millis, percentile};
use super::report::Machine;

const WIDTH: f64 = 270.0;
const HEIGHT: f64 = 160.0;
const LEFT: f64 = 52.0;
const TOP: f64 = 84.0;
const APART: f64 = 40.0;
const BINS: usize = 40;

const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:16px;font-weight:600}\
.name{font-weight:600}.small{font-size:11px;fill:#59636e}.bin{fill:#2f6fde}.axis{stroke:#818b98;fill:none}\
.mark{stroke:#c4432b;stroke-dasharray:4 3}.bar{stroke:#818b98;stroke-dasharray:1 3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.bin{fill:#6ea0f5}.mark{stroke:#ff8f73}}";

pub(crate) fn write(all: &[Figures], machine: &Machine) -> io::Result<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/img/propagation.svg");
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(&path, draw(all, machine))?;
    Ok(path)
}

fn draw(all: &[Figures], machine: &Machine) -> String {
    let width = LEFT + all.len() as f64 * (WIDTH + APART);
    let height = TOP + HEIGHT + 62.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Time from revocation to the first refusal\">\n<style>{STYLE}</style>\n"
    );
    text(&mut svg, "title", (16.0, 26.0), "start", "From revocation to the first refusal");
    let sub = format!("{machine}; both servers and all clients on it");
    text(&mut svg, "small", (16.0, 44.0), "start", &sub);
    for (place, figures) in all.iter().enumerate() {
        panel(&mut svg, LEFT + place as f64 * (WIDTH + APART), figures, place == 0);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, left: f64, figures: &Figures, first: bool) {
    let end = nice(millis(percentile(&figures.delays, 100).max(figures.bar)));
    let bin_of = |delay: &Duration| ((millis(*delay) / end * BINS as f64) as usize).min(BINS - 1);
    let mut bins = [0_usize; BINS];
    for delay in &figures.delays {
        if let Some(bin) = bins.get_mut(bin_of(delay)) {
            *bin += 1;
        }
    }
    // With room above for the marks' names.
    let most = nice(bins.iter().copied().max().unwrap_or(1) as f64 * 1.25);
    let (bottom, bin_width) = (TOP + HEIGHT, WIDTH / BINS as f64);
    let x = |ms: f64| left + ms / end * WIDTH;
    let title = format!("{} ({} revocations)", figures.name, figures.delays.len());
    text(svg, "name", (left, TOP - 18.0), "start", &title);
    for (place, count) in bins.iter().enumerate().filter(|(_, count)| **count > 0) {
        let tall = *count as f64 / most * HEIGHT;
        let (x, y) = (left + place as f64 * bin_width + 0.5, bottom - tall);
        let width = bin_width - 1.0;
        let _ = writeln!(
            svg,
            "<rect class=\"bin\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{tall:.1}\"/>"
        );
    }
    let _ = writeln!(svg, "<path class=\"axis\" d=\"M{left} {TOP}V{bottom}H{}\"/>", left + WIDTH);
    for part in 0..=4 {
        let ms = end * f64::from(part) / 4.0;
        text(svg, "small", (x(ms), bottom + 16.0), "middle", &format!("{ms}"));
    }
    text(svg, "small", (left + WIDTH / 2.0, bottom + 34.0), "middle", "milliseconds");
    for part in 0..=2 {
        let count = most * f64::from(part) / 2.0;
        let y = bottom - HEIGHT * f64::from(part) / 2.0 + 4.0;
        text(svg, "small", (left - 6.0, y), "end", &format!("{count}"));
    }
    if first {
        let turned = format!("transform=\"rotate(-90 14 {y})\" ", y = TOP + HEIGHT / 2.0);
        let _ = writeln!(
            svg,
            "<text class=\"small\" x=\"14\" y=\"{}\" {turned}text-anchor=\"middle\">revocations</text>",
            TOP + HEIGHT / 2.0
        );
    }
    for (name, percent, down) in [("p50", 50, 10.0), ("p99", 99, 24.0)] {
        let ms = millis(percentile(&figures.delays, percent));
        mark(svg, "mark", x(ms));
        let (aside, anchor) = if x(ms) > left + WIDTH * 0.6 { (-4.0, "end") } else { (4.0, "start") };
        text(svg, "", (x(ms) + aside, TOP + down), anchor, &format!("{name} {ms:.1} ms"));
    }
    mark(svg, "bar", x(millis(figures.bar)));
    let bar = format!("dotted: bar for p99, {} ms", figures.bar.as_millis());
    text(svg, "small", (left + WIDTH, bottom + 50.0), "end", &bar);
}

fn mark(svg: &mut String, class: &str, x: f64) {
    let _ = writeln!(svg, "<path class=\"{class}\" d=\"M{x:.1} {TOP}V{}\"/>", TOP + HEIGHT);
}

fn text(svg: &mut String, class: &str, (x, y): (f64, f64), anchor: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"
    );
}

/// The end of an axis: not less than `value`, and a quarter of it is a short number.
fn nice(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 3.2, 4.0, 6.0, 8.0, 10.0];
    let fitting = steps.iter().map(|step| step * power).find(|end| *end >= value);
    fitting.unwrap_or(value)
}
