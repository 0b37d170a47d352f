//! Key endpoints that fail in every way a network knows: what becomes of the keys, in which words, in what memory and time.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::testing::AuthorizationServer;
use tower_bearer::{Builder, Complete, KeysHealth, RejectionKind as Kind, ResourceServer, Transport};

use super::private_tls::Ca;
use super::raw::{self, Endless, socket};
use super::world::{PATIENCE, at_once, builder, clock, in_time, issuer, token};

/// `limits::KEY_SET_BYTES`.
const LARGEST: usize = 512 * 1024;
/// What the two sockets of a connection may hold besides: 64 KiB and the 6 MiB to which Linux lets a receiver grow.
const IN_SOCKETS: usize = 8 * 1024 * 1024;
const HUGE: usize = 64 * 1024 * 1024;
/// Until an endpoint is given up that would never end, in real time. Others end by themselves, on the busiest machine.
const QUICK: Duration = Duration::from_millis(400);
const IN_VAIN: &str = "no answer in time";
/// How long old keys are relied on.
const STALE_AFTER: Duration = Duration::from_secs(120);

/// What an endpoint does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Manner {
    /// Serves the keys, for a minute, without an entity tag.
    Good,
    /// Serves the keys with an entity tag, and 304 to whoever has it.
    Tagged,
    /// One byte of the body now and then, for ever.
    Drips,
    /// One byte of the head now and then, for ever.
    DripsHeaders,
    /// Chunks without end.
    Endless,
    /// 64 MB, announced.
    Huge,
    /// 64 MB, not announced.
    HugeUnannounced,
    /// JSON that ends too early, in an answer that is complete.
    TruncatedJson,
    /// An answer that ends before the length that it announced.
    TruncatedBody,
    Html,
    Redirects,
    /// 429 with `Retry-After: 25`.
    TooMany,
    ServerError,
    /// 304 to everybody.
    NotModified,
    /// A certificate that is over.
    Expired,
    /// Nobody listens.
    Refused,
    /// Takes the connection and closes it.
    Closed,
    /// Takes the question and closes the connection.
    ClosedAfterQuestion,
    /// Takes the question and says nothing.
    Silent,
    /// Takes the connection and takes no part in TLS.
    NoHandshake,
    /// Something else than HTTP.
    NotHttp,
}

/// One row of the table: what it does, and the error's words in health.
struct Row {
    manner: Manner,
    words: &'static str,
    tls: bool,
}

const fn row(manner: Manner, words: &'static str) -> Row {
    Row { manner, words, tls: false }
}

const fn tls(manner: Manner, words: &'static str) -> Row {
    Row { manner, words, tls: true }
}

const TABLE: [Row; 20] = [
    row(Manner::Drips, IN_VAIN),
    row(Manner::DripsHeaders, IN_VAIN),
    row(Manner::Endless, "the answer is larger than 524288 bytes"),
    row(Manner::Huge, "the answer is larger than 524288 bytes"),
    row(Manner::HugeUnannounced, "the answer is larger than 524288 bytes"),
    row(Manner::TruncatedJson, "not a JWK set: EOF while parsing"),
    row(Manner::TruncatedBody, "no connection: "),
    row(Manner::Html, "not a JWK set: expected value"),
    row(Manner::Redirects, "answered 302"),
    row(Manner::TooMany, "answered 429"),
    row(Manner::ServerError, "answered 500"),
    row(Manner::NotModified, "answered 304"),
    row(Manner::Refused, "refused"),
    row(Manner::Closed, "no connection: "),
    row(Manner::ClosedAfterQuestion, "no connection: "),
    row(Manner::Silent, IN_VAIN),
    row(Manner::NotHttp, "no connection: "),
    tls(Manner::Expired, "certificate expired"),
    tls(Manner::NoHandshake, IN_VAIN),
    tls(Manner::Closed, "no connection: "),
];

/// A key endpoint whose manner changes.
struct Endpoint {
    url: String,
    port: u16,
    /// How long its answers are waited for.
    within: Duration,
    inner: Arc<Inner>,
    task: Mutex<Option<JoinHandle<()>>>,
    /// Holds the port while nobody listens.
    held: Mutex<Option<TcpSocket>>,
}

struct Inner {
    manner: Mutex<Manner>,
    keys: String,
    /// Where the redirects lead.
    elsewhere: String,
    connections: AtomicUsize,
    /// Bytes of bodies that could be handed over to the operating system.
    written: AtomicUsize,
    certificates: Option<Certificates>,
}

struct Certificates {
    root: String,
    good: TlsAcceptor,
    expired: TlsAcceptor,
}

