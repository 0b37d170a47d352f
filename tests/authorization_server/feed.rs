//! The revocation feed, version 1.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::clock::UnixTime;
use tower_bearer::testing::{AuthorizationServer, Token};

use crate::client::{
    builder, client, clock_at_1000, cursor, get, held, poll_url, read, send, since, start, start_at_1000,
};

fn entries(page: &Value) -> &Vec<Value> {
    page["revocations"].as_array().unwrap()
}

#[tokio::test]
async fn a_reader_gets_the_full_state_and_then_what_is_new() {
    let clock = clock_at_1000();
    let lifetime = Duration::from_secs(100);
    let server = builder().token_lifetime(lifetime).clock(clock.clone()).start().await.unwrap();
    let empty = read(&server, "").await;
    let heading = json!({
        "iss": server.issuer(), "as_of": 1000, "cursor": cursor(&empty),
        "full": true, "more": false, "revocations": [],
    });
    assert_eq!(empty, heading);

    server.revoke_token("t-1");
    server.delete_grant("g-7");
    server.revoke_client("app");
    server.revoke_subject("u");
    server.revoke_everything();
    server.publish(json!("nonsense"));
    let all = json!([
        { "jti": "t-1", "exp": 1100, "at": 1000 },
        { "grant_id": "g-7", "exp": 1100, "at": 1000 },
        { "client_id": "app", "issued_before": 1000, "exp": 1100, "at": 1000 },
        { "sub": "u", "issued_before": 1000, "exp": 1100, "at": 1000 },
        { "issued_before": 1000, "exp": 1100, "at": 1000 },
        "nonsense",
    ]);
    let full = read(&server, "").await;
    let news = since(&server, &empty).await;
    assert_eq!(full["revocations"], all);
    assert_eq!(news["revocations"], all);
    assert_eq!((&full["full"], &news["full"]), (&json!(true), &json!(false)));
    assert_eq!(full["cursor"], news["cursor"]);

    clock.step_wall(UnixTime::from_secs(1050));
    let heartbeat = since(&server, &full).await;
    assert_eq!((&heartbeat["as_of"], &heartbeat["revocations"]), (&json!(1050), &json!([])));
    clock.step_wall(UnixTime::from_secs(990));
    assert_eq!(read(&server, "").await["as_of"], 1050, "time never goes back");
}

#[tokio::test]
async fn an_entry_stays_for_as_long_as_any_leeway_lets_its_tokens_live() {
    let (server, clock) = start_at_1000().await;
    server.publish_all([json!({ "jti": "t", "exp": 1100 }), json!("nonsense")]);
    clock.step_wall(UnixTime::from_secs(1400));
    assert_eq!(entries(&read(&server, "").await).len(), 2);
    clock.step_wall(UnixTime::from_secs(1401));
    assert_eq!(read(&server, "").await["revocations"], json!(["nonsense"]));
}

#[tokio::test]
async fn withdrawing_is_spoken_and_stamped_later() {
    let (server, _clock) = start_at_1000().await;
    let revoked = server.revoke_subject("u");
    let withdrawn = server.withdraw(&revoked);
    assert_eq!(
        withdrawn,
        json!({ "sub": "u", "issued_before": 1000, "exp": 4600, "at": 1001, "withdrawn": true })
    );
    let again = server.revoke_subject("u");
    assert_eq!(again["at"], 1001, "a tie stays revoked");
    assert_eq!(server.withdraw(&json!({ "jti": "x", "at": 2000 }))["at"], 2001);
    assert_eq!(entries(&read(&server, "").await).len(), 4);
}

#[tokio::test]
async fn entries_outlive_every_token() {
    let (server, _clock) = start_at_1000().await;
    let long = server.mint(Token::new("a").lifetime(Duration::from_secs(9000)));
    assert_eq!(server.delete_grant("g")["exp"], 10_000);
    let short = server.mint(Token::new("a").lifetime(Duration::from_secs(5)));
    assert_eq!(server.revoke_jwt(&short).unwrap()["exp"], 1005);
    assert_eq!(server.revoke_jwt(&long).unwrap()["exp"], 10_000);
    assert_eq!(server.revoke_jwt(&server.mint(Token::new("a").without("jti"))), None);
    assert_eq!(server.revoke_jwt("nonsense"), None);
}

#[tokio::test]
async fn entries_may_be_made_while_they_are_published() {
    let (server, _clock) = start_at_1000().await;
    server.publish_all((0..3).map(|_| server.revoke_jwt(&server.mint(Token::new("a"))).unwrap()));
    assert_eq!(entries(&read(&server, "").await).len(), 6);
}

