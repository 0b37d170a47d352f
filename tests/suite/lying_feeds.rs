//! Feeds that lie, break off, or never end, over real HTTP: what was revoked stays so, news grow old in time, health has the
//! reason, memory is bounded, and once the feed is good again so is everything.
//!
//! Elsewhere: a `full: false` for everything, redirects and 404 (`feed.rs`), a time that stands still (`feed.rs`), cursors
//! that are forgotten (`feed.rs`, `feed_oracle.rs`), pages that nobody signed (`signed_feed.rs`).

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, BufStream};
use tokio::net::TcpStream;
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::{Feed, FreshnessState, RejectionKind as Kind, Transport};

use super::raw::{self, Endless};
use super::world::{NOW, PATIENCE, POLL, World, at_once, builder, clock, in_time, issuer, token};

/// `limits::FEED_PAGE_BYTES`.
const LARGEST: usize = 64 * 1024 * 1024;
/// What the two sockets of a connection may hold besides: systems let a receiver grow to 32 MiB.
const IN_SOCKETS: usize = 40 * 1024 * 1024;
/// `limits::FEED_PAGES`.
const MOST_PAGES: usize = 10_000;
/// Until an answer that drips is given up, in real time. Others end by themselves, on the busiest machine.
const QUICK: Duration = Duration::from_millis(400);
const IN_VAIN: &str = "no answer in time";
/// By the manual clock; in real time an answer may take a quarter of it.
const STALE_AFTER: Duration = Duration::from_secs(600);
/// Between two attempts: four of them are more than that.
const PAUSE: Duration = Duration::from_secs(160);
/// What three bits and a literal leave of the last byte of a gzip member's beginning repeats after this many bytes.
const CYCLE: usize = 13;

/// What a feed answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// The truth.
    Good,
    /// An hour ago.
    EarlierTime,
    /// There is more, from the cursor that was just asked with.
    SameCursor,
    /// There is more, for ever, from cursors that are always new.
    EndlessPages,
    /// JSON that ends too early, in an answer that is complete.
    PartialPage,
    /// An answer that ends before the length that it announced.
    Dropped,
    /// Takes everything back, in the name of another issuer.
    OtherIssuer,
    Html,
    /// An answer in gzip that is complete, of which the gzip is not.
    GzipCutShort,
    /// Gzip without end: a hundred and fifty bytes for each that is sent.
    GzipBomb,
    /// Chunks without end.
    Endless,
    /// A terabyte, announced.
    Huge,
    /// One byte of the body now and then, for ever.
    Drips,
    /// One byte of the head now and then, for ever.
    DripsHeaders,
    /// Takes the question and says nothing.
    Silent,
    /// 304 to everybody.
    NotModified,
    /// 410 to everybody.
    Gone,
    /// Asks to start over, whatever is asked.
    Resync,
    /// An entry whose dates are in milliseconds, beside one that is right.
    Milliseconds,
    /// `as_of` in milliseconds.
    TimeInMilliseconds,
}

/// What it does, the words in health, and what it may cost the server.
struct Row {
    manner: Manner,
    words: &'static str,
    bytes: usize,
    questions: usize,
}

const fn row(manner: Manner, words: &'static str) -> Row {
    Row { manner, words, bytes: 64 * 1024, questions: 2 }
}

const fn large(manner: Manner, bytes: usize) -> Row {
    Row { manner, words: "the answer is larger than 67108864 bytes", bytes: bytes + IN_SOCKETS, questions: 2 }
}

const TABLE: [Row; 18] = [
    row(Manner::EarlierTime, "older than earlier ones by its own time"),
    row(Manner::SameCursor, "a page that leads back to itself"),
    row(Manner::PartialPage, "not strict JSON"),
    row(Manner::Dropped, "no connection: "),
    row(Manner::OtherIssuer, "the feed speaks for `https://other.example`"),
    row(Manner::Html, "not strict JSON"),
    row(Manner::GzipCutShort, "no connection: "),
    large(Manner::GzipBomb, LARGEST / 150),
    large(Manner::Endless, LARGEST),
    large(Manner::Huge, LARGEST),
    row(Manner::Drips, IN_VAIN),
    row(Manner::DripsHeaders, IN_VAIN),
    row(Manner::Silent, IN_VAIN),
    row(Manner::NotModified, "answered 304"),
    row(Manner::Gone, "answered 410"),
    row(Manner::Resync, "again and again to start over"),
    row(Manner::Milliseconds, "is not a date in seconds"),
    row(Manner::TimeInMilliseconds, "`as_of`"),
];

