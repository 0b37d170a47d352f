//! Versions of HTTP, and headers for one hop, byte for byte on both sides: each side has its own hop.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::process::Gateway;
use crate::raw;
use crate::setup::{ROUTES, Setup, issuer, listeners, within};

/// An upstream that answers each connection once, with these bytes, and remembers what it was asked.
struct Upstream {
    port: u16,
    answer: Arc<Mutex<&'static str>>,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, heard) = (Arc::new(Mutex::new("")), Arc::new(Mutex::new(Vec::new())));
        let upstream = Self { port, answer: Arc::clone(&answer), heard: Arc::clone(&heard) };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let Some(head) = raw::head(&mut stream).await else { continue };
                heard.lock().unwrap().push(head);
                let answer = *answer.lock().unwrap();
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        upstream
    }
}

/// Sends these bytes, and reads until the gateway closes the connection.
async fn exchange(port: u16, request: &str) -> String {
    let work = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    within(request, work).await
}

/// The first line, the headers without the date, and what follows.
fn parts(answer: &str) -> (&str, Vec<&str>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap();
    let mut headers: Vec<_> = lines.filter(|line| !line.starts_with("date: ")).collect();
    headers.sort_unstable();
    (first, headers, body)
}

#[tokio::test]
async fn each_hop_has_its_own_version_and_headers() {
    const NEW: &str = "GET /open HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    const OLD: &str = "GET /open HTTP/1.0\r\nHost: h\r\n\r\n";
    const MUCH: &str = "GET /open HTTP/1.1\r\nHost: h\r\nConnection: close, x-one\r\nX-One: 1\r\nKeep-Alive: timeout=5\r\n\
        Proxy-Connection: close\r\nProxy-Authorization: Basic x\r\nTE: trailers\r\nUpgrade: h2c\r\n\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let table: [(&str, &str, &str, &[&str], &str); 9] = [
        // The upstream is old, and says how long it is, or does not.
        (
            NEW,
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK",
            &["connection: close", "content-length: 2"],
            "ok",
        ),
        (
            NEW,
            "HTTP/1.0 200 OK\r\n\r\nok",
            "HTTP/1.1 200 OK",
            &["connection: close", "transfer-encoding: chunked"],
            "2\r\nok\r\n0\r\n\r\n",
        ),
        (
            NEW,
            "HTTP/1.0 404 Not Found\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\ncontent-length: 2\r\n\r\nno",
            "HTTP/1.1 404 Not Found",
            &["connection: close", "content-length: 2"],
            "no",
        ),
        (
            OLD,
            "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.0 200 OK",
            &["content-length: 2"],
            "ok",
        ),
        // The client is old: it knows no chunks.
        (OLD, CHUNKED, "HTTP/1.0 200 OK", &[], "ok"),
        (
            NEW,
            CHUNKED,
            "HTTP/1.1 200 OK",
            &["connection: close", "transfer-encoding: chunked"],
            "2\r\nok\r\n0\r\n\r\n",
        ),
        // What is for the gateway ends there.
        (
            MUCH,
            "HTTP/1.1 200 OK\r\nconnection: x-one, keep-alive\r\nconnection: X-Two\r\nx-one: 1\r\nx-two: 2\r\nx-three: 3\r\n\
             keep-alive: timeout=5\r\nproxy-connection: close\r\nproxy-authenticate: Basic\r\nupgrade: h2c\r\nte: trailers\r\n\
             trailer: x-four\r\ncontent-length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK",
            &["connection: close", "content-length: 2", "x-three: 3"],
            "ok",
        ),
        (
            NEW,
            "HTTP/1.1 200 OK\r\ntrailer: x-auth\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-auth: 1\r\n\r\n",
            "HTTP/1.1 200 OK",
            &["connection: close", "transfer-encoding: chunked"],
            "2\r\nok\r\n0\r\n\r\n",
        ),
        (NEW, "HTTP/1.0 204 No Content\r\n\r\n", "HTTP/1.1 204 No Content", &["connection: close"], ""),
    ];
    let setup = Setup::start(ROUTES).await;
    let upstream = Upstream::start().await;
    let config = format!("{}{}{ROUTES}", listeners(upstream.port), issuer(&setup.server));
    let gateway = Gateway::start(&config).await;
    for (request, answer, first, headers, body) in table {
        *upstream.answer.lock().unwrap() = answer;
        let got = exchange(gateway.port, request).await;
        assert_eq!(parts(&got), (first, headers.to_vec(), body), "{request:?} {answer:?}");
        let heard = upstream.heard.lock().unwrap().pop().unwrap();
        let (line, mut names) = (heard.lines().next().unwrap(), Vec::new());
        names.extend(heard.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0.to_lowercase())));
        names.sort_unstable();
        assert_eq!(line, "GET /open HTTP/1.1", "{request:?}");
        assert_eq!(
            names,
            ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"],
            "{request:?}"
        );
    }
}

/// RFC 9110 §7.6.3: each request that is passed on says by which hops it came.
#[tokio::test]
async fn each_hop_is_told_to_the_upstream() {
    let setup = Setup::start(ROUTES).await;
    let upstream = Upstream::start().await;
    let config = format!("{}{}{ROUTES}", listeners(upstream.port), issuer(&setup.server));
    let gateway = Gateway::start(&config).await;
    *upstream.answer.lock().unwrap() = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for (version, lines, hops) in [
        ("1.1", "", &["1.1 gateway"][..]),
        ("1.0", "", &["1.0 gateway"]),
        ("1.1", "Via: 2 cdn, 1.1 edge\r\n", &["2 cdn, 1.1 edge", "1.1 gateway"]),
        ("1.0", "Via: 2 cdn\r\nVIA: 1.1 edge\r\n", &["2 cdn", "1.1 edge", "1.0 gateway"]),
        ("1.1", "Connection: via\r\nVia: 2 cdn\r\n", &["1.1 gateway"]),
    ] {
        let request = format!("GET /open HTTP/{version}\r\nHost: h\r\nConnection: close\r\n{lines}\r\n");
        exchange(gateway.port, &request).await;
        let heard = upstream.heard.lock().unwrap().pop().unwrap();
        let told: Vec<_> = heard.lines().filter_map(|line| line.strip_prefix("via: ")).collect();
        assert_eq!(told, hops, "{request:?}");
    }
}

/// An old upstream closes its connection after each answer; the client's connection goes on.
#[tokio::test]
async fn a_client_keeps_its_connection_to_an_old_upstream() {
    let setup = Setup::start(ROUTES).await;
    let upstream = Upstream::start().await;
    let config = format!("{}{}{ROUTES}", listeners(upstream.port), issuer(&setup.server));
    let gateway = Gateway::start(&config).await;
    *upstream.answer.lock().unwrap() = "HTTP/1.0 200 OK\r\n\r\nok";
    let asked = "GET /open HTTP/1.1\r\nHost: h\r\n\r\n";
    let last = "GET /open HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    let answers = exchange(gateway.port, &format!("{asked}{asked}{last}")).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert_eq!(upstream.heard.lock().unwrap().len(), 3);
}
