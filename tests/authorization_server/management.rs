//! The Management API: its scopes, its listings, and what its acts end. Reference §1.2, §1.3 and §2.

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::Algorithm::{ES256, HS256};
use tower_bearer::testing::{Api, AuthorizationServer, Token};

use crate::client::{client, send};
use crate::tenant::{NAMED, NOW, PLAIN, Tenant, USER, part, user_cut_off};

const OFFLINE: &str = "read:events offline_access";

/// Every operation, and the scope that it needs.
const OPERATIONS: [(&str, &str, &str); 17] = [
    ("GET", "blacklists/tokens", "blacklist:tokens"),
    ("POST", "blacklists/tokens", "blacklist:tokens"),
    ("GET", "client-grants", "read:client_grants"),
    ("POST", "client-grants", "create:client_grants"),
    ("DELETE", "client-grants/cgr_1", "delete:client_grants"),
    ("GET", "grants", "read:grants"),
    ("DELETE", "grants/g-1", "delete:grants"),
    ("DELETE", "grants?user_id=u", "delete:grants"),
    ("GET", "device-credentials", "read:device_credentials"),
    ("DELETE", "device-credentials/dcr_1", "delete:device_credentials"),
    ("GET", "refresh-tokens", "read:refresh_tokens"),
    ("DELETE", "refresh-tokens/dcr_1", "delete:refresh_tokens"),
    ("POST", "refresh-tokens/revoke", "delete:refresh_tokens"),
    ("POST", "sessions/s-1/revoke", "delete:sessions"),
    ("PATCH", "users/auth0%7Cu1", "update:users"),
    ("GET", "logs", "read:logs"),
    ("GET", "events", "read:events"),
];

#[tokio::test]
async fn our_own_layer_refuses_calls_without_a_token_or_with_the_wrong_scope() {
    let tenant = Tenant::new().await;
    let server = &tenant.server;
    let audience = server.management_audience();
    let wrong_audience = server.mint(Token::new(PLAIN).scope("read:grants"));
    let foreign = server.mint(Token::new(&audience).scope("read:grants").signed_by_unknown_key());
    for (method, path, scope) in OPERATIONS {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let call = || client().request(method.clone(), server.management_url(path));
        let bare = send(call()).await;
        assert_eq!(bare.status, 401, "{method} {path}");
        assert!(bare.header("www-authenticate").starts_with("Bearer "), "{bare:?}");
        assert_eq!(send(call().bearer_auth(&wrong_audience)).await.status, 401);
        assert_eq!(send(call().bearer_auth(&foreign)).await.status, 401);
        let others = OPERATIONS.map(|(_, _, other)| other).into_iter().filter(|other| *other != scope);
        let others = others.collect::<Vec<_>>().join(" ");
        let refused = tenant.call(method.clone(), path, &others, None).await;
        assert_eq!(refused.status, 403, "{method} {path} with {others}");
        let challenge = refused.header("www-authenticate");
        assert!(challenge.contains(&format!("scope=\"{scope}\"")), "{challenge}");
    }
    assert!(tenant.logged("sapi").await.is_empty());
}

#[tokio::test]
async fn a_client_gets_its_token_for_the_management_api_as_for_any_other() {
    let tenant = Tenant::new().await;
    let audience = tenant.server.management_audience();
    assert!(audience.ends_with("/api/v2/"));
    tenant.server.grant("partner", &audience, ["read:grants"]);
    let token = tenant.machine(&audience).await.json()["access_token"].clone();
    let call = async || {
        let request = client().get(tenant.server.management_url("grants"));
        send(request.bearer_auth(token.as_str().unwrap())).await.status
    };
    assert_eq!(call().await, 200);
    tenant.server.rotate_keys_with_overlap().await.unwrap();
    assert_eq!(call().await, 200, "the former key is still published");
    tenant.server.retire_old_keys();
    assert_eq!(call().await, 401);
}

#[tokio::test]
async fn a_server_that_signs_with_secrets_has_a_management_api_all_the_same() {
    let server = AuthorizationServer::builder().algorithms([HS256]).start().await.unwrap();
    let token = server.mint(Token::new(&server.management_audience()).scope("read:grants"));
    let status =
        async |token: &str| send(client().get(server.management_url("grants")).bearer_auth(token)).await;
    assert_eq!(status(&token).await.status, 200);
    let published = server.mint(Token::new("other").algorithm(ES256));
    assert_eq!(status(&published).await.status, 401);
}

