//! gRPC, with a real server and a real client: GR rows.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Status};
use tonic_health::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower_bearer::{GrpcRequest, Policy, ResourceServer, any_token, scope};

use super::world::{World, builder, clock, feed, issuer, token};

/// A gRPC server behind the layer, on a port of its own.
async fn serve(api: &ResourceServer, policy: Policy) -> HealthClient<Channel> {
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::Serving).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().layer(api.protect(policy)).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    HealthClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap())
}

async fn check(
    client: &mut HealthClient<Channel>,
    token: Option<&str>,
) -> Result<HealthCheckResponse, Status> {
    let mut request = Request::new(HealthCheckRequest::default());
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).unwrap();
        request.metadata_mut().insert("authorization", value);
    }
    client.check(request).await.map(tonic::Response::into_inner)
}

/// GR-01, GR-02.
#[tokio::test]
async fn a_grpc_client_sees_grpc_statuses() {
    let world = World::new().await;
    let mut client = serve(&world.api, scope("read:events")).await;
    let good = world.issuer.mint(token());
    assert_eq!(check(&mut client, Some(&good)).await.unwrap().status, 1, "SERVING");

    let table = [
        (None, Code::Unauthenticated, "An access token is required"),
        (Some("garbage".to_owned()), Code::Unauthenticated, "The access token is invalid"),
        (Some("a b".to_owned()), Code::Unauthenticated, "The Authorization header is malformed"),
        (
            Some(world.issuer.mint(token().issued_at(1_000_000))),
            Code::Unauthenticated,
            "The access token expired",
        ),
        (
            Some(world.issuer.mint(token().scope("other"))),
            Code::PermissionDenied,
            "The request requires higher privileges than the access token has",
        ),
    ];
    for (token, code, words) in table {
        let status = check(&mut client, token.as_deref()).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (code, words), "{token:?}");
        let challenge = status.metadata().get("www-authenticate").unwrap().to_str().unwrap();
        assert!(challenge.starts_with("Bearer realm="), "the challenge comes as metadata: {challenge}");
    }

    world.issuer.revoke_jwt(&good);
    world.poll().await;
    let status = check(&mut client, Some(&good)).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "The access token was revoked"));
}

#[tokio::test]
async fn what_cannot_be_decided_is_unavailable() {
    let clock = clock();
    let server = issuer(&clock).await;
    server.stop().await;
    let api = builder(&server, &clock).revocation(feed(&server)).start_lazily().unwrap();
    let mut client = serve(&api, any_token()).await;
    let status =
        check(&mut client, Some(&server.mint(token().lifetime(Duration::from_secs(60))))).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[test]
fn a_handler_without_a_layer_serves_nobody() {
    assert_eq!(Request::new(()).access_token().unwrap_err().code(), Code::Internal);
}

/// A gRPC service of our own, which answers by who asks.
struct WhoAsks;

#[tonic::async_trait]
impl Health for WhoAsks {
    type WatchStream = tokio_stream::Empty<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<HealthCheckResponse>, Status> {
        let known = request.access_token()?.subject().as_deref() == Some("user-1");
        Ok(tonic::Response::new(HealthCheckResponse { status: if known { 1 } else { 2 } }))
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<tonic::Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("nobody watches"))
    }
}

#[tokio::test]
async fn a_handler_gets_the_token() {
    let world = World::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server =
        Server::builder().layer(world.api.protect(any_token())).add_service(HealthServer::new(WhoAsks));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let mut client = HealthClient::new(Channel::from_shared(url).unwrap().connect().await.unwrap());
    for (subject, status) in [("user-1", 1), ("user-2", 2)] {
        let token = world.issuer.mint(token().subject(subject));
        assert_eq!(check(&mut client, Some(&token)).await.unwrap().status, status, "{subject}");
    }
}
