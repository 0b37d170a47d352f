//! An upstream that says what it got.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use axum::{Json, Router};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Challenges that no sane server sends: they have to arrive all the same.
pub(crate) const CHALLENGES: [&str; 2] =
    ["Bearer realm=\"up, stream\",  error=\"x\\\"y\"  ", "Basic realm=\"\u{e9}\", Digest qop=\"auth\""];

/// Serves until it is dropped.
pub(crate) struct Upstream {
    pub(crate) port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    requests: AtomicUsize,
    /// A permit for each answer of `…/slow`.
    slow: Semaphore,
}

impl Upstream {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { requests: AtomicUsize::new(0), slow: Semaphore::new(0) });
        let app = Router::new()
            .route("/open/echo", any(echo))
            .route("/open/challenge", any(challenge))
            .route("/open/hop", any(hop))
            .route("/open/slow", any(slow))
            .route("/open/unchanged", any(unchanged))
            .fallback(tell)
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { port, shared, task }
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Lets one request for `…/slow` end.
    pub(crate) fn release(&self) {
        self.shared.slow.add_permits(1);
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The request, as JSON.
async fn tell(State(shared): State<Arc<Shared>>, request: Request) -> Json<Value> {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap_or_default();
    let trailers = body.trailers().map(|trailers| json!(pairs(trailers)));
    let body = body.to_bytes();
    Json(json!({
        "method": parts.method.as_str(),
        "target": parts.uri.to_string(),
        "headers": pairs(&parts.headers),
        "body": String::from_utf8_lossy(&body),
        "trailers": trailers,
    }))
}

fn pairs(headers: &HeaderMap) -> Vec<(&str, String)> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str(), text(value))).collect()
}

/// The body, piece by piece as it comes.
async fn echo(body: Body) -> Body {
    body
}

async fn challenge() -> Response {
    let mut response = (StatusCode::UNAUTHORIZED, "the upstream's own words").into_response();
    for challenge in CHALLENGES {
        let challenge = HeaderValue::from_bytes(challenge.as_bytes()).unwrap();
        response.headers_mut().append("www-authenticate", challenge);
    }
    response
}

async fn hop() -> impl IntoResponse {
    let headers = [
        ("connection", "x-internal, X-Also-Internal"),
        ("x-internal", "1"),
        ("x-also-internal", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-authenticate", "Basic"),
        ("x-kept", "1"),
    ];
    (headers, "hop")
}

async fn slow(State(shared): State<Arc<Shared>>) -> &'static str {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    shared.slow.acquire().await.unwrap().forget();
    "at last"
}

/// Responses that have a length but no body.
async fn unchanged(method: Method) -> Response {
    let status = if method == Method::HEAD { StatusCode::OK } else { StatusCode::NOT_MODIFIED };
    (status, [("content-length", "1000"), ("etag", "\"e\"")], Bytes::new()).into_response()
}
