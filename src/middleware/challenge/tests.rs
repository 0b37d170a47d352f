use super::super::body::{EmptyBody, ProblemJson};
use super::*;
use crate::policy::{all_of, any_token};
use crate::rejection::RejectionKind;
use std::time::Duration;

const PLAIN: Asked = Asked { grpc: None };

fn realm() -> Realm {
    Realm::new("a\"b\r\n", None)
}

fn headers(rejection: Rejection, policy: &Policy) -> (u16, Option<String>, Option<String>) {
    let response: Response<()> = answer(rejection, &realm(), policy, PLAIN, &EmptyBody);
    let text = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(text(CACHE_CONTROL).as_deref(), Some("no-store"), "BR-23");
    (response.status().as_u16(), text(WWW_AUTHENTICATE), text(RETRY_AFTER))
}

/// Every kind, as the client and the operator get it: a change shows up in the golden file.
#[test]
fn the_golden_file_has_every_answer() {
    let mut lines = String::new();
    for &kind in RejectionKind::ALL {
        let needs = all_of(["read:events", "write:events"]);
        let mut rejection = Rejection::new(kind);
        if kind == RejectionKind::InsufficientScope {
            rejection = rejection.needing(needs.needed());
        }
        if rejection.status() == StatusCode::SERVICE_UNAVAILABLE {
            rejection = rejection.retry_after(Duration::from_secs(2));
        }
        let realm = Realm::new("api", Some("https://api.example/.well-known/oauth-protected-resource"));
        let log = rejection.log_words();
        let plain: Response<Bytes> = answer(rejection.clone(), &realm, &needs, PLAIN, &ProblemJson);
        let grpc = Asked { grpc: Some(HeaderValue::from_static("application/grpc")) };
        let grpc: Response<Bytes> = answer(rejection, &realm, &needs, grpc, &ProblemJson);
        assert!(grpc.body().is_empty() && grpc.status() == 200);
        let header = |response: &Response<Bytes>, name: &str| {
            response
                .headers()
                .get(name)
                .map_or_else(|| "-".to_owned(), |value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(header(&plain, "www-authenticate"), header(&grpc, "www-authenticate"));
        lines += &format!(
            "{kind:?}\n  status       {}\n  challenge    {}\n  retry-after  {}\n  body         {}\n  grpc         {} {}\n  log          {log}\n",
            plain.status().as_u16(),
            header(&plain, "www-authenticate"),
            header(&plain, "retry-after"),
            std::str::from_utf8(plain.body()).unwrap(),
            header(&grpc, "grpc-status"),
            header(&grpc, "grpc-message"),
        );
    }
    let golden = include_str!("answers.txt");
    assert_eq!(lines, golden, "src/middleware/challenge/answers.txt is out of date; it should be:\n{lines}");
}

/// BR-04, BR-06, BR-08, BR-17, BR-25.
#[test]
fn challenges_are_quoted_and_say_what_is_needed() {
    let (any, needs) = (any_token(), all_of(["a", "b"]));
    let (status, challenge, _) = headers(RejectionKind::NoCredentials.into(), &any);
    assert_eq!((status, challenge.as_deref()), (401, Some(r#"Bearer realm="a\"b""#)));
    let (_, challenge, _) = headers(RejectionKind::NoCredentials.into(), &needs);
    assert_eq!(challenge.as_deref(), Some(r#"Bearer realm="a\"b", scope="a b""#));
    let rejection = Rejection::new(RejectionKind::NoKeys).retry_after(Duration::from_secs(7));
    assert_eq!(headers(rejection, &any), (503, None, Some("7".to_owned())));
}

/// BR-15: no parameter twice. BR-16: only allowed characters.
#[test]
fn every_challenge_parses() {
    for &kind in RejectionKind::ALL {
        let needs = all_of(["a", "b"]);
        let (status, challenge, _) = headers(Rejection::new(kind).needing(needs.needed()), &needs);
        let Some(challenge) = challenge else {
            assert_eq!(status, 503, "BR-18: {kind:?}");
            continue;
        };
        let parameters = challenge.strip_prefix("Bearer ").unwrap();
        let mut names: Vec<_> = parameters.split(", ").map(|one| one.split_once('=').unwrap().0).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{challenge}");
        assert!(challenge.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{challenge}");
    }
}

#[test]
fn a_body_can_change_neither_status_nor_challenge() {
    let liar = |_: &Rejection, headers: &mut HeaderMap| {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("public"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        "own words".to_owned()
    };
    let response = answer(RejectionKind::Expired.into(), &realm(), &any_token(), PLAIN, &liar);
    assert_eq!((response.status().as_u16(), response.body().as_str()), (401, "own words"));
    assert!(response.headers()[WWW_AUTHENTICATE].to_str().unwrap().starts_with("Bearer realm="));
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
    assert_eq!(response.headers()[CONTENT_TYPE], "text/plain");
    let response = answer(RejectionKind::NoKeys.into(), &realm(), &any_token(), PLAIN, &liar);
    assert!(!response.headers().contains_key(WWW_AUTHENTICATE));
}

#[test]
fn the_rejection_is_in_the_extensions() {
    let response: Response<()> =
        answer(RejectionKind::Revoked.into(), &realm(), &any_token(), PLAIN, &EmptyBody);
    assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), RejectionKind::Revoked);
}

/// BR-22.
#[test]
fn unknown_key_and_wrong_signature_sound_alike() {
    let words = |kind: RejectionKind| headers(kind.into(), &any_token());
    assert_eq!(words(RejectionKind::UnknownKey), words(RejectionKind::WrongSignature));
}

/// A refusal must not become a 200 for whoever looks at the status alone.
#[test]
fn a_content_type_alone_is_not_grpc() {
    let request = |method: &str, version: Version, content: &str, te: &str| {
        let request = Request::builder().method(method).version(version).header(TE, te);
        Asked::of(&request.header(CONTENT_TYPE, content).body(()).unwrap()).grpc.is_some()
    };
    let table = [
        ("POST", Version::HTTP_2, "application/grpc", "trailers", true),
        ("POST", Version::HTTP_2, "Application/grpc+proto", "trailers", true),
        ("GET", Version::HTTP_2, "application/grpc", "trailers", false),
        ("POST", Version::HTTP_11, "application/grpc", "trailers", false),
        ("POST", Version::HTTP_2, "application/grpc", "gzip", false),
        ("POST", Version::HTTP_2, "application/grpcx", "trailers", false),
        ("POST", Version::HTTP_2, "application/json", "trailers", false),
    ];
    for (method, version, content, te, expected) in table {
        assert_eq!(request(method, version, content, te), expected, "{method} {version:?} {content} {te}");
    }
}
