//! The feed's client as it is, over HTTP, against a reading of the JSON that it was sent: naive, entry by entry.
//!
//! Named cases elsewhere: CVE-2026-18218, CVE-2026-8922 and `iat` equal to the cut-off in `src/revocation/tests.rs`; who
//! logs in again, and tokens without `iat`, in `feed.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use tower_bearer::clock::{Clock as _, ManualClock};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, Feed, RejectionKind as Kind, ResourceServer};

use super::scripted::{Asked, Script, Scripted};
use super::world::{AUDIENCE, NOW, POLL, World, at_once, builder, clock};

/// Between two attempts, whatever the pause is.
const PAUSE: Duration = Duration::from_secs(8);
const SOON: i64 = NOW + 100;
const LATER: i64 = NOW + 80_000;

/// The spellings of one claim, the usual one first.
const SPELLINGS: [&[&str]; 2] = [&["jti", "uti"], &["client_id", "azp", "appid", "cid"]];

/// What happens from one question to the next.
#[derive(Clone, Debug)]
struct Step {
    entries: Vec<Value>,
    /// An entry that nobody can understand.
    bad: bool,
    page: usize,
    /// Good pages before the answer breaks off, and how it does.
    breaks: Option<(usize, Broken)>,
    /// The server forgets its cursors: with 410, or in words.
    gap: Option<bool>,
    /// A full state lacks these: the server was restored from a backup.
    lacks: Vec<prop::sample::Index>,
    then: Then,
}

#[derive(Clone, Copy, Debug)]
enum Broken {
    Unavailable,
    Html,
    CutShort,
    OtherIssuer,
}

#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    TimePasses(u64),
    Restart,
}

fn usual(name: &str) -> &str {
    SPELLINGS.iter().find(|all| all.contains(&name)).map_or(name, |all| all[0])
}

/// Names and values that an entry has in common with tokens.
fn claims_of(entry: &Value) -> BTreeMap<&str, &str> {
    let members = entry.as_object().unwrap().iter();
    let claims = members.filter(|(name, _)| {
        !["issued_before", "exp", "at", "withdrawn", "reason"].contains(&name.as_str())
            && !name.starts_with("x_")
    });
    claims.map(|(name, value)| (usual(name), value.as_str().unwrap())).collect()
}

fn said_at(entry: &Value) -> i64 {
    entry["at"].as_i64().or_else(|| entry["issued_before"].as_i64()).unwrap_or(0)
}

fn takes_back(one: &Value, other: &Value) -> bool {
    let same_kind = one["issued_before"].is_i64() == other["issued_before"].is_i64();
    one["withdrawn"] == true
        && same_kind
        && claims_of(one) == claims_of(other)
        && said_at(other) < said_at(one)
}

