//! What an Auth0 tenant has said and nobody took in: it is said again to whoever comes next, in this process or another.

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tower_bearer::clock::{Clock, ManualClock, UnixTime};
use tower_bearer::testing::{Api, AuthorizationServer, Reply, TokenProfile};
use tower_bearer::{Auth0, FreshnessState, ResourceServer};

use super::auth0::{base, delete_client_grant, machine, source, tenant};
use super::auth0_events::{status, until_in_time, while_time_passes};
use super::tenant_client::{BACK, administer, sign_in, text};
use super::world::{AUDIENCE, World, builder, clock};

/// By the paths of their endpoints.
const PARTS: [&str; 5] = ["blacklists/tokens", "client-grants", "grants", "logs", "events"];
const USER: &str = "auth0|u1";

type Strike = Box<dyn Fn() -> bool + Send>;

/// Panics once, for the first task that asks for the time after something has happened: what was read is then in nobody's
/// hands.
#[derive(Clone)]
struct Treacherous {
    clock: ManualClock,
    when: Arc<Mutex<Option<Strike>>>,
}

impl fmt::Debug for Treacherous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clock.fmt(f)
    }
}

impl Clock for Treacherous {
    fn wall(&self) -> UnixTime {
        let struck = self.when.lock().unwrap().take_if(|when| when()).is_some();
        assert!(!struck, "the sky has fallen");
        self.clock.wall()
    }

    fn uptime(&self) -> Duration {
        self.clock.uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.clock.sleep(duration)
    }
}

/// A tenant, one part of it that is watched, and where that is kept.
struct Setup {
    part: &'static str,
    server: AuthorizationServer,
    clock: Treacherous,
    snapshot: PathBuf,
}

impl Setup {
    async fn new(part: &'static str, name: &str) -> Self {
        let clock = clock();
        let server = tenant(&clock).await;
        let scopes = ["blacklist:tokens", "read:client_grants", "read:grants", "read:logs", "read:events"];
        server.grant("watcher", &server.management_audience(), scopes);
        let api =
            Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).token_lifetime(Duration::from_secs(86_400));
        server.add_api(api.allow_offline_access());
        server.add_client("app", "secret");
        server.allow_redirect("app", BACK);
        server.add_user(USER);
        // Before it there is nothing to go on from.
        server.write_log("s", json!({}));
        let folder = format!("tower-bearer-retold-{name}-{}", std::process::id());
        let folder = std::env::temp_dir().join(folder).join(part.replace('/', "-"));
        std::fs::create_dir_all(&folder).unwrap();
        let clock = Treacherous { clock, when: Arc::default() };
        Self { part, server, clock, snapshot: folder.join("auth0.bin") }
    }

    fn only(&self, all: Auth0) -> Auth0 {
        match self.part {
            "blacklists/tokens" => all.without_client_grants(),
            "client-grants" => all.without_blacklist(),
            part => {
                let none = all.without_blacklist().without_client_grants();
                match part {
                    "grants" => none.user_grants(),
                    "logs" => none.logs(),
                    _ => none.events(),
                }
            }
        }
    }

    async fn start(&self, is_kept: bool) -> World {
        let source = self.only(source(&base(&self.server)));
        let source = if is_kept { source.snapshot(&self.snapshot) } else { source };
        let clock = &self.clock.clock;
        let builder = builder(&self.server, clock).revocation(source).clock(self.clock.clone());
        let api: ResourceServer = while_time_passes(&self.server, clock, builder.start()).await.unwrap();
        World { issuer: self.server.clone(), clock: clock.clone(), api }
    }

    /// One whose access will end, and one that keeps it.
    async fn tokens(&self) -> [String; 2] {
        let user = text(&sign_in(&self.server, AUDIENCE, USER).await, "access_token");
        let partner = machine(&self.server, "partner", AUDIENCE).await;
        if self.part == "client-grants" { [partner, user] } else { [user, partner] }
    }

    /// A listing must have shown the grants before they can be missed.
    async fn listed(&self, world: &World) {
        let url = self.server.management_url(self.part);
        let before = self.server.requests(&url);
        until_in_time(world, |_| self.part == "events" || self.server.requests(&url) > before + 1).await;
    }

    async fn end(&self, token: &str) {
        let server = &self.server;
        match self.part {
            "blacklists/tokens" => {
                let claims = token.split('.').nth(1).unwrap();
                let claims = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(claims).unwrap();
                let claims: serde_json::Value = serde_json::from_slice(&claims).unwrap();
                let body = json!({ "aud": AUDIENCE, "jti": claims["jti"] });
                administer(server, Method::POST, self.part, "blacklist:tokens", Some(body)).await;
            }
            "client-grants" => delete_client_grant(server, "partner", AUDIENCE).await,
            "grants" => {
                let path = "grants?user_id=auth0%7Cu1";
                administer(server, Method::DELETE, path, "delete:grants", None).await;
            }
            "logs" => server.write_log("sdu", json!({ "user_id": USER })),
            _ => server.emit_event("user.deleted", &json!({ "user_id": USER })),
        }
    }

    /// Ends the access of `token`. Whoever reads of it dies before that is in force.
    async fn end_unheard(&self, world: &World, token: &str) {
        until_in_time(world, |world| {
            state(world) == FreshnessState::Fresh
                && world.last_error().is_none()
                && world.clock.sleepers() >= 2
        })
        .await;
        let (server, url) = (self.server.clone(), self.server.management_url(self.part));
        let (before, is_stream) = (server.requests(&url), self.part == "events");
        // An administrator lists grants too.
        if !is_stream {
            self.end(token).await;
        }
        let before = if is_stream { before } else { server.requests(&url) };
        *self.clock.when.lock().unwrap() =
            Some(Box::new(move || is_stream || server.requests(&url) > before));
        if is_stream {
            self.end(token).await;
            world.until(has_died).await;
        } else {
            until_in_time(world, has_died).await;
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.snapshot.parent().unwrap());
    }
}

