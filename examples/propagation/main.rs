//! How long after a revocation the first request is refused, measured from end to end: the call that revokes returns, a
//! feed tells, an API refuses. All in one process, over real HTTP, under a load that does not wait for answers.
//!
//! ```text
//! cargo run --release --example propagation             # about a minute; exits with 1 if any answer was wrong
//! cargo run --release --example propagation -- --write  # also draws docs/img/propagation.svg
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tower_bearer::clock::SystemClock;

mod api;
mod figures;
mod line;
mod load;
mod picture;
mod probe;
mod random;
mod report;

use figures::Figures;

/// How many tokens are revoked, one by one, in each run.
const REVOCATIONS: usize = 1000;
/// What a revocation may take besides the poll interval, at the 99th percentile on a quiet machine.
const ALLOWANCE: Duration = Duration::from_millis(25);

/// One way to ask the feed.
struct Plan {
    name: &'static str,
    poll_interval: Duration,
    long_poll: Option<Duration>,
    /// Who revokes at the same time.
    revokers: usize,
    /// Each of them pauses for up to this long before the next revocation, so that it falls anywhere between two polls.
    pause: Duration,
    /// The revoked token is presented once in so long.
    step: Duration,
    /// What the 99th percentile should not exceed.
    bar: Duration,
}

const PLANS: [Plan; 3] = [
    Plan {
        name: "long poll",
        poll_interval: Duration::from_secs(1),
        long_poll: Some(Duration::from_secs(25)),
        revokers: 2,
        pause: Duration::from_millis(20),
        step: Duration::from_micros(500),
        bar: ALLOWANCE,
    },
    Plan {
        name: "poll each 100 ms",
        poll_interval: Duration::from_millis(100),
        long_poll: None,
        revokers: 8,
        pause: Duration::from_millis(100),
        step: Duration::from_millis(1),
        bar: Duration::from_millis(125),
    },
    Plan {
        name: "poll each 1 s",
        poll_interval: Duration::from_secs(1),
        long_poll: None,
        revokers: 32,
        pause: Duration::from_secs(1),
        step: Duration::from_millis(4),
        bar: Duration::from_millis(1025),
    },
];

fn main() -> ExitCode {
    match run(std::env::args().any(|argument| argument == "--write")) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(errors) => {
            eprintln!("{errors} answers were wrong");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("nothing could be measured: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(write: bool) -> Result<usize, Box<dyn Error>> {
    let machine = report::Machine::look();
    println!("{machine}\n");
    let clock = SystemClock::new();
    let mut all = Vec::new();
    for plan in &PLANS {
        eprintln!("{}: {REVOCATIONS} revocations …", plan.name);
        all.push(measure(plan, clock)?);
    }
    println!("{}", report::table(&all));
    let json = report::write_json(&all, &machine)?;
    println!("\nEvery delay: {}", json.display());
    if write {
        println!("Picture: {}", picture::write(&all, &machine)?.display());
    }
    Ok(all.iter().map(|figures| figures.errors).sum())
}

fn measure(plan: &Plan, clock: SystemClock) -> Result<Figures, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let api = runtime.block_on(api::start(plan))?;
    let load = load::Load::start(&api, clock)?;
    // Connections, code and the first held question are warm from here on.
    line::pause(Duration::from_secs(1));
    let delays = probe::revoke_all(plan, &api, clock);
    let load = load.stop();
    Ok(Figures::new(plan, delays?, load))
}
