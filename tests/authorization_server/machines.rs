//! Tokens that machines get in their own name: `client_credentials`.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::Algorithm::{ES384, HS256};
use tower_bearer::clock::UnixTime;
use tower_bearer::testing::{Api, ClientAuthentication, TokenProfile};

use crate::client::{client, get, send};
use crate::tenant::{NAMED, NOW, PLAIN, Tenant, part};

#[tokio::test]
async fn auth0s_default_profile_has_no_jti() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", PLAIN, ["read:events", "write:events"]);
    let answer = tenant.machine(PLAIN).await.json();
    let token = &answer["access_token"];
    let expected = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": 86400,
        "scope": "read:events write:events",
    });
    assert_eq!(answer, expected);
    let header = part(token, 0);
    assert_eq!((&header["typ"], &header["alg"]), (&json!("JWT"), &json!("ES256")));
    let claims = json!({
        "iss": tenant.server.issuer(), "sub": "partner@clients", "aud": PLAIN, "azp": "partner",
        "gty": "client-credentials", "scope": "read:events write:events", "iat": NOW, "exp": NOW + 86400,
    });
    assert_eq!(part(token, 1), claims);
}

#[tokio::test]
async fn the_rfc_9068_profile_has_jti_and_client_id() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", NAMED, ["a"]);
    let answer = tenant.machine(NAMED).await.json();
    assert_eq!(answer["expires_in"], 600, "as the API says");
    let claims = part(&answer["access_token"], 1);
    assert_eq!(part(&answer["access_token"], 0)["typ"], "at+jwt");
    let expected = json!({
        "iss": tenant.server.issuer(), "sub": "partner@clients", "aud": NAMED, "client_id": "partner",
        "scope": "a", "iat": NOW, "exp": NOW + 600, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
}

#[tokio::test]
async fn apis_have_their_own_algorithm_secret_and_permissions() {
    let tenant = Tenant::new().await;
    let secret = Api::new("https://hmac/").shared_secret("keyboardcat");
    assert!(!format!("{secret:?}{secret:#?}").contains("keyboardcat"));
    tenant.server.add_api(secret);
    tenant.server.add_api(Api::new("https://ec/").signing_alg(ES384).rbac());
    for audience in ["https://hmac/", "https://ec/"] {
        tenant.server.grant("partner", audience, ["read:events"]);
    }
    let hmac = tenant.machine("https://hmac/").await.json();
    assert_eq!(part(&hmac["access_token"], 0), json!({ "alg": HS256.name(), "typ": "JWT" }));
    assert_eq!(part(&hmac["access_token"], 1).get("permissions"), None);
    let token = hmac["access_token"].as_str().unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, b"keyboardcat");
    let signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    aws_lc_rs::hmac::verify(&key, message.as_bytes(), &signature).unwrap();

    let ec = tenant.machine("https://ec/").await.json();
    assert_eq!(part(&ec["access_token"], 0)["alg"], ES384.name());
    assert_eq!(part(&ec["access_token"], 1)["permissions"], json!(["read:events"]));
}

#[tokio::test]
async fn the_scope_is_limited_by_the_client_grant() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", PLAIN, ["read:events"]);
    tenant.server.grant("partner", NAMED, Vec::<String>::new());
    let asked = async |audience: &str, scope: &str| {
        let mut body = json!({ "grant_type": "client_credentials", "client_id": "partner" });
        body["client_secret"] = "secret".into();
        body["audience"] = audience.into();
        body["scope"] = scope.into();
        let answer = tenant.exchange(body).await;
        (answer.status, answer.json()["scope"].clone(), answer.json()["error"].clone())
    };
    assert_eq!(asked(PLAIN, "read:events").await, (200, json!("read:events"), Value::Null));
    assert_eq!(asked(PLAIN, "").await, (200, json!("read:events"), Value::Null));
    assert_eq!(asked(PLAIN, "write:events").await, (400, Value::Null, json!("invalid_scope")));
    assert_eq!(asked(NAMED, "").await, (200, json!(""), Value::Null));
    assert_eq!(part(&tenant.machine(NAMED).await.json()["access_token"], 1).get("scope"), None);
}

#[tokio::test]
async fn a_client_without_a_grant_gets_nothing() {
    let tenant = Tenant::new().await;
    let answer = tenant.machine(PLAIN).await;
    assert_eq!((answer.status, &answer.json()["error"]), (403, &json!("access_denied")));
    let public = json!({ "grant_type": "client_credentials", "client_id": "spa", "audience": PLAIN });
    let answer = tenant.exchange(public).await;
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("unauthorized_client")));
}

/// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
#[tokio::test]
async fn basic_credentials_are_form_decoded() {
    let tenant = Tenant::new().await;
    tenant.server.add_client("urn:app one", "a:b&c%+é");
    tenant.server.grant("urn:app one", PLAIN, ["read:events"]);
    let ask = async |user: &str, password: &str, more: &str| {
        let body = format!("grant_type=client_credentials&audience={PLAIN}{more}");
        let request = client().post(tenant.server.token_url()).basic_auth(user, Some(password));
        let form = "application/x-www-form-urlencoded";
        send(request.header("content-type", form).body(body)).await.status
    };
    assert_eq!(ask("urn%3Aapp+one", "a%3Ab%26c%25%2B%C3%A9", "").await, 200);
    assert_eq!(ask("urn%3Aapp+one", "a%3Ab&c%25%2B%C3%A9", "").await, 200, "a bare & ends nothing");
    assert_eq!(ask("urn%3Aapp+one", "a%3Ab%26c%25+%C3%A9", "").await, 401);
    assert_eq!(ask("urn%3Aapp+one", "a%3Ab%26c%25%2B%C3%A9", "&client_id=urn:app+one").await, 200);
    assert_eq!(ask("urn%3Aapp+one", "a%3Ab%26c%25%2B%C3%A9", "&client_id=other").await, 400);
}

