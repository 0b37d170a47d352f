//! What the upstream gets to know, and from whom.

use crate::client::Ask;
use crate::setup::{FORWARD, ROUTES, Setup, token};

/// Every spelling that some server reads as a declared header.
const SPOOFED: [&str; 7] = [
    "x-auth-subject: root",
    "X-Auth-Subject: root",
    "X_AUTH_SUBJECT: root",
    "x_auth-subject: root",
    "X-AUTH_subject: root",
    "X-Auth-Scope: admin",
    "x_auth_client: root",
];

fn spoofed(path: &str) -> Ask {
    SPOOFED.into_iter().fold(Ask::get(path), Ask::line)
}

#[tokio::test]
async fn identity_comes_from_the_token_only() {
    let setup = Setup::start(&format!("{ROUTES}{FORWARD}")).await;
    let token = setup.token("read:events write:events");
    let usual = ["host", "via", "x-auth-client", "x-auth-scope", "x-auth-subject"];
    let ours = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
    for ask in [
        Ask::get("/events"),
        spoofed("/events"),
        // Traefik's CVE-2024-45410 and CVE-2026-29054: `Connection` must not take away what the gateway says.
        spoofed("/events").connection("close, X-Auth-Subject, x-auth-scope, x-forwarded-for"),
    ] {
        let seen = setup.ask(ask.bearer(&token)).await.seen();
        assert_eq!(seen.names(), [&usual[..], &ours[..]].concat());
        assert_eq!(seen.all("x-auth-subject"), ["user"]);
        assert_eq!(seen.all("x-auth-scope"), ["read:events write:events"]);
        assert_eq!(seen.all("x-auth-client"), ["app"]);
    }
}

#[tokio::test]
async fn nothing_is_said_that_the_token_does_not_say() {
    let setup = Setup::start(&format!("{ROUTES}[forward]\nheaders = {{ 'x-auth-name' = 'name' }}")).await;
    let cases = [
        (token("read:events"), vec![]),
        (token("read:events").claim("name", "Ann"), vec!["Ann"]),
        (token("read:events").claim("name", "Ann\r\nx-auth-role: root"), vec![]),
        (token("read:events").claim("name", 7), vec![]),
    ];
    for (token, names) in cases {
        let ask = Ask::get("/events").bearer(&setup.server.mint(token)).line("X-Auth-Name: root");
        let seen = setup.ask(ask).await.seen();
        assert_eq!((seen.all("x-auth-name"), seen.all("x-auth-role")), (names, vec![]));
    }
}

/// A name that some upstreams expect, and that is otherwise kept out with the others of its family.
#[tokio::test]
async fn a_claim_may_go_by_a_forwarded_header() {
    let setup = Setup::start(&format!("{ROUTES}[forward]\nheaders = {{ 'X-Forwarded-User' = 'sub' }}")).await;
    let ask = Ask::get("/events").line("X-Forwarded-User: root").line("X_Forwarded_User: root");
    let seen = setup.ask(ask.bearer(&setup.token("read:events"))).await.seen();
    assert_eq!((seen.all("x-forwarded-user"), seen.all("x_forwarded_user")), (vec!["user"], vec![]));
    let seen = setup.ask(Ask::get("/open").line("X-Forwarded-User: root")).await.seen();
    assert_eq!(seen.all("x-forwarded-user"), Vec::<&str>::new());
}

