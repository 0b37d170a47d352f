//! What most tests need: an authorization server, an upstream and the gateway between them.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use tower_bearer::Algorithm;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Reply, Token};

use crate::client::{Answer, Ask};
use crate::process::{Gateway, PATIENCE};
use crate::upstream::Upstream;

pub(crate) const AUDIENCE: &str = "https://api.example.test/";

pub(crate) const ROUTES: &str = r#"
    [[route]]
    path = "/events"
    require = { all = ["read:events"] }

    [[route]]
    path = "/open"
    public = true
"#;

pub(crate) const FORWARD: &str = r#"
    [forward]
    headers = { "x-auth-subject" = "sub", "x-auth-scope" = "scope", "x-auth-client" = "client_id" }
"#;

pub(crate) struct Setup {
    pub(crate) server: AuthorizationServer,
    pub(crate) upstream: Upstream,
    pub(crate) gateway: Gateway,
}

impl Setup {
    /// With these routes (and whatever else comes after the issuer), ready to judge.
    pub(crate) async fn start(rest: &str) -> Self {
        let (server, upstream) = (authorization_server().await, Upstream::start().await);
        let config = format!("{}{}{rest}", listeners(upstream.port), issuer(&server));
        let gateway = Gateway::start(&config).await;
        let setup = Self { server, upstream, gateway };
        setup.ready().await;
        setup
    }

    pub(crate) async fn ready(&self) {
        until("readiness", async || Ask::get("/readyz").of(self.gateway.admin).await.status == 200).await;
    }

    /// The first source in health.
    pub(crate) async fn source(&self) -> Value {
        Ask::get("/status").of(self.gateway.admin).await.json()["issuers"][0]["feeds"][0].clone()
    }

    /// Lets the feed fail, and returns once the gateway has met that: it asks one question after the other, so that no
    /// good answer is on its way then.
    pub(crate) async fn break_feed(&self) {
        self.server.set_reply(&self.server.feed_url(), Reply::status(500));
        until("the failure", async || {
            self.source().await["last_error"].as_str().is_some_and(|error| error.contains("500"))
        })
        .await;
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Answer {
        ask.of(self.gateway.port).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(Ask::get(path).bearer(token)).await
    }

    /// A token of `user` with these scopes.
    pub(crate) fn token(&self, scope: &str) -> String {
        self.server.mint(token(scope))
    }
}

pub(crate) fn token(scope: &str) -> Token {
    Token::new(AUDIENCE).subject("user").client("app").scope(scope)
}

pub(crate) async fn authorization_server() -> AuthorizationServer {
    AuthorizationServer::builder().algorithms([Algorithm::ES256]).start().await.unwrap()
}

/// The top of a configuration.
pub(crate) fn listeners(upstream: u16) -> String {
    format!("listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:{upstream}'\n")
}

/// An issuer with a feed that is asked all the time.
pub(crate) fn issuer(server: &AuthorizationServer) -> String {
    let (url, feed) = (server.issuer(), server.feed_url());
    format!(
        "[[issuer]]\nurl = '{url}'\naudience = ['{AUDIENCE}']\nallow_loopback_http = true\n\
         [issuer.revocation]\nsource = 'feed'\nurl = '{feed}'\npoll_interval = '50ms'\n"
    )
}

/// Polls until it is so.
pub(crate) async fn until(what: impl fmt::Display, mut is_so: impl AsyncFnMut() -> bool) {
    let clock = SystemClock::new();
    while !is_so().await {
        assert!(clock.uptime() < PATIENCE, "still waiting for {what}");
        clock.sleep(Duration::from_millis(20)).await;
    }
}

/// Fails where it takes too long.
pub(crate) async fn within<T>(what: impl fmt::Display, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = SystemClock::new().sleep(PATIENCE) => panic!("{what} takes longer than {PATIENCE:?}"),
    }
}
