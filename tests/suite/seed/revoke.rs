//! 1.3: `POST /oauth/revoke`, the table of its answers and the order of its checks.

use serde_json::{Value, json};

use super::{AUDIENCE, BACK, OFFLINE, SECRET, Tenant, USER, client};

async fn tenant_with_tokens() -> (Tenant, Value, Value) {
    let tenant = Tenant::new().await;
    let of_app = tenant.sign_in(USER, "app", AUDIENCE, OFFLINE).await;
    let of_spa = tenant.device().await;
    (tenant, of_app, of_spa)
}

fn of_app(token: &Value) -> Value {
    json!({ "client_id": "app", "client_secret": SECRET, "token": token })
}

async fn answers(tenant: &Tenant, body: Value, status: u16, error: &str) {
    let answer = tenant.revoke(body.clone()).await;
    assert_eq!(answer.error(), (status, error), "{body}");
    assert_eq!(status == 200, answer.text.is_empty(), "{body}: {answer:?}");
}

/// Row 1: revoked, or there was nothing to revoke, or it is another application's. Who asks cannot tell these apart.
#[tokio::test]
async fn row_1_revoked_or_nothing_to_revoke() {
    let (tenant, app, spa) = tenant_with_tokens().await;
    answers(&tenant, of_app(&spa["refresh_token"]), 200, "").await;
    assert_eq!(tenant.refresh("spa", &spa).await.status, 200, "another application's is left alone");
    answers(&tenant, of_app(&json!("never-heard-of")), 200, "").await;
    answers(&tenant, of_app(&app["access_token"]), 200, "").await;
    assert_eq!(tenant.refresh("app", &app).await.status, 200);

    let app = tenant.sign_in(USER, "app", AUDIENCE, OFFLINE).await;
    for _ in 0..2 {
        answers(&tenant, of_app(&app["refresh_token"]), 200, "").await;
        assert_eq!(tenant.refresh("app", &app).await.error(), (403, "invalid_grant"));
    }
}

/// Row 2: a parameter is missing.
#[tokio::test]
async fn row_2_parameters_are_missing() {
    let (tenant, app, _) = tenant_with_tokens().await;
    let token = &app["refresh_token"];
    for body in [
        json!({}),
        json!({ "client_secret": SECRET, "token": token }),
        json!({ "client_id": "app", "client_secret": SECRET }),
        json!({ "client_id": "app", "client_secret": SECRET, "token": "" }),
        json!({ "client_id": "spa" }),
    ] {
        answers(&tenant, body, 400, "invalid_request").await;
    }
    assert_eq!(tenant.refresh("app", &app).await.status, 200);
}

/// Row 3: credentials are missing or wrong.
#[tokio::test]
async fn row_3_the_client_is_not_who_it_says() {
    let (tenant, app, spa) = tenant_with_tokens().await;
    let token = &app["refresh_token"];
    for body in [
        json!({ "client_id": "app", "token": token }),
        json!({ "client_id": "app", "client_secret": "", "token": token }),
        json!({ "client_id": "app", "client_secret": "wrong", "token": token }),
        json!({ "client_id": "partner", "client_secret": "wrong", "token": token }),
        json!({ "client_id": "nobody", "client_secret": SECRET, "token": token }),
        // One that has no secret cannot have the right one.
        json!({ "client_id": "spa", "client_secret": SECRET, "token": spa["refresh_token"] }),
    ] {
        answers(&tenant, body, 401, "invalid_client").await;
    }
    assert_eq!(tenant.refresh("app", &app).await.status, 200);
    assert_eq!(tenant.refresh("spa", &spa).await.status, 200);
}

/// The client's credentials come first: who does not show them learns nothing of a token.
#[tokio::test]
async fn credentials_are_checked_before_the_token() {
    let (tenant, app, _) = tenant_with_tokens().await;
    for token in [&app["refresh_token"], &json!("never-heard-of"), &json!("")] {
        let body = json!({ "client_id": "app", "client_secret": "wrong", "token": token });
        answers(&tenant, body, 401, "invalid_client").await;
    }
    // Then whether it was issued to this client.
    let body = json!({ "client_id": "partner", "client_secret": SECRET, "token": app["refresh_token"] });
    answers(&tenant, body, 200, "").await;
    assert_eq!(tenant.refresh("app", &app).await.status, 200);
}

/// Applications whose authentication method is `none` leave the secret out.
#[tokio::test]
async fn a_public_client_revokes_without_a_secret() {
    let (tenant, _, spa) = tenant_with_tokens().await;
    answers(&tenant, json!({ "client_id": "spa", "token": spa["refresh_token"] }), 200, "").await;
    assert_eq!(tenant.refresh("spa", &spa).await.error(), (403, "invalid_grant"));
}

/// A form does as well as JSON, and HTTP Basic as well as the body.
#[tokio::test]
async fn a_confidential_client_shows_its_secret_in_either_place() {
    let (tenant, ..) = tenant_with_tokens().await;
    tenant.server.allow_redirect("app", BACK);
    for in_header in [false, true] {
        let tokens = tenant.sign_in(USER, "app", AUDIENCE, OFFLINE).await;
        let token = super::text(&tokens["refresh_token"]);
        let request = client().post(tenant.server.revocation_url());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = match in_header {
            true => request.basic_auth("app", Some(SECRET)).body(format!("token={token}")),
            false => request.body(format!("client_id=app&client_secret={SECRET}&token={token}")),
        };
        let answer = tenant.send(request).await;
        assert_eq!((answer.status, answer.text.as_str()), (200, ""));
        assert_eq!(tenant.refresh("app", &tokens).await.error(), (403, "invalid_grant"));
    }
}