impl Certificates {
    fn new() -> Self {
        let ca = Ca::new("the endpoint's");
        Self { root: ca.pem(), good: ca.acceptor(2090, None), expired: ca.acceptor(2021, None) }
    }
}

impl Endpoint {
    fn new(keys: String, elsewhere: String, with_tls: bool, within: Duration) -> Self {
        let socket = socket(0);
        let port = socket.local_addr().unwrap().port();
        let certificates = with_tls.then(Certificates::new);
        let scheme = if with_tls { "https" } else { "http" };
        let inner = Inner {
            manner: Mutex::new(Manner::Refused),
            keys,
            elsewhere,
            connections: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            certificates,
        };
        let url = format!("{scheme}://localhost:{port}/jwks");
        let (inner, task, held) = (Arc::new(inner), Mutex::default(), Mutex::new(Some(socket)));
        Self { url, port, within, inner, task, held }
    }

    /// Ends what it was doing.
    async fn behave(&self, manner: Manner) {
        *self.inner.manner.lock().unwrap() = manner;
        self.inner.written.store(0, Ordering::SeqCst);
        let task = self.task.lock().unwrap().take();
        if let Some(task) = task {
            *self.held.lock().unwrap() = Some(socket(self.port));
            task.abort();
            let _ = task.await;
        }
        if manner == Manner::Refused {
            return;
        }
        let listener = self.held.lock().unwrap().take().unwrap().listen(64).unwrap();
        *self.task.lock().unwrap() = Some(tokio::spawn(serve(listener, Arc::clone(&self.inner))));
    }

    fn transport(&self) -> Transport {
        let transport = Transport::new().no_proxy().connect_timeout(self.within).total_timeout(self.within);
        match &self.inner.certificates {
            Some(certificates) => {
                transport.root_certificate_pem(certificates.root.as_str()).only_these_roots()
            }
            None => transport,
        }
    }

    fn connections(&self) -> usize {
        self.inner.connections.load(Ordering::SeqCst)
    }

    fn written(&self) -> usize {
        self.inner.written.load(Ordering::SeqCst)
    }
}

async fn serve(listener: TcpListener, inner: Arc<Inner>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        inner.connections.fetch_add(1, Ordering::SeqCst);
        let inner = Arc::clone(&inner);
        connections.spawn(async move {
            let manner = *inner.manner.lock().unwrap();
            match (manner, &inner.certificates) {
                (Manner::Closed, _) => {}
                (Manner::NoHandshake, _) => std::future::pending().await,
                (_, None) => answer(stream, manner, &inner).await,
                (_, Some(certificates)) => {
                    let expired = manner == Manner::Expired;
                    let acceptor = if expired { &certificates.expired } else { &certificates.good };
                    match acceptor.accept(stream).into_fallible().await {
                        Ok(stream) => answer(stream, manner, &inner).await,
                        // A reset would overtake the alert that tells why.
                        Err((_, mut stream)) => {
                            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                        }
                    }
                }
            }
        });
    }
}

async fn answer(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, inner: &Inner) {
    let Some(head) = raw::head(&mut stream).await else { return };
    let known = head.to_ascii_lowercase().contains("if-none-match: \"a\"");
    let keys = &inner.keys;
    let whole = |status: &str, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncache-control: max-age=60\r\n{more}content-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match manner {
        Manner::Good | Manner::Expired => whole("200 OK", "", keys),
        Manner::Tagged if known => "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned(),
        Manner::Tagged => whole("200 OK", "etag: \"a\"\r\n", keys),
        Manner::Drips => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        Manner::DripsHeaders => "HTTP/1.1 200 OK\r\nx-long: ".to_owned(),
        Manner::Endless => "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
        Manner::Huge => format!("HTTP/1.1 200 OK\r\ncontent-length: {HUGE}\r\n\r\n"),
        Manner::HugeUnannounced => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
        Manner::TruncatedJson => whole("200 OK", "", &keys[..keys.len() / 2]),
        Manner::TruncatedBody => {
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", keys.len(), &keys[..keys.len() / 2])
        }
        Manner::Html => whole("200 OK", "", "<!doctype html><title>Sign in</title>"),
        Manner::Redirects => whole("302 Found", &format!("location: {}\r\n", inner.elsewhere), ""),
        Manner::TooMany => whole("429 Too Many Requests", "retry-after: 25\r\n", ""),
        Manner::ServerError => whole("500 Internal Server Error", "", keys),
        Manner::NotModified => "HTTP/1.1 304 Not Modified\r\nconnection: close\r\n\r\n".to_owned(),
        Manner::NotHttp => "220 mail.example ESMTP\r\n".to_owned(),
        Manner::ClosedAfterQuestion => return,
        Manner::Silent => std::future::pending().await,
        Manner::Refused | Manner::Closed | Manner::NoHandshake => unreachable!("these take no question"),
    };
    let written = &inner.written;
    let _ = raw::write(&mut stream, text.as_bytes(), written).await;
    match manner {
        Manner::Drips => Endless::Drips.go_on(&mut stream, written).await,
        Manner::DripsHeaders => Endless::DripsHeaders.go_on(&mut stream, written).await,
        Manner::Endless => Endless::Chunks.go_on(&mut stream, written).await,
        Manner::Huge | Manner::HugeUnannounced => {
            let piece = [b' '; 0x4000];
            for _ in 0..HUGE / piece.len() {
                if !raw::write(&mut stream, &piece, written).await {
                    return;
                }
            }
        }
        _ => {}
    }
    let _ = stream.shutdown().await;
}