#[tokio::test]
async fn a_full_state_comes_in_pages() {
    let server = builder().feed_page_size(2).start().await.unwrap();
    server.publish_all((0..5).map(|i| json!({ "jti": i.to_string() })));
    let mut page = read(&server, "").await;
    let mut seen = entries(&page).clone();
    let mut more = vec![page["more"].as_bool().unwrap()];
    while page["more"] == true {
        assert_eq!(page["full"], true);
        if seen.len() == 4 {
            server.publish(json!({ "jti": "5" }));
            server.publish(json!({ "jti": "6" }));
        }
        page = since(&server, &page).await;
        seen.extend(entries(&page).iter().cloned());
        more.push(page["more"].as_bool().unwrap());
    }
    assert_eq!(page["full"], true);
    assert_eq!(more, [true, true, true, false]);
    let expected: Vec<_> = (0..7).map(|i| json!({ "jti": i.to_string() })).collect();
    assert_eq!(seen, expected);
    let after = since(&server, &page).await;
    assert_eq!((&after["full"], entries(&after).len()), (&json!(false), 0));
}

#[tokio::test]
async fn the_last_page_of_a_full_state_is_not_held_though_its_entries_have_ended() {
    let clock = clock_at_1000();
    let server = builder().feed_page_size(1).clock(clock.clone()).start().await.unwrap();
    server.publish_all([json!({ "jti": "stays" }), json!({ "jti": "ends", "exp": 1100 })]);
    let first = read(&server, "").await;
    assert_eq!(first["more"], true);
    clock.step_wall(UnixTime::from_secs(9999));
    let last = get(&poll_url(&server, &first)).await.json();
    assert_eq!((&last["full"], &last["more"]), (&json!(true), &json!(false)));
    assert_eq!(entries(&last).len(), 0);
}

#[tokio::test]
async fn unknown_cursors_are_gone() {
    let (server, other) = (start().await, start().await);
    let page = read(&server, "").await;
    let known = cursor(&page);
    let foreign = read(&other, "").await;
    let status =
        async |cursor: &str| get(&format!("{}?cursor={cursor}&wait=25", server.feed_url())).await.status;
    for unknown in [
        "",
        "nonsense",
        cursor(&foreign),
        &format!("{known}9"),
        &format!("{known}x"),
        &known.replace(".c", ".x"),
    ] {
        assert_eq!(status(unknown).await, 410, "{unknown}");
    }
    server.revoke_token("t");
    assert_eq!(status(known).await, 200);
    server.forget_cursors();
    assert_eq!(status(known).await, 410);
    assert_eq!(entries(&read(&server, "").await).len(), 1);
    server.forget_revocations();
    assert_eq!(entries(&read(&server, "").await).len(), 0);
}

#[tokio::test]
async fn the_full_state_has_an_entity_tag() {
    let (server, clock) = start_at_1000().await;
    server.publish(json!({ "jti": "t", "exp": 1100 }));
    let tag = async || get(&server.feed_url()).await.header("etag").to_owned();
    let status =
        async |tag: &str| send(client().get(server.feed_url()).header("if-none-match", tag)).await.status;
    let first = tag().await;
    clock.step_wall(UnixTime::from_secs(1001));
    assert_eq!(status(&first).await, 304, "time alone changes nothing");
    assert_eq!(status(&format!("\"other\", W/{first}")).await, 304);
    server.revoke_token("u");
    assert_eq!(status(&first).await, 200);
    let second = tag().await;
    assert_eq!(status(&second).await, 304);
    clock.step_wall(UnixTime::from_secs(2000));
    assert_eq!(status(&second).await, 200, "an entry left");
}

#[tokio::test]
async fn a_held_poll_is_answered_at_once() {
    let (server, clock) = start_at_1000().await;
    let page = read(&server, "").await;
    let poll = held(client().get(poll_url(&server, &page)), &clock).await;
    server.revoke_token("t");
    let news = poll.await.unwrap().unwrap().json();
    assert_eq!(news["revocations"][0]["jti"], "t", "without waiting: the clock stands still");
    assert_eq!(news["as_of"], 1000);
}

#[tokio::test]
async fn a_poll_that_was_held_for_nothing_gets_a_heartbeat() {
    let (server, clock) = start_at_1000().await;
    let page = read(&server, "").await;
    let poll = held(client().get(poll_url(&server, &page)), &clock).await;
    clock.advance(Duration::from_secs(24));
    assert!(!poll.is_finished());
    clock.advance(Duration::from_secs(1));
    let heartbeat = poll.await.unwrap().unwrap().json();
    assert_eq!((&heartbeat["as_of"], entries(&heartbeat).len()), (&json!(1025), 0));
}

#[tokio::test]
async fn the_feed_may_want_credentials() {
    let status = async |server: &AuthorizationServer, header: &str| {
        send(client().get(server.feed_url()).header("authorization", header)).await.status
    };
    let server = builder().feed_bearer("f-1").start().await.unwrap();
    let refused = get(&server.feed_url()).await;
    assert_eq!(refused.status, 401);
    assert_eq!(refused.header("www-authenticate"), "Bearer realm=\"feed\"");
    assert_eq!(status(&server, "bearer f-1").await, 200);
    assert_eq!(status(&server, "Bearer f-2").await, 401);
    let server = builder().feed_basic("rs", "secret").start().await.unwrap();
    assert_eq!(status(&server, "Basic cnM6c2VjcmV0").await, 200);
    assert_eq!(status(&server, "Bearer cnM6c2VjcmV0").await, 401);
}
