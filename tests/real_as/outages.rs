//! The authorization server dies and comes back, each time on the same port with nothing of what it knew.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::{FreshnessState, RejectionKind, WhenStale, any_token};

use crate::api::{self, accepts, ask, ask_for, comes_to_refuse, feed_health, refuses, within};
use crate::driver::{BOTH, Driver, ES256, RS256};
use crate::process::{self, RealServer, hold};

/// Stops `server` and waits until `until` is over; then another process takes its place.
async fn restart(server: RealServer, until: impl Future<Output = ()>) -> (RealServer, Driver) {
    let (issuer, port) = (server.issuer.clone(), server.port);
    drop(server);
    let _held = hold(port);
    until.await;
    let server = process::start(&format!("--port {port}")).await.expect("it was possible before");
    assert_eq!(server.issuer, issuer);
    let driver = Driver::of(&server).await;
    (server, driver)
}

#[tokio::test]
async fn after_a_restart_with_new_keys_the_same_resource_server_goes_on() {
    let Some(server) = process::start("").await else { return };
    let (api, driver, started) = (api::start(&server).await, Driver::of(&server).await, SystemClock::new());
    let (ended, old) = (driver.login("user-1", ES256, BOTH).await, driver.login("user-2", ES256, BOTH).await);
    let ended_machine = driver.machine(RS256, BOTH).await;
    driver.revoke(&ended).await;
    driver.revoke_token(&ended_machine).await;
    comes_to_refuse(&api, &ended.access).await;
    comes_to_refuse(&api, &ended_machine).await;

    let noticed = async {
        within("the outage is noticed", async || feed_health(&api).last_error.map(drop)).await;
        accepts(&api, &old.access).await;
    };
    let (_server, driver) = restart(server, noticed).await;
    let recovered = async || feed_health(&api).last_error.is_none().then_some(());
    let ((), delay) = within("the new feed is read", recovered).await;
    println!("restart: the new feed was complete {delay:?} after the new process was ready");

    // The new feed is empty, does not know the cursor, and un-revokes nothing. Nobody has asked for new keys yet, so the old ones still hold.
    // From a minute on they are asked for anyway.
    let fetches =
        async || Some(driver.answers("/jwks", 200).await).filter(|_| started.uptime().as_secs() < 50);
    // Where the outage was long it is not even asked with the cursor: that nobody answers may be because of it.
    assert!(driver.answers("/revocations", 410).await <= 1);
    assert_eq!(fetches().await.unwrap_or(0), 0);
    refuses(&api, &ended.access, RejectionKind::Revoked).await;
    refuses(&api, &ended_machine, RejectionKind::Revoked).await;
    accepts(&api, &old.access).await;

    // Many requests with an unknown key at once: all of them are accepted, for one fetch.
    let new = driver.login("user-2", ES256, BOTH).await;
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (api, token) = (api.clone(), new.access.clone());
        requests.spawn(async move { ask(&api, &token).await.status });
    }
    assert_eq!(requests.join_all().await, [200; 50]);
    assert_eq!(fetches().await.unwrap_or(1), 1);
    accepts(&api, &driver.machine(RS256, BOTH).await).await;
    assert_eq!(fetches().await.unwrap_or(1), 1);

    // The old keys are gone, and what they signed with them. One set without them may come from a replica that is behind,
    // so it takes a second one to refuse their tokens for good; until then nobody is admitted by them.
    for token in [&old.access, &ended.access, &ended_machine] {
        let settled = async || {
            let answer = ask(&api, token).await;
            assert!(matches!(answer.status, 401 | 503), "{answer:?}");
            (answer.status == 401).then_some(())
        };
        within("the old key is settled", settled).await;
    }
    driver.revoke(&new).await;
    comes_to_refuse(&api, &new.access).await;
}