#[tokio::test]
async fn public_routes_say_nothing_about_anybody() {
    let setup = Setup::start(&format!("{ROUTES}{FORWARD}")).await;
    let token = setup.token("read:events");
    for ask in [spoofed("/open"), spoofed("/open").bearer(&token), spoofed("/open").bearer("nonsense")] {
        let seen = setup.ask(ask).await.seen();
        assert_eq!(seen.names(), ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
    }
}

#[tokio::test]
async fn authorization_is_kept_only_where_it_is_said() {
    for (setting, kept) in [("", false), ("authorization = 'drop'", false), ("authorization = 'keep'", true)]
    {
        let setup = Setup::start(&format!("{ROUTES}[forward]\n{setting}\n")).await;
        let token = setup.token("read:events");
        let whole = format!("Bearer {token}");
        for path in ["/events", "/open"] {
            let expected = if kept { vec![whole.as_str()] } else { vec![] };
            assert_eq!(
                setup.get(path, &token).await.seen().all("authorization"),
                expected,
                "{setting} {path}"
            );
        }
        assert!(!setup.gateway.log().contains(&token), "a token in the log");
    }
}

#[tokio::test]
async fn headers_of_this_hop_end_here() {
    let setup = Setup::start(ROUTES).await;
    let ask = Ask::get("/open")
        .connection("close, X-Secret ,x-other")
        .line("Connection: x-third")
        .line("X-Secret: 1")
        .line("x-Other: 1")
        .line("X-Third: 1")
        .line("Keep-Alive: timeout=5")
        .line("Proxy-Connection: keep-alive")
        .line("Proxy-Authorization: Basic dTpw")
        .line("TE: trailers")
        .line("Trailer: x-auth-subject")
        .line("X-Kept: 1")
        .line("X-Kept: 2");
    let seen = setup.ask(ask).await.seen();
    let ours =
        ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-kept", "x-kept"];
    assert_eq!(seen.names(), ours);
    assert_eq!(seen.all("x-kept"), ["1", "2"]);

    let answer = setup.ask(Ask::get("/open/hop")).await;
    assert_eq!(answer.header("x-kept"), Some("1"));
    assert_eq!(answer.header("connection"), Some("close"));
    for name in ["x-internal", "x-also-internal", "keep-alive", "proxy-authenticate"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn where_a_request_comes_from_is_said_by_the_gateway() {
    let setup = Setup::start(ROUTES).await;
    let foreign = [
        "X-Forwarded-For: 6.6.6.6",
        "X_Forwarded_For: 6.6.6.6",
        "X-Forwarded-Host: evil.example",
        "x-forwarded-proto: https",
        "X-Forwarded-Prefix: /admin",
        "Forwarded: for=6.6.6.6",
        "X-Real-IP: 6.6.6.6",
        // Some frameworks serve what these say in place of what was judged.
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-HTTP-Method-Override: DELETE",
        "X_HTTP_METHOD_OVERRIDE: DELETE",
    ];
    let upstream = format!("127.0.0.1:{}", setup.upstream.port);
    let seen = setup.ask(foreign.into_iter().fold(Ask::get("/open"), Ask::line)).await.seen();
    assert_eq!(seen.names(), ["host", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"]);
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-host"), ["api.example.test"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("host"), [upstream.as_str()]);

    let absolute = setup.ask(Ask::get("http://absolute.example/open?x=1")).await.seen();
    assert_eq!(absolute.all("x-forwarded-host"), ["absolute.example"]);
    assert_eq!(absolute.all("host"), [upstream.as_str()]);
    assert_eq!(absolute.text("target"), "/open?x=1");

    for ask in [Ask::get("/open").line("Host: two.example"), Ask::get("/open").without_host()] {
        assert_eq!(setup.ask(ask).await.status, 400);
    }
}

/// Some servers merge trailers into the headers, where a spoofed one would count.
#[tokio::test]
async fn trailers_end_here() {
    let setup = Setup::start(&format!("{ROUTES}{FORWARD}")).await;
    let ask = Ask::new("POST", "/open")
        .line("Transfer-Encoding: chunked")
        .line("Trailer: x-auth-subject")
        .body("3\r\nabc\r\n0\r\nX-Auth-Subject: root\r\n\r\n");
    let seen = setup.ask(ask).await.seen();
    assert_eq!(seen.text("body"), "abc");
    assert!(seen.trailers().is_null() && seen.all("x-auth-subject").is_empty());
}
