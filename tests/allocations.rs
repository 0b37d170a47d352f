//! What a request costs in allocations: a number that no noise changes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]
#![allow(
    unsafe_code,
    reason = "an allocator that counts is unsafe by its trait; the crate itself forbids it"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::convert::Infallible;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, Feed, Protected, ResourceServer, Tenants, any_token, scope};

const AUDIENCE: &str = "https://api.example.com/";
/// No news come in while it is counted, however long that takes.
const HOUR: Duration = Duration::from_secs(3600);

thread_local! {
    static COUNT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

struct Counting;

// Counts, and leaves everything else to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = COUNT.try_with(|count| {
            let (times, bytes) = count.get();
            count.set((times + 1, bytes + layout.size()));
        });
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations and their bytes while `work` runs.
fn counted<T>(work: impl FnOnce() -> T) -> (T, usize, usize) {
    COUNT.with(|count| count.set((0, 0)));
    let outcome = work();
    let (times, bytes) = COUNT.with(Cell::get);
    (outcome, times, bytes)
}

fn poll_once<T>(future: impl Future<Output = Result<T, Infallible>>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => value,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("a decided request does not wait"),
    }
}

fn ok(_: Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>> {
    std::future::ready(Ok(Response::new(())))
}

type Inner = tower::util::ServiceFn<fn(Request<()>) -> std::future::Ready<Result<Response<()>, Infallible>>>;

/// Status, allocations and bytes of one request.
fn cost(service: &mut Protected<Inner>, authorization: Option<&HeaderValue>) -> (u16, usize, usize) {
    let mut request = Request::new(());
    if let Some(value) = authorization {
        request.headers_mut().insert("authorization", value.clone());
    }
    let (response, times, bytes) = counted(|| poll_once(service.call(request)));
    (response.status().as_u16(), times, bytes)
}

#[tokio::test]
async fn refusing_early_costs_the_answer_and_nothing_else() {
    let server = AuthorizationServer::builder().algorithms([Algorithm::ES256]).start().await.unwrap();
    server.revoke_token("revoked");
    let api = ResourceServer::builder()
        .issuer(server.issuer())
        .audience(AUDIENCE)
        .allow_loopback_http()
        .revocation(Feed::new(server.feed_url()).max_staleness(HOUR))
        .tenants(Tenants::matching("https://{tenant}.example.com/"))
        .audience(AUDIENCE)
        .without_revocation()
        .start()
        .await
        .unwrap();
    let inner: Inner = service_fn(ok as fn(_) -> _);
    let mut service = api.protect(any_token()).layer(inner);
    let value = |text: String| HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).unwrap();
    let token = |token: Token| value(format!("Bearer {}", server.mint(token.subject("u").client("c"))));
    let good = token(Token::new(AUDIENCE).scope("read:events"));
    let revoked = token(Token::new(AUDIENCE).claim("jti", "revoked"));
    // Warm what is made on first use.
    assert_eq!(cost(&mut service, Some(&good)).0, 200);

    // The answer: its header map, its challenge, the map of its extensions and the rejection in it.
    let (status, answer, answer_bytes) = cost(&mut service, None);
    assert_eq!(status, 401);
    assert!(answer <= 8, "{answer} allocations");

    // Refused before anything is parsed: not a byte more, however large.
    let early = [
        ("another scheme", value("Basic dTpw".to_owned()), 401),
        ("another scheme, 1 MB", value("x".repeat(1 << 20)), 401),
        ("no token", value("Bearer ".to_owned()), 400),
        ("garbage", value("Bearer garbage".to_owned()), 401),
        ("garbage, 10 KB", value(format!("Bearer {}", "a".repeat(10_000))), 401),
        ("garbage, 1 MB", value(format!("Bearer {}", "a".repeat(1 << 20))), 401),
        ("dots, 10 KB", value(format!("Bearer {}", ".".repeat(10_000))), 401),
        ("not base64url", value(format!("Bearer {}.{}.{}", "~".repeat(100), "a".repeat(8000), "a")), 401),
        ("header of 5 KB", value(format!("Bearer {}.a.a", "a".repeat(5000))), 401),
    ];
    for (what, value, expected) in early {
        let (status, times, bytes) = cost(&mut service, Some(&value));
        assert_eq!(status, expected, "{what}");
        assert!(times <= answer, "{what}: {times} allocations, {answer} for the answer alone");
        assert!(bytes <= answer_bytes + 512, "{what}: {bytes} bytes, {answer_bytes} for the answer alone");
    }

    // Refused before its claims are known to be true: likewise.
    let kid = server.key_id(Algorithm::ES256).unwrap();
    let unproven = [
        ("forged", token(Token::new(AUDIENCE).header("kid", kid.as_str()).signed_by_unknown_key())),
        ("unknown alg", token(Token::new(AUDIENCE).header("alg", "RS1"))),
        ("unknown issuer", token(Token::new(AUDIENCE).claim("iss", "https://evil.example"))),
        ("no tenant", token(Token::new(AUDIENCE).claim("iss", "https://a.b.example.com/"))),
    ];
    for (what, value) in unproven {
        let (status, times, _) = cost(&mut service, Some(&value));
        assert_eq!(status, 401, "{what}");
        assert!(times <= answer, "{what}: {times} allocations, {answer} for the answer alone");
    }

    // Refused late: no more than an admitted one with a header never seen before, besides the answer itself.
    let other_header = token(Token::new(AUDIENCE).header("typ", "application/at+jwt"));
    let (status, admitted, _) = cost(&mut service, Some(&other_header));
    assert_eq!(status, 200);
    assert!(admitted <= 16, "{admitted} allocations");
    let late = [
        ("expired", token(Token::new(AUDIENCE).issued_at(1_000_000))),
        ("wrong audience", token(Token::new("https://other.example/"))),
        ("revoked", revoked),
    ];
    for (what, value) in late {
        let (status, times, _) = cost(&mut service, Some(&value));
        assert_eq!(status, 401, "{what}");
        assert!(times <= admitted + answer, "{what}: {times} allocations, {admitted} admitted");
    }
}

