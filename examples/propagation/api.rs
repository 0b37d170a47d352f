//! What is measured: an API behind the layer, and the authorization server that it trusts.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, Feed, ResourceServer, scope};

use super::Plan;

const AUDIENCE: &str = "https://api.example.com/calendar/v1/";
const MAX_STALENESS: Duration = Duration::from_secs(35);

pub(crate) struct Api {
    pub(crate) issuer: Arc<AuthorizationServer>,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn start(plan: &Plan) -> Result<Api, Box<dyn Error>> {
    // RSA, like most.
    let issuer = AuthorizationServer::builder().algorithms([Algorithm::RS256]).start().await?;
    let feed = Feed::new(issuer.feed_url()).poll_interval(plan.poll_interval).max_staleness(MAX_STALENESS);
    let feed = match plan.long_poll {
        Some(wait) => feed.long_poll(wait),
        None => feed,
    };
    let api = ResourceServer::builder()
        .issuer(issuer.issuer())
        .audience(AUDIENCE)
        .revocation(feed)
        .allow_loopback_http()
        .start()
        .await?;
    let events = get(async || "no events\n").layer(api.protect(scope("read:events")));
    let app = Router::new().route("/events", events);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let listener = listener.tap_io(|connection| {
        let _ = connection.set_nodelay(true);
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    Ok(Api { issuer: Arc::new(issuer), address })
}

impl Api {
    /// A request with a token of this id, ready to be sent.
    pub(crate) fn request(&self, jti: &str) -> Vec<u8> {
        let token =
            Token::new(AUDIENCE).subject("user-1").client("app").scope("read:events").claim("jti", jti);
        let token = self.issuer.mint(token);
        format!("GET /events HTTP/1.1\r\nhost: api.example.com\r\nauthorization: Bearer {token}\r\n\r\n")
            .into_bytes()
    }
}
