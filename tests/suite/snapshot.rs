//! What is revoked outlives the process.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{Builder, Complete, RejectionKind as Kind, ResourceServer, WhenStale, any_token};

use super::folder::Folder;
use super::keys::fetch;
use super::world::{NOW, PATIENCE, POLL, ask, builder, clock, feed, in_time, issuer, request, token};

/// An authorization server, a folder, and one process after the other.
struct Restarts {
    server: AuthorizationServer,
    clock: ManualClock,
    jwks: String,
    folder: Folder,
}

impl Restarts {
    async fn new() -> Self {
        let clock = clock();
        let server = issuer(&clock).await;
        let jwks = fetch(&server.jwks_url()).await;
        Self { server, clock, jwks, folder: Folder::new() }
    }

    /// In a folder that is not there yet.
    fn path(&self) -> PathBuf {
        self.folder.join("state/revocations.bin")
    }

    /// Its keys are given: only revocations are asked for.
    fn builder(&self) -> Builder<Complete> {
        let feed = feed(&self.server).snapshot(self.path());
        builder(&self.server, &self.clock).keys(&*self.jwks).revocation(feed)
    }

    async fn start(&self) -> ResourceServer {
        self.builder().start().await.unwrap()
    }

    /// A process that finds nobody to ask, once it has looked at what is there.
    async fn start_alone(&self) -> ResourceServer {
        let api = self.builder().start_lazily().unwrap();
        self.until(|| last_error(&api).is_some()).await;
        api
    }

    async fn until(&self, condition: impl Fn() -> bool) {
        let patience = SystemClock::new();
        while !condition() {
            assert!(patience.uptime() < PATIENCE, "waited in vain");
            patience.sleep(Duration::from_millis(1)).await;
        }
    }

    /// Lets the poll interval pass until a complete answer has been taken in.
    async fn poll(&self, api: &ResourceServer) {
        self.until(|| self.clock.sleepers() >= 1).await;
        self.clock.advance(POLL);
        self.until(|| api.health().issuers[0].feeds[0].age == Some(0.0) && self.clock.sleepers() >= 1).await;
    }

    fn token(&self, id: &str) -> String {
        self.server.mint(token().claim("jti", id).lifetime(Duration::from_secs(7200)))
    }
}

fn last_error(api: &ResourceServer) -> Option<String> {
    api.health().issuers[0].feeds[0].last_error.clone()
}

fn trouble(api: &ResourceServer) -> Option<String> {
    api.health().issuers[0].feeds[0].snapshot.clone().unwrap().last_error
}

async fn outcome(api: &ResourceServer, token: &str) -> Option<Kind> {
    ask(api, any_token(), request(token)).await.rejection.map(|rejection| rejection.kind())
}

#[tokio::test]
async fn revoked_tokens_are_refused_after_a_restart_while_the_server_is_down() {
    let restarts = Restarts::new().await;
    let (first, second, good) = (restarts.token("a"), restarts.token("b"), restarts.token("c"));
    restarts.server.revoke_token("a");
    let api = restarts.start().await;
    assert_eq!(outcome(&api, &first).await, Some(Kind::Revoked));
    // After the image was written: it is in the journal.
    restarts.server.revoke_token("b");
    restarts.poll(&api).await;
    assert_eq!(outcome(&api, &second).await, Some(Kind::Revoked));
    drop(api);
    restarts.server.stop().await;

    let api = restarts.start_alone().await;
    assert_eq!(outcome(&api, &first).await, Some(Kind::Revoked));
    assert_eq!(outcome(&api, &second).await, Some(Kind::Revoked));
    assert_eq!(outcome(&api, &good).await, None, "what is known is young enough");
    assert_eq!(trouble(&api), None);
    restarts.clock.advance(Duration::from_secs(31));
    assert_eq!(outcome(&api, &good).await, Some(Kind::RevocationsStale));
    assert_eq!(outcome(&api, &first).await, Some(Kind::Revoked));
}

/// The age goes on while no process runs, by the wall clock; where that was set back, nobody knows it.
#[tokio::test]
async fn a_snapshot_is_as_old_as_it_is() {
    let restarts = Restarts::new().await;
    let minted =
        |id: &str| token().claim("jti", id).issued_at(NOW as u64 - 100).lifetime(Duration::from_secs(7200));
    let (revoked, good) = (restarts.server.mint(minted("a")), restarts.server.mint(minted("c")));
    restarts.server.revoke_token("a");
    drop(restarts.start().await);
    restarts.server.stop().await;
    for (secs, expected) in
        [(20, None), (40, Some(Kind::RevocationsStale)), (-60, Some(Kind::RevocationsUnknown))]
    {
        restarts.clock.step_wall(UnixTime::from_secs(NOW + secs));
        let api = restarts.start_alone().await;
        assert_eq!(outcome(&api, &good).await, expected, "{secs} s");
        assert_eq!(outcome(&api, &revoked).await, Some(Kind::Revoked), "{secs} s");
    }
}

