//! The calendar: everything that an API has to write itself.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_bearer::testing::AuthorizationServer;
use tower_bearer::{AccessToken, Feed, ResourceServer, scope};

use super::{AUDIENCE, MAX_STALENESS, POLL_INTERVAL};

/// Serves on a free loopback port, and returns its URL.
pub(crate) async fn start(issuer: &AuthorizationServer) -> Result<String, Box<dyn Error>> {
    let feed = Feed::new(issuer.feed_url()).poll_interval(POLL_INTERVAL).max_staleness(MAX_STALENESS);
    let api = ResourceServer::builder()
        .issuer(issuer.issuer())
        .audience(AUDIENCE)
        .revocation(feed)
        .allow_loopback_http()
        .start()
        .await?;
    let read = get(list).layer(api.protect(scope("read:events")));
    let write = axum::routing::post(create).layer(api.protect(scope("write:events")));
    let app = Router::new().route("/events", read.merge(write));

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(url)
}

async fn list(token: AccessToken) -> String {
    format!("the events of {}\n", token.subject().unwrap_or_default())
}

async fn create(token: AccessToken) -> String {
    format!("created for {}\n", token.subject().unwrap_or_default())
}
