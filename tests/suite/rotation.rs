//! Rotations under continuous load: 100 000 requests, none of them refused whose key is published when it is made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::{RejectionKind as Kind, ResourceServer, any_token};

use super::world::{PATIENCE, World, at_once, builder, clock, issuer, request, respond, token};

/// A wait (`limits::BELL_WAIT`) in vain, and the cooldown (`limits::BELL_COOLDOWN`) that `Retry-After` names.
const LONGEST: Duration = Duration::from_secs(2 + 5);
/// Tokens that one key signs beforehand.
const POOL: usize = 8;

/// Without a feed: only the keeper of the keys sleeps, and whoever waits for it.
async fn world() -> World {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let api = builder(&issuer, &clock).without_revocation().start().await.unwrap();
    World { issuer, clock, api }
}

fn pool(world: &World) -> Arc<[String]> {
    (0..POOL).map(|_| world.issuer.mint(token().lifetime(Duration::from_secs(86_400)))).collect()
}

/// JK-10: an issuer that publishes a key before it signs with it, and for as long as it has signed with it, as
/// everybody should: nobody even waits, at any moment of any rotation.
#[tokio::test]
async fn a_rotation_with_overlap_is_felt_by_nobody() {
    const ROTATIONS: usize = 40;
    const EACH: usize = 1250;
    let world = world().await;
    let jwks = world.issuer.jwks_url();
    let (mut signing, mut asked) = (pool(&world), 0);
    for _ in 0..ROTATIONS {
        let mut ask = |pool: &[String]| {
            asked += 1;
            assert_eq!(at_once(&world.api, &pool[asked % POOL]).status, 200, "request {asked}");
        };
        let (end, fetched) = (asked_by(&world), world.issuer.requests(&jwks));
        world.issuer.rotate_keys_with_overlap().await.unwrap();
        let new = pool(&world);
        // Signed with the old key until the new one has been published for as long as a set holds.
        world.settle(1).await;
        world.clock.advance(Duration::from_secs(60));
        let patience = SystemClock::new();
        let mut sent = 0;
        while asked_by(&world) == end || world.clock.sleepers() == 0 || sent < EACH / 2 {
            ask(&signing);
            sent += 1;
            tokio::task::yield_now().await;
            assert!(patience.uptime() < PATIENCE, "waited in vain");
        }
        assert_eq!(world.issuer.requests(&jwks), fetched + 1, "the fetch that was due, and no other");
        for n in sent..EACH {
            ask(if n % 4 == 0 { &signing } else { &new });
        }
        world.issuer.retire_old_keys();
        signing = new;
    }
    assert!(asked >= ROTATIONS * EACH, "{asked}");
}

/// When the keys were last confirmed, by uptime.
fn asked_by(world: &World) -> Duration {
    let age = world.api.health().issuers[0].keys.age.unwrap();
    world.clock.uptime().saturating_sub(Duration::from_secs_f64(age))
}

/// An issuer that swaps its key without notice: who comes with the new one waits or is told to come back, and is
/// admitted in the end; who comes with the old one, while it is published, feels nothing.
#[tokio::test]
async fn a_rotation_without_overlap_only_delays() {
    const ROTATIONS: usize = 40;
    const EACH: usize = 1250;
    let world = world().await;
    let delays = Arc::new(AtomicUsize::new(0));
    let (mut signing, mut asked) = (pool(&world), 0);
    for rotation in 0..ROTATIONS {
        for _ in 0..EACH / 5 {
            asked += 1;
            assert_eq!(at_once(&world.api, &signing[asked % POOL]).status, 200);
        }
        world.issuer.rotate_keys().await.unwrap();
        signing = pool(&world);
        let mut load = JoinSet::new();
        for n in EACH / 5..EACH {
            asked += 1;
            load.spawn(persist(
                world.api.clone(),
                world.clock.clone(),
                signing[n % POOL].clone(),
                Arc::clone(&delays),
            ));
        }
        let began = world.clock.uptime();
        while !load.is_empty() {
            quiet(&world, &mut load).await;
            if !load.is_empty() {
                world.clock.advance(Duration::from_millis(500));
            }
        }
        let took = world.clock.uptime() - began;
        assert!(took <= LONGEST, "{took:?} in rotation {rotation}");
        // At another moment of the cooldown each time.
        world.clock.advance(Duration::from_millis(700) * u32::try_from(rotation % 10).unwrap());
    }
    assert_eq!(asked, ROTATIONS * EACH);
    assert!(delays.load(Ordering::SeqCst) > 0, "nobody was told to come back: that way was not taken");
}

/// One client: asks until it is admitted, as often as it is told to come back, and not before its time.
async fn persist(api: ResourceServer, clock: ManualClock, token: String, delays: Arc<AtomicUsize>) {
    loop {
        let answer = respond(&api, any_token(), request(&token)).await;
        if answer.status == 200 {
            return;
        }
        let kind = answer.rejection.as_ref().unwrap().kind();
        assert_eq!((answer.status, kind), (503, Kind::KeysPending), "a false refusal: {answer:?}");
        delays.fetch_add(1, Ordering::SeqCst);
        clock.sleep(Duration::from_secs(answer.retry_after.unwrap())).await;
    }
}

/// Until everybody sleeps who has not ended: the clients, each for its own reason, and the keeper of the keys.
async fn quiet(world: &World, load: &mut JoinSet<()>) {
    let patience = SystemClock::new();
    let mut calm = 0;
    // One turn of the runtime runs a few dozen tasks: those that were woken need several before they run.
    while calm <= load.len() / 16 + 4 {
        tokio::task::yield_now().await;
        let before = load.len();
        while let Some(ended) = load.try_join_next() {
            ended.unwrap();
        }
        let asleep = world.clock.sleepers() == load.len() + 1 && load.len() == before;
        calm = if asleep { calm + 1 } else { 0 };
        assert!(patience.uptime() < PATIENCE, "waited in vain");
    }
}
