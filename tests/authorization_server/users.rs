//! Tokens that applications get in a user's name: codes with PKCE, and refresh tokens that rotate.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::testing::Api;
use url::Url;

use crate::client::{client, send};
use crate::tenant::{BACK, NAMED, NOW, PLAIN, Tenant, USER, part, user_cut_off};

const OFFLINE: &str = "openid read:events offline_access";

fn error(answer: &crate::client::Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_user_signs_in_with_a_code() {
    let tenant = Tenant::new().await;
    let answer = tenant.sign_in(PLAIN, "openid read:events unknown:scope offline_access").await;
    assert_eq!(answer["scope"], OFFLINE, "what the API does not know is left out");
    assert_eq!(answer["expires_in"], 86400);
    let issuer = tenant.server.issuer();
    let claims = json!({
        "iss": issuer, "sub": USER, "aud": [PLAIN, format!("{issuer}/userinfo")], "azp": "spa",
        "scope": OFFLINE, "iat": NOW, "exp": NOW + 86400,
    });
    assert_eq!(part(&answer["access_token"], 1), claims, "no gty: it is no machine");
    assert_eq!(part(&answer["id_token"], 1)["aud"], "spa");

    let named = tenant.sign_in(NAMED, "a").await;
    let claims = part(&named["access_token"], 1);
    assert_eq!((&claims["aud"], &claims["client_id"]), (&json!(NAMED), &json!("spa")));
    assert!(claims["jti"].is_string());
    assert_eq!(named.get("refresh_token"), None, "it was not asked for");
    assert_eq!(named.get("id_token"), None);
}

#[tokio::test]
async fn refresh_tokens_are_only_for_apis_that_allow_them() {
    let tenant = Tenant::new().await;
    tenant.server.add_api(Api::new("https://online/"));
    let answer = tenant.sign_in("https://online/", "a offline_access").await;
    assert_eq!((answer.get("refresh_token"), &answer["scope"]), (None, &json!("a")));
}

#[tokio::test]
async fn permissions_are_those_of_the_user() {
    let tenant = Tenant::new().await;
    tenant.server.add_api(Api::new("https://rbac/").rbac());
    tenant.server.set_permissions(USER, "https://rbac/", ["read:a"]);
    let answer = tenant.sign_in("https://rbac/", "openid read:a write:a").await;
    assert_eq!(answer["scope"], "openid read:a");
    assert_eq!(part(&answer["access_token"], 1)["permissions"], json!(["read:a"]));
}

#[tokio::test]
async fn authorization_requests_are_refused_at_the_clients_own_address() {
    let tenant = Tenant::new().await;
    tenant.server.add_user("blocked");
    tenant.server.block_user("blocked");
    let table: [(&[(&str, &str)], &str); 8] = [
        (&[("response_type", "token")], "unsupported_response_type"),
        (&[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request"),
        (&[("code_challenge_method", "plain")], "invalid_request"),
        (&[("code_challenge_method", "")], "invalid_request"),
        (&[("audience", "")], "invalid_request"),
        (&[("audience", "https://unknown/")], "access_denied"),
        (&[("login_hint", "nobody")], "login_required"),
        (&[("login_hint", "blocked")], "access_denied"),
    ];
    for (more, expected) in table {
        let back = tenant.authorize(PLAIN, "read:events", more).await;
        assert_eq!(back[0], ("error".to_owned(), expected.to_owned()), "{more:?}");
        assert_eq!(back[2], ("state".to_owned(), "s-1".to_owned()));
    }
    let base = [("client_id", "spa"), ("redirect_uri", BACK)];
    for (name, value) in
        [("redirect_uri", "https://evil.example/"), ("client_id", "nobody"), ("client_id", "partner")]
    {
        let pairs = base.into_iter().filter(|(own, _)| *own != name).chain([(name, value)]);
        let url = Url::parse_with_params(&tenant.server.authorization_url(), pairs).unwrap();
        let answer = send(client().get(url)).await;
        assert_eq!(error(&answer), (400, "invalid_request".to_owned()), "{name}={value}");
        assert!(!answer.headers.contains_key("location"));
    }
}

#[tokio::test]
async fn a_code_is_refused_to_whoever_cannot_prove_it_is_theirs() {
    let tenant = Tenant::new().await;
    tenant.server.add_public_client("other");
    let table = [
        ("code_verifier", json!("wrong"), 403, "invalid_grant"),
        ("code_verifier", Value::Null, 400, "invalid_request"),
        ("redirect_uri", json!("https://app.example/"), 403, "invalid_grant"),
        ("redirect_uri", Value::Null, 403, "invalid_grant"),
        ("client_id", json!("other"), 403, "invalid_grant"),
        ("client_id", json!("nobody"), 401, "invalid_client"),
        ("client_id", json!("partner"), 401, "invalid_client"),
        ("client_secret", json!("guessed"), 401, "invalid_client"),
        ("code", json!("guessed"), 403, "invalid_grant"),
        ("code", Value::Null, 400, "invalid_request"),
    ];
    let code = tenant.code(PLAIN, "read:events").await;
    for (name, value, status, expected) in table {
        let mut body = Tenant::with_code(&code);
        body[name] = value.clone();
        let answer = tenant.exchange(body).await;
        assert_eq!(error(&answer), (status, expected.to_owned()), "{name}={value}");
    }
    tenant.clock.advance(Duration::from_secs(600));
    assert_eq!(tenant.exchange(Tenant::with_code(&code)).await.status, 200);
    let late = tenant.code(PLAIN, "read:events").await;
    tenant.clock.advance(Duration::from_secs(601));
    assert_eq!(error(&tenant.exchange(Tenant::with_code(&late)).await), (403, "invalid_grant".to_owned()));
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_a_downgrade() {
    let tenant = Tenant::new().await;
    tenant.server.allow_redirect("partner", BACK);
    let more = [("client_id", "partner"), ("code_challenge", ""), ("code_challenge_method", "")];
    for (verifier, status) in [(true, 403), (false, 200)] {
        let code = tenant.authorize(PLAIN, "read:events", &more).await[0].1.clone();
        let mut body = Tenant::with_code(&code);
        body["client_id"] = "partner".into();
        body["client_secret"] = "secret".into();
        if !verifier {
            body["code_verifier"] = Value::Null;
        }
        assert_eq!(tenant.exchange(body).await.status, status);
    }
}

#[tokio::test]
async fn a_code_that_comes_twice_ends_the_grant() {
    let tenant = Tenant::new().await;
    let code = tenant.code(PLAIN, OFFLINE).await;
    let tokens = tenant.exchange(Tenant::with_code(&code)).await.json();
    let again = tenant.exchange(Tenant::with_code(&code)).await;
    assert_eq!(error(&again), (403, "invalid_grant".to_owned()));
    assert_eq!(tenant.entries().await, [user_cut_off(PLAIN, NOW)]);
    assert_eq!(tenant.refresh(&tokens).await.status, 403);
}

#[tokio::test]
async fn refresh_tokens_rotate() {
    let tenant = Tenant::new().await;
    let first = tenant.sign_in(PLAIN, OFFLINE).await;
    tenant.second();
    let second = tenant.refresh(&first).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(second["scope"], OFFLINE);
    assert_eq!(part(&second["access_token"], 1)["iat"], NOW + 1);
    assert_eq!(tenant.refresh(&second).await.status, 200);
    assert_eq!(tenant.entries().await, Vec::<Value>::new());

    let steady = Tenant::with(|builder| builder.rotate_refresh_tokens(false)).await;
    let tokens = steady.sign_in(PLAIN, OFFLINE).await;
    for _ in 0..3 {
        let answer = steady.refresh(&tokens).await;
        assert_eq!((answer.status, answer.json().get("refresh_token")), (200, None));
    }
}

/// Reference §1.3: using an already invalidated refresh token revokes every refresh token issued since.
#[tokio::test]
async fn a_replayed_refresh_token_ends_its_family_and_the_grant() {
    let tenant = Tenant::new().await;
    let first = tenant.sign_in(PLAIN, OFFLINE).await;
    let other_device = tenant.sign_in(PLAIN, OFFLINE).await;
    let other_api = tenant.sign_in(NAMED, "a offline_access").await;
    let second = tenant.refresh(&first).await.json();
    let replay = tenant.refresh(&first).await;
    assert_eq!(error(&replay), (403, "invalid_grant".to_owned()));
    assert_eq!(tenant.entries().await, [user_cut_off(PLAIN, NOW)]);
    let log = tenant.logged("ferrt").await;
    assert_eq!(log.len(), 1);
    assert!(log[0]["details"]["familyId"].is_string());
    assert_eq!((&log[0]["client_id"], &log[0]["user_id"]), (&json!("spa"), &json!(USER)));
    assert_eq!(tenant.refresh(&second).await.status, 403, "issued since");
    assert_eq!(tenant.refresh(&other_device).await.status, 403, "of the same grant");
    assert_eq!(tenant.refresh(&other_api).await.status, 200);
    let grants = tenant.list("grants", "read:grants").await;
    assert_eq!(grants.as_array().unwrap().len(), 1);

    let code = tenant.code(PLAIN, OFFLINE).await;
    assert_eq!(tenant.exchange(Tenant::with_code(&code)).await.status, 503, "dead at once");
    tenant.second();
    assert_eq!(tenant.exchange(Tenant::with_code(&code)).await.status, 200, "granting again works");
    assert_eq!(tenant.refresh(&first).await.status, 403);
    assert_eq!(tenant.entries().await.len(), 1, "an old replay does not end the new grant");
}

#[tokio::test]
async fn refreshing_is_refused() {
    let tenant = Tenant::new().await;
    tenant.server.add_public_client("other");
    let tokens = tenant.sign_in(PLAIN, "read:events offline_access").await;
    let table = [
        ("refresh_token", json!("guessed"), 403, "invalid_grant"),
        ("refresh_token", Value::Null, 400, "invalid_request"),
        ("client_id", json!("other"), 403, "invalid_grant"),
        ("client_id", Value::Null, 401, "invalid_client"),
        ("audience", json!(NAMED), 400, "invalid_request"),
        ("scope", json!("write:events"), 400, "invalid_scope"),
    ];
    for (name, value, status, expected) in table {
        let mut body = json!({ "grant_type": "refresh_token", "client_id": "spa" });
        body["refresh_token"] = tokens["refresh_token"].clone();
        body[name] = value.clone();
        let answer = tenant.exchange(body).await;
        assert_eq!(error(&answer), (status, expected.to_owned()), "{name}={value}");
    }
    assert_eq!(tenant.refresh(&tokens).await.status, 200, "none of that used it up");
}

#[tokio::test]
async fn blocked_and_deleted_users_are_cut_off() {
    let tenant = Tenant::new().await;
    let tokens = tenant.sign_in(PLAIN, OFFLINE).await;
    let code = tenant.code(PLAIN, OFFLINE).await;
    let entry = tenant.server.block_user(USER);
    assert_eq!((&entry["sub"], &entry["issued_before"]), (&json!(USER), &json!(NOW)));
    tenant.second();
    assert_eq!(tenant.refresh(&tokens).await.status, 403);
    tenant.server.unblock_user(USER);
    assert_eq!(tenant.exchange(Tenant::with_code(&code)).await.status, 403, "codes went with it");
    let tokens = tenant.refresh(&tokens).await.json();
    assert!(tokens["access_token"].is_string());

    tenant.server.delete_user(USER);
    let cut_off = |second| json!({ "sub": USER, "issued_before": second });
    assert_eq!(tenant.entries().await, [cut_off(NOW), cut_off(NOW + 1)]);
    assert_eq!(tenant.refresh(&tokens).await.status, 403);
    assert_eq!(tenant.list("grants", "read:grants").await, json!([]));
    assert_eq!(tenant.logged("sdu").await[0]["user_id"], USER);
    assert_eq!(tenant.authorize(PLAIN, "", &[]).await[0].1, "login_required");
}
