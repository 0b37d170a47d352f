//! Nothing of a token or a secret reaches a log; what an operator must know does.
//!
//! A binary of its own: the subscriber is the whole process's, since tracing remembers for each place in the code whether
//! anybody listened when it was first passed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::io::{self, Write};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{Auth0, ClientCredentials, RejectionKind as Kind, ResourceServer, WhenStale, any_token};

#[allow(dead_code, unreachable_pub, reason = "shared with the suite, which uses all of it")]
#[path = "suite/world.rs"]
mod world;

use serde_json::json;
use world::{AUDIENCE, POLL, World, ask, builder, clock, feed, issuer, request, token};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn kind(api: &ResourceServer, token: &str) -> Option<Kind> {
    ask(api, any_token(), request(token)).await.rejection.map(|rejection| rejection.kind())
}

/// Everything that is logged from now on, in all tests of this binary.
fn captured() -> impl Fn() -> String {
    static LOG: OnceLock<Captured> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Captured::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_env_filter("trace")
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .init();
        log
    });
    // What was said before may be of a server at the same port.
    let before = log.0.lock().unwrap().len();
    move || String::from_utf8(log.0.lock().unwrap()[before..].to_vec()).unwrap()
}

/// BR-26.
#[tokio::test]
async fn nothing_of_a_token_is_logged() {
    let said = captured();

    let world = World::new().await;
    let marker = "marker-that-must-not-be-seen";
    let tokens = [
        world.issuer.mint(token().subject(marker)),
        world.issuer.mint(token().subject(marker).without("exp")),
        world.issuer.mint(token().subject(marker).header("kid", marker)),
        world.issuer.mint(token().subject(marker).header("typ", marker)),
        world.issuer.mint(token().subject(marker).claim("aud", marker)),
        world.issuer.mint(token().subject(marker).signed_by_unknown_key()),
        world.issuer.mint(token().subject(marker).unsigned()),
        format!("{marker} {marker}"),
        marker.to_owned(),
    ];
    for token in &tokens {
        let answer = world.patiently(ask(&world.api, any_token(), request(token))).await;
        let debug = format!("{answer:?} {:?}", world.api);
        assert!(!debug.contains(marker) || answer.status == 200, "{debug}");
    }
    world.issuer.revoke_jwt(&tokens[0]);
    world.poll().await;
    assert_eq!(world.status(&tokens[0]).await, 401);
    world.issuer.stop().await;
    world.poll_in_vain().await;
    let credentials = feed(&world.issuer).bearer(marker);
    let error = builder(&world.issuer, &world.clock).revocation(credentials).start().await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(marker));

    let log = said();
    assert!(log.contains("tower_bearer::rejection") && log.contains("signature does not verify"), "{log}");
    assert!(!log.contains(marker), "{log}");
    for token in &tokens {
        for part in token.split('.').filter(|part| part.len() > 20) {
            assert!(!log.contains(part), "a part of a token is in the log");
        }
    }
}

/// PR-09: several audiences count, and it is said if the resource's own identifier is not among them.
#[tokio::test]
async fn a_resource_that_is_no_audience_is_warned_of() {
    let said = captured();

    let clock = clock();
    let server = issuer(&clock).await;
    let mcp = "https://api.example.com/mcp";
    let both = builder(&server, &clock).audience(mcp).without_revocation().resource(mcp);
    let api = both.start().await.unwrap();
    assert!(!said().contains("not among the audiences"), "{}", said());
    for audience in [AUDIENCE, mcp] {
        assert_eq!(kind(&api, &server.mint(token().claim("aud", audience))).await, None, "{audience}");
    }
    let one = builder(&server, &clock).without_revocation().resource(mcp);
    let api = one.start().await.unwrap();
    assert!(said().contains("not among the audiences") && said().contains(mcp), "{}", said());
    assert_eq!(kind(&api, &server.mint(token().claim("aud", mcp))).await, Some(Kind::WrongAudience));
}

