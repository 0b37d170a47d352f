//! The example `auth0` as a process, against the tenant in process by way of its environment variables.
//!
//! `cargo test` builds the example first; for this file on its own, `cargo build --example auth0` must come before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;
use tower_bearer::Algorithm;
use tower_bearer::testing::{Api, AuthorizationServer, TokenProfile};

const AUDIENCE: &str = "https://api.example.com/calendar/v1/";
const SECRET: &str = "a secret of the tenant";
const ALL: [&str; 4] =
    ["blacklist:tokens", "read:client_grants", "create:client_grants", "delete:client_grants"];

async fn tenant() -> AuthorizationServer {
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).issuer_with_slash();
    let server = builder.start().await.unwrap();
    server.add_api(Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).allow_offline_access());
    for client in ["watcher", "admin", "partner"] {
        server.add_client(client, SECRET);
    }
    server.grant("watcher", &server.management_audience(), ALL.iter().take(2).copied());
    server.grant("admin", &server.management_audience(), ALL);
    server.grant("partner", AUDIENCE, ["read:events"]);
    server
}

/// What the user's part needs besides.
fn with_a_user(server: &AuthorizationServer) {
    server.add_public_client("device");
    server.add_user("auth0|jane");
    let management = server.management_audience();
    server.grant("watcher", &management, [ALL[0], ALL[1], "read:logs", "read:events"]);
    server.grant("admin", &management, ALL.into_iter().chain(["update:users"]));
}

/// With every variable set, but for what `set` says otherwise; an empty value takes one away.
fn command(server: &AuthorizationServer, set: &[(&str, &str)]) -> Command {
    let own = std::env::current_exe().unwrap();
    let examples = own.parent().and_then(Path::parent).unwrap().join("examples");
    let binary = examples.join("auth0").with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(binary);
    command.kill_on_drop(true).env("AUTH0_DOMAIN", server.issuer()).env("AUTH0_AUDIENCE", AUDIENCE);
    for client in ["WATCHER", "ADMIN", "PARTNER"] {
        command.env(format!("AUTH0_{client}_ID"), client.to_lowercase());
        command.env(format!("AUTH0_{client}_SECRET"), SECRET);
    }
    for (name, value) in set {
        match *value {
            "" => command.env_remove(name),
            value => command.env(name, value),
        };
    }
    command
}

async fn run(server: &AuthorizationServer, set: &[(&str, &str)]) -> Output {
    command(server, set).output().await.unwrap()
}

/// As [`run`], with a user who opens the page that is printed. Answers with what was printed, if all went well.
async fn run_with_a_user(server: &AuthorizationServer, set: &[(&str, &str)]) -> String {
    let mut process = command(server, set).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.unwrap() {
        if let Some((_, code)) = line.split_once("user_code=") {
            assert!(server.approve_device(code, "auth0|jane"), "{line}");
        }
        said += &line;
        said += "\n";
    }
    let mut error = String::new();
    process.stderr.take().unwrap().read_to_string(&mut error).await.unwrap();
    assert!(process.wait().await.unwrap().success(), "{said}{error}");
    said
}

