//! The settings of sources, each by what it does.

use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::{AuthorizationServer, AuthorizationServerBuilder};

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::setup::{AUDIENCE, ROUTES, Setup, authorization_server, issuer, listeners, token, until};
use crate::upstream::Upstream;

async fn with(server: AuthorizationServer, dir: Dir, settings: &str) -> Setup {
    let upstream = Upstream::start().await;
    let config = format!("{}{}{settings}\n{ROUTES}", listeners(upstream.port), issuer(&server));
    Setup { gateway: Gateway::start_in(dir, &config).await, server, upstream }
}

#[tokio::test]
async fn sources_are_asked_with_the_credentials_of_files() {
    type Demand = fn(AuthorizationServerBuilder) -> AuthorizationServerBuilder;
    let table: [(Demand, &str); 4] = [
        (|server| server.feed_bearer("the secret"), "bearer_file = 'secret'"),
        (
            |server| server.feed_basic("reader", "the secret"),
            "basic = { user = 'reader', password_file = 'secret' }",
        ),
        (
            |server| server.feed_token_for("the-feed"),
            "[issuer.revocation.client_credentials]\nclient_id = 'api'\nsecret_file = 'secret'\naudience = 'the-feed'\n\
             scope = 'read:revocations'\ntoken_endpoint = 'TOKENS'",
        ),
        (
            |server| server.feed_token_for("the-feed"),
            "client_credentials = { client_id = 'api', secret_file = 'secret', resource = ['the-feed'] }",
        ),
    ];
    for (demand, settings) in table {
        let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]);
        let server = demand(builder).start().await.unwrap();
        server.add_client("api", "the secret");
        server.grant("api", "the-feed", ["read:revocations"]);
        let tokens = server.token_url();
        let dir = Dir::new();
        dir.write("secret", b"the secret\n");
        let setup = with(server, dir, &settings.replace("TOKENS", &tokens)).await;
        setup.ready().await;
        assert!(!setup.gateway.log().contains("the secret"), "{settings}");
        let without = with(setup.server, Dir::new(), "").await;
        until("a refusal", async || without.source().await["last_error"].is_string()).await;
        let error = without.source().await["last_error"].as_str().unwrap().to_owned();
        assert!(error.contains("401"), "{settings}: {error}");
    }
}

#[tokio::test]
async fn entries_are_understood_as_it_is_said() {
    let server = authorization_server().await;
    let exp = SystemClock::new().wall().as_secs() + 3600;
    server.publish(json!({ "device_id": "d-1", "exp": exp }));
    server.publish(json!({ "tenant": "t-1", "issued_before": exp - 3000, "exp": exp }));
    server.publish(json!({ "sub": "x", "exp": exp }));
    let setup = with(server, Dir::new(), "").await;
    until("an entry that is not understood", async || setup.source().await["last_error"].is_string()).await;

    let settings =
        "identifiers = ['device_id', 'other']\nclaims = ['tenant', 'another']\nignore_unknown_entries = true";
    let setup = with(setup.server, Dir::new(), settings).await;
    setup.ready().await;
    let of = |claim: &str, value: &str| setup.server.mint(token("read:events").claim(claim, value));
    for (claim, value, status) in
        [("device_id", "d-1", 401), ("device_id", "d-2", 200), ("tenant", "t-1", 401), ("tenant", "t-2", 200)]
    {
        assert_eq!(setup.get("/events", &of(claim, value)).await.status, status, "{claim} {value}");
    }
    assert_eq!(setup.source().await["ignored"], 1);
}

#[tokio::test]
async fn unsigned_pages_are_refused_where_signed_ones_are_demanded() {
    let setup = with(authorization_server().await, Dir::new(), "signed = true").await;
    until("a refusal", async || setup.source().await["last_error"].is_string()).await;
    assert!(setup.source().await["last_error"].as_str().unwrap().contains("not signed"));
    setup.server.sign_feed(true);
    setup.ready().await;
}

#[tokio::test]
async fn stale_news_are_admitted_until_they_expire() {
    let settings = "max_staleness = '300ms'\nexpires_after = '400ms'\nwhen_stale = 'admit'";
    let setup = with(authorization_server().await, Dir::new(), settings).await;
    setup.ready().await;
    setup.break_feed().await;
    let token = setup.token("read:events");
    // Requests are judged by a clock that moves in ticks, and lags a little behind that of health.
    until("the end", async || setup.get("/events", &token).await.status == 503).await;
    assert_eq!(setup.source().await["state"], "expired");
    until("the log", async || setup.gateway.log().contains("revocations have expired")).await;
}

/// What any of them lists is refused, and each must be known.
#[tokio::test]
async fn an_issuer_may_have_several_sources() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let (url, feed) = (server.issuer(), server.feed_url());
    let config = format!(
        "{}[[issuer]]\nurl = '{url}'\naudience = ['{AUDIENCE}']\nallow_loopback_http = true\n\
         [[issuer.revocation]]\nsource = 'feed'\nurl = '{feed}'\npoll_interval = '50ms'\n\
         [[issuer.revocation]]\nsource = 'list'\nfile = 'sessions'\nclaim = 'sid'\npoll_interval = '50ms'\n{ROUTES}",
        listeners(upstream.port),
    );
    server.revoke_token("t-1");
    let dir = Dir::new();
    let list = dir.path("sessions");
    let setup = Setup { gateway: Gateway::start_in(dir, &config).await, server, upstream };
    until("the feed", async || setup.source().await["state"] == "fresh").await;
    assert_eq!(Ask::get("/readyz").of(setup.gateway.admin).await.status, 503, "there is no list yet");
    std::fs::write(list, "s-1\n").unwrap();
    setup.ready().await;
    for (claim, value, status) in [("jti", "t-1", 401), ("sid", "s-1", 401), ("sid", "s-2", 200)] {
        let token = setup.server.mint(token("read:events").claim(claim, value));
        assert_eq!(setup.get("/events", &token).await.status, status, "{claim} {value}");
    }
}
