//! What the gateway says of the API behind it, and what it remembers: each setting by what it does.

use serde_json::json;

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::settings::{ISSUER, NO_FEED, ROUTE, TOP, complains};
use crate::setup::{ROUTES, Setup, authorization_server, issuer, listeners, until};
use crate::tenants::key_set;
use crate::upstream::Upstream;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// With these lines at the top, and these routes.
async fn with(top: &str, issuers: &str, dir: Dir, routes: &str) -> Setup {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    if issuers.contains("keys_file") {
        dir.write("keys.json", key_set(&server).await.to_string().as_bytes());
    }
    let issuer = issuer(&server).replace("[issuer.rev", &format!("{issuers}\n[issuer.rev"));
    let config = format!("{}{top}\n{issuer}{routes}", listeners(upstream.port));
    let setup = Setup { gateway: Gateway::start_in(dir, &config).await, server, upstream };
    setup.ready().await;
    setup
}

#[tokio::test]
async fn challenges_name_the_realm_and_the_description() {
    let resource = "resource = { url = 'https://api.example.test/v1', scopes = ['read:events'], name = 'Events', \
                    documentation = 'https://docs.example.test/' }";
    let url = format!("https://api.example.test{WELL_KNOWN}/v1");
    let named = format!("resource_metadata=\"{url}\"");
    let table: [(&str, &str, &[&str], &[&str]); 4] = [
        ("", "", &["realm=\"https://api.example.test/\""], &["resource_metadata"]),
        ("realm = 'calendar'", "", &["realm=\"calendar\""], &["resource_metadata"]),
        (resource, "/v1", &["realm=\"https://api.example.test/\"", &named], &[]),
        ("resource = { url = 'https://h' }", "", &[&format!("=\"https://h{WELL_KNOWN}\"")], &[]),
    ];
    // A route for everything is not in its way.
    let routes = format!("{ROUTES}[[route]]\npath = '/'\nrequire = {{ none = true }}\n");
    for (top, path, there, not_there) in table {
        let setup = with(top, "", Dir::new(), &routes).await;
        let refused = setup.ask(Ask::get("/events")).await;
        let challenge = refused.header("www-authenticate").unwrap();
        assert!(there.iter().all(|words| challenge.contains(words)), "{top}: {challenge}");
        assert!(!not_there.iter().any(|words| challenge.contains(words)), "{top}: {challenge}");

        let asked = async |method| setup.ask(Ask::new(method, format!("{WELL_KNOWN}{path}"))).await;
        let expected = if top.starts_with("resource") { [200, 405] } else { [401, 401] };
        assert_eq!([asked("GET").await.status, asked("POST").await.status], expected, "{top}");
        if path == "/v1" {
            let told = asked("GET").await;
            assert_eq!(told.header("content-type"), Some("application/json"));
            assert_eq!(
                told.json(),
                json!({
                    "resource": "https://api.example.test/v1", "authorization_servers": [setup.server.issuer()],
                    "bearer_methods_supported": ["header"], "scopes_supported": ["read:events"],
                    "resource_name": "Events", "resource_documentation": "https://docs.example.test/",
                })
            );
            assert_eq!(setup.ask(Ask::get(WELL_KNOWN)).await.status, 401, "nor is anything else let through");
        }
    }
}

#[tokio::test]
async fn what_is_remembered_is_bounded_as_set() {
    for (top, room, remembered) in
        [("", 32 << 20, true), ("verdict_cache = 0", 0, false), ("verdict_cache = 50000", 50_000, true)]
    {
        let setup = with(top, "", Dir::new(), ROUTES).await;
        let token = setup.token("read:events");
        assert_eq!(setup.get("/events", &token).await.status, 200);
        let page = Ask::get("/metrics").of(setup.gateway.admin).await.body;
        let page = String::from_utf8(page).unwrap();
        let line = format!("\ntower_bearer_verdicts_room_bytes {room}\n");
        assert!(page.contains(&line), "{top}: {page}");
        assert_eq!(page.contains("\ntower_bearer_verdicts 1\n"), remembered, "{top}: {page}");
    }
}

/// A file holds for five seconds from the last look, and is relied on for the second more that is set, not for the hour
/// that is the default.
#[tokio::test]
async fn keys_that_are_gone_are_relied_on_for_as_long_as_set() {
    let table =
        [("keys_file = 'keys.json'\nkeys_stale_after = '1s'", true), ("keys_file = 'keys.json'", false)];
    for (settings, ends) in table {
        let dir = Dir::new();
        let keys = dir.path("keys.json");
        let setup = with("", settings, dir, ROUTES).await;
        std::fs::remove_file(keys).unwrap();
        let token = setup.token("read:events");
        assert_eq!(setup.get("/events", &token).await.status, 200, "relied on");
        let lost = async || {
            let status = Ask::get("/status").of(setup.gateway.admin).await.json();
            status["issuers"][0]["keys"]["last_error"].is_string()
        };
        until("a look in vain", lost).await;
        if ends {
            let status = async || setup.get("/events", &token).await.status;
            until("the end of their time", async || status().await == 503).await;
        } else {
            assert_eq!(setup.get("/events", &token).await.status, 200, "for an hour");
        }
    }
}

#[tokio::test]
async fn each_complaint_names_the_setting_and_the_remedy() {
    let dir = Dir::new();
    let top = |line: &str| format!("{TOP}{line}\n{ISSUER}{NO_FEED}{ROUTE}");
    let issuer = |line: &str| format!("{TOP}{ISSUER}{line}\n{NO_FEED}{ROUTE}");
    let table: [(String, &[&str]); 11] = [
        (top("realm = 5"), &["line 4", "realm", "expected a string"]),
        (top("resource = {}"), &["line 4", "missing field `url`"]),
        (top("resource = 'https://h'"), &["line 4", "resource"]),
        (top("resource = { id = 'https://h' }"), &["line 4", "unknown field `id`", "`url`"]),
        (
            top("resource = { url = 'nonsense' }"),
            &["resource `nonsense`", "not an https URL", "that clients use"],
        ),
        (top("resource = { url = 'http://h' }"), &["resource `http://h`", "not an https URL"]),
        (
            top("resource = { url = 'https://h', scopes = ['offline_access'] }"),
            &["resource `https://h`", "offline_access"],
        ),
        (top("resource = { url = 'https://h', scopes = ['a b'] }"), &["resource `https://h`", "`a b`"]),
        (top("verdict_cache = '32MB'"), &["line 4", "verdict_cache"]),
        (issuer("keys_stale_after = 5"), &["line 7", "keys_stale_after"]),
        (
            issuer("keys_stale_after = '5m'\nshared_secret_file = 'x'"),
            &["line 4", "`keys_stale_after`", "shared_secret_file", "leave it out"],
        ),
    ];
    for (config, words) in table {
        complains(&dir, &config, words).await;
    }
}
