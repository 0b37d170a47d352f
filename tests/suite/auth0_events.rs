//! The stream of events of an Auth0 tenant: of the one in process, and of one whose every byte is written here.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::clock::{Clock, ManualClock, SystemClock};
use tower_bearer::testing::{AuthorizationServer, RateLimit};
use tower_bearer::{Auth0, ClientCredentials, FreshnessState, ResourceServer};

use super::world::{AUDIENCE, NOW, PATIENCE, POLL, World, at_once, builder, clock, issuer, token};

mod scripted;
mod tenant;

const SECRET: &str = "hunter2";
const STALE: Duration = Duration::from_secs(30);

fn source(base: &str) -> Auth0 {
    let auth0 = Auth0::new(base, ClientCredentials::new("watcher", SECRET)).audience(AUDIENCE);
    auth0.poll_interval(POLL).max_staleness(STALE).events()
}

pub(crate) fn status(world: &World, token: &str) -> u16 {
    at_once(&world.api, token).status
}

pub(crate) fn statuses(world: &World, tokens: &[String]) -> Vec<u16> {
    tokens.iter().map(|token| status(world, token)).collect()
}

fn of(world: &World, subject: &str, organization: Option<&str>) -> String {
    let token = token().subject(subject);
    world.issuer.mint(match organization {
        Some(organization) => token.claim("org_id", organization),
        None => token,
    })
}

fn state(world: &World) -> FreshnessState {
    world.api.health().issuers[0].feeds[0].state
}

fn cut_offs(world: &World) -> usize {
    world.api.health().issuers[0].feeds[0].cut_offs.try_into().unwrap()
}

/// Lets time pass while something is awaited, a hundred times as fast as it does outside.
pub(crate) async fn while_time_passes<T>(clock: &ManualClock, future: impl Future<Output = T>) -> T {
    let (mut future, patience) = (std::pin::pin!(future), SystemClock::new());
    loop {
        assert!(patience.uptime() < PATIENCE, "waited in vain");
        tokio::select! {
            biased;
            outcome = &mut future => return outcome,
            () = patience.sleep(Duration::from_millis(1)) => clock.advance(Duration::from_millis(100)),
        }
    }
}

/// Lets time pass until something is so.
pub(crate) async fn until_in_time(world: &World, condition: impl Fn(&World) -> bool) {
    while_time_passes(&world.clock, world.until(condition)).await;
}
