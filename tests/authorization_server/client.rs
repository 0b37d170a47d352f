//! What clients and resource servers do at the authorization server, and what these tests start it with.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;
use tokio::task::JoinHandle;
use tower_bearer::Algorithm::ES256;
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::testing::{AuthorizationServer, AuthorizationServerBuilder};

/// Longer than anything here takes on a busy machine; nobody who passes waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// ES256 alone: making an RSA key takes a tenth of a second.
pub(crate) fn builder() -> AuthorizationServerBuilder {
    AuthorizationServer::builder().algorithms([ES256])
}

pub(crate) async fn start() -> AuthorizationServer {
    builder().start().await.unwrap()
}

/// A server whose time is 1000 until the clock is moved.
pub(crate) async fn start_at_1000() -> (AuthorizationServer, ManualClock) {
    let clock = clock_at_1000();
    (builder().clock(clock.clone()).start().await.unwrap(), clock)
}

pub(crate) fn clock_at_1000() -> ManualClock {
    ManualClock::new(UnixTime::from_secs(1000))
}

/// A client that follows no redirect, does not wait for ever, and keeps no connection: one that a restart has closed
/// may swallow the next request. Made once, since that takes a while.
#[expect(clippy::disallowed_methods, reason = "the one place where these tests open connections")]
pub(crate) fn client() -> Client {
    static MADE: OnceLock<Client> = OnceLock::new();
    let make = || {
        let builder = Client::builder().redirect(reqwest::redirect::Policy::none()).pool_max_idle_per_host(0);
        builder.timeout(PATIENCE).build().unwrap()
    };
    MADE.get_or_init(make).clone()
}

pub(crate) async fn try_send(request: RequestBuilder) -> reqwest::Result<Answer> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Ok(Answer { status, headers, body: response.text().await? })
}

pub(crate) async fn send(request: RequestBuilder) -> Answer {
    try_send(request).await.unwrap()
}

pub(crate) async fn get(url: &str) -> Answer {
    send(client().get(url)).await
}

/// A page of the feed.
pub(crate) async fn read(server: &AuthorizationServer, query: &str) -> Value {
    let answer = get(&format!("{}{query}", server.feed_url())).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What is new in the feed since `page`.
pub(crate) async fn since(server: &AuthorizationServer, page: &Value) -> Value {
    read(server, &format!("?cursor={}", cursor(page))).await
}

pub(crate) fn cursor(page: &Value) -> &str {
    page["cursor"].as_str().unwrap()
}

/// Where to ask for what is new since `page`, and to wait for it.
pub(crate) fn poll_url(server: &AuthorizationServer, page: &Value) -> String {
    format!("{}?cursor={}&wait=25", server.feed_url(), cursor(page))
}

/// A request that the server has begun to hold on to: it sleeps on `clock`.
pub(crate) async fn held(
    request: RequestBuilder,
    clock: &ManualClock,
) -> JoinHandle<reqwest::Result<Answer>> {
    let task = tokio::spawn(try_send(request));
    until(|| clock.sleepers() == 1).await;
    assert!(!task.is_finished());
    task
}

pub(crate) async fn until(condition: impl Fn() -> bool) {
    let patience = SystemClock::new();
    while !condition() {
        assert!(patience.uptime() < PATIENCE, "waited in vain");
        patience.sleep(Duration::from_millis(1)).await;
    }
}
