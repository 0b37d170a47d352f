//! The stream of events of an Auth0 tenant: of the one in process, and of one whose every byte is written here.

use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
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

/// Lets time pass while something is awaited, a hundred times as fast as it does outside, but no faster than the server
/// and the tasks of this thread get on: on a busy machine an answer would take minutes.
pub(crate) async fn while_time_passes<T>(
    server: &AuthorizationServer,
    clock: &ManualClock,
    future: impl Future<Output = T>,
) -> T {
    let (mut future, mut turns) = (std::pin::pin!(future), Turns::of(server));
    let patience = SystemClock::new();
    let mut step = async || {
        patience.sleep(Duration::from_millis(1)).await;
        turns.next().await;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    };
    loop {
        // What is awaited has its own, and better words.
        assert!(patience.uptime() < 2 * PATIENCE, "waited in vain");
        tokio::select! {
            biased;
            outcome = &mut future => return outcome,
            () = step() => clock.advance(Duration::from_millis(100)),
        }
    }
}

/// Lets time pass until something is so.
pub(crate) async fn until_in_time(world: &World, condition: impl Fn(&World) -> bool) {
    while_time_passes(&world.issuer, &world.clock, world.until(condition)).await;
}

/// Questions that mean nothing, one after the other, on one connection.
struct Turns {
    address: String,
    connection: Option<TcpStream>,
}

impl Turns {
    fn of(server: &AuthorizationServer) -> Self {
        let address = server.issuer().trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, connection: None }
    }

    /// Ends when the server has answered, or is not there.
    async fn next(&mut self) {
        // Cut off in the middle, a connection is not used again.
        let connection = self.connection.take();
        self.connection = self.ask(connection).await.ok();
    }

    async fn ask(&self, connection: Option<TcpStream>) -> io::Result<TcpStream> {
        let mut connection = match connection {
            Some(connection) => connection,
            None => TcpStream::connect(&self.address).await?,
        };
        connection.write_all(b"HEAD /turn HTTP/1.1\r\nhost: x\r\n\r\n").await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(connection.read_u8().await?);
        }
        Ok(connection)
    }
}
