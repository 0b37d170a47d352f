//! What the Management API says no with.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A status, the `errorCode`, and what it says to a human.
#[derive(Debug)]
pub(super) struct Problem(pub(super) StatusCode, pub(super) &'static str, pub(super) String);

impl Problem {
    /// 400 for a query that is not understood.
    pub(super) fn query(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid_query_string", why.into())
    }

    /// 400 for a body that is not understood.
    pub(super) fn body(why: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, "invalid_body", why.into())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, code, message) = self;
        let error = status.canonical_reason().unwrap_or_default();
        let body = json!({
            "statusCode": status.as_u16(), "error": error, "message": message, "errorCode": code,
        });
        (status, Json(body)).into_response()
    }
}
