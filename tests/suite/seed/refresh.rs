//! 1.3: refresh tokens. What ends with one of them, in both positions of the tenant's setting, by RFC 7009, by device
//! credentials and by rotation.

use reqwest::Method;
use serde_json::{Value, json};

use super::{NAMELESS, OFFLINE, Tenant, USER, judged, text};
use crate::world::AUDIENCE;

async fn revoke(tenant: &Tenant, tokens: &Value) {
    let answer = tenant.revoke(json!({ "client_id": "spa", "token": tokens["refresh_token"] })).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
}

async fn grants(tenant: &Tenant) -> usize {
    tenant.manage(Method::GET, "grants", "read:grants", None).await.body.as_array().unwrap().len()
}

/// The refresh token of a lost phone is revoked: what becomes of the phone, of another device of the same user at the same
/// application and API, and of tokens that differ in one of the three.
async fn a_phone_is_lost(deletes_grant: Option<bool>) -> (Vec<u16>, Vec<u16>, usize) {
    let tenant = Tenant::with(|builder| match deletes_grant {
        Some(deletes) => builder.revocation_deletes_grant(deletes),
        None => builder,
    })
    .await;
    let world = tenant.with_feed().await;
    let (phone, laptop) = (tenant.device().await, tenant.device().await);
    let others = [
        ("spa", tenant.sign_in("auth0|u2", "spa", AUDIENCE, OFFLINE).await),
        ("app", tenant.sign_in(USER, "app", AUDIENCE, OFFLINE).await),
        ("spa", tenant.sign_in(USER, "spa", NAMELESS, OFFLINE).await),
    ];
    assert_eq!(grants(&tenant).await, 4);
    revoke(&tenant, &phone).await;
    world.poll().await;
    let access = judged(&world, &[&phone, &laptop]).await;
    let refresh =
        vec![tenant.refresh("spa", &phone).await.status, tenant.refresh("spa", &laptop).await.status];
    for (client, tokens) in &others {
        assert_eq!(judged(&world, &[tokens]).await, [200]);
        assert_eq!(tenant.refresh(client, tokens).await.status, 200);
    }
    (access, refresh, grants(&tenant).await)
}

/// Off: that refresh token goes, with the access tokens of its device that have names; the grant stays.
#[tokio::test]
async fn the_setting_off_ends_one_device_and_keeps_the_grant() {
    assert_eq!(a_phone_is_lost(Some(false)).await, (vec![401, 200], vec![403, 200], 4));
}

/// On: every token of the same user, application and API goes.
#[tokio::test]
async fn the_setting_on_ends_the_grant() {
    assert_eq!(a_phone_is_lost(Some(true)).await, (vec![401, 401], vec![403, 403], 3));
}

/// As with tenants that were made since January 2021.
#[tokio::test]
async fn the_setting_is_off_by_default() {
    assert_eq!(a_phone_is_lost(None).await, a_phone_is_lost(Some(false)).await);
}

/// Revoking a token does not revoke the grant: the user is not asked again, and the device gets new tokens by signing in.
#[tokio::test]
async fn a_revoked_token_leaves_the_grant_for_the_next_sign_in() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let phone = tenant.device().await;
    revoke(&tenant, &phone).await;
    let again = tenant.device().await;
    world.poll().await;
    assert_eq!(judged(&world, &[&phone, &again]).await, [401, 200]);
    assert_eq!(grants(&tenant).await, 1);
}

/// An access token without a name cannot be told from its neighbours': where only its refresh token went, it lives until it
/// ends. That is why the list of what is seen says so, and why the setting, or deleting the grant, is the way for such APIs.
#[tokio::test]
async fn without_names_access_lasts_until_the_token_ends() {
    for (deletes_grant, status) in [(false, 200), (true, 401)] {
        let tenant = Tenant::with(|builder| builder.revocation_deletes_grant(deletes_grant)).await;
        let world = tenant.with_feed().await;
        let tokens = tenant.sign_in(USER, "spa", NAMELESS, OFFLINE).await;
        revoke(&tenant, &tokens).await;
        world.poll().await;
        assert_eq!(judged(&world, &[&tokens]).await, [status], "{deletes_grant}");
    }
}