/// A source that holds its answer back holds nobody up who can go by what is there.
#[tokio::test]
async fn what_is_there_is_relied_on_while_the_source_says_nothing() {
    let restarts = Restarts::new().await;
    let good = restarts.token("c");
    drop(restarts.start().await);
    restarts.server.set_reply(&restarts.server.feed_url(), Reply::never());
    let api = restarts.builder().start_lazily().unwrap();
    in_time(api.ready()).await;
    assert_eq!(outcome(&api, &good).await, None);
    assert_eq!(last_error(&api), None, "nothing was answered yet");
}

#[tokio::test]
async fn an_eager_start_goes_by_a_snapshot_that_is_young_enough() {
    let restarts = Restarts::new().await;
    drop(restarts.start().await);
    restarts.server.stop().await;
    let api = restarts.start().await;
    assert_eq!(outcome(&api, &restarts.token("c")).await, None);
    drop(api);
    restarts.clock.advance(Duration::from_secs(31));
    assert_eq!(restarts.builder().start().await.unwrap_err().setting(), "revocation");
}

#[tokio::test]
async fn the_next_process_goes_on_from_the_cursor() {
    let restarts = Restarts::new().await;
    restarts.server.revoke_token("a");
    let api = restarts.start().await;
    restarts.poll(&api).await;
    drop(api);
    restarts.server.revoke_token("b");
    // An answer to a question for everything would have to be `full`.
    let since = json!({"iss": restarts.server.issuer(), "as_of": restarts.clock.wall().as_secs(), "cursor": "n",
        "revocations": [{"jti": "b", "exp": NOW + 7200}]});
    restarts.server.set_reply(&restarts.server.feed_url(), Reply::json(&since));
    let api = restarts.start().await;
    assert_eq!(last_error(&api), None);
    for id in ["a", "b"] {
        assert_eq!(outcome(&api, &restarts.token(id)).await, Some(Kind::Revoked));
    }
}

/// What was not understood may have been a revocation: no restart makes good for that.
#[tokio::test]
async fn after_a_flaw_a_restart_asks_for_everything() {
    let restarts = Restarts::new().await;
    let api = restarts.start().await;
    let odd = json!({"iss": restarts.server.issuer(), "as_of": NOW + 1, "cursor": "n",
        "revocations": [{"jti": "b", "exp": NOW + 7200}, {"who": "knows", "exp": NOW + 7200}]});
    restarts.server.set_reply(&restarts.server.feed_url(), Reply::json(&odd));
    restarts.until(|| restarts.clock.sleepers() >= 1).await;
    restarts.clock.advance(POLL);
    restarts.until(|| last_error(&api).is_some() && restarts.clock.sleepers() >= 1).await;
    drop(api);
    restarts.server.stop().await;
    let api = restarts.start_alone().await;
    assert_eq!(outcome(&api, &restarts.token("b")).await, Some(Kind::Revoked));
    assert_eq!(outcome(&api, &restarts.token("c")).await, Some(Kind::RevocationsUnknown));
}

#[tokio::test]
async fn a_damaged_snapshot_is_said_and_made_anew() {
    let restarts = Restarts::new().await;
    restarts.server.revoke_token("a");
    drop(restarts.start().await);
    let mut bytes = fs::read(restarts.path()).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(restarts.path(), bytes).unwrap();
    restarts.server.stop().await;
    let api = restarts.start_alone().await;
    assert_eq!(outcome(&api, &restarts.token("c")).await, Some(Kind::RevocationsUnknown));
    assert!(trouble(&api).unwrap().contains("damaged"));
    drop(api);
    restarts.server.restart().await.unwrap();
    let api = restarts.start().await;
    assert_eq!((trouble(&api), outcome(&api, &restarts.token("a")).await), (None, Some(Kind::Revoked)));
    drop(api);
    restarts.server.stop().await;
    assert_eq!(outcome(&restarts.start_alone().await, &restarts.token("a")).await, Some(Kind::Revoked));
}

#[tokio::test]
async fn two_processes_on_one_path_do_not_disturb_each_other() {
    let restarts = Restarts::new().await;
    restarts.server.revoke_token("a");
    let (first, second) = (restarts.start().await, restarts.start().await);
    assert_eq!(trouble(&first), None);
    assert!(trouble(&second).unwrap().contains("another process"));
    for api in [&first, &second] {
        assert_eq!(outcome(api, &restarts.token("a")).await, Some(Kind::Revoked));
    }
    drop(first);
    // The first one's task ends in its own time; then the second one keeps it.
    restarts.until(|| restarts.clock.sleepers() <= 1).await;
    restarts.server.revoke_token("b");
    restarts.poll(&second).await;
    restarts.until(|| trouble(&second).is_none()).await;
    drop(second);
    restarts.server.stop().await;
    let api = restarts.start_alone().await;
    for id in ["a", "b"] {
        assert_eq!(outcome(&api, &restarts.token(id)).await, Some(Kind::Revoked));
    }
}

