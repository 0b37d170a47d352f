//! 1.4: revocation as RFC 7009 has it, and as the systems that the documents name do it.

use std::time::Duration;

use serde_json::json;
use tower_bearer::clock::Clock as _;
use tower_bearer::testing::{Api, TokenProfile};

use super::{OFFLINE, Tenant, USER, client, judged, text};
use crate::world::{AUDIENCE, POLL};

/// Whoever needs a token no longer says so, and what depends on it goes (RFC 7009 §1, §2.1).
#[tokio::test]
async fn a_client_says_that_it_needs_a_token_no_longer() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let tokens = tenant.device().await;
    let renewed = tenant.refresh("spa", &tokens).await.body;
    let answer = tenant.revoke(json!({ "client_id": "spa", "token": renewed["refresh_token"] })).await;
    assert_eq!(answer.status, 200);
    let credentials =
        tenant.manage(reqwest::Method::GET, "device-credentials", "read:device_credentials", None).await;
    assert_eq!(credentials.body, json!([]), "nothing of it is kept");
    world.poll().await;
    assert_eq!(judged(&world, &[&tokens, &renewed]).await, [401; 2]);
}

/// The endpoint is in the metadata (RFC 8414 §2), for POST only, and a hint may be wrong (RFC 7009 §2.1).
#[tokio::test]
async fn the_endpoint_is_announced_and_hints_bind_nobody() {
    let tenant = Tenant::new().await;
    let metadata = tenant.send(client().get(tenant.server.metadata_url())).await.body;
    let url = text(&metadata["revocation_endpoint"]).to_owned();
    assert_eq!(url, tenant.server.revocation_url());
    assert_eq!(tenant.send(client().get(&url)).await.status, 405);
    for hint in ["refresh_token", "access_token", "made_up"] {
        let tokens = tenant.device().await;
        let token = &tokens["refresh_token"];
        let body = json!({ "client_id": "spa", "token": token, "token_type_hint": hint });
        assert_eq!(tenant.post(url.clone(), body).await.status, 200);
        assert_eq!(tenant.refresh("spa", &tokens).await.error(), (403, "invalid_grant"), "{hint}");
    }
}

/// As with Apigee: what was revoked at the server is refused by the gateway in front of the API. Ours within a poll interval.
#[tokio::test]
async fn the_gateway_refuses_what_was_revoked() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let tokens = tenant.device().await;
    world.settle(2).await;
    tenant.revoke(json!({ "client_id": "spa", "token": tokens["refresh_token"] })).await;
    assert_eq!(judged(&world, &[&tokens]).await, [200], "not seen yet");
    let revoked = tenant.clock.uptime();
    world.poll().await;
    assert_eq!((judged(&world, &[&tokens]).await, tenant.clock.uptime() - revoked), (vec![401], POLL));
}

/// As with Vault: with a token ends all that was made from it.
#[tokio::test]
async fn what_was_made_with_a_token_ends_with_it() {
    let tenant = Tenant::with(|builder| builder.rotate_refresh_tokens(false)).await;
    let world = tenant.with_feed().await;
    let root = tenant.device().await;
    let mut made = Vec::new();
    for _ in 0..5 {
        tenant.pass(1);
        made.push(tenant.refresh("spa", &root).await.body);
    }
    let other = tenant.device().await;
    world.poll().await;
    let made: Vec<_> = made.iter().chain([&root]).collect();
    assert_eq!(judged(&world, &made).await, [200; 6]);
    tenant.revoke(json!({ "client_id": "spa", "token": root["refresh_token"] })).await;
    world.poll().await;
    assert_eq!(judged(&world, &made).await, [401; 6]);
    assert_eq!(judged(&world, &[&other]).await, [200]);
}

/// As with servers whose access tokens cannot be revoked: access ends with the hour, since no new token comes. With our layer
/// it ends at once.
#[tokio::test]
async fn without_our_layer_access_ends_within_the_hour() {
    let tenant = Tenant::new().await;
    let hour = Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).allow_offline_access();
    tenant.server.add_api(hour.token_lifetime(Duration::from_secs(3600)));
    let (plain, tokens) = (tenant.unwatched().await, tenant.sign_in(USER, "spa", AUDIENCE, OFFLINE).await);
    tenant.revoke(json!({ "client_id": "spa", "token": tokens["refresh_token"] })).await;
    assert_eq!(tenant.refresh("spa", &tokens).await.error(), (403, "invalid_grant"));
    tenant.pass_for(&plain, 3599).await;
    assert_eq!(judged(&plain, &[&tokens]).await, [200]);
    let watched = tenant.with_feed().await;
    assert_eq!(judged(&watched, &[&tokens]).await, [401]);
    tenant.pass(6);
    assert_eq!(judged(&plain, &[&tokens]).await, [401]);
}