/// Counts how often somebody goes to sleep: the feed's task does so after each attempt, be it heard of or not.
#[derive(Clone, Debug)]
struct Counting {
    clock: ManualClock,
    sleeps: Arc<AtomicUsize>,
}

impl Clock for Counting {
    fn wall(&self) -> UnixTime {
        self.clock.wall()
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let sleep = self.clock.sleep(duration);
        self.sleeps.fetch_add(1, Ordering::SeqCst);
        sleep
    }
}

struct Server {
    sleeps: Arc<AtomicUsize>,
    url: String,
    iss: String,
    clock: ManualClock,
    manner: Mutex<Manner>,
    questions: AtomicUsize,
    /// Bytes of answers that could be handed over to the operating system.
    written: AtomicUsize,
}

impl Server {
    fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
        self.questions.store(0, Ordering::SeqCst);
        self.written.store(0, Ordering::SeqCst);
    }

    fn page(&self, change: &Value) -> String {
        let mut page = json!({"iss": self.iss, "as_of": self.clock.wall().as_secs(), "cursor": "c", "full": true,
            "revocations": [{"jti": "gone", "exp": NOW + 3600}]});
        page.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        page.to_string()
    }

    /// The head of an answer and its beginning, and whether it is all.
    fn answer(&self, manner: Manner, question: usize) -> (Vec<u8>, bool) {
        let whole = |status: &str, more: &str, body: &[u8]| {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{more}content-length: {length}\r\n\r\n"
            );
            ([head.as_bytes(), body].concat(), true)
        };
        let page = |change: Value| whole("200 OK", "", self.page(&change).as_bytes());
        let open = |head: &str, body: &[u8]| {
            ([format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes(), body].concat(), false)
        };
        let cursor = format!("c{question}");
        let good = self.page(&json!({}));
        match manner {
            Manner::Good => page(json!({"cursor": cursor})),
            Manner::EarlierTime => page(json!({"as_of": NOW - 3600, "revocations": []})),
            Manner::SameCursor => page(json!({"more": true})),
            Manner::EndlessPages => page(json!({"more": true, "cursor": format!("p{question}")})),
            Manner::PartialPage => whole("200 OK", "", &good.as_bytes()[..good.len() / 2]),
            Manner::Dropped => {
                let (mut answer, _) = whole("200 OK", "", good.as_bytes());
                answer.truncate(answer.len() - good.len() / 2);
                (answer, false)
            }
            Manner::OtherIssuer => page(json!({"iss": "https://other.example",
                "revocations": [{"jti": "gone", "exp": NOW + 3600, "at": NOW + 9, "withdrawn": true}]})),
            Manner::Html => whole("200 OK", "", b"<!doctype html><title>Sign in</title>"),
            Manner::GzipCutShort => {
                // Stored, and cut off in the middle of the page.
                let length = u16::try_from(good.len()).unwrap();
                let member = [GZIP, &[1], &length.to_le_bytes(), &(!length).to_le_bytes(), good.as_bytes()];
                let member = member.concat();
                whole("200 OK", "content-encoding: gzip\r\n", &member[..member.len() / 2])
            }
            Manner::GzipBomb => open("content-encoding: gzip\r\n", &bomb(1)),
            Manner::Endless => open("transfer-encoding: chunked\r\n", b""),
            Manner::Huge => open("content-length: 1099511627776\r\n", b""),
            Manner::Drips => open("transfer-encoding: chunked\r\n", b""),
            Manner::DripsHeaders => (b"HTTP/1.1 200 OK\r\nx-long: ".to_vec(), false),
            Manner::Silent => (Vec::new(), false),
            Manner::NotModified => (b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(), true),
            Manner::Gone => whole("410 Gone", "", b""),
            Manner::Resync => whole("200 OK", "", br#"{"resync":true}"#),
            Manner::Milliseconds => page(json!({"cursor": cursor, "revocations": [
                {"jti": "new", "exp": NOW + 3600},
                {"sub": "user-1", "issued_before": NOW * 1000, "exp": NOW + 3600}]})),
            Manner::TimeInMilliseconds => page(json!({"as_of": NOW * 1000})),
        }
    }

    /// What comes after that.
    async fn go_on(&self, manner: Manner, stream: &mut BufStream<TcpStream>) {
        match manner {
            Manner::GzipBomb => {
                let cycles = bomb(1 << 16);
                let cycles = &cycles[cycles.len() - 1000 * CYCLE..];
                while raw::write(stream, cycles, &self.written).await {}
            }
            Manner::Endless => Endless::Chunks.go_on(stream, &self.written).await,
            Manner::Huge => Endless::Bytes.go_on(stream, &self.written).await,
            Manner::Drips => Endless::Drips.go_on(stream, &self.written).await,
            Manner::DripsHeaders => Endless::DripsHeaders.go_on(stream, &self.written).await,
            Manner::Silent => {
                let _ = stream.read_u8().await;
            }
            _ => {}
        }
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut stream = BufStream::new(stream);
        while raw::head(&mut stream).await.is_some() {
            let manner = *self.manner.lock().unwrap();
            let question = self.questions.fetch_add(1, Ordering::SeqCst);
            let (answer, is_all) = self.answer(manner, question);
            if !raw::write(&mut stream, &answer, &self.written).await {
                return;
            }
            if !is_all {
                return self.go_on(manner, &mut stream).await;
            }
        }
    }
}

