//! Against a tenant whose every byte is written here.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::mpsc::{self, Sender};
use tokio::sync::watch;
use tokio_stream::wrappers::ReceiverStream;

use super::*;

/// How a connection was asked for.
#[derive(Clone, Debug)]
struct Asked {
    query: String,
    last: Option<String>,
    token: String,
}

/// Status, headers and body instead of a stream.
type Reply = (u16, Vec<(&'static str, String)>, &'static str);

struct Script {
    asked: Vec<Asked>,
    streams: Vec<Sender<io::Result<Bytes>>>,
    /// What is answered before there are streams again.
    replies: VecDeque<Reply>,
    /// What a stream begins with.
    greeting: &'static str,
    tokens: usize,
    polls: usize,
}

#[derive(Clone)]
struct Tenant {
    url: String,
    clock: ManualClock,
    script: Arc<Mutex<Script>>,
    /// Polls are not answered while this is so.
    held: watch::Sender<bool>,
}

impl Tenant {
    async fn start(clock: &ManualClock) -> Self {
        let script = Script {
            asked: Vec::new(),
            streams: Vec::new(),
            replies: VecDeque::new(),
            greeting: ":connected\n\n",
            tokens: 0,
            polls: 0,
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (clock, script) = (clock.clone(), Arc::new(Mutex::new(script)));
        let tenant = Self { url, clock, script, held: watch::Sender::new(false) };
        let app = axum::Router::new().fallback(answer).with_state(tenant.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        tenant
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn connections(&self) -> usize {
        self.script().asked.len()
    }

    fn polls(&self) -> usize {
        self.script().polls
    }

    fn stream(&self) -> Sender<io::Result<Bytes>> {
        self.script().streams.last().unwrap().clone()
    }

    async fn say(&self, text: impl Into<Bytes>) {
        self.stream().send(Ok(text.into())).await.unwrap();
    }

    /// As a server that goes away.
    fn end(&self) {
        self.script().streams.pop();
    }

    fn last(&self) -> Asked {
        self.script().asked.last().unwrap().clone()
    }

    fn date(&self) -> (&'static str, String) {
        let since = Duration::from_millis(u64::try_from(self.clock.wall().as_millis()).unwrap());
        ("date", httpdate::fmt_http_date(std::time::UNIX_EPOCH + since))
    }
}

async fn answer(State(tenant): State<Tenant>, request: Request) -> Response {
    let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, mut headers, body) = match request.uri().path() {
        "/oauth/token" => {
            let mut script = tenant.script();
            script.tokens += 1;
            let body = json!({ "access_token": script.tokens.to_string(), "token_type": "Bearer", "expires_in": 86_400 });
            (200, vec![], Body::from(body.to_string()))
        }
        "/api/v2/client-grants" => {
            tenant.held.subscribe().wait_for(|held| !held).await.unwrap();
            tenant.script().polls += 1;
            (200, vec![], Body::from(json!({ "client_grants": [] }).to_string()))
        }
        _ => {
            let mut script = tenant.script();
            script.asked.push(Asked {
                query: request.uri().query().unwrap().to_owned(),
                last: header("last-event-id"),
                token: header("authorization").unwrap(),
            });
            assert_eq!(header("accept").unwrap(), "text/event-stream");
            if let Some((status, headers, body)) = script.replies.pop_front() {
                (status, headers, Body::from(body))
            } else {
                let (to, from) = mpsc::channel(1024);
                to.try_send(Ok(script.greeting.into())).unwrap();
                script.streams.push(to);
                let headers = vec![("content-type", "text/event-stream; charset=utf-8".to_owned())];
                (200, headers, Body::from_stream(ReceiverStream::new(from)))
            }
        }
    };
    headers.push(tenant.date());
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    response.body(body).unwrap()
}

async fn world() -> (World, Tenant) {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let tenant = Tenant::start(&clock).await;
    let source = source(&tenant.url).without_blacklist();
    let api = builder(&issuer, &clock).revocation(source).start().await.unwrap();
    (World { issuer, clock, api }, tenant)
}

fn deleted(clock: &ManualClock, offset: &str, user: &str) -> String {
    let seconds = clock.wall().as_secs() - NOW;
    // `NOW` is 11:06:40.
    let (minute, second) = ((40 + seconds) / 60 + 6, (40 + seconds) % 60);
    let time = format!("2026-11-18T11:{minute:02}:{second:02}.000Z");
    let event = json!({
        "specversion": "1.0", "type": "user.deleted", "time": time, "data": { "object": { "user_id": user } },
    });
    format!("id: {offset}\nevent: user.deleted\ndata: {}\n\n", json!({ "offset": offset, "event": event }))
}

fn heartbeat(offset: &str) -> String {
    format!("id: {offset}\nevent: offset-only\ndata: {}\n\n", json!({ "offset": offset }))
}

/// The next connection, while time passes.
async fn reconnected(world: &World, tenant: &Tenant, before: usize) {
    until_in_time(world, |_| tenant.connections() > before).await;
}

#[tokio::test]
async fn a_stream_that_breaks_in_the_middle_of_an_event_is_gone_on_with() {
    let (world, tenant) = world().await;
    let tokens = ["u1", "u2", "u3"].map(|user| of(&world, user, None));
    assert_eq!(tenant.last().last, None);
    for kind in ["user.deleted", "user.updated", "organization.member.role.deleted", "group.member.deleted"] {
        assert!(tenant.last().query.contains(&format!("event_type={kind}")), "{}", tenant.last().query);
    }
    tenant.say(deleted(&world.clock, "o1", "u1")).await;
    world.until(|world| statuses(world, &tokens) == [401, 200, 200]).await;
    let next = deleted(&world.clock, "o2", "u2");
    tenant.say(next[..next.len() - 1].to_owned()).await;
    tenant.stream().send(Err(io::Error::other("gone"))).await.unwrap();
    tenant.end();
    reconnected(&world, &tenant, 1).await;
    assert_eq!(tenant.last().last.as_deref(), Some("o1"), "half an event was not said");
    assert_eq!(statuses(&world, &tokens), [401, 200, 200]);
    world.until(|_| !tenant.script().streams.is_empty()).await;
    for byte in next.bytes() {
        tenant.say(vec![byte]).await;
    }
    world.until(|world| statuses(world, &tokens) == [401, 401, 200]).await;
    until_in_time(&world, |world| state(world) == FreshnessState::Fresh && world.last_error().is_none())
        .await;
}

#[tokio::test]
async fn every_message_moves_the_place_from_which_it_goes_on() {
    let (world, tenant) = world().await;
    let since = "from_timestamp=2026-11-18T11%3A06%3A40Z";
    assert!(!tenant.last().query.contains("from"), "{}", tenant.last().query);
    let error = |code: &str| format!("event: error\ndata: {}\n\n", json!({ "error": { "code": code } }));
    let foreign = "id: o2\nevent: user.created\ndata: {}\n\n".to_owned();
    let table: &[(&str, String, Option<&str>)] = &[
        ("nothing yet", String::new(), None),
        ("a heartbeat", heartbeat("o1"), Some("o1")),
        ("an event of another kind", foreign, Some("o2")),
        ("an event", deleted(&world.clock, "o3", "u"), Some("o3")),
        ("an id without a message", "id: o4\n\n".to_owned(), Some("o3")),
        ("an id that no header can hold", heartbeat("ö5"), Some("o3")),
        ("an end on time", heartbeat("o6") + &error("connection_timeout"), Some("o6")),
        ("trouble", error("processing_error"), Some("o6")),
        ("half a message", "id: o7\nevent: offset-only\ndata: {}\n".to_owned(), Some("o6")),
    ];
    for (what, text, expected) in table {
        let before = tenant.connections();
        tenant.say(text.clone()).await;
        tenant.end();
        reconnected(&world, &tenant, before).await;
        let Asked { query, last, .. } = tenant.last();
        assert_eq!(last.as_deref(), *expected, "{what}");
        assert_eq!(query.contains(since), expected.is_none(), "{what}: {query}");
    }
    assert_eq!(cut_offs(&world), 1);
}

#[tokio::test]
async fn where_a_place_is_refused_everybody_needs_another_token() {
    let in_stream = |code: &str| format!("event: error\ndata: {}\n\n", json!({ "error": { "code": code } }));
    let gone: &[(Option<Reply>, String)] = &[
        (Some((410, vec![], "")), String::new()),
        (Some((400, vec![], r#"{"errorCode":"invalid_cursor"}"#)), String::new()),
        (None, in_stream("cursor_expired")),
        (None, in_stream("invalid_cursor")),
    ];
    for (reply, text) in gone {
        let (world, tenant) = world().await;
        tenant.say(heartbeat("o1")).await;
        tenant.say(text.clone()).await;
        tenant.script().replies.extend(reply.clone());
        tenant.end();
        let token = of(&world, "u1", None);
        assert_eq!(status(&world, &token), 200);
        until_in_time(&world, |world| status(world, &token) == 401).await;
        let Asked { query, last, .. } = tenant.last();
        assert!(last.is_none() && !query.contains("from"), "{query}");
        world.clock.advance(Duration::from_secs(2));
        assert_eq!(status(&world, &of(&world, "u1", None)), 200);
        let polled = tenant.polls();
        until_in_time(&world, |world| tenant.polls() > polled && world.last_error().is_none()).await;
        assert_eq!((state(&world), status(&world, &token)), (FreshnessState::Fresh, 401));
    }
}

#[tokio::test]
async fn what_cannot_be_read_ends_more_rather_than_less() {
    let long = "x".repeat(66 * 1024 * 1024);
    let table = [
        "event: user.deleted\ndata: <html>\n\n".to_owned(),
        "event: user.deleted\ndata: {}\n\n".to_owned(),
        format!("event: user.deleted\ndata: {long}\n\n"),
    ];
    for text in table {
        let (world, tenant) = world().await;
        let token = of(&world, "u1", None);
        tenant.say(text.clone()).await;
        world.until(|world| status(world, &token) == 401).await;
        world.clock.advance(Duration::from_secs(3));
        let token = of(&world, "u1", None);
        assert_eq!(status(&world, &token), 200, "new tokens are good");
        tenant.say(deleted(&world.clock, "o1", "u1")).await;
        world.until(|world| status(world, &token) == 401).await;
        assert_eq!((tenant.connections(), state(&world)), (1, FreshnessState::Fresh), "it goes on");
    }
}

/// Users may fill their own profiles.
#[tokio::test]
async fn a_large_profile_is_an_event_like_others() {
    let (world, tenant) = world().await;
    let tokens = ["u1", "u2", "u3"].map(|user| of(&world, user, None));
    let metadata = json!({ "user_metadata": "x".repeat(3 * 1024 * 1024), "user_id": "u2", "user_id_": "u1" })
        .to_string();
    let metadata = metadata.trim_start_matches('{').trim_end_matches('}');
    for (offset, user) in [("o1", "u3"), ("o2", "u1")] {
        let event = deleted(&world.clock, offset, user);
        let whole = format!(r#""user_id":"{user}","user_metadata":{{{metadata},"n":"\ud800"}}"#);
        tenant.say(event.replace(&format!(r#""user_id":"{user}""#), &whole)).await;
        world.until(|world| status(world, &tokens[if user == "u3" { 2 } else { 0 }]) == 401).await;
    }
    assert_eq!(statuses(&world, &tokens), [401, 200, 401]);
    // However large it is, and whoever is named in it.
    let huge = "x".repeat(70 * 1024 * 1024);
    let event = deleted(&world.clock, "o3", "u4").replace("user.deleted", "user.updated");
    tenant
        .say(event.replace(r#""user_id":"u4""#, &format!(r#""user_metadata":"{huge}","user_id":"u4""#)))
        .await;
    tenant.say(deleted(&world.clock, "o4", "u5")).await;
    world.until(|world| cut_offs(world) == 3).await;
    assert_eq!(statuses(&world, &tokens), [401, 200, 401], "nobody was blocked");
}

/// An event from the future is not what it seems, and tokens of the future are not ended by it.
#[tokio::test]
async fn an_event_with_an_odd_time_ends_what_was_given_out_until_now() {
    let (world, tenant) = world().await;
    let token = of(&world, "u2", None);
    tenant.say(deleted(&world.clock, "o1", "u1").replace("2026", "2027")).await;
    world.until(|world| status(world, &token) == 401).await;
    world.clock.advance(Duration::from_secs(4));
    assert_eq!(status(&world, &of(&world, "u1", None)), 200);
}

/// Polls succeed meanwhile.
#[tokio::test]
async fn a_stream_that_says_nothing_makes_the_source_old() {
    for silent in ["", "data: half a line", "data: lines\n"] {
        let (world, tenant) = world().await;
        let (gone, good) = (of(&world, "u1", None), of(&world, "u2", None));
        tenant.say(deleted(&world.clock, "o1", "u1")).await;
        world.until(|world| status(world, &gone) == 401).await;
        tenant.script().greeting = silent;
        tenant.end();
        let polled = tenant.polls();
        until_in_time(&world, |world| state(world) == FreshnessState::Stale).await;
        assert!(tenant.polls() >= polled + 25 && tenant.connections() >= 3, "{}", tenant.polls());
        assert_eq!((status(&world, &gone), status(&world, &good)), (401, 503));
        let said = world.last_error().unwrap();
        assert!(said.contains("events: the stream has said nothing for 10s"), "{said}");
        tenant.script().greeting = ":connected\n\n";
        until_in_time(&world, |world| state(world) == FreshnessState::Fresh).await;
        assert_eq!((status(&world, &gone), status(&world, &good)), (401, 200));
        assert_eq!(world.last_error(), None);
    }
}

/// Comments are a sign of life, and a stream without them is opened again in time.
#[tokio::test]
async fn silence_is_broken_by_opening_the_stream_again() {
    let (world, tenant) = world().await;
    let token = of(&world, "u1", None);
    for _ in 0..45 {
        let polled = tenant.polls();
        until_in_time(&world, |_| tenant.polls() > polled).await;
        assert_eq!(status(&world, &token), 200, "{:?}", world.api.health());
    }
    let silent = tenant.connections();
    assert!(silent >= 3, "{silent}");
    for _ in 0..30 {
        let polled = tenant.polls();
        let _ = tenant.stream().try_send(Ok(": heartbeat\n".into()));
        until_in_time(&world, |_| tenant.polls() > polled).await;
    }
    assert!(tenant.connections() <= silent + 1, "{}", tenant.connections());
}

/// While it is not known what was missed, nobody is admitted by an old state.
#[tokio::test]
async fn after_an_outage_nobody_is_admitted_before_what_was_missed_is_in_force() {
    let (world, tenant) = world().await;
    let (gone, good) = (of(&world, "u1", None), of(&world, "u2", None));
    tenant.say(heartbeat("o1")).await;
    let down = || (503, vec![], "");
    tenant.script().replies.extend(std::iter::repeat_with(down).take(1000));
    tenant.end();
    until_in_time(&world, |world| state(world) == FreshnessState::Stale).await;
    assert!(world.last_error().unwrap().contains("events answered 503"), "{:?}", world.last_error());
    tenant.script().replies.clear();
    let before = tenant.connections();
    reconnected(&world, &tenant, before).await;
    world.until(|_| !tenant.script().streams.is_empty()).await;
    // It tells of others first, and polls alone are no reason to believe it.
    let polled = tenant.polls();
    for number in 0..30 {
        let before = cut_offs(&world);
        tenant.say(deleted(&world.clock, &format!("o{number}"), &format!("x{number}"))).await;
        world.until(|world| cut_offs(world) > before).await;
        world.clock.advance(POLL / 2);
        assert_eq!(statuses(&world, &[gone.clone(), good.clone()]), [503, 503], "{number}");
    }
    assert!(tenant.polls() > polled + 3, "{} {polled}", tenant.polls());
    tenant.say(deleted(&world.clock, "o100", "u1")).await;
    world.until(|world| status(world, &gone) == 401).await;
    until_in_time(&world, |world| {
        assert_ne!(status(world, &gone), 200);
        status(world, &good) == 200
    })
    .await;
}

/// Each time it says that it is there, and no more.
#[tokio::test]
async fn a_stream_that_ends_at_once_tells_nothing_and_is_not_asked_all_the_time() {
    let (world, tenant) = world().await;
    tenant.say(heartbeat("o1")).await;
    let headers = || vec![("content-type", "text/event-stream".to_owned())];
    tenant.script().replies.extend(std::iter::repeat_with(|| (200, headers(), ":connected\n\n")).take(1000));
    tenant.end();
    until_in_time(&world, |world| state(world) == FreshnessState::Stale).await;
    assert_eq!(world.last_error().as_deref(), Some("events: the stream has ended"));
    let connections = tenant.connections();
    assert!((4..30).contains(&connections), "{connections} in half a minute");
    tenant.script().replies.clear();
    until_in_time(&world, |world| state(world) == FreshnessState::Fresh && world.last_error().is_none())
        .await;
}

#[tokio::test]
async fn a_heartbeat_tells_that_nothing_was_missed() {
    let (world, tenant) = world().await;
    let good = of(&world, "u2", None);
    tenant.say(heartbeat("o1")).await;
    tenant.script().replies.extend(std::iter::repeat_with(|| (503, vec![], "")).take(1000));
    tenant.end();
    until_in_time(&world, |world| state(world) == FreshnessState::Stale).await;
    // Too much for a pause, until it is done.
    tenant.script().replies.clear();
    tenant.script().greeting = "data: half";
    let before = tenant.connections();
    reconnected(&world, &tenant, before).await;
    world.until(|_| !tenant.script().streams.is_empty()).await;
    for _ in 0..3 {
        let polled = tenant.polls();
        until_in_time(&world, |_| tenant.polls() > polled).await;
    }
    assert_eq!(status(&world, &good), 503);
    tenant.say(format!("\n\n{}", heartbeat("o2"))).await;
    world.until(|world| status(world, &good) == 200).await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let (world, tenant) = world().await;
    tenant.say(heartbeat("o1")).await;
    assert_eq!((tenant.last().token.as_str(), tenant.script().tokens), ("Bearer 1", 1));
    tenant.script().replies.push_back((401, vec![], ""));
    tenant.end();
    reconnected(&world, &tenant, 2).await;
    assert_eq!((tenant.last().token.as_str(), tenant.script().tokens), ("Bearer 2", 2));
    until_in_time(&world, |world| world.last_error().is_none()).await;
    for (status, words) in [(401, "events answered 401"), (403, "the scope read:events")] {
        tenant.script().replies.extend(std::iter::repeat_with(|| (status, vec![], "")).take(1000));
        tenant.end();
        until_in_time(&world, |world| world.last_error().is_some_and(|said| said.contains(words))).await;
        let polled = tenant.polls();
        until_in_time(&world, |_| tenant.polls() > polled + 1).await;
        tenant.script().replies.clear();
        until_in_time(&world, |world| world.last_error().is_none()).await;
    }
    assert_eq!(state(&world), FreshnessState::Fresh);
}

/// The limit is the tenant's: nobody asks before there is room again.
#[tokio::test]
async fn a_429_is_waited_for_by_all() {
    let (world, tenant) = world().await;
    tenant.say(heartbeat("o1")).await;
    world.settle(2).await;
    let reset =
        vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", (NOW + 10).to_string())];
    tenant.script().replies.push_back((429, reset, ""));
    tenant.end();
    reconnected(&world, &tenant, 1).await;
    let (polled, asked) = (tenant.polls(), tenant.connections());
    until_in_time(&world, |world| world.clock.wall().as_secs() >= NOW + 9).await;
    assert!(tenant.polls() <= polled + 1 && tenant.connections() == asked, "{} {polled}", tenant.polls());
    until_in_time(&world, |_| tenant.polls() > polled + 2 && tenant.connections() > asked).await;
    assert_eq!(tenant.last().last.as_deref(), Some("o1"));
}

#[tokio::test]
async fn what_is_no_stream_is_refused_by_name() {
    let html = || vec![("content-type", "text/html".to_owned())];
    let table: [(Reply, &str); 3] = [
        ((200, html(), "<html>"), "events: the answer is not what Auth0 documents"),
        ((200, vec![], ":connected\n\n"), "events: the answer is not what Auth0 documents"),
        ((404, vec![], ""), "events answered 404"),
    ];
    for (reply, expected) in table {
        let clock = clock();
        let issuer = issuer(&clock).await;
        let tenant = Tenant::start(&clock).await;
        tenant.script().replies.push_back(reply);
        let source = source(&tenant.url).without_blacklist();
        let error = builder(&issuer, &clock).revocation(source).start().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[tokio::test]
async fn a_flood_of_events_does_not_put_off_the_polls() {
    let (world, tenant) = world().await;
    let (stream, clock) = (tenant.stream(), world.clock.clone());
    let flood = tokio::spawn(async move {
        let mut number = 0;
        while stream
            .send(Ok(deleted(&clock, &format!("o{number}"), &format!("u{number}")).into()))
            .await
            .is_ok()
        {
            number += 1;
        }
        number
    });
    for _ in 0..20 {
        let polled = tenant.polls();
        world.settle(2).await;
        world.clock.advance(POLL);
        world.until(|_| tenant.polls() > polled).await;
    }
    world.until(|world| world.feed_age().unwrap() <= 2.0).await;
    assert!(cut_offs(&world) > 100, "{}", cut_offs(&world));
    assert_eq!(tenant.connections(), 1);
    drop(world);
    assert!(flood.await.unwrap() > 100);
}

#[tokio::test]
async fn events_do_not_wait_for_a_poll_that_hangs() {
    let (world, tenant) = world().await;
    let token = of(&world, "u1", None);
    tenant.held.send_replace(true);
    world.settle(2).await;
    world.clock.advance(POLL);
    world.until(|_| tenant.held.receiver_count() > 0).await;
    tenant.say(deleted(&world.clock, "o1", "u1")).await;
    world.until(|world| status(world, &token) == 401).await;
    assert_eq!(tenant.polls(), 1, "the poll still hangs");
    tenant.held.send_replace(false);
    world.until(|_| tenant.polls() == 2).await;
}

/// What was said is told again where everything is asked for.
#[tokio::test]
async fn the_connection_ends_with_the_resource_server() {
    let (world, tenant) = world().await;
    let stream = tenant.stream();
    assert!(!stream.is_closed());
    let copy: ResourceServer = world.api.clone();
    drop(world);
    let patience = SystemClock::new();
    patience.sleep(Duration::from_millis(50)).await;
    assert!(!stream.is_closed(), "somebody still has it");
    drop(copy);
    tokio::select! {
        () = stream.closed() => {}
        () = patience.sleep(PATIENCE) => panic!("it is still open"),
    }
}
