//! `POST /oauth/revoke` (RFC 7009) and what it ends; reference §1.3.

use serde_json::{Value, json};

use crate::client::{client, send};
use crate::tenant::{BACK, NAMED, NOW, PLAIN, Tenant, USER, part, user_cut_off};

const OFFLINE: &str = "read:events offline_access";

async fn revoke(tenant: &Tenant, tokens: &Value) {
    let body = json!({ "client_id": "spa", "token": tokens["refresh_token"] });
    let answer = tenant.post(tenant.server.revocation_url(), body).await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[tokio::test]
async fn it_answers_as_documented() {
    let tenant = Tenant::new().await;
    tenant.server.allow_redirect("partner", BACK);
    let tokens = tenant.sign_in(PLAIN, OFFLINE).await;
    let refresh = &tokens["refresh_token"];
    let table = [
        (json!({ "client_id": "spa", "token": "never-heard-of" }), 200, ""),
        (json!({ "client_id": "spa", "token": tokens["access_token"] }), 200, ""),
        (json!({ "client_id": "partner", "client_secret": "secret", "token": refresh }), 200, ""),
        (json!({ "client_id": "spa" }), 400, "invalid_request"),
        (json!({ "client_id": "spa", "token": "" }), 400, "invalid_request"),
        (json!({ "token": refresh }), 400, "invalid_request"),
        (json!([]), 400, "invalid_request"),
        (json!({ "client_id": "nobody", "token": refresh }), 401, "invalid_client"),
        (json!({ "client_id": "partner", "token": refresh }), 401, "invalid_client"),
        (json!({ "client_id": "partner", "client_secret": "no", "token": refresh }), 401, "invalid_client"),
        (json!({ "client_id": "spa", "client_secret": "no", "token": refresh }), 401, "invalid_client"),
    ];
    for (body, status, error) in table {
        let answer = tenant.post(tenant.server.revocation_url(), body.clone()).await;
        assert_eq!(answer.status, status, "{body}");
        match error {
            "" => assert_eq!(answer.body, ""),
            error => assert_eq!(answer.json()["error"], error, "{body}"),
        }
    }
    assert_eq!(tenant.logged("srrt").await.len(), 0);
    assert_eq!(tenant.refresh(&tokens).await.status, 200, "nothing of that was this token's own client");
}

#[tokio::test]
async fn a_confidential_client_revokes_by_secret_in_the_body_or_the_header() {
    let tenant = Tenant::with(|builder| builder.rotate_refresh_tokens(false)).await;
    tenant.server.allow_redirect("partner", BACK);
    for by_header in [true, false] {
        let code = tenant.authorize(PLAIN, OFFLINE, &[("client_id", "partner")]).await[0].1.clone();
        let mut body = Tenant::with_code(&code);
        body["client_id"] = "partner".into();
        body["client_secret"] = "secret".into();
        let tokens = tenant.exchange(body).await.json();
        let token = tokens["refresh_token"].as_str().unwrap();
        let request = client().post(tenant.server.revocation_url());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = match by_header {
            true => request.basic_auth("partner", Some("secret")).body(format!("token={token}")),
            false => request.body(format!("client_id=partner&client_secret=secret&token={token}")),
        };
        assert_eq!(send(request).await.status, 200);
        let body = json!({
            "grant_type": "refresh_token", "client_id": "partner", "client_secret": "secret",
            "refresh_token": token,
        });
        assert_eq!(tenant.exchange(body).await.status, 403);
    }
    assert_eq!(tenant.logged("srrt").await.len(), 2);
}

/// Off: only that device goes, the grant stays.
#[tokio::test]
async fn the_setting_off_ends_one_device() {
    let tenant = Tenant::with(|builder| builder.revocation_deletes_grant(false)).await;
    let (lost, kept) = (tenant.sign_in(NAMED, OFFLINE).await, tenant.sign_in(NAMED, OFFLINE).await);
    let lost = tenant.refresh(&lost).await.json();
    let grant = tenant.list("grants", "read:grants").await[0]["id"].clone();
    revoke(&tenant, &lost).await;
    assert_eq!(tenant.refresh(&lost).await.status, 403);
    assert_eq!(tenant.refresh(&kept).await.status, 200);
    assert_eq!(tenant.list("grants", "read:grants").await[0]["id"], grant);

    let entries = tenant.entries().await;
    assert_eq!(entries.len(), 2, "both access tokens of that device, by name");
    assert_eq!(entries[1], json!({ "jti": part(&lost["access_token"], 1)["jti"] }));
    let log = tenant.logged("srrt").await;
    assert_eq!(log.len(), 1);
    let details = &log[0]["details"];
    assert_eq!((&details["grant_id"], &details["audience"]), (&grant, &json!(NAMED)));
    assert!(details["credential_id"].is_string() && details["session_id"].is_string());
    assert_eq!((&log[0]["client_id"], &log[0]["user_id"]), (&json!("spa"), &json!(USER)));
}

#[tokio::test]
async fn tokens_without_a_name_live_on_where_the_grant_stays() {
    let tenant = Tenant::new().await;
    let tokens = tenant.sign_in(PLAIN, OFFLINE).await;
    revoke(&tenant, &tokens).await;
    assert_eq!(tenant.entries().await, Vec::<Value>::new(), "off is the default");
    assert_eq!(tenant.refresh(&tokens).await.status, 403);
}

/// On: every other token of the same user, application and audience goes too.
#[tokio::test]
async fn the_setting_on_ends_the_grant() {
    let tenant = Tenant::with(|builder| builder.revocation_deletes_grant(true)).await;
    let (lost, other) = (tenant.sign_in(PLAIN, OFFLINE).await, tenant.sign_in(PLAIN, OFFLINE).await);
    let other_audience = tenant.sign_in(NAMED, OFFLINE).await;
    revoke(&tenant, &lost).await;
    for tokens in [&lost, &other] {
        assert_eq!(tenant.refresh(tokens).await.status, 403);
    }
    assert_eq!(tenant.refresh(&other_audience).await.status, 200);
    assert_eq!(tenant.entries().await, [user_cut_off(PLAIN, NOW)]);
    let grants = tenant.list("grants", "read:grants").await;
    assert_eq!((grants.as_array().unwrap().len(), &grants[0]["audience"]), (1, &json!(NAMED)));
}

#[tokio::test]
async fn an_old_token_of_the_family_names_it_as_well() {
    let tenant = Tenant::new().await;
    let first = tenant.sign_in(PLAIN, OFFLINE).await;
    let second = tenant.refresh(&first).await.json();
    revoke(&tenant, &first).await;
    assert_eq!(tenant.refresh(&second).await.status, 403);
}
