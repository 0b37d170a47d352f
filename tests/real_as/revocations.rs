//! Revocation: by the app, by the server itself when it sees a theft, and by an administrator.

use tower_bearer::RejectionKind;
use tower_bearer::clock::{Clock, SystemClock};

use crate::api::{self, accepts, comes_to_refuse, refuses, within};
use crate::driver::{self, BOTH, Driver, ES256, RS256};
use crate::process;

#[tokio::test]
async fn revoking_the_refresh_token_ends_the_access_tokens_of_that_grant_only() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    let ended = driver.login("user-1", ES256, BOTH).await;
    let elsewhere = driver.login("user-1", ES256, BOTH).await;
    let other = driver.login("user-2", RS256, BOTH).await;
    let grant = accepts(&api, &ended.access).await.string("grant_id").unwrap().into_owned();
    assert_eq!(accepts(&api, &elsewhere.access).await.subject().as_deref(), Some("user-1"));
    assert_ne!(accepts(&api, &other.access).await.string("grant_id").unwrap(), grant);

    driver.revoke(&ended).await;
    let delay = comes_to_refuse(&api, &ended.access).await;
    println!("RFC 7009: refused {delay:?} after the answer, polling every {:?}", api::POLL_INTERVAL);
    accepts(&api, &elsewhere.access).await;
    accepts(&api, &other.access).await;
    // Whoever starts later knows it from the first request on.
    refuses(&api::start(server).await, &ended.access, RejectionKind::Revoked).await;
}

#[tokio::test]
async fn replaying_a_rotated_refresh_token_ends_all_access_tokens_of_the_grant() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    let first = driver.login("user-1", ES256, BOTH).await;
    let rotated = driver.refresh(&first).await.unwrap();
    let other = driver.login("user-1", ES256, BOTH).await;
    for session in [&first, &rotated, &other] {
        accepts(&api, &session.access).await;
    }
    assert_eq!(driver.refresh(&first).await.unwrap_err(), "invalid_grant");
    let delay = comes_to_refuse(&api, &first.access).await;
    println!("theft of a refresh token: refused {delay:?} after the replay");
    refuses(&api, &rotated.access, RejectionKind::Revoked).await;
    accepts(&api, &other.access).await;
}

#[tokio::test]
async fn replaying_an_authorization_code_ends_the_access_tokens_it_gave() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    let session = driver.login("user-2", ES256, BOTH).await;
    let refreshed = driver.refresh(&session).await.unwrap();
    let other = driver.login("user-2", ES256, BOTH).await;
    for session in [&session, &refreshed, &other] {
        accepts(&api, &session.access).await;
    }
    assert_eq!(driver.exchange(session.exchange.clone()).await.unwrap_err(), "invalid_grant");
    comes_to_refuse(&api, &session.access).await;
    refuses(&api, &refreshed.access, RejectionKind::Revoked).await;
    accepts(&api, &other.access).await;
}

#[tokio::test]
async fn an_administrator_ends_one_token() {
    let Some(server) = process::shared().await else { return };
    let (api, driver) = (api::start(server).await, Driver::of(server).await);
    let (ended, other) = (driver.machine(RS256, BOTH).await, driver.machine(RS256, BOTH).await);
    accepts(&api, &ended).await;
    accepts(&api, &other).await;
    let entry = driver.revoke_token(&ended).await;
    assert_eq!(entry["jti"], driver::claims(&ended)["jti"]);
    comes_to_refuse(&api, &ended).await;
    accepts(&api, &other).await;
}

/// On a server of its own: the cut-off hits every machine token.
#[tokio::test]
async fn an_administrator_ends_what_a_client_holds_and_later_tokens_are_accepted_again() {
    let Some(server) = process::start("").await else { return };
    let (api, driver) = (api::start(&server).await, Driver::of(&server).await);
    let (ended, user) = (driver.machine(RS256, BOTH).await, driver.login("user-1", ES256, BOTH).await);
    accepts(&api, &ended).await;
    accepts(&api, &user.access).await;

    let entry = driver.revoke_client("machine").await;
    comes_to_refuse(&api, &ended).await;
    accepts(&api, &user.access).await;

    let cut_off = entry["issued_before"].as_i64().unwrap();
    let next_second = async || (SystemClock::new().wall().as_secs() > cut_off).then_some(());
    within("the second after the cut-off", next_second).await;
    let fresh = driver.machine(RS256, BOTH).await;
    accepts(&api, &fresh).await;
    refuses(&api, &ended, RejectionKind::Revoked).await;

    // Both kinds of entry at once.
    driver.revoke_token(&fresh).await;
    comes_to_refuse(&api, &fresh).await;
}
