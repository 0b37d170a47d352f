//! What others do with an Auth0 tenant: its applications, the browsers of their users, its administrator.

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::testing::{AuthorizationServer, Token};

pub(crate) const BACK: &str = "https://app.example/callback";

#[expect(clippy::disallowed_methods, reason = "what clients of the tenant do")]
pub(crate) fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.pool_max_idle_per_host(0).build().unwrap()
}

/// What the token endpoint answers.
pub(crate) async fn exchange(server: &AuthorizationServer, body: Value) -> Value {
    let request = client().post(server.token_url()).header("content-type", "application/json");
    let answer = request.body(body.to_string()).send().await.unwrap();
    serde_json::from_str(&answer.text().await.unwrap()).unwrap()
}

pub(crate) fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
}

/// What a partner gets in its own name.
pub(crate) async fn machine(server: &AuthorizationServer, partner: &str, audience: &str) -> Value {
    let body = json!({
        "grant_type": "client_credentials", "client_id": partner, "client_secret": "secret",
        "audience": audience,
    });
    exchange(server, body).await
}

/// Access token and refresh token.
pub(crate) fn both(answer: &Value) -> (String, String) {
    (text(answer, "access_token"), text(answer, "refresh_token"))
}

/// What the application `app`, which may go back to [`BACK`], gets for a user.
pub(crate) async fn sign_in(server: &AuthorizationServer, audience: &str, user: &str) -> Value {
    let query = [
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", BACK),
        ("audience", audience),
        ("scope", "read:events offline_access"),
        ("login_hint", user),
    ];
    let url = url::Url::parse_with_params(&server.authorization_url(), query).unwrap();
    let answer = client().get(url).send().await.unwrap();
    let back = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
    let code = back.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let body = json!({
        "grant_type": "authorization_code", "client_id": "app", "client_secret": "secret", "code": code,
        "redirect_uri": BACK,
    });
    exchange(server, body).await
}

/// A call of the Management API, with a token of this scope. An answer without a body is null.
pub(crate) async fn administer(
    server: &AuthorizationServer,
    method: Method,
    path: &str,
    scope: &str,
    body: Option<Value>,
) -> Value {
    let token = server.mint(Token::new(&server.management_audience()).client("admin").scope(scope));
    let mut request = client().request(method, server.management_url(path)).bearer_auth(token);
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {answer:?}");
    serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
}