/// RFC 7591 §2, `token_endpoint_auth_method`: at both endpoints that clients authenticate at.
#[tokio::test]
async fn a_client_authenticates_in_the_way_that_is_registered_for_it() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", PLAIN, ["read:events"]);
    let ask = async |url: String, body: &str, in_header: bool| {
        let request = client().post(url).header("content-type", "application/x-www-form-urlencoded");
        let answer = match in_header {
            true => send(request.basic_auth("partner", Some("secret")).body(body.to_owned())).await,
            false => send(request.body(format!("{body}&client_id=partner&client_secret=secret"))).await,
        };
        if answer.status == 401 {
            assert_eq!(answer.json()["error"], "invalid_client");
        }
        answer.status
    };
    let token = format!("grant_type=client_credentials&audience={PLAIN}");
    for (way, in_header, in_body) in [
        (None, 200, 200),
        (Some(ClientAuthentication::Basic), 200, 401),
        (Some(ClientAuthentication::Post), 401, 200),
    ] {
        if let Some(way) = way {
            tenant.server.set_client_authentication("partner", way);
        }
        for (is_in_header, status) in [(true, in_header), (false, in_body)] {
            assert_eq!(ask(tenant.server.token_url(), &token, is_in_header).await, status, "{way:?}");
            let revoked = ask(tenant.server.revocation_url(), "token=unknown", is_in_header).await;
            assert_eq!(revoked, status, "{way:?}");
        }
    }
}

#[tokio::test]
async fn the_issuer_may_end_in_a_slash() {
    let tenant = Tenant::with(|builder| builder.issuer_with_slash()).await;
    assert!(tenant.server.issuer().ends_with('/'));
    let base = tenant.server.issuer().trim_end_matches('/');
    assert_eq!(tenant.server.token_url(), format!("{base}/oauth/token"));
    let metadata = get(&tenant.server.metadata_url()).await.json();
    assert_eq!(metadata["issuer"], tenant.server.issuer());
    assert_eq!(metadata["jwks_uri"], tenant.server.jwks_url());
    assert_eq!(metadata["revocation_endpoint"], tenant.server.revocation_url());
    assert_eq!(metadata["authorization_endpoint"], tenant.server.authorization_url());
    assert_eq!(tenant.server.management_audience(), format!("{base}/api/v2/"));
    assert_eq!(tenant.server.requests(&tenant.server.metadata_url()), 1);
    tenant.server.grant("partner", PLAIN, ["a"]);
    assert_eq!(part(&tenant.machine(PLAIN).await.json()["access_token"], 1)["iss"], tenant.server.issuer());
    assert_eq!(tenant.list("client-grants", "read:client_grants").await[0]["client_id"], "partner");
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_token_from_a_cut_off() {
    let tenant = Tenant::new().await;
    let grant = tenant.server.grant("partner", PLAIN, ["a"]);
    assert_eq!(tenant.machine(PLAIN).await.status, 200);
    tenant.clock.step_wall(UnixTime::from_secs(NOW as i64 - 60));
    let entry = tenant.server.delete_grant(&grant);
    assert_eq!((&entry["issued_before"], &entry["exp"]), (&json!(NOW), &json!(NOW + 86400)));
    tenant.server.grant("partner", PLAIN, ["a"]);
    assert_eq!(tenant.machine(PLAIN).await.status, 503, "dead at once, until the clock has caught up");
    tenant.clock.advance(Duration::from_secs(61));
    assert_eq!(tenant.machine(PLAIN).await.status, 200);
}

/// A cut-off covers the whole second that it was made in, so there is no good token to be had in it.
#[tokio::test]
async fn no_token_is_given_out_that_would_be_dead_at_once() {
    let tenant = Tenant::new().await;
    tenant.server.add_api(Api::new(NAMED).profile(TokenProfile::Rfc9068));
    for audience in [PLAIN, NAMED] {
        tenant.server.grant("partner", audience, ["a"]);
    }
    let grant = tenant.server.grant("partner", PLAIN, ["a"]);
    tenant.server.delete_grant(&grant);
    tenant.server.grant("partner", PLAIN, ["a"]);
    let refused = tenant.machine(PLAIN).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    assert_eq!(tenant.machine(NAMED).await.status, 200, "another audience");
    tenant.second();
    assert_eq!(tenant.machine(PLAIN).await.status, 200);

    let entry = tenant.server.revoke_client("partner");
    assert_eq!(tenant.machine(NAMED).await.status, 503);
    tenant.server.withdraw(&entry);
    assert_eq!(tenant.machine(NAMED).await.status, 200, "it was taken back");
    tenant.server.revoke_subject("partner");
    assert_eq!(tenant.machine(NAMED).await.status, 200, "its subject is partner@clients");
    tenant.server.revoke_everything();
    assert_eq!(tenant.machine(NAMED).await.status, 503);
}