/// Time stands still for the resource server while the other one restarts, so its next question has the old cursor.
#[tokio::test]
async fn a_feed_that_lost_the_cursor_is_read_anew_and_un_revokes_nothing() {
    let Some(server) = process::start("").await else { return };
    let real = SystemClock::new();
    let clock = ManualClock::new(real.wall());
    let catch_up = || clock.advance(real.uptime().saturating_sub(clock.uptime()));
    let driver = Driver::of(&server).await;
    let api = api::builder(&server).clock(clock.clone()).start().await.unwrap();
    let (ended, other) =
        (driver.login("user-1", ES256, BOTH).await, driver.login("user-2", ES256, BOTH).await);
    catch_up();
    accepts(&api, &ended.access).await;
    driver.revoke(&ended).await;
    let refused = async || {
        catch_up();
        (ask(&api, &ended.access).await.kind == Some(RejectionKind::Revoked)).then_some(())
    };
    within("revoked", refused).await;
    // Both background tasks sleep: no question is on its way.
    let asleep = async || {
        tokio::task::yield_now().await;
        (clock.sleepers() == 2).then_some(())
    };
    within("asleep", asleep).await;
    assert_eq!(feed_health(&api).last_error, None);

    let (_server, driver) = restart(server, async {}).await;
    catch_up();
    let read = async || (driver.answers("/revocations", 200).await > 0).then_some(());
    within("the new feed is read", read).await;
    within("asleep", asleep).await;
    let answers = (driver.answers("/revocations", 410).await, driver.answers("/revocations", 200).await);
    assert_eq!(answers, (1, 1), "the old cursor was refused, then everything was asked for");
    let health = feed_health(&api);
    assert_eq!((health.state, health.last_error), (FreshnessState::Fresh, None));
    refuses(&api, &ended.access, RejectionKind::Revoked).await;
    accepts(&api, &other.access).await;

    // The new feed goes on where the old one was left.
    let new = driver.login("user-1", ES256, BOTH).await;
    catch_up();
    accepts(&api, &new.access).await;
    driver.revoke(&new).await;
    let refused = async || {
        catch_up();
        (ask(&api, &new.access).await.kind == Some(RejectionKind::Revoked)).then_some(())
    };
    within("revoked", refused).await;
}

#[tokio::test]
async fn while_the_server_is_down_tokens_are_accepted_until_the_news_are_stale() {
    const MAX_STALENESS: Duration = Duration::from_secs(8);
    let Some(server) = process::start("").await else { return };
    let driver = Driver::of(&server).await;
    let feed = api::feed(&server).max_staleness(MAX_STALENESS);
    let api = api::with_feed(&server, feed.clone()).start().await.unwrap();
    let (ended, good) =
        (driver.login("user-1", ES256, BOTH).await, driver.login("user-2", ES256, BOTH).await);
    accepts(&api, &good.access).await;
    driver.revoke(&ended).await;
    comes_to_refuse(&api, &ended.access).await;

    // Named before the server goes; they start while it is gone.
    let (late, later) = (api::with_feed(&server, feed.clone()), api::with_feed(&server, feed));
    let mut lazy = None;
    let outage = async {
        accepts(&api, &good.access).await;
        let (answer, delay) = within("stale", async || {
            let answer = ask(&api, &good.access).await;
            refuses(&api, &ended.access, RejectionKind::Revoked).await;
            (answer.status != 200).then_some(answer)
        })
        .await;
        println!("outage: 503 after {delay:?}, with max_staleness {MAX_STALENESS:?}");
        assert_eq!((answer.status, answer.kind), (503, Some(RejectionKind::RevocationsStale)));
        assert!(answer.retry_after.is_some_and(|seconds| seconds > 0), "{answer:?}");
        assert_eq!(answer.challenge, "", "a good token is not called a bad one");
        let health = feed_health(&api);
        assert_eq!(health.state, FreshnessState::Stale);
        assert!(
            health.age.unwrap() > MAX_STALENESS.as_secs_f64() && health.last_error.is_some(),
            "{health:?}"
        );

        let admitting = any_token().when_stale(WhenStale::Admit);
        assert_eq!(ask_for(&api, admitting.clone(), &good.access).await.status, 200);
        assert_eq!(ask_for(&api, admitting, &ended.access).await.status, 401);

        let error = late.start().await.unwrap_err().to_string();
        assert!(error.contains("start_lazily"), "{error}");
        let started = lazy.insert(later.start_lazily().unwrap());
        let answer = ask(started, &good.access).await;
        assert_eq!((answer.status, answer.kind), (503, Some(RejectionKind::NoKeys)));
        assert!(answer.retry_after.is_some());
    };
    let (_server, driver) = restart(server, outage).await;

    let ((), delay) = within("fresh again", async || {
        refuses(&api, &ended.access, RejectionKind::Revoked).await;
        let answer = ask(&api, &good.access).await;
        assert!(matches!(answer.status, 200 | 503), "{answer:?}");
        (answer.status == 200).then_some(())
    })
    .await;
    println!("outage: accepted again {delay:?} after the new process was ready");

    let lazy = lazy.expect("started above");
    let ((), delay) = within("ready", async || lazy.health().is_ready().then_some(())).await;
    println!("outage: the one that started meanwhile was ready {delay:?} later");
    lazy.ready().await;
    let new = driver.login("user-1", ES256, BOTH).await;
    accepts(&lazy, &new.access).await;
    accepts(&api, &new.access).await;
    driver.revoke(&new).await;
    comes_to_refuse(&lazy, &new.access).await;
    comes_to_refuse(&api, &new.access).await;
}
