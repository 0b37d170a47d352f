//! What a process revokes by itself.

use std::time::Duration;

use tower_bearer::clock::UnixTime;
use tower_bearer::{RejectionKind as Kind, Revocation, RevokeError, any_token};

use super::world::{AUDIENCE, NOW, World, ask, builder, clock, feed, issuer, request, token};

fn jti(id: &str) -> Revocation {
    Revocation::identifier("jti", id)
}

#[tokio::test]
async fn it_is_in_force_when_the_call_returns() {
    let world = World::new().await;
    let revocations = world.api.revocations();
    let mint = |id: &str| world.issuer.mint(token().claim("jti", id));
    assert_eq!(world.api.health().issuers[0].feeds.len(), 1, "nothing was said yet");
    assert_eq!(world.status(&mint("a")).await, 200);
    revocations.revoke(jti("a")).unwrap();
    assert_eq!(world.ask(&mint("a")).await.rejection.unwrap().kind(), Kind::Revoked);
    assert_eq!(world.status(&mint("b")).await, 200);
    // Within one second, as often as one likes: the last word counts.
    for _ in 0..3 {
        revocations.take_back(jti("a")).unwrap();
        assert_eq!(world.status(&mint("a")).await, 200);
        revocations.revoke(jti("a")).unwrap();
        assert_eq!(world.status(&mint("a")).await, 401);
    }
    let user = || Revocation::cut_off(UnixTime::from_secs(NOW)).claim("sub", "user-1");
    revocations.revoke(user()).unwrap();
    assert_eq!(world.status(&mint("b")).await, 401);
    revocations.take_back(user()).unwrap();
    assert_eq!(world.status(&mint("b")).await, 200);
    let feeds = world.api.health().issuers[0].feeds.clone();
    assert_eq!((feeds[1].source.as_str(), feeds[1].identifiers, feeds[1].age), ("in process", 1, Some(0.0)));
    assert!(world.api.health().is_ready());
}

#[tokio::test]
async fn what_a_source_has_revoked_is_not_taken_back() {
    let world = World::new().await;
    let revoked = world.issuer.mint(token().claim("jti", "a"));
    world.issuer.revoke_token("a");
    world.poll().await;
    world.api.revocations().take_back(jti("a")).unwrap();
    assert_eq!(world.status(&revoked).await, 401);
}

#[tokio::test]
async fn it_works_without_any_source_and_does_not_age() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).without_revocation().start().await.unwrap();
    let long = |id: &str| server.mint(token().claim("jti", id).lifetime(Duration::from_secs(10 * 86_400)));
    let (revoked, good) = (long("a"), long("b"));
    api.revocations().revoke(jti("a")).unwrap();
    for _ in 0..9 {
        clock.advance(Duration::from_secs(86_400));
        // Lets go of what has ended.
        api.revocations().revoke(jti("another")).unwrap();
        let status = async |token| ask(&api, any_token(), request(token)).await.rejection.map(|it| it.kind());
        let revoked = status(&revoked).await;
        assert!(matches!(revoked, Some(Kind::Revoked | Kind::NoKeys)), "{revoked:?}");
        assert_ne!(status(&good).await, Some(Kind::Revoked));
    }
}

#[tokio::test]
async fn whose_tokens_are_meant_must_be_clear() {
    let clock = clock();
    let (one, other) = (issuer(&clock).await, issuer(&clock).await);
    let api = builder(&one, &clock).revocation(feed(&one)).issuer(other.issuer()).audience(AUDIENCE);
    let api = api.allow_loopback_http().without_revocation().start().await.unwrap();
    assert_eq!(api.revocations().revoke(jti("a")), Err(RevokeError::AmbiguousIssuer));
    assert_eq!(api.revocations_of("https://who.example").unwrap_err(), RevokeError::UnknownIssuer);
    api.revocations_of(other.issuer()).unwrap().revoke(jti("a")).unwrap();
    let status = async |token: &str| ask(&api, any_token(), request(token)).await.status;
    let mint = |server: &tower_bearer::testing::AuthorizationServer| server.mint(token().claim("jti", "a"));
    assert_eq!((status(&mint(&one)).await, status(&mint(&other)).await), (200, 401));
}

#[tokio::test]
async fn what_would_match_nothing_is_an_error() {
    let world = World::new().await;
    let table = [
        (Revocation::identifier("sub", "user-1"), "neither"),
        (Revocation::identifier("jit", "a"), "known here"),
        (Revocation::cut_off(UnixTime::from_secs(NOW * 1000)), "not a date in seconds"),
    ];
    for (revocation, expected) in table {
        let error = world.api.revocations().revoke(revocation).unwrap_err();
        assert!(matches!(&error, RevokeError::Invalid(words) if words.contains(expected)), "{error}");
    }
}
