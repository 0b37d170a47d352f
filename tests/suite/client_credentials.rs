//! The token with which a feed is read, fetched by client credentials.

use std::time::Duration;

use serde_json::json;
use tower_bearer::testing::{AuthorizationServer, ClientAuthentication, Reply};
use tower_bearer::{Algorithm, ClientCredentials, StartError};

use super::world::{POLL, World, builder, clock, feed, token};

const AUDIENCE: &str = "https://as.example/feed";
/// What form encoding changes.
const ID: &str = "rs:one two";
const SECRET: &str = "p%ss&w=rd+ü";

fn client() -> ClientCredentials {
    ClientCredentials::new(ID, SECRET).audience(AUDIENCE)
}

async fn issuer(clock: &tower_bearer::clock::ManualClock) -> AuthorizationServer {
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).clock(clock.clone());
    let builder = builder.token_lifetime(Duration::from_secs(100)).feed_token_for(AUDIENCE);
    let server = builder.start().await.unwrap();
    server.add_client(ID, SECRET);
    server.grant(ID, AUDIENCE, ["read:revocations"]);
    server
}

async fn world() -> World {
    let clock = clock();
    let issuer = issuer(&clock).await;
    let feed = feed(&issuer).client_credentials(client());
    let api = builder(&issuer, &clock).revocation(feed).start().await.unwrap();
    World { issuer, clock, api }
}

fn fetched(world: &World) -> usize {
    world.issuer.requests(&world.issuer.token_url())
}

#[tokio::test]
async fn the_token_is_renewed_before_it_ends() {
    let world = world().await;
    world.poll().await;
    assert_eq!(fetched(&world), 1);
    let mut renewed = Vec::new();
    for second in 0..170 {
        let before = fetched(&world);
        world.poll().await;
        if fetched(&world) > before {
            renewed.push(second + 2);
        }
    }
    assert_eq!(renewed, [80, 160], "a fifth before its end, and never in vain");
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200);
}

/// RFC 6749 §2.3.1: a server that knows one way refuses the other, and what is said names it.
#[tokio::test]
async fn the_client_authenticates_as_it_is_registered() {
    let clock = clock();
    let server = issuer(&clock).await;
    let start = async |client: ClientCredentials| -> Result<_, StartError> {
        builder(&server, &clock).revocation(feed(&server).client_credentials(client)).start().await
    };
    let (basic, post) = (ClientAuthentication::Basic, ClientAuthentication::Post);
    for (registered, in_header, unsaid, in_body) in [(basic, true, true, false), (post, false, false, true)] {
        server.set_client_authentication(ID, registered);
        let clients = [(client().in_header(), in_header), (client(), unsaid), (client().in_body(), in_body)];
        for (client, works) in clients {
            match start(client).await {
                Ok(_) => assert!(works, "{registered:?}"),
                Err(error) => {
                    let error = error.to_string();
                    assert!(!works && error.contains("401 (invalid_client)"), "{registered:?}: {error}");
                    assert!(!error.contains(SECRET), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let world = world().await;
    world.issuer.forget_client_tokens();
    world.poll().await;
    assert_eq!(fetched(&world), 2);
    // A token endpoint whose tokens are worth nothing is asked once a poll, not in a loop.
    let worthless = json!({"access_token": "worthless", "token_type": "bearer", "expires_in": 100});
    world.issuer.forget_client_tokens();
    world.issuer.set_reply(&world.issuer.token_url(), Reply::json(&worthless));
    world.settle(2).await;
    world.clock.advance(POLL);
    world.until(|world| world.last_error().is_some_and(|error| error.contains("answered 401"))).await;
    assert_eq!(fetched(&world), 3);
}

#[tokio::test]
async fn what_is_wrong_is_said_without_the_secret() {
    let clock = clock();
    let server = issuer(&clock).await;
    let start = async |client: ClientCredentials| -> Result<_, StartError> {
        builder(&server, &clock).revocation(feed(&server).client_credentials(client)).start().await
    };
    let wrong = [
        (
            ClientCredentials::new(ID, "hunter2").audience(AUDIENCE),
            "answered 401 (invalid_client): check the client's id, its secret, and how it authenticates",
        ),
        (ClientCredentials::new(ID, SECRET).resource("https://other.example"), "(unauthorized_client)"),
        (client().scope("write:everything"), "(invalid_scope)"),
        (client().token_endpoint("http://as.example/token"), "it is not https"),
    ];
    for (client, expected) in wrong {
        assert!(!format!("{client:?}").contains("hunter2"));
        let error = start(client).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{expected}: {error}");
    }
    let named = client().token_endpoint(server.token_url()).scope("read:revocations");
    assert!(start(named.clone()).await.is_ok());
    let replies = [
        (json!({"access_token": "t"}), "RFC 6749"),
        (json!({"access_token": "t", "token_type": "DPoP"}), "RFC 6749"),
        (json!({"access_token": "a\r\nb", "token_type": "Bearer"}), "RFC 6749"),
        (json!({"access_token": "", "token_type": "Bearer"}), "RFC 6749"),
    ];
    for (reply, expected) in replies {
        server.set_reply(&server.token_url(), Reply::json(&reply));
        let error = start(named.clone()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    server.clear_reply(&server.token_url());
    let silent = json!({"issuer": server.issuer(), "jwks_uri": server.jwks_url()});
    for place in ["oauth-authorization-server", "openid-configuration"] {
        server.set_reply(&format!("/.well-known/{place}"), Reply::json(&silent));
    }
    let error = start(client()).await.unwrap_err().to_string();
    assert!(error.contains("no usable token_endpoint"), "{error}");
}
