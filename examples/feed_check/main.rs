//! Points out what a revocation feed does not do as docs/revocation-feed.md says.
//!
//! ```text
//! cargo run --example feed_check -- https://as.example/revocations --issuer https://as.example/
//! cargo run --example feed_check            # checks the authorization server of tower_bearer::testing
//! ```
//!
//! | argument | meaning |
//! |---|---|
//! | `--issuer ISS` | the issuer, exactly as in the tokens' `iss` |
//! | `--bearer TOKEN`, `--basic USER:PASSWORD` | credentials; `FEED_BEARER` and `FEED_BASIC` in the environment keep them out of process lists |
//! | `--ca FILE` | roots to trust besides the system's, as PEM |
//! | `--allow-loopback-http` | http to this very machine |
//! | `--claim NAME`, `--identifier NAME` | claims that entries may name besides the usual ones; as often as needed |
//! | `--wait SECONDS` | how long a poll asks to be held; 5 if nothing is said |
//! | `--watch SECONDS` | gives you that time to revoke something, to see whether it comes by cursor |
//! | `--json` | prints JSON |
//!
//! A line is an outcome, a rule of the document and words. It exits with 1 on `FAIL`, with 2 where nothing could be checked.
//! Only `GET` is used; nothing is changed on the server.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tower_bearer::clock::SystemClock;
use tower_bearer::testing::AuthorizationServer;
use url::Url;

mod ask;
mod check;
mod page;
mod probes;
mod report;

use ask::Credentials;
use check::{News, Options, check};
use page::Known;

const USAGE: &str = "feed_check URL --issuer ISS [--bearer TOKEN | --basic USER:PASSWORD] [--ca FILE] \
                     [--allow-loopback-http] [--claim NAME] [--identifier NAME] [--wait SECONDS] \
                     [--watch SECONDS] [--json]";
/// As long as a resource server waits for a full state.
const PATIENCE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("feed_check: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether the feed conforms.
async fn run() -> Result<bool, Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1).peekable();
    let (options, json) = match arguments.peek() {
        None => (own_server().await?, false),
        Some(_) => read(arguments)?,
    };
    let about = without_query(&options.url);
    let report = check(options).await?;
    let text = if json { format!("{:#}\n", report.to_json()) } else { format!("{about}\n\n{report}") };
    // Whoever reads this may have closed their end.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(!report.has_failed())
}

/// The authorization server of this crate, which revokes something when asked to.
async fn own_server() -> Result<Options, Box<dyn Error>> {
    const TOKEN: &str = "a token that may read the feed";
    let server = AuthorizationServer::builder().feed_bearer(TOKEN).feed_page_size(3).start().await?;
    for number in 0..7 {
        server.revoke_token(&format!("t-{number}"));
    }
    server.revoke_client("app");
    let mut options = options(Url::parse(&server.feed_url())?, server.issuer().to_owned());
    options.credentials = Some(Credentials::Bearer(TOKEN.to_owned()));
    options.loopback_http = true;
    options.news = News::Made(Box::new(move || {
        server.revoke_subject("user-1");
    }));
    Ok(options)
}

fn options(url: Url, issuer: String) -> Options {
    Options {
        url,
        issuer,
        credentials: None,
        ca: None,
        loopback_http: false,
        known: Known::default(),
        wait: 5,
        grace: GRACE,
        patience: PATIENCE,
        news: News::Chance,
        clock: Arc::new(SystemClock::new()),
    }
}

fn read(mut arguments: impl Iterator<Item = String>) -> Result<(Options, bool), Box<dyn Error>> {
    let wrong = |problem: &str| format!("{problem}\n{USAGE}");
    let nowhere = Url::parse("about:blank")?;
    let (mut options, mut url, mut issuer, mut json) = (options(nowhere, String::new()), None, None, false);
    let mut bearer = std::env::var("FEED_BEARER").ok();
    let mut basic = std::env::var("FEED_BASIC").ok();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| wrong(&format!("{argument}: what?")));
        match argument.as_str() {
            "--issuer" => issuer = Some(value()?),
            "--bearer" => bearer = Some(value()?),
            "--basic" => basic = Some(value()?),
            "--ca" => {
                let file = value()?;
                let pem = std::fs::read(&file).map_err(|error| format!("--ca {file}: {error}"))?;
                options.ca = Some(pem);
            }
            "--allow-loopback-http" => options.loopback_http = true,
            "--claim" => options.known.claims.push(value()?),
            "--identifier" => options.known.identifiers.push(value()?),
            "--wait" => options.wait = value()?.parse().map_err(|_| wrong("--wait: whole seconds"))?,
            "--watch" => {
                let seconds = value()?.parse().map_err(|_| wrong("--watch: whole seconds"))?;
                options.news = News::Within(Duration::from_secs(seconds));
            }
            "--json" => json = true,
            text if text.starts_with('-') => {
                // What follows may be a secret.
                let name = text.split('=').next().unwrap_or_default();
                return Err(wrong(&format!("{name} is not known, or its value does not follow it")).into());
            }
            text => url = Some(Url::parse(text).map_err(|error| wrong(&format!("the URL: {error}")))?),
        }
    }
    options.url = url.ok_or_else(|| wrong("which feed?"))?;
    options.issuer = issuer.ok_or_else(|| wrong("--issuer: whose feed?"))?;
    options.credentials = match (bearer, basic) {
        (None, None) => None,
        (Some(token), None) => Some(Credentials::Bearer(token)),
        (None, Some(pair)) => {
            let (user, password) = pair.split_once(':').ok_or_else(|| wrong("--basic: USER:PASSWORD"))?;
            Some(Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
        }
        (Some(_), Some(_)) => return Err(wrong("--bearer or --basic, not both").into()),
    };
    Ok((options, json))
}

/// A key in it would be shown.
fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    let _ = (url.set_username(""), url.set_password(None));
    url.to_string()
}
