//! Tokens in gRPC handlers (feature `tonic`).
//!
//! `ResourceServer::protect` is a layer like any other: `tonic::transport::Server::builder().layer(api.protect(…))`. Refused
//! calls get gRPC's own status (see [`crate::Protected`]); admitted ones carry their token in the request's extensions.

use tonic::{Request, Status};

use crate::request::AccessToken;

/// Takes the admitted token out of a gRPC request.
///
/// ```
/// use tonic::{Request, Response, Status};
/// use tower_bearer::GrpcRequest;
///
/// async fn say_hello(request: Request<()>) -> Result<Response<String>, Status> {
///     let token = request.access_token()?;
///     Ok(Response::new(format!("hello {}", token.subject().unwrap_or_default())))
/// }
/// ```
pub trait GrpcRequest {
    /// The token of the caller.
    ///
    /// # Errors
    /// `INTERNAL` where no layer of `ResourceServer::protect` protects the service: a mistake of the program, and better
    /// than to serve somebody unknown.
    fn access_token(&self) -> Result<&AccessToken, Status>;
}

impl<T> GrpcRequest for Request<T> {
    fn access_token(&self) -> Result<&AccessToken, Status> {
        self.extensions().get().ok_or_else(|| {
            tracing::error!("the service is not protected: add `.layer(api.protect(…))`");
            Status::internal("the service is not set up")
        })
    }
}