/// Device credentials: listed by type, user and client with one scope, deleted with another one.
#[tokio::test]
async fn device_credentials_are_found_and_deleted_by_the_management_api() {
    for rotates in [false, true] {
        let tenant = Tenant::with(|builder| builder.rotate_refresh_tokens(rotates)).await;
        let world = tenant.with_feed().await;
        let (phone, laptop) = (tenant.device().await, tenant.device().await);
        tenant.sign_in("auth0|u2", "spa", AUDIENCE, OFFLINE).await;
        tenant.sign_in(USER, "app", AUDIENCE, OFFLINE).await;
        let (kind, other) = match rotates {
            false => ("refresh_token", "rotating_refresh_token"),
            true => ("rotating_refresh_token", "refresh_token"),
        };
        let list = async |query: String, scope: &str| {
            tenant.manage(Method::GET, &format!("device-credentials?{query}"), scope, None).await
        };
        let read = "read:device_credentials";
        let of_user = format!("type={kind}&user_id=auth0%7Cu1");
        assert_eq!(list(of_user.clone(), "delete:device_credentials").await.status, 403);
        assert_eq!(list(of_user.clone(), read).await.body.as_array().unwrap().len(), 3);
        assert_eq!(list(format!("type={other}&user_id=auth0%7Cu1"), read).await.body, json!([]));
        let listed = list(format!("{of_user}&client_id=spa"), read).await.body;
        assert_eq!(listed.as_array().unwrap().len(), 2);

        let path = format!("device-credentials/{}", text(&listed[0]["id"]));
        let delete = async |scope: &str| tenant.manage(Method::DELETE, &path, scope, None).await;
        assert_eq!(delete(read).await.status, 403);
        let deleted = delete("delete:device_credentials").await;
        assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
        world.poll().await;
        assert_eq!(judged(&world, &[&phone, &laptop]).await, [401, 200], "{kind}");
        assert_eq!(tenant.refresh("spa", &phone).await.error(), (403, "invalid_grant"));
        assert_eq!(tenant.refresh("spa", &laptop).await.status, 200);
        assert_eq!(list(format!("{of_user}&client_id=spa"), read).await.body.as_array().unwrap().len(), 1);
        assert_eq!(grants(&tenant).await, 3, "the grant stays");
    }
}

/// Rotation: each use gives a new refresh token and voids the one before.
#[tokio::test]
async fn each_use_of_a_refresh_token_gives_the_next_one() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let mut tokens = tenant.device().await;
    for _ in 0..3 {
        let next = tenant.refresh("spa", &tokens).await.body;
        assert_ne!(next["refresh_token"], tokens["refresh_token"]);
        world.poll().await;
        assert_eq!(judged(&world, &[&tokens, &next]).await, [200, 200], "using it as meant ends nothing");
        tokens = next;
    }
}

/// Rotation: one that is used again voids all that were issued since, whoever of the two was the thief. Our side: the access
/// tokens that came with them, too.
#[tokio::test]
async fn a_refresh_token_that_is_used_again_ends_all_that_came_after_it() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let stolen = tenant.device().await;
    let second = tenant.refresh("spa", &stolen).await.body;
    let third = tenant.refresh("spa", &second).await.body;
    assert_eq!(tenant.refresh("spa", &stolen).await.error(), (403, "invalid_grant"));
    for tokens in [&second, &third] {
        assert_eq!(tenant.refresh("spa", tokens).await.error(), (403, "invalid_grant"));
    }
    world.poll().await;
    assert_eq!(judged(&world, &[&stolen, &second, &third]).await, [401; 3]);
    let anew = tenant.device().await;
    assert_eq!(judged(&world, &[&anew]).await, [200], "the user signs in again");
}