/// Handing the token on in the extensions takes three: their map, its table, and the box of the value.
const HANDED_ON: usize = 3;

#[tokio::test]
async fn a_token_costs_little_at_first_and_nothing_when_it_comes_again() {
    let server = AuthorizationServer::builder().algorithms([Algorithm::ES256]).start().await.unwrap();
    let api = ResourceServer::builder()
        .issuer(server.issuer())
        .audience(AUDIENCE)
        .allow_loopback_http()
        .revocation(Feed::new(server.feed_url()).max_staleness(HOUR))
        // So little that the store is in one piece, whose lists are not made anew for each token.
        .verdict_cache(200_000)
        .start()
        .await
        .unwrap();
    let inner: Inner = service_fn(ok as fn(_) -> _);
    let mut service = api.protect(scope("read:events")).layer(inner);
    let token = || {
        let token = Token::new(AUDIENCE).subject("u").client("c").scope("read:events write:events");
        HeaderValue::try_from(format!("Bearer {}", server.mint(token))).unwrap()
    };
    assert_eq!(cost(&mut service, Some(&token())).0, 200, "which makes the header known");
    let tokens: Vec<_> = (0..16).map(|_| token()).collect();
    let first: Vec<_> = tokens.iter().map(|token| cost(&mut service, Some(token)).1).collect();
    // The text, where its members are, and what holds both. The store's own lists grow now and then.
    assert_eq!(first.iter().min(), Some(&(HANDED_ON + 3)), "{first:?}");
    let growing = first.iter().filter(|times| **times > HANDED_ON + 3).count();
    assert!(growing <= 6 && first.iter().all(|times| *times <= HANDED_ON + 5), "{first:?}");
    // The second time it is brought to this thread.
    let second: Vec<_> = tokens.iter().map(|token| cost(&mut service, Some(token)).1).collect();
    assert!(second.iter().skip(1).all(|times| *times == HANDED_ON + 2), "{second:?}");
    for token in &tokens {
        assert_eq!(cost(&mut service, Some(token)).1, HANDED_ON);
    }
}
