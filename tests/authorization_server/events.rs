//! The stream of events; reference §2.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};
use tower_bearer::testing::Token;

use crate::client::{client, until};
use crate::tenant::{Tenant, USER};

/// A stream that is open, and what of it has not been looked at.
struct Stream {
    response: Response,
    unread: String,
}

/// `id`, `event` and `data` of a message.
type Message = (Option<String>, String, Value);

async fn ask(tenant: &Tenant, query: &[(&str, &str)], last_event_id: Option<&str>) -> Response {
    let scope = Token::new(&tenant.server.management_audience()).scope("read:events");
    let url = url::Url::parse_with_params(&tenant.server.management_url("events"), query).unwrap();
    let mut request = client().get(url).bearer_auth(tenant.server.mint(scope));
    if let Some(id) = last_event_id {
        request = request.header("last-event-id", id);
    }
    request.send().await.unwrap()
}

impl Stream {
    async fn open(tenant: &Tenant, query: &[(&str, &str)]) -> Self {
        Self::resume(tenant, query, None).await
    }

    async fn resume(tenant: &Tenant, query: &[(&str, &str)], last_event_id: Option<&str>) -> Self {
        let response = ask(tenant, query, last_event_id).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self { response, unread: String::new() };
        assert_eq!(stream.block().await.unwrap(), ":connected");
        assert_eq!(stream.block().await.unwrap(), "retry: 3000");
        stream
    }

    /// What comes before the next empty line; nothing at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            self.unread += std::str::from_utf8(&self.response.chunk().await.unwrap()?).unwrap();
        }
    }

    async fn next(&mut self) -> Option<Message> {
        let block = self.block().await?;
        let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
        Some((
            line("id: "),
            line("event: ").unwrap(),
            serde_json::from_str(&line("data: ").unwrap()).unwrap(),
        ))
    }

    /// The next event's type and object.
    async fn event(&mut self) -> (String, Value) {
        let (id, kind, data) = self.next().await.unwrap();
        assert_eq!(data["offset"], id.unwrap());
        assert_eq!(data["event"]["type"], kind);
        (kind, data["event"]["data"]["object"].clone())
    }
}

#[tokio::test]
async fn what_happens_to_users_is_told() {
    let tenant = Tenant::new().await;
    let mut stream = Stream::open(&tenant, &[]).await;
    tenant.server.add_user("auth0|u2");
    tenant.server.block_user("auth0|u2");
    tenant.server.delete_user("auth0|u2");
    let (id, kind, data) = stream.next().await.unwrap();
    let event = json!({
        "specversion": "1.0", "type": "user.created", "source": tenant.server.issuer(),
        "id": data["event"]["id"], "time": "2026-11-18T11:06:40.000Z",
        "data": { "object": { "user_id": "auth0|u2" } },
    });
    assert_eq!((kind.as_str(), &data), ("user.created", &json!({ "offset": id.unwrap(), "event": event })));
    let blocked = json!({ "user_id": "auth0|u2", "blocked": true });
    assert_eq!(stream.event().await, ("user.updated".to_owned(), blocked));
    assert_eq!(stream.event().await, ("user.deleted".to_owned(), json!({ "user_id": "auth0|u2" })));
}

/// Reference §2: none for grants, tokens or sessions.
#[tokio::test]
async fn grants_and_tokens_are_not_told() {
    let tenant = Tenant::new().await;
    let mut stream = Stream::open(&tenant, &[]).await;
    let tokens = tenant.sign_in(crate::tenant::PLAIN, "a offline_access").await;
    tenant.delete("grants?user_id=auth0%7Cu1", "delete:grants").await;
    assert_eq!(tenant.refresh(&tokens).await.status, 403);
    tenant.server.emit_event("role.deleted", &json!({ "id": "rol_1" }));
    assert_eq!(stream.event().await.0, "role.deleted");
}

#[tokio::test]
async fn a_reader_says_where_to_begin_and_what_to_hear() {
    let tenant = Tenant::new().await;
    let mut all = Stream::open(&tenant, &[]).await;
    for kind in ["a", "b", "c"] {
        tenant.clock.advance(Duration::from_secs(1));
        tenant.server.emit_event(kind, &json!({}));
    }
    let mut offsets = Vec::new();
    for _ in 0..3 {
        offsets.push(all.next().await.unwrap().0.unwrap());
    }
    let first = async |query: &[(&str, &str)], id| Stream::resume(&tenant, query, id).await.event().await.0;
    assert_eq!(first(&[("from", &offsets[0])], None).await, "b");
    assert_eq!(first(&[("from", &offsets[0])], Some(offsets[1].as_str())).await, "c", "Last-Event-ID wins");
    let time = [("from_timestamp", "2026-11-18T11:06:42Z")];
    assert_eq!(first(&time, None).await, "b");
    assert_eq!(first(&time, Some(offsets[1].as_str())).await, "c", "only on the first call");
    assert_eq!(first(&[("from_timestamp", "2026-11-18T11:06:42.001Z")], None).await, "c");
    let both = [("from", offsets[0].as_str()), ("event_type", "c"), ("event_type", "d")];
    assert_eq!(first(&both, None).await, "c");
}

