//! What an operator is told: the setting, its value and the remedy.

use std::time::Duration;

use serde_json::json;
use tower_bearer::testing::Reply;
use tower_bearer::{Algorithm, Feed, ResourceServer, StartError};

use super::world::{AUDIENCE, builder, clock, feed, issuer, serve};

#[track_caller]
fn says(error: &StartError, setting: &str, words: &[&str]) {
    let text = error.to_string();
    assert_eq!(error.setting(), setting, "{text}");
    assert!(
        !error.remedy().is_empty() && text.contains(error.remedy()) && text.contains(error.value()),
        "{text}"
    );
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached() {
    let clock = clock();
    let server = issuer(&clock).await;
    let url = server.issuer().to_owned();
    server.stop().await;
    let error = builder(&server, &clock).without_revocation().start().await.unwrap_err();
    says(&error, "issuer", &[&url, "refused", "start_lazily"]);
}

#[tokio::test]
async fn an_issuer_without_tls() {
    let start = async |issuer: &str| {
        let builder = ResourceServer::builder().issuer(issuer).audience(AUDIENCE).without_revocation();
        builder.start().await.unwrap_err()
    };
    says(&start("http://as.example").await, "issuer", &["http://as.example", "not https", "Use https"]);
    says(&start("http://127.0.0.1:1").await, "issuer", &["allow_loopback_http"]);
    says(&start("as.example").await, "issuer", &["not a URL"]);
    says(&start("").await, "issuer", &["empty"]);
    says(&start("https://as.example/ ").await, "issuer", &["byte 19"]);
}

#[tokio::test]
async fn metadata_that_do_not_fit() {
    let clock = clock();
    let server = issuer(&clock).await;
    let iss = server.issuer().to_owned();
    let jwks = server.jwks_url();
    let table = [
        (Reply::json(&json!({"issuer": format!("{iss}/"), "jwks_uri": jwks})), "to the last byte"),
        (Reply::json(&json!({"issuer": "https://other.example", "jwks_uri": jwks})), "https://other.example"),
        (Reply::json(&json!({"issuer": iss})), "jwks_uri"),
        (Reply::json(&json!({"issuer": iss, "jwks_uri": "http://as.example/jwks"})), "not https"),
        (Reply::json(&json!({"issuer": iss, "jwks_uri": "not a url"})), "jwks_uri"),
        (Reply::status(200).content_type("text/html").body("<html>"), "text/html"),
        (Reply::status(200).content_type("application/json").body("{"), "not a JSON metadata document"),
        (Reply::status(404), "answered 404"),
        (Reply::redirect(&jwks), "answered 30"),
        (Reply::status(200).content_type("application/json").body(vec![b' '; 300 * 1024]), "larger than"),
    ];
    for (reply, words) in table {
        for path in ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"] {
            server.set_reply(path, reply.clone());
        }
        let error = builder(&server, &clock).without_revocation().start().await.unwrap_err();
        says(&error, "issuer", &[&iss, words]);
    }
}

/// DI-03: a server with only one of the documents.
#[tokio::test]
async fn either_document_will_do() {
    let clock = clock();
    let server = issuer(&clock).await;
    server.set_reply("/.well-known/oauth-authorization-server", Reply::status(404));
    assert!(builder(&server, &clock).without_revocation().start().await.is_ok());
    server.clear_reply("/.well-known/oauth-authorization-server");
    server.set_reply("/.well-known/openid-configuration", Reply::status(404));
    assert!(builder(&server, &clock).without_revocation().start().await.is_ok());
}

#[tokio::test]
async fn key_sets_that_do_not_fit() {
    let clock = clock();
    let server = issuer(&clock).await;
    let table = [
        (json!({"keys": []}), "no usable key among the 0 members"),
        (json!({"keys": [{"kty": "oct", "k": "AA"}]}), "symmetric"),
        (json!({}), "`keys` array"),
    ];
    for (set, words) in table {
        server.set_reply(&server.jwks_url(), Reply::json(&set));
        let error = builder(&server, &clock).without_revocation().start().await.unwrap_err();
        says(&error, "issuer", &[words]);
        let error =
            builder(&server, &clock).keys(set.to_string()).without_revocation().start().await.unwrap_err();
        says(&error, "keys", &[words]);
    }
}

