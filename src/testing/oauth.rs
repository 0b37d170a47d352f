//! The OAuth endpoints: authorization (RFC 6749 §3.1), token (§3.2), device authorization (RFC 8628) and revocation (RFC 7009).

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::state::{Shared, path};

mod authorize;
mod client_credentials;
mod code;
pub(super) mod device;
mod issue;
mod parameters;
mod refresh;
mod refusal;
mod revoke;
mod token;

/// All of them.
pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route(path::AUTHORIZE, get(authorize::authorize))
        .route(path::TOKEN, post(token::token))
        .route(path::DEVICE, post(device::begin))
        .route(path::REVOKE, post(revoke::revoke))
}
