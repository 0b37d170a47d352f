//! The example `auth0` as a process, against the tenant in process by way of its environment variables.
//!
//! `cargo test` builds the example first; for this file on its own, `cargo build --example auth0` must come before.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::path::Path;
use std::process::Output;

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
    server.add_api(Api::new(AUDIENCE).profile(TokenProfile::Rfc9068));
    for client in ["watcher", "admin", "partner"] {
        server.add_client(client, SECRET);
    }
    server.grant("watcher", &server.management_audience(), ALL.iter().take(2).copied());
    server.grant("admin", &server.management_audience(), ALL);
    server.grant("partner", AUDIENCE, ["read:events"]);
    server
}

/// Runs it with every variable set, but for what `set` says otherwise; an empty value takes one away.
async fn run(server: &AuthorizationServer, set: &[(&str, &str)]) -> Output {
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
    command.output().await.unwrap()
}

/// What goes wrong is said in one line that names what to change, without a secret, and the exit code tells.
#[tokio::test]
async fn what_is_wrong_is_said_in_a_line() {
    type Change = fn(&AuthorizationServer);
    let nothing: Change = |_| {};
    let table: [(Change, (&str, &str), &[&str]); 9] = [
        (nothing, ("AUTH0_AUDIENCE", ""), &["AUTH0_AUDIENCE is not set", "examples/auth0.rs"]),
        (nothing, ("AUTH0_PARTNER_SECRET", ""), &["AUTH0_PARTNER_SECRET is not set"]),
        (nothing, ("AUTH0_ADMIN_ID", " "), &["AUTH0_ADMIN_ID is not set"]),
        (nothing, ("AUTH0_POLL_SECONDS", "0"), &["AUTH0_POLL_SECONDS", "whole number"]),
        (
            nothing,
            ("AUTH0_WATCHER_SECRET", "wrong"),
            &["client credentials", "401 (invalid_client)", "check the client's id, its secret"],
        ),
        (
            nothing,
            ("AUTH0_PARTNER_SECRET", "wrong"),
            &["no token for application partner", "401", "invalid_client", "credentials are wrong"],
        ),
        (
            nothing,
            ("AUTH0_AUDIENCE", "https://unknown.example/"),
            &["no token for application partner", "https://unknown.example/"],
        ),
        (
            |server| {
                server.grant("watcher", &server.management_audience(), ["blacklist:tokens"]);
            },
            ("UNUSED", ""),
            &["client-grants answered 403", "scope read:client_grants"],
        ),
        (
            |server| {
                server.grant("admin", &server.management_audience(), ["read:client_grants"]);
            },
            ("UNUSED", ""),
            &["blacklists/tokens: 403", "administrator's application needs the scope blacklist:tokens"],
        ),
    ];
    for (change, set, words) in table {
        let server = tenant().await;
        change(&server);
        let output = run(&server, &[set]).await;
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

/// With everything in place it comes to its end: the default, with a tenant of its own, and through the environment.
#[tokio::test]
async fn it_runs_without_and_with_a_tenant() {
    let server = tenant().await;
    let often = [("AUTH0_POLL_SECONDS", "1")];
    let (own, given) = tokio::join!(run(&server, &[("AUTH0_DOMAIN", "")]), run(&server, &often));
    for output in [own, given] {
        let said = String::from_utf8(output.stdout).unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}{error}");
        for words in ["ten tokens are admitted", "one is blacklisted", "all ten are refused", "granted again"]
        {
            assert!(said.contains(words), "{said}");
        }
    }
    assert!(server.requests(&server.management_url("blacklists/tokens")) > 0, "it was asked");
}
