//! Start, stop, restart, drop, and lies.

use std::time::Duration;

use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::testing::{Reply, Token};

use crate::client::{PATIENCE, client, get, held, poll_url, read, start, start_at_1000, try_send};

#[tokio::test]
async fn stopped_means_refused_and_restarted_means_as_before() {
    let (server, clock) = start_at_1000().await;
    let jwks = server.jwks_url();
    let keys = get(&jwks).await.body;
    let poll = poll_url(&server, &read(&server, "").await);
    let held = held(client().get(&poll), &clock).await;

    let stopped = async {
        server.stop().await;
        server.stop().await;
        held.await.unwrap()
    };
    // The clock stands still: whoever waited for the question that is held would wait for ever.
    let held = tokio::select! {
        held = stopped => held,
        () = SystemClock::new().sleep(PATIENCE) => panic!("something is waited for"),
    };
    assert!(held.is_err(), "open connections are closed");
    for _ in 0..3 {
        assert!(try_send(client().get(&jwks)).await.unwrap_err().is_connect());
    }
    server.revoke_token("while-it-was-down");

    server.restart().await.unwrap();
    assert_eq!(get(&jwks).await.body, keys);
    let news = get(&poll).await.json();
    assert_eq!(news["revocations"][0]["jti"], "while-it-was-down");

    for _ in 0..20 {
        server.restart().await.unwrap();
        assert_eq!(get(&jwks).await.status, 200);
    }
}

/// Not even while it stops can it go to somebody else.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn its_port_stays_its_own() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    let server = start().await;
    let address = server.issuer().strip_prefix("http://").unwrap().parse().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let ended = Arc::clone(&over);
    let greedy = std::thread::spawn(move || {
        let take = || tokio::net::TcpSocket::new_v4().unwrap().bind(address).is_ok();
        let mut taken = 0;
        while !ended.load(Ordering::SeqCst) {
            taken += usize::from(take());
        }
        taken
    });
    for _ in 0..100 {
        server.stop().await;
        server.restart().await.unwrap();
    }
    over.store(true, Ordering::SeqCst);
    assert_eq!(greedy.join().unwrap(), 0, "times it was taken");
}

#[tokio::test]
async fn the_last_handle_takes_the_server_with_it() {
    let server = start().await;
    let (url, clone) = (server.jwks_url(), server.clone());
    drop(server);
    assert_eq!(get(&url).await.status, 200);
    drop(clone);
    assert!(try_send(client().get(&url)).await.unwrap_err().is_connect());
}

#[test]
fn it_outlives_the_runtime_that_started_it() {
    let runtime = || -> Runtime { Builder::new_current_thread().enable_all().build().unwrap() };
    let server = runtime().block_on(start());
    assert_eq!(runtime().block_on(get(&server.jwks_url())).status, 200);
}

#[tokio::test]
async fn any_path_can_lie() {
    let server = start().await;
    let get = async |path: &str| get(&format!("{}{path}", server.issuer())).await;

    server.set_reply(&server.jwks_url(), Reply::status(503).header("retry-after", "2"));
    let answer = get("/jwks.json").await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    server.clear_reply("/jwks.json");
    assert_eq!(get("/jwks.json").await.status, 200);
    assert_eq!(server.requests("/jwks.json"), 2);

    server.set_reply("/elsewhere", Reply::json(&json!({ "keys": [] })));
    assert_eq!(get("/elsewhere").await.body, r#"{"keys":[]}"#);
    server.set_reply("/elsewhere", Reply::redirect("http://192.0.2.1/"));
    assert_eq!(get("/elsewhere").await.header("location"), "http://192.0.2.1/");
    server.set_reply("/elsewhere", Reply::status(200).header("content-length", "9").body("1234"));
    assert_eq!(get("/elsewhere").await.header("content-length"), "4");
    server.set_reply("/elsewhere", Reply::status(7));
    assert_eq!(get("/elsewhere").await.status, 500);
    assert_eq!(get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn a_lie_may_come_late_or_never() {
    let (server, clock) = start_at_1000().await;
    let request = || client().get(format!("{}/elsewhere", server.issuer()));

    server.set_reply("/elsewhere", Reply::status(204).delay(Duration::from_secs(10)));
    let late = held(request(), &clock).await;
    clock.advance(Duration::from_secs(10));
    assert_eq!(late.await.unwrap().unwrap().status, 204);

    server.set_reply("/elsewhere", Reply::never());
    let never = held(request(), &clock).await;
    clock.advance(Duration::from_secs(1_000_000_000));
    assert_eq!(get(&server.jwks_url()).await.status, 200);
    assert!(!never.is_finished());
    never.abort();
}

#[tokio::test]
async fn a_lie_about_the_feed_reaches_held_polls() {
    let (server, clock) = start_at_1000().await;
    let page = read(&server, "").await;
    let held = held(client().get(poll_url(&server, &page)), &clock).await;
    server.set_reply("/revocations", Reply::status(500));
    assert_eq!(held.await.unwrap().unwrap().status, 200, "it was asked before the lie");
    assert_eq!(get(&server.feed_url()).await.status, 500);
}

#[tokio::test]
async fn debug_shows_no_secret() {
    let server = start().await;
    server.add_client("c", "hunter2");
    let shown = format!("{server:?}");
    assert!(shown.contains(server.issuer()) && !shown.contains("hunter2"), "{shown}");
    assert!(!server.mint(Token::new("a")).is_empty());
}