fn has_died(world: &World) -> bool {
    world.last_error().is_some_and(|error| error.contains("panicked"))
}

fn state(world: &World) -> FreshnessState {
    world.api.health().issuers[0].feeds[0].state
}

/// Until it counts again; nobody whose access has ended is let in before.
async fn recovered(world: &World, gone: &str) {
    until_in_time(world, |world| {
        assert_ne!(status(world, gone), 200, "{:?}", world.api.health().issuers[0].feeds);
        state(world) == FreshnessState::Fresh && world.last_error().is_none()
    })
    .await;
}

/// The checkpoint, the offset and the listing have moved on: nobody would hear of it by asking again.
#[tokio::test]
async fn what_was_read_by_a_task_that_died_is_in_force_after_it() {
    for (part, is_kept) in PARTS.into_iter().flat_map(|part| [(part, false), (part, true)]) {
        let setup = Setup::new(part, "task").await;
        let world = setup.start(is_kept).await;
        let [gone, good] = setup.tokens().await;
        setup.listed(&world).await;
        setup.end_unheard(&world, &gone).await;
        // The next one gets no answer at first.
        let url = setup.server.management_url(part);
        let before = setup.server.requests(&url);
        setup.server.set_reply(&url, Reply::status(500));
        until_in_time(&world, |world| {
            assert_ne!(status(world, &gone), 200, "{part} {is_kept}");
            setup.server.requests(&url) > before + 1
        })
        .await;
        setup.server.clear_reply(&url);
        recovered(&world, &gone).await;
        assert_eq!((status(&world, &gone), status(&world, &good)), (401, 200), "{part} {is_kept}");
    }
}

/// What is written down is never ahead of what is in force.
#[tokio::test]
async fn what_was_read_by_a_process_that_died_is_read_by_the_next_one() {
    for (part, is_kept) in PARTS.into_iter().flat_map(|part| [(part, false), (part, true)]) {
        let setup = Setup::new(part, "process").await;
        let world = setup.start(is_kept).await;
        let [gone, good] = setup.tokens().await;
        setup.listed(&world).await;
        setup.end_unheard(&world, &gone).await;
        drop(world);
        let world = setup.start(is_kept).await;
        // What is listed is listed still; the rest is told once, and only a snapshot knows that it was not heard.
        let expected = if is_kept || part == "blacklists/tokens" { 401 } else { 200 };
        assert_eq!((status(&world, &gone), status(&world, &good)), (expected, 200), "{part} {is_kept}");
    }
}

/// What is in force stays so without its files, also when the task dies whose memory it was; and the files are made anew.
#[tokio::test]
async fn a_snapshot_that_is_lost_takes_nothing_back() {
    for part in PARTS {
        let setup = Setup::new(part, "lost").await;
        let world = setup.start(true).await;
        let [gone, good] = setup.tokens().await;
        setup.listed(&world).await;
        setup.end(&gone).await;
        until_in_time(&world, |world| status(world, &gone) == 401).await;
        for file in std::fs::read_dir(setup.snapshot.parent().unwrap()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        *setup.clock.when.lock().unwrap() = Some(Box::new(|| true));
        until_in_time(&world, has_died).await;
        recovered(&world, &gone).await;
        assert_eq!((status(&world, &gone), status(&world, &good)), (401, 200), "{part}");
    }
}
