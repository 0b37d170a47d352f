//! The front: from any request to the route that answers it, or to a refusal that needs no token to be understood.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{ALLOW, HOST, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::ServiceExt as _;
use tower_bearer::ResourceMetadata;

use crate::body::Body;
use crate::headers;
use crate::metrics::{Metrics, Unrouted};
use crate::path::RequestPath;
use crate::proxy::plain;
use crate::routes::{Miss, Route, Routes};

#[derive(Debug)]
pub(crate) struct Front {
    routes: Routes,
    /// What this API says of itself, to anybody: it comes before every route.
    description: Option<ResourceMetadata>,
    metrics: Arc<Metrics>,
}

/// A request that no route gets to see.
#[derive(Debug)]
enum Refusal {
    /// With what is wrong.
    BadRequest(String),
    NotFound,
    MethodNotAllowed(HeaderValue),
    NotImplemented,
}

impl Front {
    pub(crate) fn new(routes: Routes, description: Option<ResourceMetadata>, metrics: Arc<Metrics>) -> Self {
        Self { routes, description, metrics }
    }

    pub(crate) async fn answer(&self, mut request: Request<Incoming>, peer: SocketAddr) -> Response<Body> {
        let is_asked_for = |own: &&ResourceMetadata| own.path() == request.uri().path();
        if let Some(description) = self.description.as_ref().filter(is_asked_for) {
            let told = description.clone().oneshot(request).await.unwrap_or_else(|never| match never {});
            return told.map(|words| Body::Own(Full::from(words)));
        }
        match self.route(&request) {
            Ok(route) => {
                headers::prepare(&mut request, peer);
                route.answer(request).await.unwrap_or_else(|never| match never {})
            }
            Err(refusal) => {
                tracing::debug!(method = %request.method(), path = ?request.uri().path(), ?refusal, "refused");
                self.metrics.count_unrouted(refusal.reason());
                refusal.response()
            }
        }
    }

    fn route<B>(&self, request: &Request<B>) -> Result<&Route, Refusal> {
        // `h2c` is an offer that RFC 9113 has given up and some clients still make: it may be ignored.
        let upgrades =
            request.headers().get_all(UPGRADE).iter().any(|to| !to.as_bytes().eq_ignore_ascii_case(b"h2c"));
        if request.method() == Method::CONNECT || upgrades {
            return Err(Refusal::NotImplemented);
        }
        // RFC 9112 §3.2.
        let hosts = request.headers().get_all(HOST).iter().count();
        if hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11) {
            return Err(Refusal::BadRequest("the request has not exactly one Host header".to_owned()));
        }
        let bad_path = |problem| Refusal::BadRequest(format!("the path {problem}"));
        let path = RequestPath::parse(request.uri().path()).map_err(bad_path)?;
        self.routes.find(&path, request.method()).map_err(|miss| match miss {
            Miss::Ambiguous => bad_path("could be read as another route's"),
            Miss::NotFound => Refusal::NotFound,
            Miss::MethodNotAllowed(allow) => Refusal::MethodNotAllowed(allow),
        })
    }
}

impl Refusal {
    fn reason(&self) -> Unrouted {
        match self {
            Self::BadRequest(_) => Unrouted::BadRequest,
            Self::NotFound => Unrouted::NotFound,
            Self::NotImplemented => Unrouted::NotImplemented,
            Self::MethodNotAllowed(_) => Unrouted::MethodNotAllowed,
        }
    }

    fn response(self) -> Response<Body> {
        match self {
            Self::BadRequest(words) => plain(StatusCode::BAD_REQUEST, words),
            Self::NotFound => plain(StatusCode::NOT_FOUND, "no such route"),
            Self::NotImplemented => plain(StatusCode::NOT_IMPLEMENTED, "no upgrades or tunnels here"),
            Self::MethodNotAllowed(allow) => {
                let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "not with this method");
                response.headers_mut().insert(ALLOW, allow);
                response
            }
        }
    }
}
