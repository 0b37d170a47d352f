//! Storms of made-up key ids: what they cost the issuer, what they cost everybody else, and what they cannot take away.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{RejectionKind as Kind, ResourceServer, any_token};

use super::world::{Answer, PATIENCE, World, at_once, builder, clock, issuer, request, respond, token};

/// `limits::BELL_COOLDOWN`.
const COOLDOWN: Duration = Duration::from_secs(5);
/// `limits::BELL_WAIT`.
const WAIT: Duration = Duration::from_secs(2);
/// `limits::BELL_WAITERS`.
const PLACES: usize = 1024;

/// Without a feed, so that only the keeper of the keys, and requests that wait, sleep.
async fn world() -> World {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let api = builder(&issuer, &clock).without_revocation().start().await.unwrap();
    let world = World { issuer, clock, api };
    world.settle(1).await;
    world
}

fn made_up(issuer: &AuthorizationServer, name: impl std::fmt::Display) -> String {
    issuer.mint(token().header("kid", format!("made-up-{name}")))
}

type Pending = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// Polls a request once; its answer, or the request that waits.
fn begin(api: &ResourceServer, token: &str) -> Result<Answer, Pending> {
    let (api, request) = (api.clone(), request(token));
    let mut answer: Pending = Box::pin(async move { respond(&api, any_token(), request).await });
    match answer.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => Ok(answer),
        Poll::Pending => Err(answer),
    }
}

/// How many fetches there may have been since uptime zero. Those that unknown kids cause are five seconds apart; one that
/// is due anyway comes so long after the one before it that it has paid for itself.
fn windows(clock: &ManualClock) -> usize {
    1 + usize::try_from(clock.uptime().as_secs() / COOLDOWN.as_secs()).unwrap()
}

/// JK-09. The bound is exact: fetches and windows are counted by the same clock, whatever the scheduler does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_made_up_kids_cost_one_fetch_a_cooldown() {
    let world = world().await;
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    let good = world.issuer.mint(token());
    let mut storm = JoinSet::new();
    for wave in 0..10 {
        for n in 0..1000 {
            let (api, forged) = (world.api.clone(), request(&made_up(&world.issuer, wave * 1000 + n)));
            storm.spawn(async move { respond(&api, any_token(), forged).await });
            if n % 100 == 0 {
                assert_eq!(at_once(&world.api, &good).status, 200, "a known kid waits for nothing");
                world.clock.advance(Duration::from_millis(400));
                tokio::task::yield_now().await;
            }
        }
        let fetches = world.issuer.requests(&jwks) - before;
        assert!(fetches <= windows(&world.clock), "{fetches} by {:?}", world.clock.uptime());
    }
    world.clock.advance(WAIT);
    let answers = world.patiently(storm.join_all()).await;
    assert_eq!(answers.len(), 10_000);
    for answer in &answers {
        let kind = answer.rejection.as_ref().unwrap().kind();
        let undecided = answer.status == 503 && kind == Kind::KeysPending && answer.retry_after.is_some();
        assert!(undecided || (answer.status == 401 && kind == Kind::UnknownKey), "{answer:?}");
    }
    let (fetches, windows) = (world.issuer.requests(&jwks) - before, windows(&world.clock));
    assert!((1..=windows).contains(&fetches), "{fetches} fetches in {windows} windows");
}

/// JK-09: with the issuer silent and each place to wait taken, who has a known kid is answered on the first poll, and
/// who would have to wait is told when to come back.
#[tokio::test]
async fn known_kids_wait_for_nothing_while_all_places_to_wait_are_taken() {
    let world = world().await;
    let jwks = world.issuer.jwks_url();
    let before = world.issuer.requests(&jwks);
    let good = world.issuer.mint(token());
    world.issuer.set_reply(&jwks, Reply::never());
    let mut waiting = Vec::new();
    for n in 0..PLACES {
        let Err(pending) = begin(&world.api, &made_up(&world.issuer, n)) else { panic!("{n} did not wait") };
        waiting.push(pending);
        if n % 64 == 0 {
            assert_eq!(at_once(&world.api, &good).status, 200);
        }
    }
    world.until(|world| world.issuer.requests(&jwks) == before + 1).await;
    for n in 0..PLACES {
        let turned_away = at_once(&world.api, &made_up(&world.issuer, PLACES + n));
        let kind = turned_away.rejection.unwrap().kind();
        assert_eq!((turned_away.status, kind, turned_away.retry_after), (503, Kind::KeysPending, Some(5)));
    }
    assert_eq!(at_once(&world.api, &good).status, 200, "in the middle of a fetch");
    // Time ends every wait, and gives the places back.
    world.clock.advance(WAIT);
    for pending in waiting {
        assert_eq!(pending.await.rejection.unwrap().kind(), Kind::KeysPending);
    }
    assert!(begin(&world.api, &made_up(&world.issuer, "again")).is_err(), "a place is free again");
    assert_eq!(world.issuer.requests(&jwks), before + 1, "one fetch, and nobody got its answer");
}

