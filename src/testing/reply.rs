//! Lies: a prepared reply that an endpoint gives in place of its own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::state::Shared;

/// A prepared reply for [`AuthorizationServer::set_reply`](super::AuthorizationServer::set_reply).
///
/// One that HTTP has no words for, such as a status of 7, is given as 500 with the reason.
///
/// ```
/// # use tower_bearer::testing::Reply;
/// # use std::time::Duration;
/// let slow_and_wrong = Reply::status(503).header("retry-after", "2").delay(Duration::from_secs(1));
/// let moved = Reply::redirect("http://169.254.169.254/");
/// let nonsense = Reply::status(200).content_type("application/json").body("{");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a reply does nothing until it is set"]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
}

impl Reply {
    /// This status and an empty body.
    pub fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), delay: Duration::ZERO }
    }

    /// 200 with this document as `application/json`.
    pub fn json(document: &Value) -> Self {
        Self::status(200).content_type("application/json").body(document.to_string())
    }

    /// 302 to `location`.
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("location", location)
    }

    /// Takes the request and never answers.
    pub fn never() -> Self {
        Self::status(200).delay(Duration::MAX)
    }

    /// Sets `Content-Type`.
    pub fn content_type(self, media_type: &str) -> Self {
        self.header(header::CONTENT_TYPE.as_str(), media_type)
    }

    /// Adds a header; the same name may come more than once. `Content-Length` is left out: it always
    /// tells the truth.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        // hyper panics in debug builds if this one lies.
        if !name.eq_ignore_ascii_case(header::CONTENT_LENGTH.as_str()) {
            self.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body's bytes.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Waits this long, by the server's clock, before it answers.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    async fn give(self, shared: &Shared) -> Response {
        shared.sleep(self.delay).await;
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Body::from(self.body)).unwrap_or_else(|error| {
            let reason = format!("the prepared reply is not HTTP: {error}");
            (StatusCode::INTERNAL_SERVER_ERROR, reason).into_response()
        })
    }
}

/// Counts every request, and answers it where a reply is prepared for its path.
pub(super) async fn count_and_lie(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    match shared.count_request(request.uri().path()) {
        Some(reply) => reply.give(&shared).await,
        None => next.run(request).await,
    }
}
