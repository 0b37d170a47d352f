//! Plain lists of identifiers.

use std::time::{Duration, UNIX_EPOCH};

use tower_bearer::List;
use tower_bearer::clock::{Clock as _, ManualClock};

use super::folder::Folder;
use super::scripted::{Script, Scripted};
use super::world::{POLL, World, builder, clock, issuer, token};

async fn world(list: List) -> World {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let builder = builder(&issuer, &clock).max_token_lifetime(Duration::from_secs(3600));
    let list = list.poll_interval(POLL).max_staleness(Duration::from_secs(30));
    let api = builder.revocation(list).start().await.unwrap();
    World { issuer, clock, api }
}

async fn poll(world: &World) {
    world.settle(2).await;
    world.clock.advance(POLL);
    world.until(|world| world.feed_age() == Some(0.0)).await;
}

fn text(clock: &ManualClock, body: &str) -> Script {
    let date = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(clock.wall().as_secs() as u64));
    (200, vec![("content-type", "text/plain".to_owned()), ("date", date)], body.to_owned())
}

#[tokio::test]
async fn what_is_listed_is_revoked_and_stays_so() {
    let folder = Folder::new();
    folder.put("list", "# revoked\r\na\r\n\r\nb\r\n");
    let world = world(List::file(folder.join("list"))).await;
    let mint = |id: &str| world.issuer.mint(token().claim("jti", id));
    assert_eq!((world.status(&mint("a")).await, world.status(&mint("c")).await), (401, 200));
    folder.put("list", "[\"b\", \"c\"]");
    poll(&world).await;
    for id in ["a", "b", "c"] {
        assert_eq!(world.status(&mint(id)).await, 401, "{id}: leaving out takes nothing back");
    }
    folder.put("list", "<html>");
    world.poll_in_vain().await;
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(world.status(&mint("d")).await, 503, "no list is not an empty list");
    assert_eq!(world.status(&mint("a")).await, 401);
    let health = world.api.health();
    assert_eq!(health.issuers[0].feeds[0].source, folder.join("list").display().to_string());
}

#[tokio::test]
async fn any_identifier_may_be_listed() {
    let folder = Folder::new();
    folder.put("list", "s-1\n");
    let world = world(List::file(folder.join("list")).claim("device")).await;
    assert_eq!(world.status(&world.issuer.mint(token().claim("device", "s-1"))).await, 401);
    assert_eq!(world.status(&world.issuer.mint(token().claim("device", "s-2"))).await, 200);
}

#[tokio::test]
async fn what_does_not_look_like_a_list_is_refused() {
    let clock = clock();
    let server = issuer(&clock).await;
    let kind = |media: &str, body: &str| (200, vec![("content-type", media.to_owned())], body.to_owned());
    let plain = |body: &str| kind("text/plain", body);
    let table = [
        (kind("text/html; charset=utf-8", "a\n"), "content type is `text/html"),
        (plain(""), "no bytes"),
        (plain("<!doctype html><p>maintenance"), "line 1"),
        (plain("a\nb c\n"), "line 2"),
        (plain("a\n\u{7}\n"), "line 2"),
        (kind("application/json", "{\"revoked\": []}"), "line 1"),
        (kind("application/json", "[{\"jti\": \"a\"}]"), "JSON array of strings"),
        (kind("application/json", "[\"a\","), "JSON array of strings"),
        ((204, vec![], String::new()), "answered 204"),
        ((302, vec![("location", "https://else.example".to_owned())], String::new()), "answered 302"),
        ((304, vec![], String::new()), "answered 304"),
        ((404, vec![], "a".to_owned()), "answered 404"),
    ];
    for (script, expected) in table {
        let list = Scripted::start(move |_| script.clone()).await;
        let error = builder(&server, &clock).revocation(List::new(&list.url)).start().await.unwrap_err();
        assert!(error.to_string().contains(expected), "{expected}: {error}");
    }
    let slow = List::new("https://as.example/").poll_interval(Duration::from_secs(60));
    let slow = slow.max_staleness(Duration::from_secs(600));
    let short = builder(&server, &clock).max_token_lifetime(Duration::from_secs(100)).revocation(slow);
    assert!(short.start().await.unwrap_err().to_string().contains("half of max_token_lifetime"));
}

/// Entries end some time after they were read, so that "not modified" must not be all that is heard until then.
#[tokio::test]
async fn an_unchanged_list_is_read_again_before_its_entries_end() {
    let time = clock();
    let server = Scripted::start(|_| (500, vec![], String::new())).await;
    let answer = {
        let time = time.clone();
        move |asked: &super::scripted::Asked| {
            let (mut status, mut headers, mut body) = text(&time, "a\n");
            if asked.headers.get("if-none-match").is_some_and(|tag| tag == "\"1\"") {
                (status, body) = (304, String::new());
            }
            headers.push(("etag", "\"1\"".to_owned()));
            (status, headers, body)
        }
    };
    server.answers(answer);
    let issuer = issuer(&time).await;
    let list = List::new(&server.url).bearer("reader").poll_interval(Duration::from_secs(10));
    let builder = builder(&issuer, &time).max_token_lifetime(Duration::from_secs(60));
    let api = builder.revocation(list).start().await.unwrap();
    let world = World { issuer, clock: time, api };
    for _ in 0..8 {
        world.settle(2).await;
        let before = server.asked().len();
        world.clock.advance(Duration::from_secs(10));
        world.until(|world| server.asked().len() > before && world.feed_age() == Some(0.0)).await;
    }
    let asked = server.asked();
    let conditional: Vec<_> = asked.iter().map(|asked| asked.headers.contains_key("if-none-match")).collect();
    assert_eq!(conditional, [false, true, true, false, true, true, false, true, true]);
    assert!(asked.iter().all(|asked| asked.headers["authorization"] == "Bearer reader"));
    assert_eq!(world.status(&world.issuer.mint(token().claim("jti", "a").lifetime(POLL * 60))).await, 401);
}
