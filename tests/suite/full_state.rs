//! A full state of many pages that breaks off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::clock::Clock as _;
use tower_bearer::{Feed, RejectionKind as Kind};

use super::scripted::{Asked, Scripted};
use super::world::{NOW, World, builder, clock, issuer, token};

const PAGES: usize = 6;

/// Page `n` of a state that revokes `t-0` to `t-5`, or what is new after it: nothing.
fn page(iss: &str, as_of: i64, n: usize) -> Value {
    if n >= PAGES {
        return json!({"iss": iss, "as_of": as_of, "cursor": format!("p{PAGES}"), "revocations": []});
    }
    let more = n + 1 < PAGES;
    json!({"iss": iss, "as_of": as_of, "cursor": format!("p{}", n + 1), "full": true, "more": more,
        "revocations": [{"jti": format!("t-{n}"), "exp": NOW + 3600}]})
}

fn feed(scripted: &Scripted) -> Feed {
    Feed::new(&scripted.url).poll_interval(Duration::from_millis(10))
}

fn number(asked: &Asked) -> usize {
    asked.query.strip_prefix("cursor=p").map_or(0, |number| number.parse().unwrap())
}

/// A world whose feed is there only for as many pages as `allowed` says.
async fn world(edit: impl Fn(usize, &mut Value) + Send + 'static) -> (World, Scripted, Arc<AtomicUsize>) {
    let clock = clock();
    let server = issuer(&clock).await;
    let iss = server.issuer().to_owned();
    let allowed = Arc::new(AtomicUsize::new(0));
    let (left, time) = (Arc::clone(&allowed), clock.clone());
    let scripted = Scripted::start(move |asked| {
        let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if taken.is_err() {
            return (503, vec![], String::new());
        }
        let n = number(asked);
        let mut body = page(&iss, time.wall().as_secs(), n);
        edit(n, &mut body);
        (200, vec![], body.to_string())
    })
    .await;
    let api = builder(&server, &clock).revocation(feed(&scripted)).start_lazily().unwrap();
    (World { issuer: server, clock, api }, scripted, allowed)
}

/// Lets the next attempt bring so many pages, and waits for it.
async fn attempt(world: &World, scripted: &Scripted, allowed: &AtomicUsize, pages: usize, after: u64) {
    world.until(|world| world.api.health().issuers[0].keys.usable && world.last_error().is_some()).await;
    world.settle(2).await;
    let before = scripted.asked().len();
    allowed.store(pages, Ordering::SeqCst);
    world.clock.advance(Duration::from_millis(after));
    world.until(|_| scripted.asked().len() >= before + pages.max(1)).await;
    world.settle(2).await;
}

/// The same, for one page, also after an answer without trouble.
async fn attempt_more(world: &World, scripted: &Scripted, allowed: &AtomicUsize, after: u64) {
    let before = scripted.asked().len();
    allowed.store(1, Ordering::SeqCst);
    world.clock.advance(Duration::from_millis(after));
    world.until(|_| scripted.asked().len() > before).await;
    world.settle(2).await;
}

#[tokio::test]
async fn it_is_gone_on_with_from_its_last_page() {
    let (world, scripted, allowed) = world(|_, _| {}).await;
    attempt(&world, &scripted, &allowed, 3, 8000).await;
    assert_eq!(scripted.last().query, "cursor=p3", "it was there that the server fell silent");
    let known = world.issuer.mint(token().claim("jti", "t-2"));
    assert_eq!(world.ask(&known).await.rejection.unwrap().kind(), Kind::Revoked, "what came is in force");
    let other = world.issuer.mint(token());
    let unknown = world.ask(&other).await.rejection.unwrap();
    assert_eq!(unknown.kind(), Kind::RevocationsUnknown, "half of a state admits nobody");
    let before = scripted.asked().len();
    attempt(&world, &scripted, &allowed, 1, 8000).await;
    attempt(&world, &scripted, &allowed, 0, 8000).await;
    attempt(&world, &scripted, &allowed, 2, 8000).await;
    world.until(|world| world.api.health().is_ready()).await;
    let after: Vec<_> = scripted.asked()[before..].iter().map(number).collect();
    assert!(after.iter().all(|n| *n >= 3), "pages that came are not asked for again: {after:?}");
    assert_eq!(world.status(&world.issuer.mint(token().claim("jti", "t-5"))).await, 401);
    assert_eq!(world.status(&other).await, 200);
}

