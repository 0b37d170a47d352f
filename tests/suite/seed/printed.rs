//! 1.1: the token that is printed in the document, HS256 with the secret that it names.

use tower_bearer::clock::{ManualClock, UnixTime};
use tower_bearer::{Builder, NeedsRevocation, Policy, Profile, RejectionKind as Kind, ResourceServer};
use tower_bearer::{all_of, any_token, scope};

use crate::world::{ask, request};

const PRINTED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJodHRwczovL2V4YW1wbGUuYXV0aDAuY29tLyIsImF1ZCI6Imh0dHBzOi8vYXBpLmV4YW1wbGUuY29tL2NhbGFuZGFyL3YxLyIsInN1YiI6InVzcl8xMjMiLCJpYXQiOjE0NTg3ODU3OTYsImV4cCI6MTQ1ODg3MjE5Nn0.CA7eaHjIHz5NxeIJoFK9krqaeZrPLwmMmgI_XiQiIkQ";
const ISSUER: &str = "https://example.auth0.com/";
/// Spelled as in the token.
const AUDIENCE: &str = "https://api.example.com/calandar/v1/";
const SECRET: &str = "keyboardcat";
const ISSUED: i64 = 1_458_785_796;
const ENDS: i64 = 1_458_872_196;
/// What clocks may differ by.
const LEEWAY: i64 = 5;

fn at(second: i64) -> ManualClock {
    ManualClock::new(UnixTime::from_secs(second))
}

/// Its claims are few: no `jti`, no client, no scope.
fn api(clock: &ManualClock, issuer: &str, audience: &str) -> Builder<NeedsRevocation> {
    let builder = ResourceServer::builder().clock(clock.clone()).issuer(issuer).audience(audience);
    builder.profile(Profile::Generic)
}

async fn judge(second: i64, policy: Policy) -> (u16, Option<Kind>) {
    let api = api(&at(second), ISSUER, AUDIENCE).danger().short_shared_secret(SECRET).without_revocation();
    let answer = ask(&api.start().await.unwrap(), policy, request(PRINTED)).await;
    if answer.status == 200 {
        let token = answer.token.unwrap();
        assert_eq!((token.issuer(), token.subject().unwrap().as_ref()), (ISSUER, "usr_123"));
        let ends = (token.issued_at().unwrap().as_secs(), token.expires_at().as_secs());
        assert_eq!(ends, (ISSUED, ENDS));
    }
    (answer.status, answer.rejection.map(|rejection| rejection.kind()))
}

/// Eleven bytes are too short for HS256: the start says so, and which door is open to who wants them all the same.
#[tokio::test]
async fn its_secret_passes_only_through_the_door_of_dangers() {
    let strict = api(&at(ISSUED), ISSUER, AUDIENCE).shared_secret(SECRET).without_revocation();
    let error = strict.start().await.unwrap_err();
    assert_eq!((error.setting(), error.value()), ("shared_secret", "[11 bytes]"));
    let said = error.to_string();
    for words in ["RFC 7518", "32 bytes for HS256", "danger().short_shared_secret"] {
        assert!(said.contains(words), "{said}");
    }
    assert!(!said.contains(SECRET), "{said}");
    assert_eq!(judge(ISSUED, any_token()).await, (200, None));
}

/// The prose shows scopes that the token does not carry.
#[tokio::test]
async fn it_is_good_in_its_life_where_no_scope_is_needed() {
    for (second, policy, expected) in [
        (ISSUED, any_token(), (200, None)),
        (ENDS - 1, any_token(), (200, None)),
        (ISSUED, scope("read"), (403, Some(Kind::InsufficientScope))),
        (ENDS - 1, all_of(["read", "write"]), (403, Some(Kind::InsufficientScope))),
        (ENDS + LEEWAY - 1, any_token(), (200, None)),
        (ENDS + LEEWAY, any_token(), (401, Some(Kind::Expired))),
        // What has ended is not weak, but void.
        (ENDS + LEEWAY, scope("read"), (401, Some(Kind::Expired))),
        (ISSUED - LEEWAY - 1, any_token(), (401, Some(Kind::IssuedInFuture))),
    ] {
        assert_eq!(judge(second, policy.clone()).await, expected, "{second} {policy:?}");
    }
}

#[tokio::test]
async fn with_another_secret_audience_or_issuer_it_is_refused() {
    let table = [
        (ISSUER, AUDIENCE, SECRET, 200, None),
        (ISSUER, AUDIENCE, "keyboardcas", 401, Some(Kind::WrongSignature)),
        (ISSUER, AUDIENCE, "keyboardcat\n", 401, Some(Kind::WrongSignature)),
        // As a human would spell it.
        (ISSUER, "https://api.example.com/calendar/v1/", SECRET, 401, Some(Kind::WrongAudience)),
        (ISSUER, "https://api.example.com/calandar/v1", SECRET, 401, Some(Kind::WrongAudience)),
        ("https://example.auth0.com", AUDIENCE, SECRET, 401, Some(Kind::UnknownIssuer)),
        ("https://other.auth0.com/", AUDIENCE, SECRET, 401, Some(Kind::UnknownIssuer)),
    ];
    for (issuer, audience, secret, status, kind) in table {
        let api = api(&at(ISSUED), issuer, audience).danger().short_shared_secret(secret);
        let api = api.without_revocation().start().await.unwrap();
        let answer = ask(&api, any_token(), request(PRINTED)).await;
        let judged = (answer.status, answer.rejection.map(|rejection| rejection.kind()));
        assert_eq!(judged, (status, kind), "{issuer} {audience} {secret}");
    }
    let api = api(&at(ISSUED), ISSUER, AUDIENCE).danger().short_shared_secret(SECRET).without_revocation();
    let api = api.start().await.unwrap();
    for (from, to) in [("CA7eaHj", "CA7eaHk"), ("InVzcl8xMjMi", "InVzcl8xMjQi"), ("IkQ", "IkR")] {
        assert!(PRINTED.contains(from));
        let answer = ask(&api, any_token(), request(&PRINTED.replace(from, to))).await;
        assert_eq!(answer.status, 401, "{from}");
    }
}
