//! The stream of events: server-sent events (HTML Living Standard §9.2) with offsets.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body::Frame;
use serde_json::json;
use tokio::sync::mpsc::{self, Receiver, Sender};

use super::super::events::{CursorError, Event, offset};
use super::super::state::Shared;
use super::params::Params;
use super::problem::Problem;

/// Time between two heartbeats.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// How long one stream lasts.
const LONGEST: Duration = Duration::from_secs(300);
/// Messages that a slow reader may leave unread before the stream waits for it.
const UNREAD: usize = 64;

/// `GET /api/v2/events`.
pub(super) async fn stream(
    State(shared): State<Arc<Shared>>,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    params.only(&["from", "from_timestamp", "event_type"])?;
    let kinds: Vec<_> = params.all("event_type").into_iter().map(str::to_owned).collect();
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let place = start(&shared, &params, last_seen)?;

    let (sender, receiver) = mpsc::channel(UNREAD);
    tokio::spawn(tell(shared, place, kinds, sender));
    let about = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((about, Body::new(Messages(receiver))).into_response())
}

/// Where to begin: `Last-Event-ID` wins over the query, and without any of them there is only what is new.
fn start(shared: &Shared, params: &Params, last_seen: Option<&str>) -> Result<u64, Problem> {
    let (from, time) = (params.text("from")?, params.text("from_timestamp")?);
    let state = shared.lock();
    let events = &state.tenant.events;
    match (last_seen.or(from), time) {
        (Some(offset), _) => events.place(offset).map_err(|error| {
            let status = match error {
                CursorError::Invalid => StatusCode::BAD_REQUEST,
                CursorError::Expired => StatusCode::GONE,
            };
            Problem(status, error.code(), "the stream cannot go on from there".to_owned())
        }),
        (None, Some(time)) => {
            // Dates of this form are ordered as text; the fraction and the zone may be left out of the comparison.
            let second = time.strip_suffix('Z').filter(|time| time.len() >= 19 && time.is_ascii());
            Ok(events.before(second.ok_or_else(|| Problem::query("from_timestamp is not a date in UTC"))?))
        }
        (None, None) => Ok(events.last()),
    }
}

/// Writes the stream until its reader is gone, its time is over or something breaks it.
async fn tell(shared: Arc<Shared>, mut place: u64, kinds: Vec<String>, to: Sender<Bytes>) {
    let mut changes = shared.changes();
    let ended = shared.lock().tenant.events.ended.0;
    let sleep = |duration| shared.settings.clock.sleep(duration);
    let (mut beat, mut over) = (sleep(HEARTBEAT), sleep(LONGEST));
    if to.send(Bytes::from_static(b":connected\n\nretry: 3000\n\n")).await.is_err() {
        return;
    }
    loop {
        let (news, end) = {
            let state = shared.lock();
            let events = &state.tenant.events;
            let end = (events.ended.0 != ended).then(|| events.ended.1.clone());
            (events.after(place), end)
        };
        let text = match (end, news) {
            (Some(code), _) => Err(code),
            (None, Err(error)) => Err(error.code().to_owned()),
            (None, Ok(news)) => {
                place = news.last().map_or(place, |event| event.number);
                Ok(messages(&news, &kinds))
            }
        };
        match text {
            Ok(text) if text.is_empty() => {}
            Ok(text) => {
                if to.send(text.into()).await.is_err() {
                    return;
                }
            }
            Err(code) => return end_with(&code, &to).await,
        }
        tokio::select! {
            // News before the heartbeat, which would tell where the stream stood before them.
            biased;
            _ = changes.changed() => {}
            () = to.closed() => return,
            () = &mut over => return end_with("connection_timeout", &to).await,
            () = &mut beat => {
                let data = json!({ "offset": offset(place) }).to_string();
                if to.send(message(place, "offset-only", &data).into()).await.is_err() {
                    return;
                }
                beat = sleep(HEARTBEAT);
            }
        }
    }
}

fn messages(news: &[Event], kinds: &[String]) -> String {
    let wanted = news.iter().filter(|event| kinds.is_empty() || kinds.contains(&event.kind));
    wanted.map(|event| message(event.number, &event.kind, &event.body.to_string())).collect()
}

fn message(number: u64, kind: &str, data: &str) -> String {
    let mut text = String::new();
    let _ = write!(text, "id: {}\nevent: {kind}\ndata: {data}\n\n", offset(number));
    text
}

async fn end_with(code: &str, to: &Sender<Bytes>) {
    let data = json!({ "error": { "code": code, "message": "the stream ends" } });
    let _ = to.send(format!("event: error\ndata: {data}\n\n").into()).await;
}

/// A body that ends with its sender.
struct Messages(Receiver<Bytes>);

impl http_body::Body for Messages {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}