#[tokio::test]
async fn a_trial_is_announced_and_tells_nothing_of_tokens() {
    let said = captured();
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).revocation(feed(&server).dry_run()).start().await.unwrap();
    let about = |line: &&str| line.contains(server.issuer()) && line.contains("dry run");
    let lines = || said().lines().filter(about).map(str::to_owned).collect::<Vec<_>>();
    assert!(lines()[0].contains("WARN") && lines()[0].contains("ADMITTED"), "{:?}", lines());
    let world = World { issuer: server.clone(), clock, api };
    let revoked = world.issuer.mint(token().claim("jti", "trial-jti"));
    world.issuer.revoke_token("trial-jti");
    world.poll().await;
    for _ in 0..5 {
        assert_eq!(world.status(&revoked).await, 200);
    }
    let told: Vec<_> =
        lines().into_iter().filter(|line| line.contains("would refuse a revoked token")).collect();
    assert_eq!(told.len(), 1, "a client in a loop does not fill the log: {told:?}");
    assert!(!told[0].contains("trial-jti") && told[0].contains("INFO"), "{told:?}");
}

/// Each way from one state to another is told once, however often the source is asked in between.
#[tokio::test]
async fn states_of_freshness_are_told_once() {
    let said = captured();
    let clock = clock();
    let server = issuer(&clock).await;
    let admitting = feed(&server).expires_after(Duration::from_secs(120)).when_stale(WhenStale::Admit);
    let api = builder(&server, &clock).revocation(admitting).start().await.unwrap();
    let about = |line: &&str| line.contains(server.issuer()) && line.contains("before=");
    let lines = || said().lines().filter(about).map(str::to_owned).collect::<Vec<_>>();
    let world = World { issuer: server.clone(), clock, api };

    world.issuer.set_reply(&server.feed_url(), Reply::status(500));
    for (age, told) in [(31.0, 2), (121.0, 3)] {
        while world.feed_age() < Some(age) {
            world.poll_in_vain().await;
        }
        world.until(|_| lines().len() >= told).await;
        for _ in 0..3 {
            let asked = world.issuer.requests(&server.feed_url());
            world.settle(2).await;
            world.clock.advance(Duration::from_secs(8));
            world.until(|world| world.issuer.requests(&server.feed_url()) > asked).await;
        }
    }
    world.issuer.clear_reply(&server.feed_url());
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(8));
    world.until(|_| lines().len() >= 4).await;
    world.poll().await;

    let expected =
        [("INFO", "are fresh"), ("WARN", "are stale"), ("WARN", "have expired"), ("INFO", "are fresh")];
    assert_eq!(lines().len(), expected.len(), "{:#?}", lines());
    for (line, (level, words)) in lines().iter().zip(expected) {
        assert!(line.contains(level) && line.contains(words), "{words}: {line}");
    }
    assert!(lines()[1].contains("before=Fresh") && lines()[1].contains("when_stale=Admit"), "{:?}", lines());
    assert!(lines()[3].contains("before=Expired"), "{:?}", lines());
}

/// An answer that comes after its source has grown old: it was stale, and is fresh.
#[tokio::test]
async fn a_state_that_ends_with_the_answer_is_told_too() {
    let said = captured();
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).revocation(feed(&server)).start().await.unwrap();
    let about = |line: &&str| line.contains(server.issuer()) && line.contains("before=");
    let world = World { issuer: server.clone(), clock, api };
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(40));
    let told = || said().lines().filter(about).map(str::to_owned).collect::<Vec<_>>();
    world.until(|_| told().len() >= 3).await;
    let words = ["are fresh", "are stale", "are fresh"];
    assert!(told().iter().zip(words).all(|(line, words)| line.contains(words)), "{:#?}", told());
}