/// The head of a gzip member without a name (RFC 1952 §2.3).
const GZIP: &[u8] = &[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// A space, and 258 more of them so many times (RFC 1951 §3.2.6): thirteen bits each, without an end.
fn bomb(times: usize) -> Vec<u8> {
    let mut bits = vec![false, true, false];
    let mut code = |value: u16, length: u16| bits.extend((0..length).rev().map(|bit| value >> bit & 1 == 1));
    code(0x30 + u16::from(b' '), 8);
    for _ in 0..times {
        code(0b1100_0101, 8);
        code(0, 5);
    }
    let byte = |bits: &[bool]| bits.iter().rev().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
    GZIP.iter().copied().chain(bits.chunks_exact(8).map(byte)).collect()
}

/// A world whose feed is this server; nobody else sleeps in it.
async fn world(within: Duration) -> (World, Arc<Server>) {
    let clock = clock();
    let minter = issuer(&clock).await;
    let keys = super::keys::fetch(&minter.jwks_url()).await;
    let listener = raw::socket(0).listen(64).unwrap();
    let url = format!("http://{}/revocations", listener.local_addr().unwrap());
    let server = Arc::new(Server {
        sleeps: Arc::default(),
        url: url.clone(),
        iss: minter.issuer().to_owned(),
        clock: clock.clone(),
        manner: Mutex::new(Manner::Good),
        questions: AtomicUsize::new(0),
        written: AtomicUsize::new(0),
    });
    let inner = Arc::clone(&server);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(Arc::clone(&inner).serve(stream));
        }
    });
    let counting = Counting { clock: clock.clone(), sleeps: Arc::clone(&server.sleeps) };
    let start = async || {
        let transport = Transport::new().no_proxy().total_timeout(within);
        let feed = Feed::new(&*url).poll_interval(POLL).max_staleness(STALE_AFTER);
        let builder = builder(&minter, &clock).clock(counting.clone());
        builder.keys(&*keys).transport(transport).revocation(feed).start().await
    };
    let patience = SystemClock::new();
    let api = loop {
        match start().await {
            Ok(api) => break api,
            // This machine may be too busy.
            Err(error) if error.to_string().contains(IN_VAIN) && patience.uptime() < PATIENCE => {}
            Err(error) => panic!("{error}"),
        }
    };
    (World { issuer: minter, clock, api }, server)
}

fn state(world: &World) -> FreshnessState {
    world.api.health().issuers[0].feeds[0].state
}

fn kind(world: &World, token: &str) -> Option<Kind> {
    at_once(&world.api, token).rejection.map(|rejection| rejection.kind())
}

/// Lets the pause pass, and waits until the next attempt has ended.
async fn attempt(world: &World, server: &Server) {
    world.settle(1).await;
    let before = server.sleeps.load(Ordering::SeqCst);
    world.clock.advance(PAUSE);
    world.until(|_| server.sleeps.load(Ordering::SeqCst) > before).await;
}

