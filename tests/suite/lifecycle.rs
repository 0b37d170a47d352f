//! Background tasks live exactly as long as somebody needs them.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::any_token;
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::testing::Reply;

use super::world::{World, request, token};

async fn ok(_: Request<()>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

async fn until(condition: impl Fn() -> bool) {
    let patience = SystemClock::new();
    while !condition() {
        assert!(patience.uptime() < Duration::from_secs(10), "waited in vain");
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
