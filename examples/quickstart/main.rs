//! A small calendar API, the authorization server it trusts, and a client that plays through what can happen: all in
//! one process, over real HTTP, with nothing to set up.
//!
//! ```text
//! cargo run --example quickstart             # plays the scenario; exits with 1 if any line comes out wrong
//! cargo run --example quickstart -- --serve  # then keeps running and prints lines to try with curl
//! ```

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use tower_bearer::testing::AuthorizationServer;

mod api;
mod client;
mod scenario;
mod serve;

/// The identifier under which the authorization server knows the calendar.
const AUDIENCE: &str = "https://api.example.com/calendar/v1/";
const CLIENT: &str = "calendar-app";
const SECRET: &str = "a secret of the calendar app";
const POLL_INTERVAL: Duration = Duration::from_millis(100);
const MAX_STALENESS: Duration = Duration::from_secs(4);

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    match run(std::env::args().any(|argument| argument == "--serve")).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("a line of the scenario came out wrong");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("the scenario could not be played: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(serve: bool) -> Result<bool, Box<dyn Error>> {
    let issuer = AuthorizationServer::start().await?;
    let api = api::start(&issuer).await?;
    println!("authorization server  {}", issuer.issuer());
    println!("calendar API          {api}");
    println!("feed                  asked every {POLL_INTERVAL:?}, stale after {MAX_STALENESS:?}\n");
    let right = scenario::play(&issuer, &api).await?;
    if serve {
        issuer.restart().await?;
        serve::until_interrupted(&issuer, &api).await?;
    }
    Ok(right)
}