/// What goes wrong is said in one line that names what to change, without a secret, and the exit code tells.
#[tokio::test]
async fn what_is_wrong_is_said_in_a_line() {
    type Change = fn(&AuthorizationServer);
    type Set = &'static [(&'static str, &'static str)];
    let nothing: Change = |_| {};
    let table: [(Change, Set, &[&str]); 13] = [
        (nothing, &[("AUTH0_AUDIENCE", "")], &["AUTH0_AUDIENCE is not set", "examples/auth0.rs"]),
        (nothing, &[("AUTH0_PARTNER_SECRET", "")], &["AUTH0_PARTNER_SECRET is not set"]),
        (nothing, &[("AUTH0_ADMIN_ID", " ")], &["AUTH0_ADMIN_ID is not set"]),
        (nothing, &[("AUTH0_POLL_SECONDS", "0")], &["AUTH0_POLL_SECONDS", "whole number"]),
        (
            nothing,
            &[("AUTH0_WATCHER_SECRET", "wrong")],
            &["client credentials", "401 (invalid_client)", "check the client's id, its secret"],
        ),
        (
            nothing,
            &[("AUTH0_PARTNER_SECRET", "wrong")],
            &["no token for application partner", "401", "invalid_client", "credentials are wrong"],
        ),
        (
            nothing,
            &[("AUTH0_AUDIENCE", "https://unknown.example/")],
            &["no token for application partner", "https://unknown.example/"],
        ),
        (
            |server| {
                server.grant("watcher", &server.management_audience(), ["blacklist:tokens"]);
            },
            &[],
            &["client-grants answered 403", "scope read:client_grants"],
        ),
        (
            |server| {
                server.grant("admin", &server.management_audience(), ["read:client_grants"]);
            },
            &[],
            &["blacklists/tokens: 403", "administrator's application needs the scope blacklist:tokens"],
        ),
        (nothing, &[("AUTH0_LOGS", "1")], &["AUTH0_DEVICE_ID is not set"]),
        (nothing, &[("AUTH0_EVENTS", "yes")], &["AUTH0_EVENTS is neither 0 nor 1"]),
        (nothing, &[("AUTH0_LOGS", "1"), ("AUTH0_DEVICE_ID", "device")], &["scope read:logs"]),
        (nothing, &[("AUTH0_EVENTS", "1"), ("AUTH0_DEVICE_ID", "device")], &["scope read:events"]),
    ];
    for (change, set, words) in table {
        let server = tenant().await;
        change(&server);
        let output = run(&server, set).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is missing in: {said}");
        }
        assert!(!said.contains(SECRET), "{said}");
    }
}

#[tokio::test]
async fn an_api_without_jti_is_named() {
    let server = tenant().await;
    server.add_api(Api::new(AUDIENCE));
    let said = String::from_utf8(run(&server, &[]).await.stderr).unwrap();
    assert!(said.contains("no `jti`") && said.contains("RFC 9068"), "{said}");
}

const PARTNER: [&str; 4] = [
    "the partner's ten tokens are admitted",
    "one is blacklisted: refused after",
    "all ten are refused after",
    "granted again: its new token is admitted",
];
const SIGNED_IN: [&str; 1] = ["a user has signed in"];
const BLOCKED: [&str; 2] = ["the user is blocked: refused after", "unblocked: a new token is admitted"];
const REVOKED: [&str; 1] = ["the refresh token is revoked: the access token is refused after"];

/// With everything in place it comes to its end: the default, with a tenant of its own, and through the environment.
#[tokio::test]
async fn it_runs_without_and_with_a_tenant() {
    let (server, of_events, of_logs) = (tenant().await, tenant().await, tenant().await);
    with_a_user(&of_events);
    with_a_user(&of_logs);
    let environment = [("AUTH0_POLL_SECONDS", "1"), ("AUTH0_DEVICE_ID", "device")];
    let with = |name: &'static str| environment.into_iter().chain([(name, "1")]).collect::<Vec<_>>();
    let (set_events, set_logs) = (with("AUTH0_EVENTS"), with("AUTH0_LOGS"));
    // Without the other's scope, neither is asked for what it does not need.
    let management = |server: &AuthorizationServer| server.management_audience();
    of_events.grant("watcher", &management(&of_events), [ALL[0], ALL[1], "read:events"]);
    of_logs.grant("watcher", &management(&of_logs), [ALL[0], ALL[1], "read:logs"]);
    let told = tokio::join!(
        run_with_a_user(&server, &[("AUTH0_DOMAIN", "")]),
        run_with_a_user(&server, &environment[..1]),
        run_with_a_user(&of_events, &set_events),
        run_with_a_user(&of_logs, &set_logs),
    );
    let (own, given, events, logs) = told;
    let parts = [&PARTNER[..], &SIGNED_IN, &BLOCKED, &REVOKED];
    for (said, expected) in [
        (own, [true, true, true, true]),
        (given, [true, false, false, false]),
        (events, [true, true, true, false]),
        (logs, [true, true, false, true]),
    ] {
        for (words, expected) in parts.into_iter().zip(expected) {
            assert!(words.iter().all(|words| said.contains(words) == expected), "{words:?}: {said}");
        }
    }
    let asked = |server: &AuthorizationServer| {
        ["blacklists/tokens", "logs", "events"].map(|path| server.requests(&server.management_url(path)) > 0)
    };
    assert_eq!(asked(&server), [true, false, false]);
    assert_eq!(asked(&of_events), [true, false, true]);
    assert_eq!(asked(&of_logs), [true, true, false]);
}