/// A source with a jti in it says what becomes of tokens without one, and nothing of its client's secret or token.
#[tokio::test]
async fn an_auth0_tenant_is_watched_without_telling_secrets() {
    let said = captured();
    let clock = clock();
    let server: AuthorizationServer = issuer(&clock).await;
    let secret = "secret-of-the-watcher";
    server.add_client("watcher", secret);
    server.grant("watcher", &server.management_audience(), ["blacklist:tokens", "read:client_grants"]);
    let source = || {
        let client = ClientCredentials::new("watcher", secret);
        Auth0::new(server.issuer(), client).audience(AUDIENCE).poll_interval(POLL)
    };
    let about = |line: &&str| line.contains(server.issuer()) && line.contains("tokens without `jti`");
    let line = || said().lines().rfind(about).map(str::to_owned);
    let bare = || source().without_blacklist();
    for (requires, source, words) in [
        (false, bare(), None),
        (false, source(), Some(["WARN", "ADMITTED"])),
        (true, bare(), Some(["INFO", "are refused"])),
        (false, bare().logs(), Some(["WARN", "ADMITTED"])),
    ] {
        let builder = builder(&server, &clock).require_jti(requires).revocation(source);
        drop(builder.start_lazily().unwrap());
        assert_eq!(line().is_some(), words.is_some());
        assert!(words.iter().flatten().all(|word| line().unwrap().contains(word)), "{:?}", line());
    }
    let api = builder(&server, &clock).revocation(source()).start().await.unwrap();
    assert!(line().unwrap().contains("INFO") && line().unwrap().contains("are refused"), "{:?}", line());
    let world = World { issuer: server.clone(), clock, api };
    world.poll().await;
    for path in ["client-grants", "blacklists/tokens"] {
        world.issuer.set_reply(&world.issuer.management_url(path), Reply::status(403).body(secret));
        world.poll_in_vain().await;
    }
    let shown = format!("{:?} {:?} {}", world.api.health(), world.api, said());
    assert!(shown.contains("with the scope read:client_grants"), "{shown}");
    assert!(!shown.contains(secret) && !shown.contains("Bearer ey"), "{shown}");
    let encoded = base64_simd::STANDARD.encode_to_string(format!("watcher:{secret}"));
    assert!(!shown.contains(&encoded));
}

/// What a tenant's log says and is not understood is told now and then, without a word on whom it was about.
#[tokio::test]
async fn trouble_with_a_tenants_log_is_told_now_and_then() {
    let said = captured();
    let clock = clock();
    let server = issuer(&clock).await;
    let (secret, marker) = ("the-watchers-secret", "somebody-in-the-log");
    server.add_client("watcher", secret);
    server.grant("watcher", &server.management_audience(), ["read:logs"]);
    let client = ClientCredentials::new("watcher", secret);
    let source = Auth0::new(server.issuer(), client).audience(AUDIENCE).logs();
    let source = source.without_blacklist().without_client_grants().poll_interval(POLL);
    let api = builder(&server, &clock).revocation(source).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    let about = |line: &&str| line.contains(world.issuer.issuer()) && line.contains("WARN");
    let told = |what: &str| said().lines().filter(about).filter(|line| line.contains(what)).count();
    for (kept, told_by_now) in [(9, 1), (9, 1), (0, 1), (9, 2)] {
        let request = json!({ "method": "delete", "path": format!("/api/v2/sessions/{marker}") });
        world.issuer.write_log("sdu", json!({ "user_name": marker }));
        world.issuer.write_log("sapi", json!({ "user_id": marker, "details": { "request": request } }));
        world.poll().await;
        assert_eq!(told("is not what Auth0 documents"), told_by_now);
        assert_eq!(told("by an id that is not known here"), told_by_now);
        if kept == 0 {
            world.issuer.expire_logs(kept);
            world.poll().await;
            world.settle(2).await;
            world.clock.advance(Duration::from_secs(600));
            world.until(|world| world.feed_age() == Some(0.0)).await;
        }
    }
    assert_eq!(told("no longer goes back to where it was read"), 1);
    assert!(!said().lines().filter(about).any(|line| line.contains(marker) || line.contains(secret)));
}