/// An API that has its keys from a bad endpoint, and tokens from a good server.
struct World {
    clock: ManualClock,
    minter: AuthorizationServer,
    endpoint: Endpoint,
    /// Another host, which nobody should ask.
    elsewhere: Endpoint,
}

impl World {
    async fn new(Row { words, tls, .. }: Row) -> Self {
        let clock = clock();
        let minter = issuer(&clock).await;
        let keys = super::keys::fetch(&minter.jwks_url()).await;
        let elsewhere = Endpoint::new(keys.clone(), String::new(), false, PATIENCE);
        elsewhere.behave(Manner::Good).await;
        let there = elsewhere.url.replace("localhost", "127.0.0.1");
        let within = if words == IN_VAIN { QUICK } else { 2 * PATIENCE };
        Self { clock, minter, endpoint: Endpoint::new(keys, there, tls, within), elsewhere }
    }

    fn builder(&self) -> Builder<Complete> {
        builder(&self.minter, &self.clock)
            .jwks_url(&self.endpoint.url)
            .keys_stale_after(STALE_AFTER)
            .transport(self.endpoint.transport())
            .without_revocation()
    }

    /// With a sound endpoint.
    async fn start(&self) -> ResourceServer {
        let patience = SystemClock::new();
        loop {
            match self.builder().start().await {
                Ok(api) => return api,
                // This machine may be too busy.
                Err(error) if error.to_string().contains(IN_VAIN) && patience.uptime() < PATIENCE => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn token(&self) -> String {
        self.minter.mint(token().lifetime(Duration::from_secs(86_400)))
    }

    /// Waits in real time.
    async fn until(&self, api: &ResourceServer, what: &str, condition: impl Fn(&KeysHealth) -> bool) {
        let patience = SystemClock::new();
        loop {
            let health = keys(api);
            // Awake, the keeper is asking.
            if self.clock.sleepers() == 1 && condition(&health) {
                return;
            }
            assert!(patience.uptime() < PATIENCE, "{what}, in vain: {health:?}");
            patience.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets the pause pass that the keeper takes, and waits for its next attempt to end.
    async fn next_attempt(&self, api: &ResourceServer) {
        self.until(api, "asleep", |_| true).await;
        let pause = Duration::from_secs_f64(keys(api).next_refresh.unwrap());
        self.clock.advance(pause + Duration::from_millis(1));
        // The next one is due now, until it has ended.
        self.until(api, "an attempt", |health| health.next_refresh > Some(0.0)).await;
    }
}

fn keys(api: &ResourceServer) -> KeysHealth {
    api.health().issuers[0].keys.clone()
}

/// JK-10, JK-11: keys that were known before stay in force until they are too old, then nobody can decide; and as soon as
/// the endpoint is well, so is everything else.
#[tokio::test]
async fn known_keys_outlive_every_failure_up_to_the_bound() {
    for row @ Row { manner, words, .. } in TABLE {
        let world = World::new(row).await;
        world.endpoint.behave(Manner::Good).await;
        let api = world.start().await;
        let good = world.token();
        assert_eq!(at_once(&api, &good).status, 200);
        let confirmed = world.clock.uptime();

        world.endpoint.behave(manner).await;
        world.next_attempt(&api).await;
        let health = keys(&api);
        let error = health.last_error.as_deref().unwrap_or_default();
        assert!(error.contains(words) && error.contains(&world.endpoint.url), "{manner:?}: {health:?}");
        assert!(
            health.usable && health.keys.len() == 1 && !health.age.unwrap().eq(&0.0),
            "{manner:?}: {health:?}"
        );
        assert_eq!(at_once(&api, &good).status, 200, "{manner:?}");
        assert!(world.endpoint.written() <= LARGEST + IN_SOCKETS, "{manner:?}: {}", world.endpoint.written());
        if manner == Manner::TooMany {
            assert!(health.next_refresh.unwrap() > 24.9, "Retry-After is honoured: {health:?}");
        }

        // A minute for which the set holds, and then as long as it is relied on.
        let end = confirmed + Duration::from_secs(60) + STALE_AFTER;
        world.clock.advance(end - Duration::from_millis(1) - world.clock.uptime());
        assert_eq!(at_once(&api, &good).status, 200, "{manner:?}: to the last moment");
        world.clock.advance(Duration::from_millis(1));
        let refused = at_once(&api, &good);
        assert_eq!((refused.status, refused.rejection.unwrap().kind()), (503, Kind::NoKeys), "{manner:?}");
        assert!(refused.retry_after.is_some() && !api.health().is_ready(), "{manner:?}");

        world.endpoint.behave(Manner::Good).await;
        recovers(&world, &api, manner).await;
        assert_eq!(at_once(&api, &good).status, 200, "{manner:?}");
        assert_eq!(world.elsewhere.connections(), 0, "{manner:?}: nobody asked another host");
    }
}

async fn recovers(world: &World, api: &ResourceServer, manner: Manner) {
    let (mut attempts, patience) = (0, SystemClock::new());
    while attempts < 3 && !keys(api).usable && patience.uptime() < PATIENCE {
        world.next_attempt(api).await;
        // One for which this machine was too busy does not count.
        attempts += usize::from(!keys(api).last_error.is_some_and(|error| error.contains(IN_VAIN)));
    }
    let health = keys(api);
    assert!(
        health.usable && health.last_error.is_none() && api.health().is_ready(),
        "{manner:?}: {health:?}"
    );
}

/// DI-11: a start fails with the setting's name, or waits for the endpoint with 503.
#[tokio::test]
async fn a_start_fails_by_name_or_waits() {
    for row @ Row { manner, words, .. } in TABLE {
        let world = World::new(row).await;
        world.endpoint.behave(manner).await;
        let error = in_time(world.builder().start()).await.unwrap_err();
        let text = error.to_string();
        assert_eq!((error.setting(), error.issuer()), ("jwks_url", Some(world.minter.issuer())), "{text}");
        assert!(text.contains(words) && text.contains(&world.endpoint.url), "{manner:?}: {text}");

        let api = world.builder().start_lazily().unwrap();
        world.until(&api, "an error", |health| health.last_error.is_some()).await;
        let health = keys(&api);
        assert!(health.last_error.as_ref().unwrap().contains(words), "{manner:?}: {health:?}");
        assert!(!health.usable && health.age.is_none() && health.keys.is_empty(), "{manner:?}: {health:?}");
        let refused = at_once(&api, &world.token());
        assert_eq!((refused.status, refused.rejection.unwrap().kind()), (503, Kind::NoKeys), "{manner:?}");
        assert!(world.endpoint.written() <= 2 * (LARGEST + IN_SOCKETS), "{manner:?}");

        world.endpoint.behave(Manner::Good).await;
        recovers(&world, &api, manner).await;
        api.ready().await;
        assert_eq!(at_once(&api, &world.token()).status, 200, "{manner:?}");
        assert_eq!(world.elsewhere.connections(), 0, "{manner:?}: nobody asked another host");
    }
}

/// JK-10: 304 for ever, to whoever has the set, is the issuer's word that it still holds: one question each time it is due.
#[tokio::test]
async fn a_set_that_is_never_modified_stays_in_force() {
    let world = World::new(row(Manner::Tagged, "")).await;
    world.endpoint.behave(Manner::Tagged).await;
    let api = world.start().await;
    let good = world.token();
    for round in 0..10 {
        let before = world.endpoint.connections();
        world.next_attempt(&api).await;
        assert_eq!(world.endpoint.connections(), before + 1, "round {round}");
        let health = keys(&api);
        assert!(health.last_error.is_none() && health.usable, "{health:?}");
        // 304 need not repeat for how long it holds: five minutes then, less the jitter.
        assert!(health.next_refresh.unwrap() >= 270.0, "{health:?}");
        assert_eq!(at_once(&api, &good).status, 200, "round {round}");
    }
    assert!(world.clock.uptime() > 10 * STALE_AFTER);
}

#[test]
fn the_table_has_each_failure_once() {
    let rows: HashSet<_> = TABLE.iter().map(|row| (row.manner, row.tls)).collect();
    assert_eq!(rows.len(), TABLE.len());
}
