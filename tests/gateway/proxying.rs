//! What passes through, and what does not.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Body, Frame};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::client::Ask;
use crate::process::Gateway;
use crate::setup::{ROUTES, Setup, issuer, listeners, within};
use crate::upstream::CHALLENGES;

const PIECE: usize = 64 * 1024;
const PIECES: usize = 80;

/// A body of what the channel brings.
struct Pieces(mpsc::Receiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Each piece of 5 MB is sent only when the one before has come back: whoever collects them waits for ever.
#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    let setup = Setup::start(ROUTES).await;
    let stream = TcpStream::connect(("127.0.0.1", setup.gateway.port)).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let (pieces, receiver) = mpsc::channel::<Bytes>(1);
    let request =
        http::Request::post("/open/echo").header("host", "api.example.test").body(Pieces(receiver)).unwrap();
    let response = within("the response's head", sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);

    let mut echoed = response.into_body();
    for number in 0..PIECES {
        let piece = Bytes::from(vec![u8::try_from(number).unwrap(); PIECE]);
        pieces.send(piece.clone()).await.unwrap();
        let mut back = Vec::new();
        while back.len() < PIECE {
            let frame = within("a piece", echoed.frame()).await.unwrap().unwrap();
            back.extend_from_slice(&frame.into_data().unwrap());
        }
        assert!(back == piece, "piece {number}");
    }
    drop(pieces);
    assert!(within("the end", echoed.frame()).await.is_none());
}

#[tokio::test]
async fn requests_and_answers_pass_unchanged() {
    let setup = Setup::start(ROUTES).await;
    let ask =
        Ask::new("PATCH", "/open/a;b=c/%41?q=%2e%2e/../x&y=1&y=2").line("Content-Length: 5").body("hello");
    let seen = setup.ask(ask).await.seen();
    assert_eq!(seen.text("method"), "PATCH");
    assert_eq!(seen.text("target"), "/open/a;b=c/%41?q=%2e%2e/../x&y=1&y=2");
    assert_eq!(seen.text("body"), "hello");
    assert_eq!(seen.all("content-length"), ["5"]);

    let challenged = setup.ask(Ask::get("/open/challenge")).await;
    assert_eq!(challenged.status, 401);
    // Spaces at the ends are not part of a value (RFC 9112 §5.1).
    assert_eq!(challenged.all("www-authenticate"), CHALLENGES.map(str::trim));
    assert_eq!(challenged.body, b"the upstream's own words");

    for (method, status) in [("HEAD", 200), ("GET", 304)] {
        let answer = setup.ask(Ask::new(method, "/open/unchanged")).await;
        assert_eq!((answer.status, answer.header("etag")), (status, Some("\"e\"")), "{method}");
        assert!(answer.body.is_empty());
    }
}

/// RFC 9112 §6.3: where both lengths are there, the upstream must not see another one than the gateway.
#[tokio::test]
async fn two_lengths_are_not_passed_on() {
    let setup = Setup::start(ROUTES).await;
    let chunked = "5\r\nhello\r\n0\r\n\r\n";
    for lines in [
        ["Content-Length: 3", "Transfer-Encoding: chunked"],
        ["Transfer-Encoding: chunked", "Content-Length: 3"],
    ] {
        let ask = lines.into_iter().fold(Ask::new("POST", "/open"), Ask::line).body(chunked);
        let answer = setup.ask(ask).await;
        if answer.status == 200 {
            let seen = answer.seen();
            assert_eq!((seen.text("body"), seen.all("content-length")), ("hello", vec![]));
        } else {
            assert_eq!(answer.status, 400);
        }
    }
    let two = Ask::new("POST", "/open").line("Content-Length: 3").line("Content-Length: 5").body("hello");
    assert_eq!(setup.ask(two).await.status, 400);
}

#[tokio::test]
async fn upgrades_and_tunnels_are_not_there() {
    let setup = Setup::start(ROUTES).await;
    let upgrade = Ask::get("/open").connection("close, upgrade").line("Upgrade: websocket");
    let tunnel = Ask::new("CONNECT", "api.example.test:443");
    for ask in [upgrade, tunnel] {
        assert_eq!(setup.ask(ask).await.status, 501);
    }
    assert_eq!(setup.upstream.requests(), 0);
    let offer = Ask::get("/open").connection("close, upgrade, http2-settings").line("Upgrade: h2c");
    assert_eq!(setup.ask(offer).await.status, 200, "an offer that may be ignored");
}

#[tokio::test]
async fn an_upstream_that_is_gone_is_502() {
    let setup = Setup::start(ROUTES).await;
    let token = setup.token("read:events");
    let config = format!("{}{}{ROUTES}", listeners(1), issuer(&setup.server));
    let gateway = Gateway::start(&config).await;
    let setup = Setup { gateway, ..setup };
    setup.ready().await;
    assert_eq!(setup.ask(Ask::get("/open")).await.status, 502);
    assert_eq!(setup.get("/events", &token).await.status, 502);
    assert_eq!(setup.ask(Ask::get("/events")).await.status, 401);
}

/// Where the kernel leaves connections unanswered once its queue is full.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_upstream_that_does_not_answer_is_504() {
    use crate::setup::until;
    use tokio::{net::TcpSocket, task::JoinHandle};

    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let queue: Vec<_> = (0..8).map(|_| tokio::spawn(TcpStream::connect(address))).collect();
    until("a full queue", async || queue.iter().filter(|connected| connected.is_finished()).count() >= 2)
        .await;

    let setup = Setup::start(ROUTES).await;
    let config = format!("{}{}{ROUTES}", listeners(address.port()), issuer(&setup.server));
    let setup = Setup { gateway: Gateway::start(&config).await, ..setup };
    assert_eq!(setup.ask(Ask::get("/open")).await.status, 504);
    queue.iter().for_each(JoinHandle::abort);
}