fn matches(entry: &Value, token: &Value) -> bool {
    let has = |name: &str, value: &str| {
        token.as_object().unwrap().iter().filter(|(own, _)| usual(own) == name).any(|(_, own)| match own {
            Value::Array(items) => items.iter().any(|item| item == value),
            own => own == value,
        })
    };
    let in_time = match (entry["issued_before"].as_i64(), token["iat"].as_i64()) {
        (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
        _ => true,
    };
    in_time && claims_of(entry).iter().all(|(name, value)| has(name, value))
}

/// Whether the token must be refused, and whether it may be: what is over may still be there.
fn verdict(told: &[Value], token: &Value, now: i64) -> (bool, bool) {
    let in_force = |entry: &&Value| {
        entry["withdrawn"] != true
            && matches(entry, token)
            && !told.iter().any(|other| takes_back(other, entry))
    };
    let must = told.iter().filter(in_force).any(|entry| entry["exp"].as_i64().unwrap() >= now);
    (must, told.iter().any(|entry| in_force(&entry)))
}

/// A feed as the specification has it, that fails as it is told to.
struct Server {
    iss: String,
    clock: ManualClock,
    log: Vec<Value>,
    /// Full states that are being fetched, by number.
    states: HashMap<usize, Vec<Value>>,
    page: usize,
    good: Option<usize>,
    broken: Broken,
    /// Cursors of earlier lives are forgotten, which it says in words or with 410.
    life: usize,
    in_words: bool,
    lacks: Vec<prop::sample::Index>,
    /// The entries of the good pages that were sent.
    told: Vec<Value>,
}

impl Server {
    fn answer(&mut self, asked: &Asked) -> Script {
        let ok = |body: String| (200, vec![("content-type", "application/json".to_owned())], body);
        if let Some(good) = &mut self.good {
            if *good == 0 {
                return match self.broken {
                    Broken::Unavailable => (503, vec![], String::new()),
                    Broken::Html => ok("<!doctype html><title>Sign in</title>".to_owned()),
                    Broken::CutShort => {
                        ok(self.page(&json!([{"jti":"0"}]), "c", true, false)[..60].to_owned())
                    }
                    Broken::OtherIssuer => {
                        let page = self.page(&json!([{"jti":"0","exp":LATER}]), "c", true, false);
                        ok(page.replace(&self.iss, "https://other.example"))
                    }
                };
            }
            *good -= 1;
        }
        let cursor = asked.query.strip_prefix("cursor=");
        let life = self.life.to_string();
        if cursor.is_some_and(|cursor| cursor.split('-').nth(1) != Some(&life)) {
            return if self.in_words {
                ok(json!({"resync": true}).to_string())
            } else {
                (410, vec![], String::new())
            };
        }
        let (entries, from, cursor, full): (Vec<Value>, usize, String, bool) = match cursor {
            None => {
                let mut state = self.log.clone();
                for index in std::mem::take(&mut self.lacks).iter().filter(|_| !self.log.is_empty()) {
                    let lost = index.get(&self.log);
                    // A state without what was not understood would make good for it.
                    state.retain(|entry| entry != lost || entry.get("x_note").is_some());
                }
                // In another order than before, and one of them twice.
                state.reverse();
                state.extend(state.first().cloned());
                let number = self.states.len();
                self.states.insert(number, state.clone());
                (state, 0, format!("f-{life}-{number}-{}", self.log.len()), true)
            }
            Some(cursor) => match cursor.split('-').collect::<Vec<_>>()[..] {
                ["f", _, number, end, from] => {
                    let state = self.states[&number.parse().unwrap()].clone();
                    (state, from.parse().unwrap(), format!("f-{life}-{number}-{end}"), true)
                }
                ["d", _, from] => (self.log.clone(), from.parse().unwrap(), "d".to_owned(), false),
                _ => panic!("no cursor of ours: {cursor}"),
            },
        };
        let end = (from + self.page).min(entries.len());
        let more = end < entries.len();
        let next = match (full, more) {
            (true, true) => format!("{cursor}-{end}"),
            (true, false) => format!("d-{life}-{}", cursor.rsplit('-').next().unwrap()),
            (false, _) => format!("d-{life}-{end}"),
        };
        self.told.extend_from_slice(&entries[from..end]);
        ok(self.page(&json!(entries[from..end]), &next, full, more))
    }

    fn page(&self, entries: &Value, cursor: &str, full: bool, more: bool) -> String {
        json!({"iss": self.iss, "as_of": self.clock.wall().as_secs(), "cursor": cursor, "full": full, "more": more,
            "revocations": entries})
        .to_string()
    }
}

/// The signed token, and its claims.
fn mint(server: &AuthorizationServer, claims: &Value) -> String {
    let mut token = Token::new(AUDIENCE).lifetime(Duration::from_secs(79_000));
    for (name, value) in claims.as_object().unwrap() {
        token = token.claim(name, value.clone());
    }
    server.mint(token)
}

async fn agrees(steps: Vec<Step>, tokens: Vec<Value>) {
    let clock = clock();
    let issuer = AuthorizationServer::builder().algorithms([Algorithm::ES256]).clock(clock.clone());
    let issuer = issuer.start().await.unwrap();
    let tokens: Vec<_> = tokens.into_iter().map(|claims| (mint(&issuer, &claims), claims)).collect();
    let keys = super::keys::fetch(&issuer.jwks_url()).await;
    let server = Arc::new(Mutex::new(Server {
        iss: issuer.issuer().to_owned(),
        clock: clock.clone(),
        log: Vec::new(),
        states: HashMap::new(),
        page: 3,
        good: Some(0),
        broken: Broken::Unavailable,
        life: 0,
        in_words: false,
        lacks: Vec::new(),
        told: Vec::new(),
    }));
    let inner = Arc::clone(&server);
    let scripted = Scripted::start(move |asked| inner.lock().unwrap().answer(asked)).await;
    let start = || -> ResourceServer {
        let feed = Feed::new(&scripted.url).poll_interval(POLL);
        builder(&issuer, &clock).keys(keys.clone()).revocation(feed).start_lazily().unwrap()
    };
    let mut world = World { api: start(), issuer: issuer.clone(), clock: clock.clone() };
    let (mut bad_in_log, mut starting) = (false, true);
    for step in steps {
        // The first question of a process is answered with an error, so that all others come when they are let.
        world.until(|world| world.clock.sleepers() == 1 && (!starting || world.last_error().is_some())).await;
        starting = false;
        {
            let mut server = server.lock().unwrap();
            server.log.extend_from_slice(&step.entries);
            if step.bad {
                bad_in_log = true;
                server.log.push(json!({"sub":"0","exp":LATER,"x_note":"no cut-off"}));
            }
            server.page = step.page;
            (server.good, server.broken) =
                step.breaks.map_or((None, Broken::Html), |(good, how)| (Some(good), how));
            server.lacks = step.lacks;
            if let Some(in_words) = step.gap {
                server.life += 1;
                server.in_words = in_words;
            }
        }
        let (before, breaks) = (scripted.asked().len(), step.breaks.is_some());
        clock.advance(PAUSE);
        world.until(|world| scripted.asked().len() > before && world.clock.sleepers() == 1).await;
        let told = server.lock().unwrap().told.clone();
        let understood = |entry: &&Value| entry.get("x_note").is_none();
        let sound: Vec<_> = told.iter().filter(understood).cloned().collect();
        let answered = world.last_error().is_none();
        assert!(answered || bad_in_log || breaks, "an answer without fault: {:?}", world.api.health());
        // A state that broke off and was gone on with tells of the time at which it was first asked for.
        let complete = answered && world.feed_age().is_some_and(|age| age <= 30.0);
        for (token, claims) in &tokens {
            let (must, may) = verdict(&sound, claims, clock.wall().as_secs());
            let answer = at_once(&world.api, token);
            let kind = answer.rejection.map(|rejection| rejection.kind());
            let what = || format!("{kind:?} of {claims} by {sound:?}");
            match kind {
                Some(Kind::Revoked) => assert!(may, "{}", what()),
                None => assert!(!must && sound.len() == told.len(), "{}", what()),
                Some(Kind::RevocationsStale | Kind::RevocationsUnknown) => {
                    assert!(!must && (!complete || bad_in_log), "{}", what());
                }
                Some(_) => panic!("{}", what()),
            }
        }
        match step.then {
            Then::Nothing => {}
            Then::TimePasses(secs) => {
                // As long as nobody is asked, nothing is let in that was not before: the next step looks.
                let asked = scripted.asked().len();
                clock.advance(Duration::from_secs(secs));
                world.until(|world| scripted.asked().len() > asked && world.clock.sleepers() == 1).await;
            }
            Then::Restart => {
                drop(world);
                while clock.sleepers() > 0 {
                    tokio::task::yield_now().await;
                }
                {
                    let mut server = server.lock().unwrap();
                    server.told.clear();
                    (server.good, server.broken) = (Some(0), Broken::Unavailable);
                }
                starting = true;
                world = World { api: start(), issuer: issuer.clone(), clock: clock.clone() };
            }
        }
    }
}

/// Few kinds, so that many entries meet in one.
const KINDS: [&[&str]; 8] = [
    &["jti"],
    &["sid"],
    &["sub"],
    &["client_id"],
    &["jti", "aud"],
    &["sub", "client_id"],
    &["sub", "client_id", "aud"],
    &[],
];

fn any_entry() -> impl Strategy<Value = Value> {
    let times = (
        proptest::option::of(0..4_i64),
        proptest::option::weighted(0.7, 0..4_i64),
        proptest::bool::weighted(0.3),
    );
    ((0..KINDS.len(), 0..3_u8, 0..2_u8), times, 0..4_usize).prop_map(
        |((kind, first, others), times, spelling)| {
            let (issued_before, at, withdrawn) = times;
            let identifies = KINDS[kind].iter().any(|name| ["jti", "sid"].contains(name));
            let issued_before = issued_before.or(if identifies { None } else { Some(0) });
            let mut entry = json!({"reason": "test", "x_by": {"who": "admin"}});
            let values = std::iter::once(first).chain(std::iter::repeat(others));
            let mut sum = 0;
            for (name, value) in KINDS[kind].iter().zip(values) {
                let all = SPELLINGS.iter().find(|all| all[0] == *name);
                entry[all.map_or(*name, |all| all[spelling % all.len()])] = json!(value.to_string());
                sum += value;
            }
            // All entries on the same claims end at once: soon or late.
            entry["exp"] = json!(if sum % 2 == 0 { SOON } else { LATER });
            if let Some(before) = issued_before {
                entry["issued_before"] = json!(NOW - before);
            }
            if let Some(before) = at {
                entry["at"] = json!(NOW - before);
                entry["withdrawn"] = json!(withdrawn);
            }
            entry
        },
    )
}

fn any_token() -> impl Strategy<Value = Value> {
    let value = || (0..3_u8).prop_map(|value| value.to_string());
    let ids = (value(), proptest::option::of(value()), proptest::option::of(value()));
    let owners = (value(), value(), proptest::option::of((1..4_usize, value())));
    (ids, owners, prop::collection::vec(value(), 0..3), 0..5_i64).prop_map(
        |(ids, owners, audiences, issued)| {
            let ((jti, uti, sid), (sub, client, other)) = (ids, owners);
            let audiences: Vec<_> = audiences.into_iter().chain([AUDIENCE.to_owned()]).collect();
            let mut token =
                json!({"jti":jti,"sub":sub,"client_id":client,"aud":audiences,"iat":NOW - issued});
            if let Some(uti) = uti {
                token["uti"] = json!(uti);
            }
            if let Some(sid) = sid {
                token["sid"] = json!(sid);
            }
            if let Some((spelling, client)) = other {
                token[SPELLINGS[1][spelling]] = json!(client);
            }
            token
        },
    )
}

fn any_step() -> impl Strategy<Value = Step> {
    let broken = prop_oneof![
        Just(Broken::Unavailable),
        Just(Broken::Html),
        Just(Broken::CutShort),
        Just(Broken::OtherIssuer)
    ];
    let then = prop_oneof![
        3 => Just(Then::Nothing),
        1 => (1..3000_u64).prop_map(Then::TimePasses),
        1 => Just(Then::Restart),
    ];
    let trouble = (
        proptest::bool::weighted(0.05),
        proptest::option::weighted(0.3, (0..4_usize, broken)),
        proptest::option::weighted(0.2, any::<bool>()),
        prop::collection::vec(any::<prop::sample::Index>(), 0..2),
    );
    let entries = prop::collection::vec(any_entry(), 0..8);
    (entries, 1..5_usize, trouble, then).prop_map(|(entries, page, (bad, breaks, gap, lacks), then)| Step {
        entries,
        bad,
        page,
        breaks,
        gap,
        lacks,
        then,
    })
}

#[test]
fn the_client_agrees_with_a_plain_reading_of_its_pages() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(48);
    let config = ProptestConfig { cases, max_shrink_iters: 200, failure_persistence: None, ..<_>::default() };
    let steps = prop::collection::vec(any_step(), 1..8);
    let tokens = prop::collection::vec(any_token(), 1..8);
    proptest!(config, |(steps in steps, tokens in tokens)| {
        runtime.block_on(agrees(steps, tokens));
    });
}