/// `GET` → bare array; no paging, no cursor, no `exp`.
#[tokio::test]
async fn the_blacklist_is_bare() {
    let tenant = Tenant::new().await;
    let scope = "blacklist:tokens";
    assert_eq!(tenant.list("blacklists/tokens", scope).await, json!([]));
    let add = async |body: Value| tenant.call(Method::POST, "blacklists/tokens", scope, Some(body)).await;
    for body in [
        json!({ "aud": NAMED, "jti": "t-1" }),
        json!({ "aud": PLAIN, "jti": "t-2" }),
        json!({ "jti": "t-3" }),
        json!({ "aud": NAMED, "jti": "t-1" }),
    ] {
        let answer = add(body).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    }
    let first = json!({ "aud": NAMED, "jti": "t-1" });
    let all = json!([first, { "aud": PLAIN, "jti": "t-2" }, { "jti": "t-3" }]);
    assert_eq!(tenant.list("blacklists/tokens", scope).await, all);
    assert_eq!(tenant.list(&format!("blacklists/tokens?aud={NAMED}"), scope).await, json!([first]));
    assert_eq!(tenant.list("blacklists/tokens?aud=other", scope).await, json!([]));
    let named: Vec<_> = ["t-1", "t-2", "t-3", "t-1"].map(|jti| json!({ "jti": jti })).into();
    assert_eq!(tenant.entries().await, named);
    for body in [json!({}), json!({ "jti": "" }), json!({ "jti": 7 }), json!({ "jti": "x".repeat(256) })] {
        let answer = add(body).await;
        assert_eq!((answer.status, &answer.json()["errorCode"]), (400, &json!("invalid_body")));
    }
}

