//! Sources on trial.

use std::time::Duration;

use tower_bearer::testing::Reply;
use tower_bearer::{List, RejectionKind as Kind, ResourceServer, WouldRefuse};

use super::world::{World, builder, clock, feed, issuer, token};

fn would_refuse(api: &ResourceServer, source: usize) -> (u64, u64) {
    let WouldRefuse { revoked, stale, .. } =
        api.health().issuers[0].feeds[source].would_refuse.expect("it is on trial");
    (revoked, stale)
}

#[tokio::test]
async fn what_would_be_refused_is_counted_and_admitted() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).revocation(feed(&server).dry_run()).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    let (good, revoked) = (world.issuer.mint(token()), world.issuer.mint(token()));
    world.issuer.revoke_jwt(&revoked);
    world.poll().await;
    assert_eq!((world.status(&good).await, would_refuse(&world.api, 0)), (200, (0, 0)));
    for n in 1..=3 {
        assert_eq!((world.status(&revoked).await, would_refuse(&world.api, 0)), (200, (n, 0)));
    }
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::status(500));
    world.poll_in_vain().await;
    world.clock.advance(Duration::from_secs(31));
    assert_eq!((world.status(&good).await, would_refuse(&world.api, 0)), (200, (3, 1)));
    assert_eq!((world.status(&revoked).await, would_refuse(&world.api, 0)), (200, (4, 1)));
    assert!(world.api.health().is_ready(), "nobody is refused for it");
}

/// Nor for what tokens must have where revocations are enforced.
#[tokio::test]
async fn a_trial_demands_no_more_of_tokens() {
    let clock = clock();
    let server = issuer(&clock).await;
    let odd = || token().without("jti").lifetime(Duration::from_secs(48 * 3600));
    let profile = tower_bearer::Profile::Generic;
    let builder = || builder(&server, &clock).profile(profile);
    let trial = builder().revocation(feed(&server).dry_run()).start().await.unwrap();
    let real = builder().revocation(feed(&server)).start().await.unwrap();
    let status = async |api: &ResourceServer| {
        let request = super::world::request(&server.mint(odd()));
        super::world::ask(api, tower_bearer::any_token(), request).await.status
    };
    assert_eq!((status(&trial).await, status(&real).await), (200, 401));
}

#[tokio::test]
async fn a_trial_neither_holds_up_the_start_nor_hides_another_source() {
    let clock = clock();
    let server = issuer(&clock).await;
    let lost = List::file("/nowhere/revoked.txt").dry_run();
    let api = builder(&server, &clock).revocation(lost).revocation(feed(&server)).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    let (good, revoked) = (world.issuer.mint(token()), world.issuer.mint(token()));
    assert_eq!(world.status(&good).await, 200);
    assert!(would_refuse(&world.api, 0).1 > 0);
    world.until(|world| world.last_error().is_some_and(|error| error.contains("cannot be read"))).await;
    world.issuer.revoke_jwt(&revoked);
    world.settle(3).await;
    world.clock.advance(super::world::POLL);
    world.until(|world| world.api.health().issuers[0].feeds[1].identifiers == 1).await;
    assert_eq!(world.ask(&revoked).await.rejection.unwrap().kind(), Kind::Revoked);
}