#[tokio::test]
async fn cursors_that_are_unknown_or_too_old_are_refused() {
    let tenant = Tenant::new().await;
    let mut stream = Stream::open(&tenant, &[]).await;
    tenant.server.emit_event("a", &json!({}));
    let offset = stream.next().await.unwrap().0.unwrap();
    let refused = async |query: &[(&str, &str)], id| {
        let response = ask(&tenant, query, id).await;
        let status = response.status().as_u16();
        let body: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
        assert_eq!(body["statusCode"], status);
        (status, body["errorCode"].as_str().unwrap().to_owned())
    };
    let invalid = (400, "invalid_cursor".to_owned());
    for cursor in ["", "nonsense", "e0", "effffffffffffffff", "e+000000000000001"] {
        assert_eq!(refused(&[("from", cursor)], None).await, invalid, "{cursor}");
        assert_eq!(refused(&[], Some(cursor)).await, invalid, "{cursor}");
    }
    let query = (400, "invalid_query_string".to_owned());
    assert_eq!(refused(&[("from_timestamp", "yesterday")], None).await, query);
    assert_eq!(refused(&[("since", "e0")], None).await, query);

    tenant.server.expire_events();
    assert_eq!(refused(&[("from", &offset)], None).await, (410, "cursor_expired".to_owned()));
    let (_, kind, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data["error"]["code"]), ("error", &json!("cursor_expired")));
    assert_eq!(stream.next().await, None, "then it is closed");
    let mut fresh = Stream::open(&tenant, &[]).await;
    tenant.server.emit_event("b", &json!({}));
    assert_eq!(fresh.event().await.0, "b");
}

#[tokio::test]
async fn heartbeats_move_the_cursor() {
    let tenant = Tenant::new().await;
    let mut stream = Stream::open(&tenant, &[("event_type", "user.deleted")]).await;
    until(|| tenant.clock.sleepers() == 2).await;
    tenant.clock.advance(Duration::from_secs(15));
    let (first, kind, data) = stream.next().await.unwrap();
    assert_eq!((kind.as_str(), &data), ("offset-only", &json!({ "offset": first })));
    tenant.server.emit_event("not.asked.for", &json!({}));
    until(|| tenant.clock.sleepers() == 2).await;
    tenant.clock.advance(Duration::from_secs(15));
    let (second, kind, _) = stream.next().await.unwrap();
    assert_eq!(kind, "offset-only");
    assert_ne!(first, second);
    tenant.server.delete_user(USER);
    let mut resumed = Stream::resume(&tenant, &[], second.as_deref()).await;
    assert_eq!(resumed.event().await.0, "user.deleted", "what came before is not told again");
}

#[tokio::test]
async fn the_server_ends_streams() {
    let tenant = Tenant::new().await;
    for code in ["timeout", "payload_too_large", "processing_error"] {
        let mut stream = Stream::open(&tenant, &[]).await;
        tenant.server.end_event_streams(code);
        let (id, kind, data) = stream.next().await.unwrap();
        assert_eq!((id, kind.as_str(), &data["error"]["code"]), (None, "error", &json!(code)));
        assert_eq!(stream.next().await, None);
    }
    let mut stream = Stream::open(&tenant, &[]).await;
    until(|| tenant.clock.sleepers() == 2).await;
    tenant.clock.advance(Duration::from_secs(300));
    let mut last = stream.next().await.unwrap();
    if last.1 == "offset-only" {
        // Both were due, and either may be noticed first.
        last = stream.next().await.unwrap();
    }
    assert_eq!(last.2["error"]["code"], "connection_timeout");
    assert_eq!(stream.next().await, None);
    until(|| tenant.clock.sleepers() == 0).await;

    let stream = Stream::open(&tenant, &[]).await;
    until(|| tenant.clock.sleepers() == 2).await;
    drop(stream);
    until(|| tenant.clock.sleepers() == 0).await;
}