#[tokio::test]
async fn settings_that_do_not_work() {
    let clock = clock();
    let server = issuer(&clock).await;
    let with = || builder(&server, &clock);
    let quick = |interval: u64| feed(&server).poll_interval(Duration::from_millis(interval));
    let cases: Vec<(_, &str, &str)> = vec![
        (with().leeway(Duration::from_secs(301)).without_revocation(), "leeway", "301s"),
        (with().algorithms([]).without_revocation(), "algorithms", "empty"),
        (with().algorithms([Algorithm::HS256]).without_revocation(), "algorithms", "HS256"),
        (with().shared_secret("short").without_revocation(), "shared_secret", "5 bytes"),
        (
            with().shared_secret([7; 64]).algorithms([Algorithm::RS256]).without_revocation(),
            "algorithms",
            "RS256",
        ),
        (with().audience("").without_revocation(), "audience", "empty"),
        (with().jwks_url("https://u:hunter2@as.example/").without_revocation(), "jwks_url", "credentials"),
        (with().jwks_url("https://u:hunter2@as.example:99999/").without_revocation(), "jwks_url", "port"),
        (with().revocation(Feed::new("https://u:hunter2@as.example/")), "revocation", "credentials"),
        (with().revocation(feed(&server).bearer("secret\n")), "bearer", "Trim"),
        (with().revocation(feed(&server).claim("a b")), "claim", "byte 1"),
        (with().scope_claims(["a b"]).without_revocation(), "scope_claims", "byte 1"),
        (with().jwks_url("http://as.example/").without_revocation(), "jwks_url", "https"),
        (with().jwks_url("jwks").without_revocation(), "jwks_url", "URL"),
        (with().revocation(Feed::new("http://as.example/")), "revocation", "https"),
        (with().revocation(quick(1)), "poll_interval", "1ms"),
        (with().revocation(quick(1000).max_staleness(Duration::from_secs(1))), "max_staleness", "1s"),
        (with().revocation(feed(&server).identifier("")), "identifier", "empty"),
        (
            with().without_revocation().issuer(server.issuer()).audience("x").without_revocation(),
            "issuer",
            "twice",
        ),
    ];
    for (builder, setting, words) in cases {
        let error = builder.start().await.unwrap_err();
        says(&error, setting, &[words]);
        assert!(!format!("{error:?}").contains("hunter2"));
    }
}

/// Also where nobody is asked at start: such settings could never work.
#[tokio::test]
async fn settings_are_judged_by_a_lazy_start_too() {
    for issuer in ["accounts.example", "https://as.example/?a=b"] {
        let builder = ResourceServer::builder().issuer(issuer).audience(AUDIENCE).without_revocation();
        assert_eq!(builder.start_lazily().unwrap_err().setting(), "issuer", "{issuer}");
    }
}

#[tokio::test]
async fn the_setting_that_is_wrong_is_the_one_that_is_named() {
    let clock = clock();
    let server = issuer(&clock).await;
    let dead = builder(&server, &clock).jwks_url("http://127.0.0.1:1/jwks").without_revocation();
    says(&dead.start().await.unwrap_err(), "jwks_url", &["http://127.0.0.1:1/jwks", "refused"]);
}

#[test]
fn outside_of_a_runtime() {
    let builder =
        ResourceServer::builder().issuer("https://as.example").audience(AUDIENCE).without_revocation();
    says(&builder.start_lazily().unwrap_err(), "runtime", &["tokio"]);
}

#[tokio::test]
async fn weak_secrets_only_pass_through_the_door_of_dangers() {
    let clock = clock();
    let server = issuer(&clock).await;
    let weak = builder(&server, &clock).danger().short_shared_secret("keyboardcat").without_revocation();
    assert!(weak.start().await.is_ok());
    let empty = builder(&server, &clock).danger().short_shared_secret("").without_revocation();
    says(&empty.start().await.unwrap_err(), "shared_secret", &["0 bytes"]);
}

