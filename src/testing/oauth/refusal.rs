//! What the OAuth endpoints say no with.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// An error of RFC 6749 §5.2, and what it says to a human.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) &'static str, pub(super) &'static str);

/// A token issued in this second would be covered by a cut-off of this second.
pub(super) const CUT_OFF_THIS_SECOND: Refusal = Refusal(
    "temporarily_unavailable",
    "access was cut off up to and including this second: ask again in the next one",
);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error, error_description) = self;
        let body = Json(json!({ "error": error, "error_description": error_description }));
        match error {
            "invalid_client" => {
                // Demanded only of those who came with a header, allowed for all.
                let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"token\"")];
                (StatusCode::UNAUTHORIZED, challenge, body).into_response()
            }
            // Where RFC 6749 has 400, Auth0 has 403.
            "invalid_grant" | "access_denied" | "authorization_pending" | "expired_token" => {
                (StatusCode::FORBIDDEN, body).into_response()
            }
            "slow_down" => (StatusCode::TOO_MANY_REQUESTS, body).into_response(),
            "temporarily_unavailable" => {
                let soon = [(header::RETRY_AFTER, "1")];
                (StatusCode::SERVICE_UNAVAILABLE, soon, body).into_response()
            }
            _ => (StatusCode::BAD_REQUEST, body).into_response(),
        }
    }
}
