//! Transport settings over real TLS: private CAs, client certificates, proxies, extra headers, places of keys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response};
use rcgen::ExtendedKeyUsagePurpose;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{
    Algorithm, Builder, Complete, Feed, NeedsRevocation, ResourceServer, StartError, Transport, any_token,
};

#[path = "suite/private_tls.rs"]
mod private_tls;
#[allow(dead_code, reason = "shared with servers that do worse")]
#[path = "suite/raw.rs"]
mod raw;

use private_tls::{Ca, METADATA, Server, connect_proxy};

const AUDIENCE: &str = "https://api.example.com/";
/// Longer than anything here takes on a busy machine; nobody who passes waits for it.
const PATIENCE: Duration = Duration::from_secs(120);

impl Server {
    fn builder(&self) -> Builder<NeedsRevocation> {
        ResourceServer::builder().issuer(self.url.as_str()).audience(AUDIENCE)
    }

    async fn try_with(&self, transport: Transport) -> Result<ResourceServer, StartError> {
        start(self.builder().transport(transport).without_revocation()).await
    }
}

/// No wait without an end.
async fn patiently<T>(future: impl Future<Output = T>) -> T {
    tokio::select! {
        outcome = future => outcome,
        () = SystemClock::new().sleep(PATIENCE) => panic!("awaited in vain"),
    }
}

async fn start(builder: Builder<Complete>) -> Result<ResourceServer, StartError> {
    patiently(builder.start()).await
}

#[track_caller]
fn accepted(outcome: Result<ResourceServer, StartError>) -> ResourceServer {
    let api = outcome.unwrap();
    assert!(api.health().issuers[0].keys.usable);
    api
}

/// The issuer is named, and the reason.
#[track_caller]
fn refused(outcome: Result<ResourceServer, StartError>, server: &Server, words: &str) {
    let error = outcome.unwrap_err();
    let text = error.to_string();
    assert_eq!((error.setting(), error.issuer()), ("issuer", Some(server.url.as_str())), "{text}");
    assert!(text.contains(&server.url) && text.contains(words), "{words}: {text}");
}

/// With time for whatever is to come in the end.
fn unhurried() -> Transport {
    Transport::new().connect_timeout(PATIENCE).total_timeout(PATIENCE)
}

fn trusting(ca: &Ca) -> Transport {
    unhurried().root_certificate_pem(ca.pem())
}

#[tokio::test]
async fn an_issuer_behind_a_private_ca() {
    let (ca, other) = (Ca::new("ours"), Ca::new("another"));
    let server = Server::start(ca.acceptor(2090, None)).await;
    accepted(server.try_with(trusting(&ca)).await);
    accepted(server.try_with(trusting(&ca).only_these_roots()).await);
    // One of several, and one of a bundle.
    accepted(server.try_with(trusting(&other).root_certificate_pem(ca.pem())).await);
    let bundle = unhurried().root_certificate_pem(other.pem() + &ca.pem());
    accepted(server.try_with(bundle).await);

    let heard = server.heard().len();
    refused(server.try_with(unhurried()).await, &server, "certificate: UnknownIssuer");
    refused(server.try_with(trusting(&other)).await, &server, "certificate: UnknownIssuer");
    refused(
        server.try_with(trusting(&other).only_these_roots()).await,
        &server,
        "certificate: UnknownIssuer",
    );
    assert_eq!(server.heard().len(), heard, "nothing is said to a server that is not trusted");
}

/// From the first handshake to an admitted request.
#[tokio::test]
async fn tokens_are_judged_by_keys_that_came_over_private_tls() {
    let ca = Ca::new("ours");
    let server = Server::start(ca.acceptor(2090, None)).await;
    let minter = AuthorizationServer::builder().algorithms([Algorithm::ES256]).start().await.unwrap();
    let set = patiently(get(&minter.jwks_url())).await;
    server.keys.lock().unwrap().1 = set;
    let feed = Feed::new(format!("{}/feed", server.url));
    let api = accepted(start(server.builder().transport(trusting(&ca)).revocation(feed)).await);
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let token = Token::new(AUDIENCE).subject("u").client("c").claim("iss", server.url.as_str());
    let token = minter.mint(token);
    let request = Request::builder().header("authorization", format!("Bearer {token}")).body(()).unwrap();
    let response = patiently(api.protect(any_token()).layer(inner).oneshot(request)).await.unwrap();
    assert_eq!(response.status(), 200);
}

