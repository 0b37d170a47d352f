//! 1.3: grants. An application acts for a user in the context of a grant, and all its tokens end with that.

use reqwest::Method;
use serde_json::json;

use super::{NAMELESS, OFFLINE, Tenant, USER, claims, judged, text};
use crate::world::{AUDIENCE, World};

async fn grants(tenant: &Tenant, query: &str) -> Vec<serde_json::Value> {
    let listed = tenant.manage(Method::GET, &format!("grants{query}"), "read:grants", None).await;
    listed.body.as_array().unwrap().clone()
}

/// What the application holds is a token of the user's, not what the user signed in with.
#[tokio::test]
async fn a_grant_lets_an_application_act_for_a_user() {
    let tenant = Tenant::new().await;
    assert!(grants(&tenant, "").await.is_empty());
    let tokens = tenant.device().await;
    let grant = json!({
        "id": grants(&tenant, "").await[0]["id"], "clientID": "spa", "user_id": USER, "audience": AUDIENCE,
        "scope": ["read:events", "offline_access"],
    });
    assert_eq!(grants(&tenant, "").await, [grant]);
    let claims = claims(&tokens["access_token"]);
    assert_eq!((text(&claims["sub"]), text(&claims["client_id"])), (USER, "spa"));
    let refused = json!({
        "grant_type": "password", "client_id": "spa", "username": USER, "password": "guessed",
        "audience": AUDIENCE,
    });
    assert_eq!(tenant.exchange(refused).await.error(), (400, "unsupported_grant_type"));
}

/// Several sign-ins are one grant: its tokens are all that was issued in its context.
async fn all_tokens_of_the_grant_end(tenant: &Tenant, world: &World) {
    let (phone, laptop) = (tenant.device().await, tenant.device().await);
    let renewed = tenant.refresh("spa", &laptop).await.body;
    let pending = tenant.code(USER, "spa", AUDIENCE, OFFLINE).await;
    let others = [
        tenant.sign_in("auth0|u2", "spa", AUDIENCE, OFFLINE).await,
        tenant.sign_in(USER, "app", AUDIENCE, OFFLINE).await,
        tenant.sign_in(USER, "spa", NAMELESS, OFFLINE).await,
    ];
    let (mine, others) = ([&phone, &laptop, &renewed], [&others[0], &others[1], &others[2]]);
    world.poll().await;
    assert_eq!(judged(world, &mine).await, [200; 3]);
    let query = format!("?user_id=auth0%7Cu1&client_id=spa&audience={AUDIENCE}");
    let found = grants(tenant, &query).await;
    assert_eq!(found.len(), 1, "however many devices");
    world.settle(2).await;
    let path = format!("grants/{}", text(&found[0]["id"]));
    let answer = tenant.manage(Method::DELETE, &path, "delete:grants", None).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));

    for tokens in [&phone, &renewed] {
        assert_eq!(tenant.refresh("spa", tokens).await.error(), (403, "invalid_grant"));
    }
    let exchanged = tenant.exchange(Tenant::with_code("spa", &pending)).await;
    assert_eq!(exchanged.error(), (403, "invalid_grant"), "codes too");
    world.poll().await;
    assert_eq!(judged(world, &mine).await, [401; 3], "access tokens that are out");
    assert_eq!(judged(world, &others).await, [200; 3], "another user, application or API");
    for (client, tokens) in [("spa", others[0]), ("app", others[1]), ("spa", others[2])] {
        assert_eq!(tenant.refresh(client, tokens).await.status, 200);
    }
}

/// As the dashboard does it: revoking an authorized application of a user.
#[tokio::test]
async fn with_the_grant_end_all_tokens_that_were_issued_in_its_context() {
    let tenant = Tenant::new().await;
    all_tokens_of_the_grant_end(&tenant, &tenant.with_feed().await).await;
}

#[tokio::test]
async fn they_end_as_well_where_only_the_management_api_tells() {
    let tenant = Tenant::new().await;
    all_tokens_of_the_grant_end(&tenant, &tenant.with_auth0().await).await;
}

/// The user who signs in again makes another grant, and its tokens are good.
#[tokio::test]
async fn who_grants_again_is_welcome() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let old = tenant.device().await;
    let first = grants(&tenant, "").await[0]["id"].clone();
    tenant.manage(Method::DELETE, "grants?user_id=auth0%7Cu1", "delete:grants", None).await;
    world.poll().await;
    let anew = tenant.device().await;
    assert_ne!(grants(&tenant, "").await[0]["id"], first);
    assert_eq!(judged(&world, &[&old, &anew]).await, [401, 200]);
}
