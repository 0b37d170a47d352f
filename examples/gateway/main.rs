//! A reverse proxy that lets through what `tower-bearer` admits: `cargo run --example gateway -- gateway.toml`.
//!
//! The file beside this one, `gateway.toml`, shows every setting. A request takes this way:
//!
//! ```text
//! serve → front: path → route table → headers of this hop go
//!             → Protect (not on public routes) → Forward → Proxy → upstream
//! ```
//!
//! Everything is streamed, nothing buffered. What is counted on the way is at `/metrics` of the admin listener.

mod admin;
mod body;
mod config;
mod files;
mod forward;
mod front;
mod headers;
mod issuers;
mod knowledge;
mod metrics;
mod path;
mod prometheus;
mod proxy;
mod resource;
mod revocation;
mod routes;
mod serve;
mod sources;
mod transport;
mod values;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, ConfigError};
use crate::front::Front;
use crate::metrics::Metrics;
use crate::routes::Routes;

/// The operator has to change something.
const MISCONFIGURED: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gateway: {error}");
            ExitCode::from(MISCONFIGURED)
        }
    }
}

async fn run() -> Result<(), ConfigError> {
    let file = file()?;
    let wrong = |error: &dyn Error| ConfigError(format!("{}: {error}", file.display()));
    let config = Config::read(&file)?;
    let api = issuers::start(&config, &file)?;
    let metrics = Arc::new(Metrics::new(config.routes().map(|route| route.prefix.text.as_str())));
    let routes = Routes::new(&config, &api, &metrics).map_err(|error| wrong(&error))?;
    let signal = serve::signal().map_err(|error| wrong(&error))?;
    let (listener, address) = bind(&file, "listen", config.listen.0).await?;
    let (admin_listener, admin_address) = bind(&file, "admin", config.admin.0).await?;
    let description = api.resource_metadata();
    let admin = admin::router(api, routes.shown(), Arc::clone(&metrics));

    let (stop, stopping) = watch::channel(false);
    let admin = axum::serve(admin_listener, admin).with_graceful_shutdown(serve::stopped(stopping.clone()));
    tokio::spawn(admin.into_future());
    tokio::spawn(serve::serve(listener, Front::new(routes, description, metrics), stopping));
    // Whoever started this may have closed its end.
    let _ = writeln!(io::stdout(), "listening on {address} admin {admin_address}");

    signal.await;
    tracing::info!("stopping");
    serve::stop(stop).await;
    Ok(())
}

fn file() -> Result<PathBuf, ConfigError> {
    let mut arguments = std::env::args_os().skip(1);
    match (arguments.next(), arguments.next()) {
        (Some(file), None) => Ok(file.into()),
        _ => Err(ConfigError("say where the configuration is: gateway gateway.toml".to_owned())),
    }
}

async fn bind(
    file: &Path,
    setting: &str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), ConfigError> {
    let wrong = |error| {
        let remedy = "give an address of this machine with a free port";
        ConfigError(format!("{}: {setting} `{address}`: {error}: {remedy}", file.display()))
    };
    let listener = TcpListener::bind(address).await.map_err(wrong)?;
    let bound = listener.local_addr().map_err(wrong)?;
    Ok((listener, bound))
}