/// Plain HTTP/1.0, so that the body ends with the connection.
async fn get(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    let address = url.socket_addrs(|| None).unwrap();
    let mut stream = TcpStream::connect(&address[..]).await.unwrap();
    let request = format!("GET {} HTTP/1.0\r\nhost: {}\r\n\r\n", url.path(), url.authority());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_server_that_demands_a_client_certificate() {
    let (ca, clients, strangers) = (Ca::new("ours"), Ca::new("clients"), Ca::new("strangers"));
    let server = Server::start(ca.acceptor(2090, Some(&clients))).await;
    accepted(server.try_with(trusting(&ca).client_certificate_pem(clients.client())).await);
    let known = trusting(&ca).only_these_roots().client_certificate_pem(clients.client());
    accepted(server.try_with(known).await);
    let (proxy, count, _) = connect_proxy().await;
    accepted(server.try_with(trusting(&ca).client_certificate_pem(clients.client()).proxy(proxy)).await);
    assert_eq!(count.load(Ordering::SeqCst), 2);
    let heard = server.heard().len();
    refused(server.try_with(trusting(&ca)).await, &server, "CertificateRequired");
    let strange = trusting(&ca).client_certificate_pem(strangers.client());
    refused(server.try_with(strange).await, &server, "received fatal alert");
    assert_eq!(server.heard().len(), heard);
}

#[tokio::test]
async fn a_certificate_that_has_expired() {
    let ca = Ca::new("ours");
    let server = Server::start(ca.acceptor(2021, None)).await;
    refused(server.try_with(trusting(&ca)).await, &server, "certificate expired");
    refused(server.try_with(trusting(&ca).only_these_roots()).await, &server, "certificate expired");
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let ca = Ca::new("ours");
    let server = Server::start(ca.acceptor(2090, None)).await;
    let address = format!("https://127.0.0.1:{}", server.port);
    let builder = ResourceServer::builder().issuer(&address).audience(AUDIENCE).transport(trusting(&ca));
    let error = start(builder.without_revocation()).await.unwrap_err().to_string();
    assert!(error.contains(&address) && error.contains("certificate"), "{error}");
}

#[tokio::test]
async fn each_issuer_has_its_own_transport() {
    let (one, two) = (Ca::new("one"), Ca::new("two"));
    let (first, second) =
        (Server::start(one.acceptor(2090, None)).await, Server::start(two.acceptor(2090, None)).await);
    let both = |for_second: Transport| {
        let builder = first.builder().transport(trusting(&one)).without_revocation();
        let builder = builder.issuer(second.url.as_str()).audience(AUDIENCE).transport(for_second);
        start(builder.without_revocation())
    };
    accepted(both(trusting(&two)).await);
    refused(both(unhurried()).await, &second, "certificate: UnknownIssuer");
    refused(both(trusting(&one)).await, &second, "certificate: UnknownIssuer");
}

#[tokio::test]
async fn an_extra_header_arrives() {
    let ca = Ca::new("ours");
    let server = Server::start(ca.acceptor(2090, None)).await;
    let elsewhere = Server::start(ca.acceptor(2090, None)).await;
    let transport = || {
        let header = (HeaderName::from_static("x-api-key"), HeaderValue::from_static("hunter2"));
        trusting(&ca).header(header.0, header.1)
    };
    let feed = Feed::new(format!("{}/feed", server.url)).bearer("for the feed");
    let _api = accepted(start(server.builder().transport(transport()).revocation(feed)).await);
    let heard = server.heard();
    for path in [METADATA, "/jwks", "/feed"] {
        let head = heard.iter().find(|head| head.contains(path)).expect(path);
        assert!(head.contains("x-api-key: hunter2\r\n"), "{head}");
        assert_eq!(head.contains("authorization: Bearer for the feed\r\n"), path == "/feed", "{head}");
    }
    // Not told to a host that only the metadata name.
    server.keys.lock().unwrap().0 = format!("{}/jwks", elsewhere.url);
    accepted(server.try_with(transport()).await);
    assert!(!elsewhere.heard().last().unwrap().contains("hunter2"));
    accepted(server.try_with(transport().same_origin_keys().keys_origin(&elsewhere.url)).await);
    assert!(elsewhere.heard().last().unwrap().contains("hunter2"));
    let pinned = server.builder().jwks_url(format!("{}/jwks", elsewhere.url)).transport(transport());
    accepted(start(pinned.without_revocation()).await);
    assert_eq!(elsewhere.heard().len(), 3);
    assert!(elsewhere.heard().last().unwrap().contains("hunter2"));
}

#[tokio::test]
async fn keys_on_another_origin() {
    let ca = Ca::new("ours");
    let (server, elsewhere) =
        (Server::start(ca.acceptor(2090, None)).await, Server::start(ca.acceptor(2090, None)).await);
    accepted(server.try_with(trusting(&ca).same_origin_keys()).await);
    server.keys.lock().unwrap().0 = format!("{}/jwks", elsewhere.url);
    accepted(server.try_with(trusting(&ca)).await);
    accepted(server.try_with(trusting(&ca).same_origin_keys().keys_origin(&elsewhere.url)).await);
    let before = elsewhere.heard().len();
    let outcome = server.try_with(trusting(&ca).same_origin_keys()).await;
    refused(outcome, &server, &format!("keys at {} are not allowed by same_origin_keys", elsewhere.url));
    refused(server.try_with(trusting(&ca).keys_origin("https://keys.example")).await, &server, "keys_origin");
    assert_eq!(elsewhere.heard().len(), before, "nobody is asked there");
    // What the operator pins is not concerned.
    let pinned = server.builder().jwks_url(format!("{}/jwks", elsewhere.url));
    accepted(start(pinned.transport(trusting(&ca).same_origin_keys()).without_revocation()).await);
}

#[tokio::test]
async fn a_proxy_that_was_set_carries_https() {
    let ca = Ca::new("ours");
    let server = Server::start(ca.acceptor(2090, None)).await;
    let (proxy, count, heads) = connect_proxy().await;
    accepted(server.try_with(trusting(&ca).proxy(&proxy)).await);
    assert_eq!(count.load(Ordering::SeqCst), 2, "metadata and keys, on a connection each");
    // TLS goes through it, end to end.
    refused(server.try_with(unhurried().proxy(&proxy)).await, &server, "certificate: UnknownIssuer");
    assert_eq!(count.load(Ordering::SeqCst), 3);
    let authenticated = proxy.replace("http://", "http://user:pass@");
    accepted(server.try_with(trusting(&ca).proxy(authenticated)).await);
    let last = heads.lock().unwrap().last().cloned().unwrap().to_ascii_lowercase();
    assert!(last.contains("proxy-authorization: basic dxnlcjpwyxnz\r\n"), "{last}");
    let count_now = count.load(Ordering::SeqCst);
    accepted(server.try_with(trusting(&ca).proxy(&proxy).no_proxy()).await);
    // Loopback http goes past it, with its credentials.
    let plain = AuthorizationServer::builder().algorithms([Algorithm::ES256]).start().await.unwrap();
    let builder = ResourceServer::builder().issuer(plain.issuer()).audience(AUDIENCE).allow_loopback_http();
    accepted(start(builder.transport(unhurried().proxy(&proxy)).without_revocation()).await);
    assert_eq!(count.load(Ordering::SeqCst), count_now);
}

/// In a process of its own, whose environment names a proxy that does not exist.
#[tokio::test]
async fn the_environments_proxy_is_not_for_this_very_machine() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    for name in ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        child.env(name, "http://127.0.0.1:1");
    }
    child.env_remove("NO_PROXY").env_remove("no_proxy");
    passes(child, "an_issuer_behind_a_private_ca").await;
}

