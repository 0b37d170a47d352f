//! Extraction in axum handlers (feature `axum`).

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;

use crate::request::AccessToken;

/// A handler asked for an [`AccessToken`] on a route that no layer of `ResourceServer::protect` protects.
///
/// That is a mistake of the program, so the answer is 500: better than to serve somebody unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the route is not protected: add `.layer(api.protect(…))`")]
#[non_exhaustive]
pub struct Unprotected;

impl IntoResponse for Unprotected {
    fn into_response(self) -> Response {
        tracing::error!("{self}");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Unprotected;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Unprotected> {
        parts.extensions.get::<Self>().cloned().ok_or(Unprotected)
    }
}

/// For handlers that serve protected and public routes alike.
impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
