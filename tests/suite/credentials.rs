//! The `Authorization` header: BR rows.

use http::{HeaderValue, Request};
use tower_bearer::{RejectionKind as Kind, any_token, scope};

use super::world::{World, ask, token};

#[tokio::test]
async fn headers_are_judged_as_rfc_6750_says() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let garbage = "a".repeat(1 << 20);
    let large = format!("Bearer {}", "a".repeat(17 * 1024));
    let table: Vec<(Vec<u8>, u16, Option<Kind>)> = vec![
        (format!("Bearer {good}").into(), 200, None),
        (format!("bearer {good}").into(), 200, None),
        (format!("BEARER {good}").into(), 200, None),
        (format!("bEaReR   {good}").into(), 200, None),
        (b"".to_vec(), 401, Some(Kind::OtherScheme)),
        (b"Basic dTpw".to_vec(), 401, Some(Kind::OtherScheme)),
        (b"Bearerx abc".to_vec(), 401, Some(Kind::OtherScheme)),
        (good.clone().into(), 401, Some(Kind::OtherScheme)),
        (format!("DPoP {good}").into(), 401, Some(Kind::OtherScheme)),
        (b"Bearer".to_vec(), 400, Some(Kind::MalformedCredentials)),
        (b"Bearer ".to_vec(), 400, Some(Kind::MalformedCredentials)),
        (b"Bearer    ".to_vec(), 400, Some(Kind::MalformedCredentials)),
        (format!("Bearer\t{good}").into(), 400, Some(Kind::MalformedCredentials)),
        (format!("Bearer \t{good}").into(), 400, Some(Kind::MalformedCredentials)),
        (format!("Bearer {good} x").into(), 400, Some(Kind::MalformedCredentials)),
        (format!("Bearer {good}, Bearer {good}").into(), 400, Some(Kind::MalformedCredentials)),
        (format!("Bearer \"{good}\"").into(), 400, Some(Kind::MalformedCredentials)),
        (b"Bearer a.b.\xff".to_vec(), 400, Some(Kind::MalformedCredentials)),
        (b"Bearer {\"payload\":\"\"}".to_vec(), 400, Some(Kind::MalformedCredentials)),
        (b"Bearer =".to_vec(), 400, Some(Kind::MalformedCredentials)),
        (b"Bearer opaque-token".to_vec(), 401, Some(Kind::MalformedToken)),
        (b"Bearer a+b/c~d==".to_vec(), 401, Some(Kind::MalformedToken)),
        (large.into(), 401, Some(Kind::TooLarge)),
        (format!("Bearer {garbage}").into(), 401, Some(Kind::TooLarge)),
        (garbage.into(), 401, Some(Kind::OtherScheme)),
    ];
    for (value, status, kind) in table {
        let shown = String::from_utf8_lossy(&value[..value.len().min(60)]).into_owned();
        let request = Request::builder().header("authorization", HeaderValue::from_bytes(&value).unwrap());
        let answer = ask(&world.api, any_token(), request.body(()).unwrap()).await;
        assert_eq!((answer.status, answer.rejection.map(|r| r.kind())), (status, kind), "{shown}");
        let challenge = answer.challenge.unwrap_or_default();
        let code = match (status, kind) {
            (400, _) => Some("invalid_request"),
            (401, Some(Kind::OtherScheme)) | (200, _) => None,
            _ => Some("invalid_token"),
        };
        match code {
            Some(code) => assert!(challenge.contains(&format!("error=\"{code}\"")), "{shown}: {challenge}"),
            None => assert!(!challenge.contains("error"), "{shown}: {challenge}"),
        }
        assert_eq!(status != 200, challenge.starts_with("Bearer realm="), "BR-06, BR-18: {shown}");
    }
}

#[tokio::test]
async fn two_headers_are_refused_even_if_both_are_good() {
    let world = World::new().await;
    let good = format!("Bearer {}", world.issuer.mint(token()));
    let request = Request::builder().header("authorization", &good).header("authorization", &good);
    let answer = ask(&world.api, any_token(), request.body(()).unwrap()).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (400, Kind::RepeatedCredentials));
}

/// BR-04, and the scope that a client should ask for.
#[tokio::test]
async fn no_credentials_get_a_challenge_without_an_error() {
    let world = World::new().await;
    let answer = ask(&world.api, scope("read:events"), Request::new(())).await;
    assert_eq!(answer.status, 401);
    let expected = r#"Bearer realm="https://api.example.com/calendar/v1/", scope="read:events""#;
    assert_eq!(answer.challenge.as_deref(), Some(expected));
}

/// BR-12.
#[tokio::test]
async fn a_token_in_the_query_is_no_credential() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let request = Request::builder().uri(format!("https://api/events?access_token={good}")).body(()).unwrap();
    let answer = ask(&world.api, any_token(), request).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::NoCredentials));
}

/// BR-10: a client must not send a token in two ways, even if both are the same.
#[tokio::test]
async fn a_token_in_header_and_query_is_refused() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    for (query, status) in [
        (format!("access_token={good}"), 400),
        ("a=b&access_token=".to_owned(), 400),
        ("access_token".to_owned(), 400),
        ("my_access_token=x&b=access_token".to_owned(), 200),
    ] {
        let request = Request::builder().uri(format!("https://api/events?{query}"));
        let request = request.header("authorization", format!("Bearer {good}")).body(()).unwrap();
        assert_eq!(ask(&world.api, any_token(), request).await.status, status, "{query}");
    }
}
