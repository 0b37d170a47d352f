//! The Management API as a resource server: this crate's own layer in front of it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};
use tower_layer::Layer as _;
use tower_service::Service as _;
use url::form_urlencoded;

use super::super::state::Shared;
use crate::clock::{Clock, UnixTime};
use crate::policy::profile::Profile;
use crate::policy::scope;
use crate::server::{ResourceServer, StartError};

/// The most that a call may send, in bytes.
const LARGEST_BODY: usize = 1024 * 1024;

/// The resource server for the keys that the authorization server has now.
#[derive(Default)]
pub(in super::super) struct Guard(Mutex<Option<(String, ResourceServer)>>);

/// The server's clock, which is not known by its type.
#[derive(Clone, Debug)]
struct SharedClock(Arc<dyn Clock>);

impl Clock for SharedClock {
    fn wall(&self) -> UnixTime {
        self.0.wall()
    }

    fn uptime(&self) -> Duration {
        self.0.uptime()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.0.sleep(duration)
    }
}

impl Guard {
    /// Keys are given, so a rotation makes another resource server.
    fn resource_server(&self, shared: &Shared) -> Result<ResourceServer, StartError> {
        let keys = shared.lock().keys.jwks().to_string();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, server)) = &*known
            && *of == keys
        {
            return Ok(server.clone());
        }
        let settings = &shared.settings;
        let server = ResourceServer::builder()
            .clock(SharedClock(Arc::clone(&settings.clock)))
            .issuer(&settings.issuer)
            .audience(settings.management_audience())
            .profile(Profile::Auth0)
            .keys(keys.clone())
            // Tokens of the Management API cannot be blacklisted.
            .without_revocation()
            .allow_loopback_http()
            .start_lazily()?;
        *known = Some((keys, server.clone()));
        Ok(server)
    }
}

/// Lets requests with a token of this scope through, and writes down what they changed.
pub(super) async fn guard(
    State((shared, needed)): State<(Arc<Shared>, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let api = match shared.guard.resource_server(&shared) {
        Ok(api) => api,
        Err(error) => return (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    };
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let sent = serde_json::from_slice::<Value>(&body).ok();
    let request = Request::from_parts(parts, Body::from(body));
    let mut service = api.protect(scope(needed)).layer(next);
    let Ok(()) = poll_fn(|context| service.poll_ready(context)).await;
    let Ok(response) = service.call(request).await;
    if method != Method::GET && response.status().is_success() {
        let query = form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
        let query: Map<_, _> = query.map(|(name, value)| (name.into_owned(), Value::from(value))).collect();
        let (method, status) = (method.as_str().to_lowercase(), response.status().as_u16());
        let mut request = json!({ "method": method, "path": uri.path(), "query": query });
        if let (Some(request), Some(body)) = (request.as_object_mut(), sent) {
            request.insert("body".to_owned(), body);
        }
        let members = json!({ "details": { "request": request, "response": { "statusCode": status } } });
        shared.lock().tenant.logs.add("sapi", members, shared.wall());
    }
    response
}
