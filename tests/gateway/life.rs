//! Starting and ending.

use crate::client::Ask;
use crate::setup::{ROUTES, Setup, until};

#[tokio::test]
async fn sigterm_ends_an_idle_gateway() {
    let mut setup = Setup::start(ROUTES).await;
    // A connection on which nothing has been asked must not hold it up.
    let idle = tokio::net::TcpStream::connect(("127.0.0.1", setup.gateway.port)).await.unwrap();
    setup.gateway.terminate().await;
    assert_eq!(setup.gateway.ended().await, Some(0));
    let log = setup.gateway.log();
    assert!(log.contains("stopped") && !log.contains("in the middle of requests"), "{log}");
    drop(idle);
}

#[tokio::test]
async fn sigterm_lets_running_requests_end() {
    let mut setup = Setup::start(ROUTES).await;
    let port = setup.gateway.port;
    let slow = tokio::spawn(Ask::get("/open/slow").of(port));
    until("the slow request", async || setup.upstream.requests() == 1).await;
    setup.gateway.terminate().await;
    until("a closed door", async || Ask::get("/open").try_of(port).await.is_err()).await;
    assert!(!slow.is_finished());

    setup.upstream.release();
    let answer = slow.await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"at last".as_slice()));
    assert_eq!(setup.gateway.ended().await, Some(0));
}