/// What holds while a feed lies, and after.
async fn endures(Row { manner, words, bytes, questions }: Row) {
    let (world, server) = world(if words == IN_VAIN { QUICK } else { 2 * PATIENCE }).await;
    let minted = |jti| world.issuer.mint(token().claim("jti", jti).lifetime(Duration::from_secs(3600)));
    let [gone, new, live] = ["gone", "new", "live"].map(minted);
    assert_eq!((kind(&world, &gone), kind(&world, &live)), (Some(Kind::Revoked), None));

    server.behave(manner);
    attempt(&world, &server).await;
    let written = server.written.load(Ordering::SeqCst);
    assert!(written <= bytes, "{manner:?}: {written} bytes");
    let asked = server.questions.load(Ordering::SeqCst);
    assert!(asked <= questions, "{manner:?}: {asked} questions");
    let error = world.last_error().unwrap_or_default();
    assert!(error.contains(words), "{manner:?}: {error}");
    assert_eq!(kind(&world, &gone), Some(Kind::Revoked), "{manner:?}");
    // What was said and not understood may be a revocation of anybody's: nobody is let in on that, from now on.
    let flawed = manner == Manner::Milliseconds;
    assert_eq!(kind(&world, &live), flawed.then_some(Kind::RevocationsStale), "{manner:?}");
    assert_eq!(kind(&world, &new).is_some(), flawed, "{manner:?}");

    for _ in 0..3 {
        attempt(&world, &server).await;
        assert_eq!(kind(&world, &gone), Some(Kind::Revoked), "{manner:?}");
    }
    assert_eq!(state(&world), FreshnessState::Stale, "{manner:?}: 640 s after the last good answer");
    let refused = at_once(&world.api, &live);
    assert_eq!((refused.status, refused.retry_after), (503, Some(1)), "{manner:?}");
    assert!(world.last_error().unwrap_or_default().contains(words), "{manner:?}: {:?}", world.last_error());

    server.behave(Manner::Good);
    // Everything is asked for again within half a minute, where something was not understood.
    let (mut attempts, patience) = (0, SystemClock::new());
    while attempts < 5 && patience.uptime() < PATIENCE {
        attempt(&world, &server).await;
        // One for which this machine was too busy does not count.
        attempts += usize::from(!world.last_error().is_some_and(|error| error.contains(IN_VAIN)));
    }
    assert_eq!((state(&world), world.last_error()), (FreshnessState::Fresh, None), "{manner:?}");
    assert_eq!((kind(&world, &gone), kind(&world, &live)), (Some(Kind::Revoked), None), "{manner:?}");
    assert_eq!(kind(&world, &new), flawed.then_some(Kind::Revoked), "{manner:?}: what was valid is in force");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lie_revives_a_token_or_keeps_news_fresh() {
    for row in TABLE {
        endures(row).await;
    }
}

/// A whole state is waited for as long as the transport says, be it less than by default.
#[tokio::test]
async fn the_first_answer_is_given_up_in_the_time_of_the_transport() {
    let (world, server) = world(2 * PATIENCE).await;
    server.behave(Manner::Silent);
    let feed = || Feed::new(&*server.url).poll_interval(POLL).max_staleness(STALE_AFTER);
    let patience = SystemClock::new();
    loop {
        let builder = builder(&world.issuer, &world.clock).transport(Transport::new().total_timeout(QUICK));
        let start = SystemClock::new();
        let error = in_time(builder.revocation(feed()).start()).await.unwrap_err();
        assert!(error.to_string().contains(IN_VAIN), "{error}");
        // The default is 10 s; on a busy machine it takes several attempts to see the difference.
        if start.uptime() < Duration::from_secs(5) {
            break;
        }
        assert!(patience.uptime() < PATIENCE, "{:?}", start.uptime());
    }
}

/// Ten thousand questions, and then it is over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_without_end_are_given_up() {
    let (world, server) = world(2 * PATIENCE).await;
    let [gone, live] = ["gone", "live"].map(|jti| world.issuer.mint(token().claim("jti", jti)));
    server.behave(Manner::EndlessPages);
    world.settle(1).await;
    world.clock.advance(PAUSE);
    let patience = SystemClock::new();
    while server.questions.load(Ordering::SeqCst) < MOST_PAGES || world.clock.sleepers() == 0 {
        assert!(patience.uptime() < 5 * PATIENCE, "{:?}", world.api.health());
        // Meanwhile what is known decides, and nothing lends it freshness.
        assert_eq!((kind(&world, &gone), kind(&world, &live)), (Some(Kind::Revoked), None));
        patience.sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(server.questions.load(Ordering::SeqCst), MOST_PAGES);
    assert!(world.last_error().unwrap().contains("more than 10000 pages"), "{:?}", world.last_error());
    world.clock.advance(STALE_AFTER);
    assert_eq!(
        (kind(&world, &gone), kind(&world, &live)),
        (Some(Kind::Revoked), Some(Kind::RevocationsStale))
    );
    server.behave(Manner::Good);
    world.until(|world| state(world) == FreshnessState::Fresh).await;
    assert_eq!((kind(&world, &gone), kind(&world, &live)), (Some(Kind::Revoked), None));
}
