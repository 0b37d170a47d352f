//! tower's contract: readiness is passed through, and the service that was polled ready is the one that is called.

use std::convert::Infallible;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use tower::buffer::Buffer;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::any_token;
use tower_test::mock;

use super::world::{World, request, token};

type Inner = mock::Mock<Request<()>, Response<String>>;

async fn ok(_: Request<()>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}

#[tokio::test]
async fn readiness_is_the_inner_services() {
    let world = World::new().await;
    let (mut service, mut handle) =
        mock::spawn_with(|inner: Inner| world.api.protect(any_token()).layer(inner));
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    handle.send_error("closed");
    assert!(matches!(service.poll_ready(), Poll::Ready(Err(_))));
}

#[tokio::test]
async fn a_refused_request_never_reaches_the_inner_service() {
    let world = World::new().await;
    let (mut service, mut handle) =
        mock::spawn_with(|inner: Inner| world.api.protect(any_token()).layer(inner));
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    let answer = service.call(Request::new(())).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert!(mock_is_quiet(&mut handle));
}

fn mock_is_quiet(handle: &mut mock::Handle<Request<()>, Response<String>>) -> bool {
    handle.poll_request().is_pending()
}

/// Services that panic when an unready clone is called.
#[tokio::test]
async fn works_over_services_that_reserve_when_polled_ready() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let mut limited = world.api.protect(any_token()).layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let mut buffered = world.api.protect(any_token()).layer(Buffer::new(service_fn(ok), 1));
    for _ in 0..3 {
        assert_eq!(limited.ready().await.unwrap().call(request(&good)).await.unwrap().status(), 200);
        assert_eq!(limited.ready().await.unwrap().call(Request::new(())).await.unwrap().status(), 401);
        assert_eq!(buffered.ready().await.unwrap().call(request(&good)).await.unwrap().status(), 200);
        assert_eq!(buffered.ready().await.unwrap().call(Request::new(())).await.unwrap().status(), 401);
    }
}

/// The same on the one path that waits: an unknown kid.
#[tokio::test]
async fn works_over_them_also_while_a_key_is_looked_up() {
    let world = World::new().await;
    let mut limited = world.api.protect(any_token()).layer(ConcurrencyLimit::new(service_fn(ok), 1));
    let mut buffered = world.api.protect(any_token()).layer(Buffer::new(service_fn(ok), 1));
    world.issuer.rotate_keys().await.unwrap();
    let answer = limited.ready().await.unwrap().call(request(&world.issuer.mint(token())));
    assert_eq!(answer.await.unwrap().status(), 200);

    world.settle(2).await;
    world.clock.advance(Duration::from_secs(10));
    world.issuer.rotate_keys().await.unwrap();
    let answer = buffered.ready().await.unwrap().call(request(&world.issuer.mint(token())));
    assert_eq!(answer.await.unwrap().status(), 200);
}

/// A hot request is decided when the service is called: its future is the inner service's.
#[tokio::test]
async fn a_known_key_is_not_waited_for() {
    let world = World::new().await;
    world.issuer.stop().await;
    let good = request(&world.issuer.mint(token()));
    let mut service = world.api.protect(any_token()).layer(service_fn(ok));
    let mut answer = std::pin::pin!(service.ready().await.unwrap().call(good));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let Poll::Ready(Ok(response)) = answer.as_mut().poll(&mut context) else { panic!("it waits") };
    assert_eq!(response.status(), 200);
}

/// Forged tokens wait for the issuer with nothing in their hands: they must not use up what the inner service has to give.
#[tokio::test]
async fn a_token_that_waits_holds_no_permit() {
    let world = World::new().await;
    world.issuer.set_reply(&world.issuer.jwks_url(), tower_bearer::testing::Reply::never());
    let limited = ConcurrencyLimit::new(service_fn(ok), 2);
    let service = world.api.protect(any_token()).layer(limited);
    let mut waiting = Vec::new();
    for n in 0..10 {
        let forged = request(&world.issuer.mint(token().header("kid", format!("made-up-{n}"))));
        let mut service = service.clone();
        waiting.push(Box::pin(service.ready().await.unwrap().call(forged)));
    }
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(waiting.iter_mut().all(|answer| answer.as_mut().poll(&mut context).is_pending()));
    let good = service.clone().oneshot(request(&world.issuer.mint(token())));
    let Poll::Ready(Ok(answer)) = std::pin::pin!(good).as_mut().poll(&mut context) else {
        panic!("it waits too")
    };
    assert_eq!(answer.status(), 200);
}

/// A key that turns up, and then an inner service that takes its time: the token is judged by the moment it is served.
#[tokio::test]
async fn a_token_that_is_revoked_while_it_waits_for_the_inner_service_is_refused() {
    let world = World::new().await;
    world.issuer.rotate_keys().await.unwrap();
    let text = world.issuer.mint(token());
    let (mut service, mut handle) =
        mock::spawn_with(|inner: Inner| world.api.protect(any_token()).layer(inner));
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    handle.allow(0);
    let mut answer = by_hand(service.call(request(&text)));
    // The key is there, and the inner service is not ready.
    world.until(|world| world.api.health().issuers[0].keys.age == Some(0.0)).await;
    world.settle(1).await;
    for _ in 0..100 {
        assert!(answer.poll().is_pending());
        tokio::task::yield_now().await;
    }
    world.issuer.revoke_jwt(&text);
    world.poll().await;
    handle.allow(1);
    let refused = answer.future.await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(mock_is_quiet(&mut handle));
}

/// A future that is polled by hand now and then.
struct Polled<F> {
    future: std::pin::Pin<Box<F>>,
}

fn by_hand<F: Future>(future: F) -> Polled<F> {
    Polled { future: Box::pin(future) }
}

impl<F: Future> Polled<F> {
    fn poll(&mut self) -> Poll<F::Output> {
        self.future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
    }
}