/// Runs one test in a process of its own.
async fn passes(mut child: Command, test: &str) {
    let child = child.args(["--exact", test]).kill_on_drop(true);
    let child = patiently(child.output()).await.unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}

const ISSUER: &str = "TOWER_BEARER_TEST_ISSUER";
const SYSTEM_ROOTS: &str = "SSL_CERT_FILE";

/// The system's roots are what a file says, for a process of its own.
#[tokio::test]
async fn the_systems_roots_are_trusted_unless_they_shall_not_be() {
    let ca = Ca::new("the system's");
    let server = Server::start(ca.acceptor(2090, None)).await;
    for (name, roots) in [("some", ca.pem()), ("none", String::new())] {
        let path = format!("{}/{}-{name}.pem", env!("CARGO_TARGET_TMPDIR"), std::process::id());
        std::fs::write(&path, roots).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.env(SYSTEM_ROOTS, &path).env_remove("SSL_CERT_DIR").env(ISSUER, &server.url);
        passes(child, "under_other_system_roots").await;
        std::fs::remove_file(path).unwrap();
    }
}

/// What the test above lets a process of its own do; nothing otherwise.
#[tokio::test]
async fn under_other_system_roots() {
    let Ok(issuer) = std::env::var(ISSUER) else { return };
    let with = |transport| {
        let builder = ResourceServer::builder().issuer(&issuer).audience(AUDIENCE).transport(transport);
        start(builder.without_revocation())
    };
    let other = Ca::new("another");
    let system = std::fs::read(std::env::var(SYSTEM_ROOTS).unwrap()).unwrap();
    if system.is_empty() {
        let error = with(unhurried()).await.unwrap_err();
        assert_eq!((error.setting(), error.value()), ("transport", "the system's roots"));
        assert!(error.to_string().contains("only_these_roots"), "{error}");
    } else {
        accepted(with(unhurried()).await);
        accepted(with(trusting(&other)).await);
        accepted(with(unhurried().root_certificate_pem(system).only_these_roots()).await);
    }
    // The machine's roots do not count, nor does it need any.
    let error = with(trusting(&other).only_these_roots()).await.unwrap_err();
    assert_eq!(error.setting(), "issuer");
    assert!(error.to_string().contains("certificate: UnknownIssuer"), "{error}");
}

