//! The log by checkpoint; reference §2.

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::clock::UnixTime;

use crate::client::{client, send};
use crate::tenant::{NAMED, NOW, PLAIN, Tenant, USER, part};

fn kinds(entries: &Value) -> Vec<&str> {
    entries.as_array().unwrap().iter().map(|entry| entry["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn exchanges_name_the_token_that_a_client_received() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", NAMED, ["a"]);
    tenant.server.grant("partner", PLAIN, ["a"]);
    let machine = tenant.machine(NAMED).await.json();
    tenant.machine(PLAIN).await;
    let code = tenant.sign_in(NAMED, "a offline_access").await;
    let refreshed = tenant.refresh(&code).await.json();

    for (kind, tokens, client_id, user) in [
        ("seccft", &machine, "partner", Value::Null),
        ("seacft", &code, "spa", json!(USER)),
        ("sertft", &refreshed, "spa", json!(USER)),
    ] {
        let entry = &tenant.logged(kind).await[0];
        let jti = &part(&tokens["access_token"], 1)["jti"];
        assert!(jti.is_string());
        assert_eq!(&entry["details"]["access_token_jti"], jti, "{kind}");
        assert_eq!((&entry["client_id"], &entry["user_id"]), (&json!(client_id), &user));
        assert_eq!((&entry["audience"], &entry["scope"]), (&json!(NAMED), &tokens["scope"]));
        assert_eq!(entry["date"], "2026-11-18T11:06:40.000Z");
        assert_eq!(entry["log_id"], entry["_id"]);
    }
    let nameless = &tenant.logged("seccft").await[1];
    assert_eq!(nameless["details"], json!({}), "a token without jti has no name");
}

#[tokio::test]
async fn operations_are_logged_with_method_and_path() {
    let tenant = Tenant::new().await;
    let grant = tenant.server.grant("partner", PLAIN, ["a"]);
    tenant.delete(&format!("client-grants/{grant}"), "delete:client_grants").await;
    tenant.delete("grants?user_id=auth0%7Cu1", "delete:grants").await;
    let body = json!({ "jti": "t-1" });
    tenant.call(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(body.clone())).await;
    tenant.call(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(json!({}))).await;
    tenant.call(Method::POST, "blacklists/tokens", "read:logs", Some(json!({ "jti": "t" }))).await;
    tenant.list("grants", "read:grants").await;
    let logged = tenant.logged("sapi").await;
    let seen: Vec<_> = logged.iter().map(|entry| &entry["details"]).collect();
    let operation =
        |request: Value, status: u16| json!({ "request": request, "response": { "statusCode": status } });
    let expected = [
        operation(
            json!({ "method": "delete", "path": format!("/api/v2/client-grants/{grant}"), "query": {} }),
            204,
        ),
        operation(json!({ "method": "delete", "path": "/api/v2/grants", "query": { "user_id": USER } }), 204),
        operation(
            json!({ "method": "post", "path": "/api/v2/blacklists/tokens", "query": {}, "body": body }),
            204,
        ),
    ];
    assert_eq!(seen, expected.iter().collect::<Vec<_>>(), "what failed or only read is not there");
}

#[tokio::test]
async fn a_reader_follows_the_link() {
    let tenant = Tenant::new().await;
    for _ in 0..4 {
        tenant.server.delete_user("nobody");
    }
    tenant.server.write_log("slo", json!({ "user_id": USER }));
    let read = async |url: &str| {
        let path = url.strip_prefix(&tenant.server.management_audience()).unwrap();
        let answer = tenant.call(Method::GET, path, "read:logs", None).await;
        assert_eq!(answer.status, 200);
        let next = answer.headers.get("link").map(|link| {
            let link = link.to_str().unwrap();
            let (url, rel) = link.split_once('>').unwrap();
            assert_eq!(rel, "; rel=\"next\"");
            url.strip_prefix('<').unwrap().to_owned()
        });
        (answer.json(), next)
    };
    let (first, next) = read(&tenant.server.management_url("logs?take=2")).await;
    let (second, next) = read(&next.unwrap()).await;
    let (third, next) = read(&next.unwrap()).await;
    assert_eq!((&third[0]["user_id"], kinds(&third)), (&json!(USER), vec!["slo"]));
    assert_eq!((kinds(&first).len(), kinds(&second).len(), kinds(&third).len()), (2, 2, 1));
    let end = next.unwrap();
    let (nothing, next) = read(&end).await;
    assert_eq!((nothing, next), (json!([]), None), "a reader keeps the checkpoint that it has");

    // By id, not by date: the clock is set back.
    tenant.clock.step_wall(UnixTime::from_secs(NOW as i64 - 3600));
    tenant.server.delete_user("late");
    let (news, _) = read(&end).await;
    assert_eq!((&news[0]["user_id"], kinds(&news)), (&json!("late"), vec!["sdu"]));
    assert!(news[0]["date"].as_str().unwrap() < third[0]["date"].as_str().unwrap());
    assert!(news[0]["log_id"].as_str().unwrap() > third[0]["log_id"].as_str().unwrap());
}

#[tokio::test]
async fn a_page_has_at_most_a_hundred() {
    let tenant = Tenant::new().await;
    for _ in 0..101 {
        tenant.server.delete_user("nobody");
    }
    let size = async |query: &str| kinds(&tenant.list(&format!("logs{query}"), "read:logs").await).len();
    assert_eq!((size("").await, size("?take=100").await), (50, 100));
    for query in ["take=101", "take=0", "from=900", "from=900000000000000000000102", "from=x", "sort=name:1"]
    {
        let answer = tenant.call(Method::GET, &format!("logs?{query}"), "read:logs", None).await;
        assert_eq!(answer.status, 400, "{query}");
    }
    assert_eq!(send(client().get(tenant.server.management_url("logs"))).await.status, 401);
}

#[tokio::test]
async fn a_checkpoint_that_is_no_longer_kept_is_refused() {
    let tenant = Tenant::new().await;
    for user in ["a", "b", "c"] {
        tenant.second();
        tenant.server.delete_user(user);
    }
    let by_date = async |sort: &str| {
        let listed = tenant.list(&format!("logs?sort={sort}&per_page=1&page=0"), "read:logs").await;
        (listed[0]["user_id"].clone(), listed[0]["log_id"].as_str().unwrap().to_owned())
    };
    let (first, oldest) = by_date("date:1").await;
    let (last, newest) = by_date("date:-1").await;
    assert_eq!((first, last), (json!("a"), json!("c")));
    tenant.server.expire_logs(1);
    assert_eq!(by_date("date:1").await.1, newest);
    for (from, status) in [(&oldest, 400), (&newest, 200)] {
        let answer = tenant.call(Method::GET, &format!("logs?from={from}"), "read:logs", None).await;
        assert_eq!(answer.status, status);
    }
    tenant.server.expire_logs(0);
    assert_eq!(tenant.list("logs?sort=date:1", "read:logs").await, json!([]));
    tenant.server.delete_user("d");
    assert_eq!(kinds(&tenant.list("logs", "read:logs").await), ["sdu"]);
}
