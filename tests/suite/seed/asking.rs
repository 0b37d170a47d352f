//! 1.1: the ways to get an access token, and what comes with it.

use std::time::Duration;

use serde_json::json;
use tower_bearer::testing::{Api, TokenProfile};

use super::{BACK, NAMELESS, OFFLINE, SECRET, Tenant, USER, claims, client, judged, text};
use crate::world::AUDIENCE;

/// From server to server: the four parameters, as JSON and as a form, and the answer's members.
#[tokio::test]
async fn a_machine_posts_its_credentials_and_the_audience() {
    let tenant = Tenant::new().await;
    let world = tenant.unwatched().await;
    let json = tenant.machine("partner", AUDIENCE).await;
    let form = client().post(tenant.server.token_url());
    let form = form.header("content-type", "application/x-www-form-urlencoded");
    let body =
        format!("grant_type=client_credentials&client_id=partner&client_secret={SECRET}&audience={AUDIENCE}");
    let form = tenant.send(form.body(body)).await;
    for answer in [json, form] {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(
            (&answer.body["token_type"], &answer.body["expires_in"]),
            (&json!("Bearer"), &json!(86_400))
        );
        assert_eq!(claims(&answer.body["access_token"])["aud"], AUDIENCE);
        assert_eq!(answer.body.get("refresh_token"), None, "it has its credentials");
        assert_eq!(judged(&world, &[&answer.body]).await, [200]);
    }
}

/// Whoever administers the API grants access first.
#[tokio::test]
async fn a_machine_needs_a_grant_for_the_api() {
    let tenant = Tenant::new().await;
    tenant.server.add_client("stranger", SECRET);
    assert_eq!(tenant.machine("stranger", AUDIENCE).await.error(), (403, "access_denied"));
    tenant.server.grant("stranger", AUDIENCE, ["read:events"]);
    assert_eq!(tenant.machine("stranger", AUDIENCE).await.status, 200);
    assert_eq!(
        tenant.machine("stranger", NAMELESS).await.error(),
        (403, "access_denied"),
        "for this API only"
    );
}

#[tokio::test]
async fn a_machine_without_its_secret_gets_nothing() {
    let tenant = Tenant::new().await;
    for secret in [json!("wrong"), json!("")] {
        let body = json!({
            "grant_type": "client_credentials", "client_id": "partner", "client_secret": secret,
            "audience": AUDIENCE,
        });
        assert_eq!(tenant.exchange(body).await.error(), (401, "invalid_client"));
    }
    let bare = json!({ "grant_type": "client_credentials", "client_id": "partner", "audience": AUDIENCE });
    assert_eq!(tenant.exchange(bare).await.error(), (401, "invalid_client"));
}

/// `/authorize`, with audience, scope, response type, client, address to come back to, nonce and state; then the code.
#[tokio::test]
async fn an_application_sends_the_browser_and_exchanges_the_code() {
    let tenant = Tenant::new().await;
    let world = tenant.unwatched().await;
    let query = [
        ("audience", AUDIENCE),
        ("scope", "openid read:events"),
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("nonce", "n-1"),
        ("state", "s-1"),
    ];
    let url = url::Url::parse_with_params(&tenant.server.authorization_url(), query).unwrap();
    let answer = client().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let back = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    assert!(back.as_str().starts_with(BACK), "{back}");
    let pairs: Vec<_> = back.query_pairs().into_owned().collect();
    assert_eq!((pairs[0].0.as_str(), &pairs[1]), ("code", &("state".to_owned(), "s-1".to_owned())));
    let body = json!({
        "grant_type": "authorization_code", "client_id": "app", "client_secret": SECRET,
        "code": pairs[0].1, "redirect_uri": BACK,
    });
    let tokens = tenant.exchange(body).await.body;
    assert_eq!(claims(&tokens["id_token"])["nonce"], "n-1");
    let token = claims(&tokens["access_token"]);
    assert_eq!((text(&token["sub"]), text(&token["scope"])), (USER, "openid read:events"));
    assert_eq!(judged(&world, &[&tokens]).await, [200]);
    // Its own proof of who signed in is no token for the API.
    assert_eq!(world.status(text(&tokens["id_token"])).await, 401);
}

/// A day, unless the API says otherwise.
#[tokio::test]
async fn the_life_of_tokens_is_set_for_each_api() {
    let tenant = Tenant::new().await;
    let short = Api::new("https://short.example/").token_lifetime(Duration::from_secs(600));
    tenant.server.add_api(short);
    for (audience, life) in [(AUDIENCE, 86_400), ("https://short.example/", 600)] {
        tenant.server.grant("partner", audience, ["read:events"]);
        let answer = tenant.machine("partner", audience).await.body;
        let claims = claims(&answer["access_token"]);
        assert_eq!(answer["expires_in"], life);
        assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), life);
    }
}

/// Refresh tokens come where the API allows offline access, and where it is asked for.
#[tokio::test]
async fn refresh_tokens_come_only_where_the_api_allows_them() {
    let tenant = Tenant::new().await;
    tenant.server.add_api(Api::new("https://online.example/").profile(TokenProfile::Rfc9068));
    for (audience, scope, comes) in [
        (AUDIENCE, OFFLINE, true),
        (AUDIENCE, "read:events", false),
        ("https://online.example/", OFFLINE, false),
    ] {
        let tokens = tenant.sign_in(USER, "spa", audience, scope).await;
        assert_eq!(tokens.get("refresh_token").is_some(), comes, "{audience} {scope}");
    }
}
