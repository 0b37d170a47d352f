//! The innermost service: passes a request to the upstream, and the response back.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::HOST;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::Service;

use crate::body::Body;
use crate::headers;
use crate::metrics::UpstreamError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Shorter than the idle time of common servers, so that a request seldom meets a connection that is being closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    client: Client<HttpConnector, Body>,
    upstream: Authority,
}

impl Proxy {
    pub(crate) fn new(upstream: Authority) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        let client = builder.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_TIMEOUT).build(connector);
        Self { client, upstream }
    }

    /// The path and query go as they came, byte for byte.
    fn redirect(&self, request: Request<Incoming>) -> Request<Body> {
        let (mut parts, body) = request.into_parts();
        let mut uri = std::mem::take(&mut parts.uri).into_parts();
        uri.scheme = Some(Scheme::HTTP);
        uri.authority = Some(self.upstream.clone());
        uri.path_and_query.get_or_insert_with(|| PathAndQuery::from_static("/"));
        // All three parts are there, which is all that could be wrong.
        parts.uri = Uri::from_parts(uri).unwrap_or_default();
        parts.version = Version::HTTP_11;
        // The client sets it to the upstream's.
        parts.headers.remove(HOST);
        Request::from_parts(parts, Body::Passing(body))
    }
}

impl Service<Request<Incoming>> for Proxy {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let response = self.client.request(self.redirect(request));
        Box::pin(async move {
            Ok(match response.await {
                Ok(response) => pass_back(response),
                Err(error) => failed(&error),
            })
        })
    }
}

fn pass_back(response: Response<Incoming>) -> Response<Body> {
    if response.status().is_informational() {
        // Nobody asked for an upgrade.
        return failure(UpstreamError::ProtocolChanged);
    }
    let mut response = response.map(Body::Passing);
    // The upstream's version is that of its own hop (RFC 9110 §2.5); hyper goes down to the client's where that is older.
    *response.version_mut() = Version::HTTP_11;
    headers::remove_hop_by_hop(response.headers_mut());
    response
}

fn failed(error: &Error) -> Response<Body> {
    let reasons: Vec<_> = std::iter::successors(error.source(), |inner| (*inner).source()).collect();
    let timed_out = |reason: &&(dyn StdError + 'static)| {
        reason.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    };
    let late = reasons.iter().any(timed_out);
    let reason = reasons.last().map(ToString::to_string);
    tracing::warn!(%error, reason, "the upstream did not answer");
    failure(if late { UpstreamError::TimedOut } else { UpstreamError::NoAnswer })
}

fn failure(error: UpstreamError) -> Response<Body> {
    let (status, words) = match error {
        UpstreamError::NoAnswer => (StatusCode::BAD_GATEWAY, "the upstream did not answer"),
        UpstreamError::TimedOut => (StatusCode::GATEWAY_TIMEOUT, "the upstream did not answer in time"),
        UpstreamError::ProtocolChanged => (StatusCode::BAD_GATEWAY, "the upstream changed the protocol"),
    };
    let mut response = plain(status, words);
    response.extensions_mut().insert(error);
    response
}

/// A response in our own words.
pub(crate) fn plain(status: StatusCode, words: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::Own(Full::new(words.into())));
    *response.status_mut() = status;
    let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, text);
    response
}
