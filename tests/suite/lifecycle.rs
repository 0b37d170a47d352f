//! Background tasks live exactly as long as somebody needs them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::testing::Reply;
use tower_bearer::{FreshnessState, ResourceServer, any_token};

use super::folder::Folder;
use super::world::{PATIENCE, POLL, World, ask, builder, feed, request, token};

async fn ok(_: Request<()>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

async fn until(condition: impl Fn() -> bool) {
    let patience = SystemClock::new();
    while !condition() {
        assert!(patience.uptime() < PATIENCE, "waited in vain");
        patience.sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn tasks_end_with_the_last_clone_and_the_last_layer() {
    let World { api, clock, .. } = World::new().await;
    until(|| clock.sleepers() == 2).await;
    let layer = api.protect(any_token());
    let service = layer.layer(service_fn(ok));
    drop(api.clone());
    drop(api);
    drop(layer);
    tokio::task::yield_now().await;
    assert_eq!(clock.sleepers(), 2, "a service is left");
    drop(service);
    until(|| clock.sleepers() == 0).await;
}

/// A request that waits for a key holds what it waits for, although everybody else has gone.
#[tokio::test]
async fn a_waiting_request_keeps_the_tasks_alive() {
    let World { api, clock, issuer } = World::new().await;
    until(|| clock.sleepers() == 2).await;
    issuer.rotate_keys().await.unwrap();
    let token = issuer.mint(token());
    let service = api.protect(any_token()).layer(service_fn(ok));
    drop(api);
    let answer = service.oneshot(request(&token)).await.unwrap();
    assert_eq!(answer.status(), 200);
    until(|| clock.sleepers() == 0).await;
}

/// JK-09: a client that goes away neither cancels the fetch nor the wait of others.
#[tokio::test]
async fn a_disconnecting_client_cancels_nothing() {
    let world = World::new().await;
    world.settle(2).await;
    world.issuer.rotate_keys().await.unwrap();
    let (jwks, tokens) = (world.issuer.jwks_url(), [world.issuer.mint(token()), world.issuer.mint(token())]);
    let before = world.issuer.requests(&jwks);
    world.issuer.set_reply(&jwks, Reply::never());
    let start = |token: String| {
        let service = world.api.protect(any_token()).layer(service_fn(ok));
        tokio::spawn(async move { service.oneshot(request(&token)).await.unwrap().status() })
    };
    let [first, second] = tokens.map(start);
    until(|| world.issuer.requests(&jwks) > before).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    world.issuer.clear_reply(&jwks);
    world.issuer.restart().await.unwrap();
    let status = world.patiently(second).await.unwrap();
    assert!(status == 200 || status == 503, "{status}");
}

/// A clock that panics once in `sleep`, for the first task that wants to sleep for such a time.
#[derive(Clone, Debug)]
struct Treacherous {
    clock: ManualClock,
    when: Arc<Mutex<Option<std::ops::Range<Duration>>>>,
}

impl Clock for Treacherous {
    fn wall(&self) -> UnixTime {
        self.clock.wall()
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let struck = self.when.lock().unwrap().take_if(|when| when.contains(&duration)).is_some();
        assert!(!struck, "the sky has fallen");
        self.clock.sleep(duration)
    }
}

/// What such a task had read may not be in force, so that its feed is not fresh until all of it has been read again.
#[tokio::test]
async fn a_feed_whose_task_panics_goes_on() {
    let (api, world, when) = treacherous().await;
    let good = world.issuer.mint(token());
    // The pause until the next question, and no other.
    *when.lock().unwrap() = Some(Duration::from_millis(900)..Duration::from_millis(1100));
    let before = world.issuer.requests(&world.issuer.feed_url());
    world.clock.advance(POLL);
    until(|| api.health().issuers[0].feeds[0].last_error.is_some()).await;
    let feed = api.health().issuers[0].feeds[0].clone();
    assert!(feed.last_error.unwrap().contains("panicked") && feed.state == FreshnessState::Stale);
    assert_eq!(ask(&api, any_token(), request(&good)).await.status, 503);
    world.issuer.revoke_jwt(&good);
    until(|| world.clock.sleepers() == 2).await;
    assert_eq!(world.issuer.requests(&world.issuer.feed_url()), before + 1, "a pause comes first");
    world.clock.advance(Duration::from_millis(500));
    until(|| api.health().is_ready()).await;
    assert_eq!(ask(&api, any_token(), request(&good)).await.status, 401);
    assert_eq!(ask(&api, any_token(), request(&world.issuer.mint(token()))).await.status, 200);
}

#[tokio::test]
async fn keys_whose_task_panics_are_kept_on() {
    let (api, world, when) = treacherous().await;
    *when.lock().unwrap() = Some(Duration::from_secs(30)..Duration::MAX);
    let old = world.issuer.mint(token());
    world.issuer.rotate_keys_with_overlap().await.unwrap();
    assert_eq!(ask(&api, any_token(), request(&world.issuer.mint(token()))).await.status, 200);
    until(|| api.health().issuers[0].keys.last_error.is_some()).await;
    let error = api.health().issuers[0].keys.last_error.clone().unwrap();
    assert!(error.contains("panicked"), "{error}");
    assert_eq!(ask(&api, any_token(), request(&old)).await.status, 200, "known keys stay");
    until(|| world.clock.sleepers() == 2).await;
    world.clock.advance(Duration::from_millis(500));
    until(|| api.health().issuers[0].keys.last_error.is_none()).await;
    // And it hears the bell again.
    until(|| world.clock.sleepers() == 2).await;
    world.clock.advance(Duration::from_secs(5));
    world.issuer.rotate_keys().await.unwrap();
    assert_eq!(ask(&api, any_token(), request(&world.issuer.mint(token()))).await.status, 200);
}

/// What the task that panicked knew of the file is not what is in the ring.
#[tokio::test]
async fn a_file_that_is_put_back_while_its_task_has_panicked_is_read_again() {
    let World { issuer, clock, api } = World::new().await;
    drop(api);
    until(|| clock.sleepers() == 0).await;
    let folder = Folder::new();
    let path = folder.join("keys");
    let put = async || {
        let set = super::keys::fetch(&issuer.jwks_url()).await;
        std::fs::write(&path, &set).unwrap();
        (set, issuer.mint(token()))
    };
    let treacherous = Treacherous { clock: clock.clone(), when: Arc::default() };
    let when = Arc::clone(&treacherous.when);
    let (first, old) = put().await;
    let api = builder(&issuer, &clock)
        .keys_file(&path)
        .without_revocation()
        .clock(treacherous)
        .start()
        .await
        .unwrap();
    until(|| clock.sleepers() == 1).await;
    issuer.rotate_keys().await.unwrap();
    let (_, new) = put().await;
    *when.lock().unwrap() = Some(Duration::from_secs(3)..Duration::MAX);
    assert_eq!(ask(&api, any_token(), request(&new)).await.status, 200);
    until(|| api.health().issuers[0].keys.last_error.is_some()).await;
    std::fs::write(&path, first).unwrap();
    until(|| clock.sleepers() == 1).await;
    clock.advance(Duration::from_millis(500));
    until(|| api.health().issuers[0].keys.last_error.is_none()).await;
    let status = async |token: &str| ask(&api, any_token(), request(token)).await.status;
    let found = (status(&old).await, api.health().issuers[0].keys.keys.len());
    assert_eq!(found, (200, 1));
}

async fn treacherous() -> (ResourceServer, World, Arc<Mutex<Option<std::ops::Range<Duration>>>>) {
    let World { issuer, clock, api } = World::new().await;
    drop(api);
    until(|| clock.sleepers() == 0).await;
    let treacherous = Treacherous { clock: clock.clone(), when: Arc::default() };
    let when = Arc::clone(&treacherous.when);
    let api = builder(&issuer, &clock).revocation(feed(&issuer)).clock(treacherous).start().await.unwrap();
    until(|| clock.sleepers() == 2).await;
    (api.clone(), World { issuer, clock, api }, when)
}