#[tokio::test]
async fn tokens_of_the_management_api_cannot_be_blacklisted() {
    let tenant = Tenant::new().await;
    let token =
        Token::new(&tenant.server.management_audience()).scope("blacklist:tokens").claim("jti", "m-1");
    let token = tenant.server.mint(token);
    let call = async |method: Method| {
        let request = client().request(method, tenant.server.management_url("blacklists/tokens"));
        let request = request.header("content-type", "application/json").body(r#"{"jti":"m-1"}"#);
        send(request.bearer_auth(&token)).await.status
    };
    assert_eq!(call(Method::POST).await, 204);
    assert_eq!(call(Method::GET).await, 200);
}

#[tokio::test]
async fn client_grants_are_created_listed_and_deleted() {
    let tenant = Tenant::new().await;
    let new = json!({ "client_id": "partner", "audience": PLAIN, "scope": ["read:events"] });
    let create = async |body: &Value| {
        tenant.call(Method::POST, "client-grants", "create:client_grants", Some(body.clone())).await
    };
    let made = create(&new).await;
    assert_eq!(made.status, 201);
    let grant = made.json();
    let id = grant["id"].as_str().unwrap();
    assert!(id.starts_with("cgr_"), "{id}");
    let item = json!({ "id": id, "client_id": "partner", "audience": PLAIN, "scope": ["read:events"] });
    assert_eq!(grant, item);
    assert_eq!(tenant.list("client-grants", "read:client_grants").await, json!([item]));
    assert_eq!(tenant.machine(PLAIN).await.status, 200);
    assert_eq!(create(&new).await.status, 409);
    assert_eq!(create(&json!({ "client_id": "nobody", "audience": PLAIN, "scope": [] })).await.status, 404);
    assert_eq!(create(&json!({ "client_id": "partner" })).await.status, 400);

    tenant.delete(&format!("client-grants/{id}"), "delete:client_grants").await;
    let cut_off = json!({ "client_id": "partner", "aud": PLAIN, "issued_before": NOW });
    assert_eq!(tenant.entries().await, std::slice::from_ref(&cut_off));
    assert_eq!(tenant.machine(PLAIN).await.status, 403, "no new tokens");
    tenant.delete(&format!("client-grants/{id}"), "delete:client_grants").await;
    assert_eq!(tenant.entries().await, [cut_off], "there was nothing more to end");

    let again = create(&new).await.json();
    assert_ne!(again["id"], id);
    tenant.second();
    assert_eq!(tenant.machine(PLAIN).await.status, 200, "granting again works");
}

/// Five grants of five clients.
async fn five() -> (Tenant, Vec<Value>) {
    let tenant = Tenant::new().await;
    for number in 0..5 {
        let audience = if number == 3 { NAMED } else { PLAIN };
        tenant.server.grant(&format!("c-{number}"), audience, ["a"]);
    }
    let all = tenant.list("client-grants", "read:client_grants").await.as_array().unwrap().clone();
    assert_eq!(all.len(), 5);
    (tenant, all)
}

#[tokio::test]
async fn client_grants_come_by_page_and_by_filter() {
    let (tenant, all) = five().await;
    let list = async |query: &str| tenant.list(&format!("client-grants{query}"), "read:client_grants").await;
    assert_eq!(list("?per_page=2").await, json!(all[..2]));
    assert_eq!(list("?per_page=2&page=2").await, json!(all[4..]));
    assert_eq!(list("?per_page=2&page=3").await, json!([]));
    let totals = json!({ "start": 2, "limit": 2, "total": 5, "client_grants": all[2..4] });
    assert_eq!(list("?page=1&per_page=2&include_totals=true").await, totals);
    assert_eq!(list(&format!("?audience={NAMED}")).await, json!([all[3]]));
    assert_eq!(list(&format!("?audience={PLAIN}&client_id=c-1")).await, json!([all[1]]));
    assert_eq!(list("?client_id=nobody").await, json!([]));
    let wrong = [
        "per_page=0",
        "per_page=101",
        "page=x",
        "include_totals=1",
        "take=0",
        "take=101",
        "from=x",
        "page=0&page=1",
        "client=c-1",
    ];
    for query in wrong {
        let path = format!("client-grants?{query}");
        let answer = tenant.call(Method::GET, &path, "read:client_grants", None).await;
        let body = answer.json();
        assert_eq!((answer.status, &body["statusCode"]), (400, &json!(400)), "{query}");
        assert_eq!(
            (&body["error"], &body["errorCode"]),
            (&json!("Bad Request"), &json!("invalid_query_string"))
        );
        assert!(body["message"].is_string());
    }
}

#[tokio::test]
async fn client_grants_come_by_checkpoint() {
    let (tenant, all) = five().await;
    let list = async |query: &str| tenant.list(&format!("client-grants?{query}"), "read:client_grants").await;
    let first = list("take=2").await;
    assert_eq!(first["client_grants"], json!(all[..2]));
    let next = first["next"].as_str().unwrap();
    // What goes meanwhile moves nothing: the checkpoint is a place, not a count.
    tenant.delete(&format!("client-grants/{}", all[1]["id"].as_str().unwrap()), "delete:client_grants").await;
    let second = list(&format!("take=2&from={next}")).await;
    assert_eq!(second["client_grants"], json!(all[2..4]));
    let last = list(&format!("take=2&from={}", second["next"].as_str().unwrap())).await;
    assert_eq!(last, json!({ "client_grants": [all[4]] }));
    assert_eq!(list("take=100").await, json!({ "client_grants": [all[0], all[2], all[3], all[4]] }));
}

#[tokio::test]
async fn user_grants_are_listed_and_deleted() {
    let tenant = Tenant::new().await;
    tenant.server.add_user("auth0|u2");
    let tokens = tenant.sign_in(PLAIN, OFFLINE).await;
    tenant.sign_in(NAMED, "a").await;
    tenant.sign_in(NAMED, "a b").await;
    tenant.authorize(PLAIN, "read:events", &[("login_hint", "auth0|u2")]).await;
    let pending = tenant.code(PLAIN, OFFLINE).await;

    let list = async |query: &str| tenant.list(&format!("grants{query}"), "read:grants").await;
    let all = list("").await;
    let item = |place: usize, user: &str, audience: &str, scope: Value| {
        let id = &all[place]["id"];
        json!({ "id": id, "clientID": "spa", "user_id": user, "audience": audience, "scope": scope })
    };
    let expected = json!([
        item(0, USER, PLAIN, json!(["read:events", "offline_access"])),
        item(1, USER, NAMED, json!(["a", "b"])),
        item(2, "auth0|u2", PLAIN, json!(["read:events"])),
    ]);
    assert_eq!(all, expected);
    assert_eq!(list("?user_id=auth0%7Cu2").await, json!([all[2]]));
    assert_eq!(list(&format!("?audience={NAMED}&client_id=spa")).await, json!([all[1]]));
    assert_eq!(list("?client_id=partner").await, json!([]));
    let totals = json!({ "start": 2, "limit": 2, "total": 3, "grants": [all[2]] });
    assert_eq!(list("?page=1&per_page=2&include_totals=true").await, totals);

    tenant.delete(&format!("grants/{}", all[0]["id"].as_str().unwrap()), "delete:grants").await;
    assert_eq!(tenant.entries().await, [user_cut_off(PLAIN, NOW)]);
    assert_eq!(tenant.refresh(&tokens).await.status, 403, "all tokens of the grant");
    assert_eq!(tenant.exchange(Tenant::with_code(&pending)).await.status, 403, "codes too");
    tenant.delete("grants/unknown", "delete:grants").await;
    assert_eq!(list("").await, json!([all[1], all[2]]));

    tenant.delete("grants?user_id=auth0%7Cu1", "delete:grants").await;
    assert_eq!(tenant.entries().await, [user_cut_off(PLAIN, NOW), user_cut_off(NAMED, NOW)]);
    assert_eq!(list("").await, json!([all[2]]));
    let answer = tenant.call(Method::DELETE, "grants", "delete:grants", None).await;
    assert_eq!(answer.status, 400, "never everybody's");
}

#[tokio::test]
async fn device_credentials_are_listed_and_deleted() {
    let tenant = Tenant::new().await;
    let (first, second) = (tenant.sign_in(NAMED, OFFLINE).await, tenant.sign_in(NAMED, OFFLINE).await);
    let scope = "read:device_credentials";
    let list = async |query: &str| tenant.list(&format!("device-credentials?{query}"), scope).await;
    let rotating = list("type=rotating_refresh_token&user_id=auth0%7Cu1&client_id=spa").await;
    assert_eq!(rotating.as_array().unwrap().len(), 2);
    let id = rotating[0]["id"].as_str().unwrap();
    let item = json!({
        "id": id, "type": "rotating_refresh_token", "user_id": USER, "client_id": "spa",
        "device_name": rotating[0]["device_name"],
    });
    assert_eq!(rotating[0], item);
    for nothing in ["type=refresh_token", "type=public_key", "user_id=nobody", "client_id=partner"] {
        assert_eq!(list(nothing).await, json!([]), "{nothing}");
    }
    let answer = tenant.call(Method::GET, "device-credentials?type=other", scope, None).await;
    assert_eq!(answer.status, 400);

    tenant.delete(&format!("device-credentials/{id}"), "delete:device_credentials").await;
    assert_eq!(tenant.refresh(&first).await.status, 403);
    assert_eq!(tenant.refresh(&second).await.status, 200);
    assert_eq!(tenant.entries().await, [json!({ "jti": part(&first["access_token"], 1)["jti"] })]);
    assert_eq!(tenant.logged("srrt").await[0]["details"]["credential_id"], id);
    tenant.delete("device-credentials/unknown", "delete:device_credentials").await;
    let grants = tenant.list("grants", "read:grants").await;
    assert_eq!(grants.as_array().unwrap().len(), 1, "the grant stays");

    let steady = Tenant::with(|builder| builder.rotate_refresh_tokens(false)).await;
    steady.sign_in(PLAIN, OFFLINE).await;
    let listed = steady.list("device-credentials?type=refresh_token", scope).await;
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn refresh_tokens_and_sessions_are_revoked() {
    let tenant = Tenant::new().await;
    let mut tokens = Vec::new();
    for audience in [PLAIN, NAMED, NAMED, PLAIN, PLAIN, PLAIN] {
        tokens.push(tenant.sign_in(audience, OFFLINE).await);
    }
    let list = async |query: &str| {
        tenant.list(&format!("refresh-tokens?user_id=auth0%7Cu1{query}"), "read:refresh_tokens").await
    };
    let first = list("&take=4&client_id=spa").await;
    let last = list(&format!("&from={}", first["next"].as_str().unwrap())).await;
    assert_eq!(last.get("next"), None);
    let mut all = first["refresh_tokens"].as_array().unwrap().clone();
    all.extend(last["refresh_tokens"].as_array().unwrap().iter().cloned());
    let item = json!({
        "id": all[1]["id"], "user_id": USER, "client_id": "spa", "session_id": all[1]["session_id"],
        "rotating": true,
        "resource_servers": [{ "audience": NAMED, "scopes": ["read:events", "offline_access"] }],
    });
    assert_eq!((all.len(), &all[1]), (6, &item));
    assert_eq!(list("&client_id=partner").await, json!({ "refresh_tokens": [] }));

    let status = async |method: Method, path: &str, body: Value| {
        let scope = "delete:refresh_tokens delete:sessions";
        tenant.call(method, path, scope, Some(body)).await.status
    };
    let left = async || {
        let listed = list("").await["refresh_tokens"].as_array().unwrap().clone();
        let left = listed.iter().map(|item| all.iter().position(|it| it["id"] == item["id"]).unwrap());
        left.collect::<Vec<_>>()
    };
    let path = format!("refresh-tokens/{}", all[0]["id"].as_str().unwrap());
    assert_eq!(status(Method::DELETE, &path, Value::Null).await, 202);
    assert_eq!(left().await, [1, 2, 3, 4, 5]);
    let path = format!("sessions/{}/revoke", all[1]["session_id"].as_str().unwrap());
    assert_eq!(status(Method::POST, &path, Value::Null).await, 202);
    assert_eq!(left().await, [2, 3, 4, 5]);
    let revoke = async |body: Value| status(Method::POST, "refresh-tokens/revoke", body).await;
    for wrong in [
        json!({}),
        json!({ "client_id": "spa" }),
        json!({ "user_id": USER, "audience": NAMED }),
        json!({ "user_id": USER, "ids": [] }),
        json!({ "ids": vec!["x"; 101] }),
    ] {
        assert_eq!(revoke(wrong.clone()).await, 400, "{wrong}");
    }
    assert_eq!(revoke(json!({ "ids": [all[3]["id"], "unknown"] })).await, 202);
    assert_eq!(left().await, [2, 4, 5]);
    assert_eq!(revoke(json!({ "user_id": USER, "client_id": "partner" })).await, 202);
    assert_eq!(left().await, [2, 4, 5]);
    assert_eq!(revoke(json!({ "user_id": USER, "client_id": "spa", "audience": NAMED })).await, 202);
    assert_eq!(left().await, [4, 5]);
    assert_eq!(revoke(json!({ "user_id": USER })).await, 202);
    assert_eq!(left().await, Vec::<usize>::new());
    for tokens in &tokens {
        assert_eq!(tenant.refresh(tokens).await.status, 403);
    }
    let named = [1, 2].map(|place: usize| json!({ "jti": part(&tokens[place]["access_token"], 1)["jti"] }));
    assert_eq!(tenant.entries().await, named);
    assert_eq!(tenant.logged("srrt").await.len(), 6);
}

#[tokio::test]
async fn a_user_is_blocked_and_unblocked() {
    let tenant = Tenant::new().await;
    let tokens = tenant.sign_in(PLAIN, OFFLINE).await;
    let change = async |user: &str, body: Value| {
        tenant.call(Method::PATCH, &format!("users/{user}"), "update:users", Some(body)).await
    };
    for (user, body, status, code) in [
        ("auth0%7Cu9", json!({ "blocked": true }), 404, "inexistent_user"),
        ("auth0%7Cu1", json!({}), 400, "invalid_body"),
        ("auth0%7Cu1", json!({ "blocked": "yes" }), 400, "invalid_body"),
        ("auth0%7Cu1", json!({ "blocked": true, "name": "Jane" }), 400, "invalid_body"),
    ] {
        let answer = change(user, body.clone()).await;
        assert_eq!((answer.status, &answer.json()["errorCode"]), (status, &json!(code)), "{user} {body}");
    }
    assert_eq!(tenant.entries().await, Vec::<Value>::new());
    let answer = change("auth0%7Cu1", json!({ "blocked": true })).await;
    let expected = json!({ "user_id": USER, "blocked": true });
    assert_eq!((answer.status, answer.json()), (200, expected.clone()));
    assert_eq!(tenant.entries().await, [json!({ "sub": USER, "issued_before": NOW })]);
    tenant.second();
    assert_eq!(tenant.refresh(&tokens).await.status, 403);
    assert_eq!(change("auth0%7Cu1", json!({ "blocked": false })).await.status, 200);
    assert_eq!(tenant.refresh(&tokens).await.status, 200);
    let logged: Vec<_> = tenant.logged("sapi").await;
    let request = &logged[0]["details"]["request"];
    assert_eq!((logged.len(), &request["method"]), (2, &json!("patch")));
    assert_eq!(request["body"], json!({ "blocked": true }));
}

#[tokio::test]
async fn the_handle_deletes_a_grant_as_the_management_api_does() {
    let tenant = Tenant::new().await;
    let of_api = tenant.server.grant("partner", PLAIN, ["a"]);
    let other = tenant.server.grant("partner", "https://unregistered/", ["a"]);
    assert_eq!(tenant.server.delete_grant(&of_api)["aud"], PLAIN);
    assert_eq!(tenant.server.delete_grant(&other)["grant_id"], other);
    assert_eq!(tenant.list("client-grants", "read:client_grants").await, json!([]));
    tenant.server.add_api(Api::new("https://unregistered/"));
    assert_eq!(tenant.machine("https://unregistered/").await.status, 403);
}
