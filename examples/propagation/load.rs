//! Everybody else: requests with live tokens at times that are fixed in advance, however long their answers take.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tower_bearer::clock::{Clock as _, SystemClock};

use super::api::Api;
use super::line::{Line, pause_until};

const LINES: u32 = 4;
const TOKENS: usize = 64;
/// Requests a second.
pub(crate) const RATE: u32 = 1000;

pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    lines: Vec<JoinHandle<io::Result<Outcome>>>,
}

/// What became of them.
#[derive(Default)]
pub(crate) struct Outcome {
    /// From the moment a request was due to its answer.
    pub(crate) times: Vec<Duration>,
    /// Refused, or not answered.
    pub(crate) errors: usize,
}

impl Load {
    pub(crate) fn start(api: &Api, clock: SystemClock) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let requests: Vec<_> = (0..TOKENS).map(|token| api.request(&format!("live-{token}"))).collect();
        let requests = Arc::new(requests);
        let begin = clock.uptime();
        let mut lines = Vec::new();
        for place in 0..LINES {
            let line = Line::open(api.address, clock)?;
            let (requests, stop) = (Arc::clone(&requests), Arc::clone(&stop));
            let first = begin + Duration::from_secs(1) * place / RATE;
            lines.push(thread::spawn(move || run(line, clock, first, &requests, &stop)));
        }
        Ok(Self { stop, lines })
    }

    pub(crate) fn stop(self) -> Outcome {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Outcome::default();
        for line in self.lines {
            match line.join() {
                Ok(Ok(outcome)) => {
                    all.times.extend(outcome.times);
                    all.errors += outcome.errors;
                }
                _ => all.errors += 1,
            }
        }
        all
    }
}

fn run(
    mut line: Line,
    clock: SystemClock,
    first: Duration,
    requests: &[Vec<u8>],
    stop: &AtomicBool,
) -> io::Result<Outcome> {
    let step = Duration::from_secs(1) * LINES / RATE;
    let mut outcome = Outcome::default();
    let (mut due, mut sent) = (first, Vec::new());
    for request in requests.iter().cycle() {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        pause_until(clock, due);
        line.send(request)?;
        sent.push(due);
        due += step;
    }
    for due in sent {
        let answer = line.answer()?;
        outcome.errors += usize::from(answer.status != 200);
        outcome.times.push(answer.at.saturating_sub(due));
    }
    Ok(outcome)
}