/// A state of which something was not understood is no place to go on from: the entry would be lost.
#[tokio::test]
async fn it_starts_over_where_something_in_it_was_refused() {
    let (world, scripted, allowed) = world(|n, page| {
        if n == 1 {
            page["revocations"][0] = json!({"sub": "someone", "exp": NOW + 60});
        }
    })
    .await;
    attempt(&world, &scripted, &allowed, 3, 8000).await;
    assert!(world.last_error().unwrap().contains("neither"), "{:?}", world.last_error());
    let before = scripted.asked().len();
    // Before the time at which everything would be asked for in any case.
    attempt(&world, &scripted, &allowed, 1, 20).await;
    assert_eq!(number(&scripted.asked()[before]), 0);
}

/// Nor does an earlier hole keep it from being gone on with: a state that never comes at once would never come.
#[tokio::test]
async fn it_is_gone_on_with_after_something_was_refused_too() {
    let is_bad = AtomicBool::new(true);
    let (world, scripted, allowed) = world(move |n, page| {
        if n == 1 && is_bad.swap(false, Ordering::SeqCst) {
            page["revocations"][0] = json!({"sub": "someone", "exp": NOW + 60});
        }
    })
    .await;
    attempt(&world, &scripted, &allowed, 3, 8000).await;
    assert!(world.last_error().unwrap().contains("neither"), "{:?}", world.last_error());
    // Long after the time at which everything is asked for in any case.
    attempt(&world, &scripted, &allowed, 3, 400_000).await;
    assert_eq!(scripted.last().query, "cursor=p3");
    let before = scripted.asked().len();
    attempt(&world, &scripted, &allowed, 3, 8000).await;
    world.until(|world| world.api.health().issuers[0].feeds[0].last_error.is_none()).await;
    let after: Vec<_> = scripted.asked()[before..].iter().map(number).collect();
    assert!(after.iter().all(|n| *n >= 3), "pages that came are not asked for again: {after:?}");
}

/// One that came to its end is over, whatever was in it: what is new comes in time, and all of it again only now and then.
#[tokio::test]
async fn news_follow_a_state_of_which_something_was_refused() {
    let (world, scripted, allowed) = world(|n, page| {
        if n == 1 {
            page["revocations"][0] = json!({"sub": "someone", "exp": NOW + 60});
        }
    })
    .await;
    attempt(&world, &scripted, &allowed, PAGES, 8000).await;
    assert!(world.last_error().unwrap().contains("neither"), "{:?}", world.last_error());
    for _ in 0..2 {
        let before = scripted.asked().len();
        attempt_more(&world, &scripted, &allowed, 20).await;
        assert_eq!(number(&scripted.asked()[before]), PAGES);
    }
    assert_eq!(world.status(&world.issuer.mint(token())).await, 503, "the hole is still there");
}

/// However long it takes: only silence from one place counts as failure.
#[tokio::test]
async fn a_slow_state_arrives_and_is_as_old_as_its_first_page() {
    let clock = clock();
    let server = issuer(&clock).await;
    let iss = server.issuer().to_owned();
    let time = clock.clone();
    let scripted = Scripted::start(move |asked| {
        // Twenty seconds a page, by every clock.
        let n = number(asked);
        if n < PAGES {
            time.advance(Duration::from_secs(20));
        }
        (200, vec![], page(&iss, time.wall().as_secs(), n).to_string())
    })
    .await;
    let api = builder(&server, &clock).revocation(feed(&scripted)).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    assert_eq!(world.feed_age(), Some(120.0), "two minutes, and longer than max_staleness");
    assert_eq!(world.status(&world.issuer.mint(token())).await, 503);
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(1));
    world.until(|world| world.feed_age().unwrap() < 2.0).await;
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
}
