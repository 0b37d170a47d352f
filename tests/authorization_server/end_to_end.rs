//! The partner's story: ten tokens are out, the contract ends, and a resource server refuses all of them.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use reqwest::Method;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::{Feed, Profile, ResourceServer, any_token};

use crate::client::until;
use crate::tenant::{NAMED, PLAIN, Tenant, part};

const POLL: Duration = Duration::from_secs(1);

struct World {
    tenant: Tenant,
    api: ResourceServer,
}

impl World {
    async fn new() -> Self {
        let tenant = Tenant::new().await;
        tenant.server.add_client("other", "secret");
        for client in ["partner", "other"] {
            for audience in [PLAIN, NAMED] {
                tenant.server.grant(client, audience, ["read:events"]);
            }
        }
        let api = ResourceServer::builder()
            .clock(tenant.clock.clone())
            .issuer(tenant.server.issuer())
            .audience(PLAIN)
            .audience(NAMED)
            .profile(Profile::Auth0)
            .require_jti(false)
            .allow_loopback_http()
            .revocation(Feed::new(tenant.server.feed_url()).poll_interval(POLL))
            .start()
            .await
            .unwrap();
        Self { tenant, api }
    }

    async fn status(&self, token: &Value) -> u16 {
        let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
        let header = format!("Bearer {}", token.as_str().unwrap());
        let request = Request::builder().header("authorization", header).body(()).unwrap();
        let Ok(response) = self.api.protect(any_token()).layer(inner).oneshot(request).await;
        response.status().as_u16()
    }

    /// Lets the poll interval pass, and waits until its answer has been taken in.
    async fn poll(&self) {
        // The keeper of the keys and the reader of the feed.
        until(|| self.tenant.clock.sleepers() >= 2).await;
        self.tenant.clock.advance(POLL);
        until(|| self.api.health().issuers[0].feeds[0].age == Some(0.0)).await;
    }

    async fn token(&self, client: &str, audience: &str) -> Value {
        let body = json!({
            "grant_type": "client_credentials", "client_id": client, "client_secret": "secret",
            "audience": audience,
        });
        let answer = self.tenant.exchange(body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].clone()
    }
}

#[tokio::test]
async fn deleting_the_client_grant_ends_the_tokens_that_are_out() {
    let world = World::new().await;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(world.token("partner", PLAIN).await);
        world.poll().await;
    }
    let (other, elsewhere) = (world.token("other", PLAIN).await, world.token("partner", NAMED).await);
    for token in tokens.iter().chain([&other, &elsewhere]) {
        assert_eq!(world.status(token).await, 200);
    }
    let query = format!("client-grants?client_id=partner&audience={PLAIN}");
    let grant = world.tenant.list(&query, "read:client_grants").await[0]["id"].clone();
    let path = format!("client-grants/{}", grant.as_str().unwrap());
    world.tenant.delete(&path, "delete:client_grants").await;
    world.poll().await;
    for token in &tokens {
        assert_eq!(world.status(token).await, 401);
    }
    for token in [&other, &elsewhere] {
        assert_eq!(world.status(token).await, 200, "another client, another audience");
    }
    assert_eq!(world.tenant.machine(PLAIN).await.status, 403, "no new tokens");

    let new = json!({ "client_id": "partner", "audience": PLAIN, "scope": ["read:events"] });
    world.tenant.call(Method::POST, "client-grants", "create:client_grants", Some(new)).await;
    let token = world.token("partner", PLAIN).await;
    assert_eq!(world.status(&token).await, 200, "granting again works");
    assert_eq!(world.status(&tokens[9]).await, 401);
}

#[tokio::test]
async fn a_blacklisted_token_ends_alone() {
    let world = World::new().await;
    let (listed, other) = (world.token("partner", NAMED).await, world.token("partner", NAMED).await);
    let body = json!({ "aud": NAMED, "jti": part(&listed, 1)["jti"] });
    let answer = world.tenant.call(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(body)).await;
    assert_eq!(answer.status, 204);
    world.poll().await;
    assert_eq!((world.status(&listed).await, world.status(&other).await), (401, 200));
}

#[tokio::test]
async fn a_stolen_refresh_token_ends_the_access_tokens_too() {
    let world = World::new().await;
    let first = world.tenant.sign_in(PLAIN, "read:events offline_access").await;
    let elsewhere = world.tenant.sign_in(NAMED, "read:events").await;
    let second = world.tenant.refresh(&first).await.json();
    assert_eq!(world.status(&second["access_token"]).await, 200);
    assert_eq!(world.tenant.refresh(&first).await.status, 403);
    world.poll().await;
    for tokens in [&first, &second] {
        assert_eq!(world.status(&tokens["access_token"]).await, 401);
    }
    assert_eq!(world.status(&elsewhere["access_token"]).await, 200);
    world.tenant.server.block_user(crate::tenant::USER);
    world.poll().await;
    assert_eq!(world.status(&elsewhere["access_token"]).await, 401);
}
