//! A small feed that is right until a twist makes it wrong. It speaks HTTP by hand, so that no library puts right what a
//! test wants wrong.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::clock::Clock;
use url::Url;

use super::{Leaping, NOW, raw};

pub(crate) const ISSUER: &str = "https://as.example/";
pub(crate) const TOKEN: &str = "open sesame";
const PAGE: usize = 2;

pub(crate) struct Request {
    pub(crate) cursor: Option<String>,
    pub(crate) wait: u64,
    pub(crate) authorized: bool,
    pub(crate) accept: String,
    etag: Option<String>,
    /// How many requests came before.
    pub(crate) number: usize,
}

pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) hold: Duration,
}

/// Makes an answer wrong.
pub(crate) type Twist = fn(&Feed, &Request, &mut Response);

pub(crate) struct Feed {
    pub(crate) clock: Leaping,
    entries: Mutex<Vec<Value>>,
    requests: AtomicUsize,
    deltas: AtomicUsize,
    twist: Twist,
}

impl Response {
    pub(crate) fn new(status: u16) -> Self {
        let date = "Sat, 21 Nov 2026 00:00:00 GMT".to_owned();
        let headers = vec![("date", date), ("cache-control", "no-store".to_owned())];
        Self { status, headers, body: Vec::new(), hold: Duration::ZERO }
    }

    pub(crate) fn with(mut self, media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.headers.push(("content-type", media_type.to_owned()));
        self.body = body.into();
        self
    }

    pub(crate) fn without(&mut self, header: &str) {
        self.headers.retain(|(name, _)| *name != header);
    }

    /// Changes the page, where this is one.
    pub(crate) fn edit(&mut self, edit: impl FnOnce(&mut Value)) {
        if let Ok(mut page) = serde_json::from_slice(&self.body) {
            edit(&mut page);
            self.body = page.to_string().into_bytes();
        }
    }
}

impl Feed {
    /// Serves on a free port. The URL of the feed.
    pub(crate) async fn start(twist: Twist) -> (Arc<Self>, Url) {
        let exp = NOW + 3600;
        let entries = vec![
            json!({"jti": "t-1", "exp": exp, "at": NOW - 9}),
            json!({"grant_id": "g-7", "exp": exp, "at": NOW - 8, "reason": "contract ended", "x_ticket": 7}),
            json!({"sub": "u", "client_id": "app", "issued_before": NOW - 7, "exp": exp, "at": NOW - 7}),
            json!({"jti": "t-2", "exp": exp, "at": NOW - 6, "withdrawn": true}),
            json!({"issued_before": NOW - 600, "exp": exp, "at": NOW - 5}),
        ];
        let (clock, entries) = (Leaping::new(), Mutex::new(entries));
        let (requests, deltas) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let feed = Arc::new(Self { clock, entries, requests, deltas, twist });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/feed", listener.local_addr().unwrap())).unwrap();
        let serving = Arc::clone(&feed);
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).serve(connection));
            }
        });
        (feed, url)
    }

    pub(crate) fn revoke(&self) {
        let entry = json!({"sub": "u-9", "issued_before": NOW, "exp": NOW + 3600, "at": NOW});
        self.entries.lock().unwrap().push(entry);
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    /// How many questions there were from the end of a full state on.
    pub(crate) fn deltas(&self) -> usize {
        self.deltas.load(Ordering::SeqCst)
    }

    async fn serve(self: Arc<Self>, mut connection: TcpStream) {
        let Some(head) = raw::head(&mut connection).await else { return };
        let request = self.read(&head);
        let mut response = self.answer(&request);
        (self.twist)(&self, &request, &mut response);
        self.clock.sleep(response.hold).await;
        let mut answer = format!("HTTP/1.1 {} .\r\nconnection: close\r\n", response.status);
        for (name, value) in &response.headers {
            answer += &format!("{name}: {value}\r\n");
        }
        if response.status != 304 {
            answer += &format!("content-length: {}\r\n", response.body.len());
        }
        let mut answer = (answer + "\r\n").into_bytes();
        answer.append(&mut response.body);
        let _ = connection.write_all(&answer).await;
        let _ = connection.shutdown().await;
    }

    fn read(&self, head: &str) -> Request {
        let target = head.split(' ').nth(1).unwrap();
        let url = Url::parse("http://feed").unwrap().join(target).unwrap();
        let parameter = |name: &str| {
            url.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
        };
        let header = |name: &str| {
            head.lines().find_map(|line| {
                let (found, value) = line.split_once(':')?;
                found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
            })
        };
        let cursor = parameter("cursor");
        if cursor.as_ref().is_some_and(|cursor| cursor.starts_with('c')) {
            self.deltas.fetch_add(1, Ordering::SeqCst);
        }
        Request {
            cursor,
            wait: parameter("wait").map_or(0, |wait| wait.parse().unwrap()),
            authorized: header("authorization").is_some_and(|value| value == format!("Bearer {TOKEN}")),
            accept: header("accept").unwrap_or_default(),
            etag: header("if-none-match"),
            number: self.requests.fetch_add(1, Ordering::SeqCst),
        }
    }

    fn answer(&self, request: &Request) -> Response {
        if !request.authorized {
            return Response::new(401);
        }
        let etag = format!("\"{}\"", self.entries.lock().unwrap().len());
        if request.cursor.is_none() && request.etag.as_ref() == Some(&etag) {
            return Response::new(304);
        }
        let mut response = self.page(request.cursor.as_deref());
        if request.cursor.is_none() {
            response.headers.push(("etag", etag));
        } else if response.status == 200 {
            response.hold = Duration::from_secs(request.wait);
        }
        response
    }

    /// The page from a cursor on, `c` in a delta and `f` in a full state; 410 where there is no such place.
    pub(crate) fn page(&self, cursor: Option<&str>) -> Response {
        let entries = self.entries.lock().unwrap();
        let cursor = cursor.unwrap_or("f0");
        let from = cursor.strip_prefix(['c', 'f']).and_then(|number| number.parse::<usize>().ok());
        let Some(from) = from.filter(|from| *from <= entries.len()) else { return Response::new(410) };
        let full = cursor.starts_with('f');
        let to = entries.len().min(from + PAGE);
        let more = to < entries.len();
        let kind = if full && more { 'f' } else { 'c' };
        let page = json!({
            "iss": ISSUER, "as_of": self.clock.wall().as_secs(), "cursor": format!("{kind}{to}"),
            "full": full, "more": more, "revocations": entries[from..to],
        });
        Response::new(200).with("application/json", page.to_string())
    }
}