#[tokio::test]
async fn timeouts_are_the_transports() {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    for transport in [
        Transport::new().connect_timeout(Duration::from_millis(50)).total_timeout(Duration::from_secs(300)),
        Transport::new().total_timeout(Duration::from_millis(50)).connect_timeout(Duration::from_secs(300)),
    ] {
        let patience = SystemClock::new();
        loop {
            let builder = ResourceServer::builder().issuer(&url).audience(AUDIENCE);
            let begun = SystemClock::new();
            let error = start(builder.transport(transport.clone()).without_revocation()).await.unwrap_err();
            let error = error.to_string();
            assert!(error.contains(&url) && error.contains("no answer in time"), "{error}");
            // The defaults are 3 s and 10 s; on a busy machine it takes several attempts to see the difference.
            if begun.uptime() < Duration::from_millis(2500) {
                break;
            }
            assert!(patience.uptime() < PATIENCE, "{transport:?}");
        }
    }
}

/// The setting, the value without its secrets, and the remedy.
#[tokio::test]
async fn settings_that_do_not_work() {
    let (ca, other) = (Ca::new("ours"), Ca::new("another"));
    let set = |name, value| Transport::new().header(name, HeaderValue::from_static(value));
    let mixed = ca.leaf(ExtendedKeyUsagePurpose::ClientAuth, 2090).0.pem()
        + &other.leaf(ExtendedKeyUsagePurpose::ClientAuth, 2090).1.serialize_pem();
    let mixed_bytes = format!("[{} bytes]", mixed.len());
    let nonsense = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let broken = "-----BEGIN CERTIFICATE-----\nhunter2\n";
    let cases = [
        (Transport::new().root_certificate_pem("hunter2"), "[7 bytes]", "no certificate"),
        (Transport::new().root_certificate_pem(nonsense), "[67 bytes]", "no root"),
        (Transport::new().root_certificate_pem(broken), "[36 bytes]", "root_certificate_pem"),
        (trusting(&ca).root_certificate_pem(""), "[0 bytes]", "no certificate"),
        (Transport::new().only_these_roots(), "only_these_roots", "root_certificate_pem"),
        (Transport::new().client_certificate_pem("hunter2"), "[7 bytes]", "client_certificate_pem"),
        (trusting(&ca).client_certificate_pem(ca.pem()), "bytes]", "private key"),
        (trusting(&ca).client_certificate_pem(mixed), &mixed_bytes, "client_certificate_pem"),
        (Transport::new().proxy("proxy.example:3128"), "[18 bytes]", "http"),
        (Transport::new().proxy("user:hunter2@proxy"), "[18 bytes]", "http"),
        (Transport::new().proxy("http://user:hunter2@:x"), "[22 bytes]", "URL"),
        (Transport::new().proxy("socks5://user:hunter2@proxy"), "[27 bytes]", "http"),
        (set(HeaderName::from_static("authorization"), "Bearer hunter2"), "authorization", "Feed::bearer"),
        (
            set(HeaderName::from_static("proxy-authorization"), "hunter2"),
            "proxy-authorization",
            "proxy's URL",
        ),
        (set(HeaderName::from_static("if-none-match"), "hunter2"), "if-none-match", "Leave it out"),
        (set(HeaderName::from_static("host"), "hunter2"), "host", "Leave it out"),
        (Transport::new().connect_timeout(Duration::ZERO), "0ns", "3 s"),
        (Transport::new().total_timeout(Duration::MAX), "s", "300 s"),
        (Transport::new().keys_origin("keys.example"), "keys.example", "https://keys.example"),
        (Transport::new().keys_origin("https://u:hunter2@:x"), "[20 bytes]", "https://keys.example"),
        (Transport::new().keys_origin("https://keys.example/t1"), "https://keys.example", "origin"),
        (Transport::new().keys_origin("https://u:hunter2@keys.example"), "https://keys.example", "origin"),
    ];
    for (transport, value, words) in cases {
        let shown = format!("{transport:?}");
        let builder = ResourceServer::builder().issuer("https://as.example").audience(AUDIENCE);
        let error = builder.transport(transport).without_revocation().start_lazily().unwrap_err();
        let text = error.to_string();
        assert_eq!((error.setting(), error.issuer()), ("transport", Some("https://as.example")), "{text}");
        assert!(error.value().contains(value) && text.contains(words), "{value}, {words}: {text}");
        assert!(!error.remedy().is_empty() && text.contains(error.remedy()), "{text}");
        for text in [text, shown, format!("{error:?}")] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}
