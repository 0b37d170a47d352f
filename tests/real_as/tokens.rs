//! Tokens as a real server issues them: which are accepted, and which are not.

use std::time::Duration;

use axum::{Router, routing::get};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::{AccessToken, RejectionKind, ResourceServer, all_of, scope};

use crate::api::{self, PATIENCE, accepts, ask, ask_for, refuses, within};
use crate::driver::{self, BOTH, Driver, ES256, RESOURCES, RS256};
use crate::process;

#[tokio::test]
async fn client_credentials_tokens_of_each_algorithm_are_accepted() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    for (resource, algorithm) in RESOURCES {
        let token = driver.machine(resource, BOTH).await;
        assert_eq!(driver::header(&token)["alg"], algorithm);
        let accepted = accepts(&api, &token).await;
        assert_eq!(accepted.issuer(), server.issuer);
        assert_eq!(accepted.client_id().as_deref(), Some("machine"));
        assert_eq!(accepted.subject().as_deref(), Some("machine"));
        assert_eq!(accepted.string("aud").as_deref(), Some(resource));
        assert!(accepted.has_scope("read:events") && accepted.has_scope("write:events"));
    }
}

#[tokio::test]
async fn user_tokens_reach_an_axum_handler_over_http() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    async fn who(token: AccessToken) -> String {
        let [subject, client] = [token.subject(), token.client_id()].map(Option::unwrap);
        format!("{subject} {client} {}", token.string("grant_id").unwrap())
    }
    let app = Router::new()
        .route("/read", get(who).layer(api.protect(scope("read:events"))))
        .route("/write", get(who).layer(api.protect(scope("write:events"))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (read, write) = (format!("{base}/read"), format!("{base}/write"));

    let mut grants = Vec::new();
    for user in ["user-1", "user-2"] {
        let token = driver.login(user, ES256, "read:events").await.access;
        let grant = driver::claims(&token)["grant_id"].as_str().unwrap().to_owned();
        let response = driver.get(&read, Some(&token)).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.text().await.unwrap(), format!("{user} app {grant}"));
        assert_eq!(driver.get(&write, Some(&token)).await.status(), 403);
        grants.push(grant);
    }
    assert_ne!(grants[0], grants[1]);

    let response = driver.get(&read, None).await;
    assert_eq!(response.status(), 401);
    let challenge = format!(r#"Bearer realm="{RS256}", scope="read:events""#);
    assert_eq!(response.headers()["www-authenticate"], challenge);
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let Some(server) = process::shared().await else { return };
    let driver = Driver::of(server).await;
    let builder = ResourceServer::builder().issuer(&server.issuer).audience("https://api.example.test/other");
    let other = builder.without_revocation().allow_loopback_http().start().await.unwrap();
    for (resource, _) in RESOURCES {
        refuses(&other, &driver.machine(resource, BOTH).await, RejectionKind::WrongAudience).await;
    }
}

#[tokio::test]
async fn a_scope_that_the_token_lacks_is_named_in_the_challenge() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    let token = driver.machine(RS256, "read:events").await;
    assert_eq!(ask_for(&api, scope("read:events"), &token).await.status, 200);
    for (policy, needed) in
        [(scope("write:events"), "write:events"), (all_of(["read:events", "write:events"]), BOTH)]
    {
        let answer = ask_for(&api, policy, &token).await;
        assert_eq!((answer.status, answer.kind), (403, Some(RejectionKind::InsufficientScope)));
        assert!(answer.challenge.contains(&format!(r#"scope="{needed}""#)), "{}", answer.challenge);
        assert!(answer.challenge.contains(r#"error="insufficient_scope""#), "{}", answer.challenge);
    }
}

#[tokio::test]
async fn an_expired_token_is_refused_and_its_successor_accepted() {
    let Some(server) = process::start("--ttl 3").await else { return };
    let (driver, patience) = (Driver::of(&server).await, SystemClock::new());
    let strict = api::builder(&server).leeway(Duration::ZERO).start().await.unwrap();
    let lenient = api::builder(&server).leeway(Duration::from_secs(60)).start().await.unwrap();
    // On a busy machine one may have ended before it is shown.
    let (session, expires_at) = loop {
        let session = driver.login("user-1", ES256, BOTH).await;
        let answer = ask(&strict, &session.access).await;
        if let Some(token) = answer.token {
            break (session, token.expires_at());
        }
        assert_eq!(answer.kind, Some(RejectionKind::Expired));
        assert!(patience.uptime() < PATIENCE, "none was accepted in time");
    };
    let (answer, _) = within("expired", async || {
        let (asked, answer) = (SystemClock::new().wall(), ask(&strict, &session.access).await);
        assert_eq!(answer.status == 401, answer.kind == Some(RejectionKind::Expired), "{answer:?}");
        // Requests are judged by a clock that moves in ticks.
        let tick = Duration::from_millis(10);
        assert!(answer.status == 401 || asked < expires_at.plus(tick), "accepted after its end: {answer:?}");
        (answer.status == 401).then_some(answer)
    })
    .await;
    assert!(SystemClock::new().wall() >= expires_at, "refused before its end");
    assert!(answer.challenge.contains("The access token expired"), "{}", answer.challenge);
    accepts(&lenient, &session.access).await;
    let mut successor = driver.refresh(&session).await.unwrap();
    while ask(&strict, &successor.access).await.status != 200 {
        assert!(patience.uptime() < PATIENCE, "no successor was accepted in time");
        successor = driver.refresh(&successor).await.unwrap();
    }
}

#[tokio::test]
async fn tampering_with_any_part_is_noticed() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    for (resource, _) in RESOURCES {
        let (good, other) = (driver.machine(resource, BOTH).await, driver.machine(resource, BOTH).await);
        let (parts, foreign) = (driver::parts(&good), driver::parts(&other));
        assert_eq!(driver::token(&parts), good);
        let with = |part: usize, bytes: Vec<u8>| {
            let mut parts = parts.clone();
            parts[part] = bytes;
            driver::token(&parts)
        };
        let text = |part: usize, from: &str, to: &str| {
            let text = str::from_utf8(&parts[part]).unwrap();
            assert!(text.contains(from), "{text}");
            with(part, text.replacen(from, to, 1).into_bytes())
        };
        let mut flipped = parts[2].clone();
        flipped[20] ^= 1;
        for (tampered, kind) in [
            (text(0, "{", "{\"x\":1,"), RejectionKind::WrongSignature),
            (text(0, "{", "{ "), RejectionKind::WrongSignature),
            (text(1, "\"sub\":\"machine\"", "\"sub\":\"root\""), RejectionKind::WrongSignature),
            (text(1, "{", "{\"admin\":true,"), RejectionKind::WrongSignature),
            (with(1, foreign[1].clone()), RejectionKind::WrongSignature),
            (with(2, foreign[2].clone()), RejectionKind::WrongSignature),
            (with(2, flipped), RejectionKind::WrongSignature),
            (with(2, parts[2][1..].to_vec()), RejectionKind::WrongSignature),
            (with(2, Vec::new()), RejectionKind::WrongSignature),
            (with(0, br#"{"alg":"none","typ":"at+jwt"}"#.to_vec()), RejectionKind::WrongAlgorithm),
        ] {
            refuses(&api, &tampered, kind).await;
        }
        accepts(&api, &good).await;
    }
}

#[tokio::test]
async fn what_is_no_access_token_of_this_server_is_refused() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    let session = driver.login("user-1", ES256, &format!("openid {BOTH}")).await;
    accepts(&api, &session.access).await;
    refuses(&api, &session.id_token.expect("an ID token"), RejectionKind::WrongType).await;
    refuses(&api, &session.refresh, RejectionKind::MalformedToken).await;
    refuses(&api, &driver.machine("", BOTH).await, RejectionKind::MalformedToken).await;
}
