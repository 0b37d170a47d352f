//! 1.3: the device authorization flow. A television cannot be told that its user has ended it: it finds out when it asks.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::testing::{Api, TokenProfile};

use super::{OFFLINE, Tenant, USER, judged, text};
use crate::world::AUDIENCE;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What a device gets to show.
async fn begin(tenant: &Tenant) -> Value {
    let body = json!({ "client_id": "spa", "audience": AUDIENCE, "scope": OFFLINE });
    let answer = tenant.post(tenant.server.device_authorization_url(), body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn ask(tenant: &Tenant, begun: &Value) -> super::Answer {
    let code = &begun["device_code"];
    tenant.exchange(json!({ "grant_type": GRANT, "client_id": "spa", "device_code": code })).await
}

/// Tokens of a device that the user has approved.
async fn television(tenant: &Tenant) -> Value {
    let begun = begin(tenant).await;
    assert!(tenant.server.approve_device(text(&begun["user_code"]), USER));
    let answer = ask(tenant, &begun).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn a_device_gets_its_tokens_when_its_user_has_said_yes() {
    let tenant = Tenant::new().await;
    let world = tenant.with_feed().await;
    let begun = begin(&tenant).await;
    let uri = text(&begun["verification_uri"]);
    assert_eq!(begun["verification_uri_complete"], format!("{uri}?user_code={}", text(&begun["user_code"])));
    assert_eq!((&begun["interval"], &begun["expires_in"]), (&json!(5), &json!(900)));
    assert_eq!(ask(&tenant, &begun).await.error(), (403, "authorization_pending"));
    assert_eq!(ask(&tenant, &begun).await.error(), (429, "slow_down"));
    tenant.pass(5);
    assert_eq!(ask(&tenant, &begun).await.error(), (403, "authorization_pending"));

    let user_code = text(&begun["user_code"]);
    assert!(!tenant.server.approve_device("WRONG", USER));
    assert!(!tenant.server.approve_device(user_code, "nobody"));
    assert!(tenant.server.approve_device(user_code, USER));
    let stolen = json!({ "grant_type": GRANT, "client_id": "app", "client_secret": super::SECRET,
        "device_code": begun["device_code"] });
    assert_eq!(tenant.exchange(stolen).await.error(), (403, "invalid_grant"), "another application's");
    let tokens = ask(&tenant, &begun).await.body;
    assert_eq!(tokens["scope"], OFFLINE);
    assert_eq!(judged(&world, &[&tokens]).await, [200]);
    assert_eq!(ask(&tenant, &begun).await.error(), (403, "invalid_grant"), "once");
    assert_eq!(tenant.refresh("spa", &tokens).await.status, 200);
}

#[tokio::test]
async fn a_device_gets_nothing_where_its_user_says_no_or_nothing() {
    let tenant = Tenant::new().await;
    let denied = begin(&tenant).await;
    assert!(tenant.server.deny_device(text(&denied["user_code"])));
    assert_eq!(ask(&tenant, &denied).await.error(), (403, "access_denied"));
    assert!(!tenant.server.approve_device(text(&denied["user_code"]), USER), "what is said is said");

    let late = begin(&tenant).await;
    let approved = begin(&tenant).await;
    tenant.server.approve_device(text(&approved["user_code"]), USER);
    tenant.server.delete_user(USER);
    assert_eq!(ask(&tenant, &approved).await.error(), (403, "invalid_grant"), "its user is gone");
    tenant.pass(901);
    assert_eq!(ask(&tenant, &late).await.error(), (403, "expired_token"));
    assert!(!tenant.server.approve_device(text(&late["user_code"]), "auth0|u2"));
    let wrong = json!({ "client_id": "spa", "audience": "https://unknown.example/", "scope": OFFLINE });
    let url = tenant.server.device_authorization_url();
    assert_eq!(tenant.post(url, wrong).await.error(), (403, "access_denied"));
}

/// The document: revoking its refresh token is the only way, and the device notices when its access token has ended. Ours: its
/// access token is refused a poll interval later, so it has to come back at once.
#[tokio::test]
async fn a_device_must_be_authorized_again_when_its_refresh_token_is_revoked() {
    let tenant = Tenant::new().await;
    let hour = Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).allow_offline_access();
    tenant.server.add_api(hour.token_lifetime(Duration::from_secs(3600)));
    let plain = tenant.unwatched().await;
    let tokens = television(&tenant).await;
    tenant.revoke(json!({ "client_id": "spa", "token": tokens["refresh_token"] })).await;
    assert_eq!(judged(&plain, &[&tokens]).await, [200], "it does not notice");
    let watched = tenant.with_feed().await;
    assert_eq!(judged(&watched, &[&tokens]).await, [401]);
    plain.settle(3).await;
    tenant.pass_for(&plain, 3606).await;
    assert_eq!(judged(&plain, &[&tokens]).await, [401]);
    assert_eq!(tenant.refresh("spa", &tokens).await.error(), (403, "invalid_grant"), "now it does");
    let again = television(&tenant).await;
    assert_eq!(judged(&plain, &[&again]).await, [200]);
}

/// A yes that came before the user's grant was deleted is worth nothing after it.
#[tokio::test]
async fn deleting_the_grant_ends_a_yes_that_was_not_used() {
    let tenant = Tenant::new().await;
    let begun = begin(&tenant).await;
    tenant.server.approve_device(text(&begun["user_code"]), USER);
    tenant.manage(reqwest::Method::DELETE, "grants?user_id=auth0%7Cu1", "delete:grants", None).await;
    assert_eq!(ask(&tenant, &begun).await.error(), (403, "invalid_grant"));
}