#[tokio::test]
async fn each_source_has_a_path_of_its_own() {
    let restarts = Restarts::new().await;
    let twice = restarts.builder().revocation(feed(&restarts.server).snapshot(restarts.path()));
    assert_eq!(twice.start_lazily().unwrap_err().setting(), "snapshot");
    let nowhere = builder(&restarts.server, &restarts.clock).revocation(feed(&restarts.server).snapshot("/"));
    assert_eq!(nowhere.start_lazily().unwrap_err().setting(), "snapshot");
}

/// A route that goes on with stale news may do so after a restart too, but not past their end.
#[tokio::test]
async fn stale_news_of_an_earlier_process_are_stale_news() {
    let restarts = Restarts::new().await;
    restarts.server.revoke_token("a");
    drop(restarts.start().await);
    restarts.server.stop().await;
    let good = restarts.token("c");
    for (secs, expected) in [(60, 200), (3600, 503)] {
        restarts.clock.advance(Duration::from_secs(secs));
        let api = restarts.start_alone().await;
        let policy = any_token().when_stale(WhenStale::Admit);
        assert_eq!(ask(&api, policy, request(&good)).await.status, expected, "{secs} s");
    }
}

/// It is said for as long as it is so, however many answers come.
#[tokio::test]
async fn somebody_elses_file_stays_and_health_goes_on_saying_so() {
    let restarts = Restarts::new().await;
    fs::create_dir_all(restarts.path().parent().unwrap()).unwrap();
    fs::write(restarts.path(), "root:x:0:0").unwrap();
    let api = restarts.start().await;
    restarts.poll(&api).await;
    assert!(trouble(&api).unwrap().contains("no snapshot of revocations"));
    assert_eq!(fs::read(restarts.path()).unwrap(), b"root:x:0:0");
}

/// Nothing is complete while something is not understood. What is in force is kept all the same, in bounds.
#[tokio::test]
async fn the_journal_of_a_source_that_is_not_understood_does_not_grow_for_ever() {
    let restarts = Restarts::new().await;
    let api = restarts.start().await;
    let journal = restarts.path().with_extension("bin.journal");
    for round in 0..3 {
        let mut entries: Vec<_> =
            (0..3000).map(|n| json!({"jti": format!("{round}-{n}"), "exp": NOW + 7200})).collect();
        entries.push(json!({"who": "knows", "exp": NOW + 7200}));
        let odd = json!({"iss": restarts.server.issuer(), "as_of": NOW + 60 * round, "cursor": "n", "full": true,
            "revocations": entries});
        restarts.server.set_reply(&restarts.server.feed_url(), Reply::json(&odd));
        let revoked = restarts.token(&format!("{round}-2999"));
        restarts.until(|| restarts.clock.sleepers() >= 1).await;
        restarts.clock.advance(Duration::from_secs(60));
        while outcome(&api, &revoked).await != Some(Kind::Revoked) {
            tokio::task::yield_now().await;
        }
        restarts.until(|| restarts.clock.sleepers() >= 1).await;
    }
    drop(api);
    assert!(fs::metadata(&journal).unwrap().len() < 300 * 1024, "{}", fs::metadata(&journal).unwrap().len());
    restarts.server.stop().await;
    let api = restarts.start_alone().await;
    for round in 0..3 {
        assert_eq!(outcome(&api, &restarts.token(&format!("{round}-2999"))).await, Some(Kind::Revoked));
    }
    assert_eq!(outcome(&api, &restarts.token("c")).await, Some(Kind::RevocationsUnknown));
}

/// What an earlier process ignored, or ended too early, by other settings is not said again from its cursor on.
#[tokio::test]
async fn with_other_settings_everything_is_asked_for() {
    let restarts = Restarts::new().await;
    let by_device = json!({"iss": restarts.server.issuer(), "as_of": NOW, "cursor": "n", "full": true,
        "revocations": [{"jti": "a", "exp": NOW + 7200}, {"device_id": "d", "exp": NOW + 7200}]});
    restarts.server.set_reply(&restarts.server.feed_url(), Reply::json(&by_device));
    let feed = || feed(&restarts.server).snapshot(restarts.path()).ignore_unknown_entries();
    let start = |feed| {
        builder(&restarts.server, &restarts.clock)
            .keys(&*restarts.jwks)
            .revocation(feed)
            .start_lazily()
            .unwrap()
    };
    let api = start(feed());
    let (revoked, good) = (restarts.token("a"), restarts.token("c"));
    while outcome(&api, &good).await.is_some() {
        tokio::task::yield_now().await;
    }
    restarts.until(|| restarts.clock.sleepers() >= 1).await;
    drop(api);
    restarts.server.stop().await;
    for (feed, expected) in [(feed(), None), (feed().identifier("device_id"), Some(Kind::RevocationsUnknown))]
    {
        let api = start(feed);
        restarts.until(|| last_error(&api).is_some()).await;
        assert_eq!(outcome(&api, &revoked).await, Some(Kind::Revoked));
        assert_eq!(outcome(&api, &good).await, expected);
    }
}