/// A storm that never ends, and among it some whose key is real.
struct Crowd<'a> {
    world: &'a World,
    /// Those that wait, and whether their key is real.
    waiting: Vec<(bool, Pending)>,
    /// What the real ones were told.
    answers: Vec<Answer>,
    made_up: usize,
}

impl Crowd<'_> {
    fn send(&mut self, real: bool, token: &str) {
        match begin(&self.world.api, token) {
            Ok(answer) if real => self.answers.push(answer),
            Ok(answer) => assert!(matches!(answer.status, 401 | 503), "{answer:?}"),
            Err(pending) => self.waiting.push((real, pending)),
        }
    }

    /// Takes whatever place to wait is left.
    fn rage(&mut self) {
        while self.waiting.len() < PLACES {
            self.made_up += 1;
            self.send(false, &made_up(&self.world.issuer, self.made_up));
        }
    }

    /// Lets everything happen that happens at this moment of the clock: until the keeper of the keys sleeps, be it to the
    /// end of the cooldown.
    async fn calm(&mut self) {
        let patience = SystemClock::new();
        let mut calm = 0;
        while calm < 2 {
            for (real, mut pending) in std::mem::take(&mut self.waiting) {
                match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(answer) if real => self.answers.push(answer),
                    Poll::Ready(answer) => assert!(matches!(answer.status, 401 | 503), "{answer:?}"),
                    Poll::Pending => self.waiting.push((real, pending)),
                }
            }
            tokio::task::yield_now().await;
            if self.world.clock.sleepers() == self.waiting.len() + 1 {
                calm += 1;
                continue;
            }
            calm = 0;
            assert!(patience.uptime() < PATIENCE, "waited in vain");
            patience.sleep(Duration::from_millis(1)).await;
        }
    }
}

/// ADR 3: made-up kids cannot use up the fetches that a rotation needs. A fetch brings the whole set, so the storm's own
/// fetches bring the new key.
#[tokio::test]
async fn a_rotation_in_the_middle_of_a_storm_is_noticed_within_one_cooldown() {
    let world = world().await;
    let second = Duration::from_secs(1);
    let mut crowd = Crowd { world: &world, waiting: Vec::new(), answers: Vec::new(), made_up: 0 };
    // Each time at another moment of the cooldown.
    for moment in 0..5 {
        for _ in 0..moment {
            crowd.rage();
            crowd.calm().await;
            world.clock.advance(second);
        }
        crowd.rage();
        crowd.calm().await;
        let fetches = world.issuer.requests(&world.issuer.jwks_url());
        world.issuer.rotate_keys().await.unwrap();
        let (rotated, new) = (world.clock.uptime(), world.issuer.mint(token()));
        loop {
            crowd.send(true, &new);
            crowd.rage();
            crowd.calm().await;
            for answer in crowd.answers.drain(..) {
                assert!(matches!(answer.status, 200 | 503), "undecided, never invalid: {answer:?}");
                let delay = answer.retry_after.is_some_and(|seconds| (1..=5).contains(&seconds));
                assert_eq!(delay, answer.status == 503, "{answer:?}");
            }
            let took = world.clock.uptime().saturating_sub(rotated);
            if at_once_or_none(&world.api, &new) == Some(200) {
                assert!(took <= COOLDOWN, "{took:?} after the rotation");
                break;
            }
            assert!(took < COOLDOWN, "not found by the end of the cooldown");
            world.clock.advance(second);
        }
        let fetches = world.issuer.requests(&world.issuer.jwks_url()) - fetches;
        assert_eq!(fetches, 1, "the storm's own fetch has brought it");
    }
    assert!(crowd.made_up >= 5 * PLACES, "{}", crowd.made_up);
}

fn at_once_or_none(api: &ResourceServer, token: &str) -> Option<u16> {
    begin(api, token).ok().map(|answer| answer.status)
}
