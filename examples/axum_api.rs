//! An axum API for any issuer, set up by environment variables.
//!
//! ```text
//! ISSUER=https://tenant.example/ AUDIENCE=https://api.example.com/ FEED=https://tenant.example/revocations \
//!     cargo run --example axum_api
//! ```
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `ISSUER` | exact `iss` of the tokens; its metadata tell where the keys are | must be given |
//! | `AUDIENCE` | what the tokens' `aud` must contain | must be given |
//! | `FEED` | URL of the revocation feed, or `none` | must be given |
//! | `FEED_TOKEN` | bearer token for the feed | none |
//! | `PROFILE` | `rfc9068`, `generic`, `auth0`, `okta`, `keycloak` … (docs/profiles.md) | `rfc9068` |
//! | `SCOPE` | scope that `GET /events` needs | any token will do |
//! | `LISTEN` | address | `127.0.0.1:3000` |
//! | `LOOPBACK_HTTP` | `1` allows http to this machine | https only |

use std::env::{self, VarError};
use std::error::Error;
use std::process::ExitCode;

use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tower_bearer::{AccessToken, Feed, Health, Policy, Profile, ResourceServer, any_token};

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let api = resource_server().await?;
    let policy = match optional("SCOPE")? {
        Some(scopes) => Policy::try_all_of(scopes.split_whitespace())
            .map_err(|error| format!("SCOPE `{scopes}`: {error}"))?,
        None => any_token(),
    };
    let status = api.clone();
    let app = Router::new()
        .route("/events", get(events).layer(api.protect(policy)))
        .route("/status", get(async move || Json::<Health>(status.health())));

    let listen = optional("LISTEN")?.unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&listen).await.map_err(|error| format!("LISTEN `{listen}`: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn resource_server() -> Result<ResourceServer, Box<dyn Error>> {
    let profile = match optional("PROFILE")? {
        None => Profile::default(),
        Some(name) => {
            Profile::from_name(&name).ok_or_else(|| format!("PROFILE `{name}`: see docs/profiles.md"))?
        }
    };
    let builder = ResourceServer::builder().issuer(required("ISSUER")?).audience(required("AUDIENCE")?);
    let builder = match optional("LOOPBACK_HTTP")?.as_deref() {
        Some("1") => builder.allow_loopback_http(),
        _ => builder,
    };
    let builder = builder.profile(profile);
    let builder = match required("FEED")?.as_str() {
        "none" => builder.without_revocation(),
        url => builder.revocation(match optional("FEED_TOKEN")? {
            Some(token) => Feed::new(url).bearer(token),
            None => Feed::new(url),
        }),
    };
    Ok(builder.start().await?)
}

async fn events(token: AccessToken) -> String {
    format!("the events of {}\n", token.subject().unwrap_or_default())
}

fn required(name: &str) -> Result<String, Box<dyn Error>> {
    optional(name)?.ok_or_else(|| {
        format!("{name} is not set; the variables are explained in examples/axum_api.rs").into()
    })
}

fn optional(name: &str) -> Result<Option<String>, Box<dyn Error>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(error) => Err(format!("{name}: {error}").into()),
    }
}