/// Two issuers share nothing: one that is down does not stop the other.
#[tokio::test]
async fn one_dead_issuer_harms_no_other() {
    use super::world::{ask, request, token};
    let clock = clock();
    let (one, two) = (issuer(&clock).await, issuer(&clock).await);
    two.stop().await;
    let api = builder(&one, &clock)
        .without_revocation()
        .issuer(two.issuer())
        .allow_loopback_http()
        .audience(AUDIENCE)
        .without_revocation()
        .start_lazily()
        .unwrap();
    let patience = tower_bearer::clock::SystemClock::new();
    while !api.health().issuers[0].keys.usable {
        tower_bearer::clock::Clock::sleep(&patience, Duration::from_millis(1)).await;
    }
    let status = async |token: String| ask(&api, tower_bearer::any_token(), request(&token)).await.status;
    assert_eq!(status(one.mint(token())).await, 200);
    assert_eq!(status(two.mint(token())).await, 503, "undecidable, not invalid");
    // BCP-09: the key of one issuer proves nothing about another.
    let crossed = one.mint(token().claim("iss", two.issuer()));
    assert_eq!(status(crossed).await, 503);
}

/// Questions that are held until so many of them are there at once; then, and from then on, all are answered.
struct Held {
    needed: usize,
    now: tokio::sync::watch::Sender<usize>,
    most: std::sync::atomic::AtomicUsize,
}

impl Held {
    async fn hold(&self) {
        use std::sync::atomic::Ordering::SeqCst;
        self.now.send_modify(|now| *now += 1);
        let mut seen = self.now.subscribe();
        let _ = seen.wait_for(|now| self.most.fetch_max(*now, SeqCst).max(*now) >= self.needed).await;
        self.now.send_modify(|now| *now -= 1);
    }
}

/// A server that answers every path with the same, but holds questions.
async fn holding(needed: usize, reply: serde_json::Value) -> (String, std::sync::Arc<Held>) {
    let (now, most) = (tokio::sync::watch::Sender::new(0), Default::default());
    let held = std::sync::Arc::new(Held { needed, now, most });
    let shared = std::sync::Arc::clone(&held);
    let answer = move || {
        let (held, reply) = (std::sync::Arc::clone(&shared), reply.clone());
        async move {
            held.hold().await;
            axum::Json(reply)
        }
    };
    (serve(axum::Router::new().fallback(answer)).await, held)
}

/// An issuer that is slow must not make the start slow by as much as there are issuers.
#[tokio::test]
async fn issuers_are_asked_side_by_side_and_not_all_at_once() {
    let clock = clock();
    let server = issuer(&clock).await;
    let set: serde_json::Value = serde_json::from_str(&super::keys::fetch(&server.jwks_url()).await).unwrap();
    let (url, held) = holding(32, set).await;
    let mut many = builder(&server, &clock).without_revocation();
    for number in 0..40 {
        let name = format!("{url}/{number}");
        many = many
            .issuer(&name)
            .allow_loopback_http()
            .audience(AUDIENCE)
            .jwks_url(format!("{name}/keys"))
            .without_revocation();
    }
    let api = many.start().await.unwrap();
    assert!(api.health().is_ready());
    assert_eq!(held.most.load(std::sync::atomic::Ordering::SeqCst), 32);
}

#[tokio::test]
async fn keys_and_feed_are_asked_side_by_side() {
    let clock = clock();
    let server = issuer(&clock).await;
    let mut both: serde_json::Value =
        serde_json::from_str(&super::keys::fetch(&server.jwks_url()).await).unwrap();
    let feed = json!({"iss": server.issuer(), "as_of": super::world::NOW, "full": true, "revocations": []});
    both.as_object_mut().unwrap().extend(feed.as_object().unwrap().clone());
    let (url, _) = holding(2, both).await;
    let api = builder(&server, &clock).jwks_url(&url).revocation(Feed::new(&url)).start().await.unwrap();
    assert!(api.health().is_ready());
}

/// Whichever answers first.
#[tokio::test]
async fn the_first_issuer_that_cannot_be_had_is_the_one_that_is_named() {
    let clock = clock();
    let server = issuer(&clock).await;
    server.set_reply(&server.jwks_url(), Reply::status(404));
    let slow = serve(axum::Router::new().fallback(async || {
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        http::StatusCode::IM_A_TEAPOT
    }));
    let slow = slow.await;
    let dead = "http://127.0.0.1:1";
    for (first, second, words) in [(slow.as_str(), dead, "418"), (dead, slow.as_str(), "refused")] {
        let mut builder = ResourceServer::builder().issuer(first).allow_loopback_http().audience(AUDIENCE);
        builder = builder.jwks_url(format!("{first}/keys"));
        let builder = builder.without_revocation().issuer(second).allow_loopback_http().audience(AUDIENCE);
        let error = builder.without_revocation().start().await.unwrap_err();
        says(&error, "jwks_url", &[first, words]);
    }
}
