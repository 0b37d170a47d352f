//! Hostile and unlucky tokens: JW, JK, BCP and AT rows.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, Profile, RejectionKind as Kind, any_token};

use super::world::{AUDIENCE, NOW, World, ask, builder, clock, issuer, request, token};

async fn judged(world: &World, table: Vec<(&str, String, Option<Kind>)>) {
    for (what, token, expected) in table {
        let answer = world.ask(&token).await;
        assert_eq!(answer.rejection.map(|rejection| rejection.kind()), expected, "{what}");
    }
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

#[tokio::test]
async fn claims_that_are_missing_or_of_the_wrong_type_are_refused() {
    let world = World::new().await;
    let wrong = [json!(null), json!(true), json!({}), json!([]), json!([1]), json!("")];
    let mut table = Vec::new();
    // AT-04: each required claim of RFC 9068.
    for name in ["aud", "exp", "sub", "client_id", "iat", "jti"] {
        table.push((name, world.issuer.mint(token().without(name)), Some(Kind::MissingClaim)));
        for value in &wrong {
            let expected = if name == "aud" && (value == &json!([]) || value == &json!("")) {
                Kind::WrongAudience
            } else {
                Kind::MissingClaim
            };
            table.push((name, world.issuer.mint(token().claim(name, value.clone())), Some(expected)));
        }
    }
    table.push(("iss", world.issuer.mint(token().without("iss")), Some(Kind::UnknownIssuer)));
    for value in &wrong {
        table.push((
            "iss",
            world.issuer.mint(token().claim("iss", value.clone())),
            Some(Kind::UnknownIssuer),
        ));
    }
    for name in ["exp", "iat", "nbf"] {
        for value in
            [json!("1795000100"), json!(-1), json!(1_795_000_100_000_u64), json!(u64::MAX), json!(1e300)]
        {
            table.push((name, world.issuer.mint(token().claim(name, value)), Some(Kind::MissingClaim)));
        }
    }
    judged(&world, table).await;
}

#[tokio::test]
async fn issuer_and_audience_are_exact() {
    let world = World::new().await;
    let iss = world.issuer.issuer();
    let aud = |value: Value| world.issuer.mint(token().claim("aud", value));
    let issued_by = |value: Value| world.issuer.mint(token().claim("iss", value));
    let table = vec![
        ("string", aud(json!(AUDIENCE)), None),
        ("array", aud(json!(["https://as/userinfo", AUDIENCE])), None),
        ("other", aud(json!("https://other/")), Some(Kind::WrongAudience)),
        ("upper case", aud(json!(AUDIENCE.to_uppercase())), Some(Kind::WrongAudience)),
        ("no slash", aud(json!(AUDIENCE.trim_end_matches('/'))), Some(Kind::WrongAudience)),
        ("a prefix", aud(json!(format!("{AUDIENCE}x"))), Some(Kind::WrongAudience)),
        ("mixed array", aud(json!([1, AUDIENCE])), Some(Kind::MissingClaim)),
        ("slash", issued_by(json!(format!("{iss}/"))), Some(Kind::UnknownIssuer)),
        ("array of issuers", issued_by(json!([iss])), Some(Kind::UnknownIssuer)),
        ("evil", issued_by(json!("https://evil.example")), Some(Kind::UnknownIssuer)),
    ];
    judged(&world, table).await;
}

/// JW-17, JW-20, JW-21: the boundary of each, with 5 s of leeway.
#[tokio::test]
async fn times_are_judged_to_the_second() {
    let world = World::new().await;
    let at = |name: &'static str, value: Value| world.issuer.mint(token().claim(name, value));
    let table = vec![
        ("exp within leeway", at("exp", json!(NOW - 4)), None),
        ("exp at the end of leeway", at("exp", json!(NOW - 5)), Some(Kind::Expired)),
        ("fraction of a second left", at("exp", json!(NOW as f64 - 4.5)), None),
        ("nbf within leeway", at("nbf", json!(NOW + 5)), None),
        ("nbf", at("nbf", json!(NOW + 6)), Some(Kind::NotYetValid)),
        ("nbf zero", at("nbf", json!(0)), None),
        ("iat within leeway", at("iat", json!(NOW + 5)), None),
        ("iat", at("iat", json!(NOW + 6)), Some(Kind::IssuedInFuture)),
        ("a long life", at("exp", json!(NOW + 86_401)), Some(Kind::LivesTooLong)),
        ("a day", at("exp", json!(NOW + 86_400)), None),
    ];
    judged(&world, table).await;
    let token = world.issuer.mint(token().lifetime(Duration::from_secs(60)));
    assert_eq!(world.status(&token).await, 200);
    world.clock.advance(Duration::from_secs(64));
    assert_ne!(world.ask(&token).await.rejection.map(|r| r.kind()), Some(Kind::Expired));
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.ask(&token).await.rejection.unwrap().kind(), Kind::Expired);
}

#[tokio::test]
async fn headers_of_the_token_are_strict() {
    let world = World::new().await;
    let with = |name: &'static str, value: Value| world.issuer.mint(token().header(name, value));
    let table = vec![
        ("no typ", world.issuer.mint(token().without_header("typ")), Some(Kind::WrongType)),
        ("JWT", with("typ", json!("JWT")), Some(Kind::WrongType)),
        ("logout token", with("typ", json!("logout+jwt")), Some(Kind::WrongType)),
        ("DPoP proof", with("typ", json!("dpop+jwt")), Some(Kind::WrongType)),
        ("security event", with("typ", json!("secevent+jwt")), Some(Kind::WrongType)),
        ("media type", with("typ", json!("application/at+jwt")), None),
        ("upper case", with("typ", json!("AT+JWT")), None),
        ("typ of another JSON type", with("typ", json!(5)), Some(Kind::MalformedToken)),
        ("crit", with("crit", json!(["exp"])), Some(Kind::UnsupportedToken)),
        ("empty crit", with("crit", json!([])), Some(Kind::UnsupportedToken)),
        ("null crit", with("crit", json!(null)), Some(Kind::UnsupportedToken)),
        ("b64", with("b64", json!(true)), Some(Kind::UnsupportedToken)),
        ("zip", with("zip", json!("DEF")), Some(Kind::UnsupportedToken)),
        ("nested", with("cty", json!("JWT")), Some(Kind::UnsupportedToken)),
        ("nested, in full", with("cty", json!("application/jwt")), Some(Kind::UnsupportedToken)),
        ("unknown members", with("nonce", json!({"a": [1]})), None),
        ("key brought along", with("jwk", json!({"kty": "oct", "k": "AA"})), None),
        ("URL brought along", with("jku", json!("http://127.0.0.1:1/jwks")), None),
        ("kid of another JSON type", with("kid", json!(5)), Some(Kind::MalformedToken)),
        ("huge kid", with("kid", json!("k".repeat(257))), Some(Kind::MalformedToken)),
        ("no kid, one key fits", world.issuer.mint(token().without_header("kid")), None),
        ("alg in lower case", with("alg", json!("es256")), Some(Kind::WrongAlgorithm)),
        ("alg of another JSON type", with("alg", json!(1)), Some(Kind::WrongAlgorithm)),
        ("no alg", world.issuer.mint(token().without_header("alg")), Some(Kind::WrongAlgorithm)),
        ("unknown alg", with("alg", json!("ML-DSA-44")), Some(Kind::WrongAlgorithm)),
        ("none", world.issuer.mint(token().header("alg", "none").unsigned()), Some(Kind::WrongAlgorithm)),
        (
            "HMAC",
            world.issuer.mint(token().algorithm(Algorithm::HS256).signed_with_secret("k")),
            Some(Kind::WrongAlgorithm),
        ),
        ("alg of another key type", with("alg", json!("RS256")), Some(Kind::UnknownKey)),
        ("alg of another curve", with("alg", json!("ES384")), Some(Kind::UnknownKey)),
    ];
    judged(&world, table).await;
    for name in ["none", "None", "NONE", "nOnE", ""] {
        judged(&world, vec![(name, with("alg", json!(name)), Some(Kind::WrongAlgorithm))]).await;
    }
}

#[tokio::test]
async fn only_strict_compact_tokens_are_read() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let parts: Vec<&str> = good.split('.').collect();
    let (header, claims, signature) = (parts[0], parts[1], parts[2]);
    let kid = world.issuer.key_id(Algorithm::ES256).unwrap();
    let head = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#);
    let body = |members: &str| {
        format!(
            r#"{{"iss":"{}","aud":"{AUDIENCE}","sub":"u","client_id":"c","iat":{NOW},"exp":{},"jti":"j"{members}}}"#,
            world.issuer.issuer(),
            NOW + 60
        )
    };
    let signed =
        |head: &str, body: &str| world.issuer.sign(Algorithm::ES256, head.as_bytes(), body.as_bytes());
    let malformed = Some(Kind::MalformedToken);
    let table = vec![
        ("written by hand", signed(&head, &body("")), None),
        ("two parts", format!("{header}.{claims}"), malformed),
        ("four parts", format!("{good}.x"), malformed),
        ("five parts", format!("{good}.x.y"), malformed),
        ("padding", format!("{good}="), malformed),
        ("no header", format!(".{claims}.{signature}"), malformed),
        ("no claims", format!("{header}..{signature}"), malformed),
        ("no signature", format!("{header}.{claims}."), Some(Kind::WrongSignature)),
        ("a signature of 10 000 bytes", format!("{header}.{claims}.{}", "A".repeat(10_000)), malformed),
        ("duplicate header member", signed(&head.replace("{", r#"{"alg":"none","#), &body("")), malformed),
        ("duplicate claim", signed(&head, &body(r#","jti":"other""#)), malformed),
        ("duplicate claim in disguise", signed(&head, &body(r#","j\u0074i":"other""#)), malformed),
        ("duplicate claim nobody reads", signed(&head, &body(r#","x":1,"x":2"#)), malformed),
        ("array of claims", signed(&head, &format!("[{NOW}]")), malformed),
        ("trailing text", signed(&head, &format!("{} x", body(""))), malformed),
        ("byte order mark", signed(&head, &format!("\u{feff}{}", body(""))), malformed),
        ("lone surrogate", signed(&head, &body(r#","x":"\ud800""#)), malformed),
        ("deep", signed(&head, &body(&format!(r#","x":{}{}"#, "[".repeat(50), "]".repeat(50)))), malformed),
        ("not UTF-8", world.issuer.sign(Algorithm::ES256, head.as_bytes(), b"{\"\xff\":1}"), malformed),
        ("header of 5 KiB", format!("{}.{claims}.{signature}", b64("x".repeat(5000))), Some(Kind::TooLarge)),
        ("DER signature", format!("{header}.{claims}.{}", b64([0x30; 70])), Some(Kind::WrongSignature)),
        (
            "signature of another token",
            format!("{header}.{}.{signature}", b64(body(""))),
            Some(Kind::WrongSignature),
        ),
        (
            "signed by a stranger",
            world.issuer.mint(token().signed_by_unknown_key().header("kid", kid.as_str())),
            Some(Kind::WrongSignature),
        ),
        ("sender-constrained", signed(&head, &body(r#","cnf":{"jkt":"x"}"#)), Some(Kind::SenderConstrained)),
    ];
    judged(&world, table).await;
}

/// Any change of any character is refused, and none panics.
#[tokio::test]
async fn every_single_change_is_refused() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    assert_eq!(world.status(&good).await, 200);
    for place in 0..good.len() {
        for replacement in ['A', 'z', '0', '-', '.', '=', ' ', '~'] {
            let mut changed = good.clone();
            changed.replace_range(place..=place, &replacement.to_string());
            if changed != good {
                let request = request(&changed);
                // An unknown kid asks the issuer, once: the answer is awaited with the clock standing still.
                let answer = world.patiently(ask(&world.api, any_token(), request)).await;
                assert!(matches!(answer.status, 400 | 401 | 503), "{place} {replacement}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn every_algorithm_verifies() {
    let clock = clock();
    let all = [
        Algorithm::RS256,
        Algorithm::RS384,
        Algorithm::RS512,
        Algorithm::PS256,
        Algorithm::PS384,
        Algorithm::PS512,
        Algorithm::ES256,
        Algorithm::ES384,
        Algorithm::ES512,
        Algorithm::EdDSA,
    ];
    let server = AuthorizationServer::builder().algorithms(all).clock(clock.clone()).start().await.unwrap();
    let api = builder(&server, &clock).without_revocation().start().await.unwrap();
    for algorithm in all {
        let token = server.mint(token().algorithm(algorithm));
        let answer = ask(&api, any_token(), request(&token)).await;
        assert_eq!((answer.status, answer.subject.as_deref()), (200, Some("user-1")), "{algorithm}");
    }
    let narrow =
        builder(&server, &clock).algorithms([Algorithm::ES256]).without_revocation().start().await.unwrap();
    let answer = ask(&narrow, any_token(), request(&server.mint(token().algorithm(Algorithm::RS256)))).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::WrongAlgorithm);
    // BCP-05: `Ed25519` is the newer name of the same algorithm.
    let renamed = server.mint(token().algorithm(Algorithm::EdDSA).header("alg", "Ed25519"));
    assert_eq!(ask(&api, any_token(), request(&renamed)).await.status, 200);
}

#[tokio::test]
async fn shared_secrets_verify_hmac_and_nothing_else() {
    let clock = clock();
    let server = issuer(&clock).await;
    let secret = b"0123456789abcdef0123456789abcdef".to_vec();
    let api =
        builder(&server, &clock).shared_secret(secret.clone()).without_revocation().start().await.unwrap();
    let sign = |token: Token, secret: &[u8]| {
        server.mint(token.algorithm(Algorithm::HS256).signed_with_secret(secret))
    };
    assert_eq!(ask(&api, any_token(), request(&sign(token(), &secret))).await.status, 200);
    let cases = [
        (sign(token(), b"another secret that is long enough"), Kind::WrongSignature),
        (sign(token(), b""), Kind::WrongSignature),
        (server.mint(token()), Kind::WrongAlgorithm),
        (server.mint(token().header("alg", "none").unsigned()), Kind::WrongAlgorithm),
    ];
    for (token, kind) in cases {
        assert_eq!(ask(&api, any_token(), request(&token)).await.rejection.unwrap().kind(), kind);
    }
}

#[tokio::test]
async fn the_generic_profile_asks_for_less_and_still_for_the_essentials() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).profile(Profile::Generic).without_revocation().start().await.unwrap();
    let plain = || token().header("typ", "JWT").without("jti").without("client_id").without("sub");
    let table = [
        (plain(), None),
        (plain().without_header("typ"), None),
        (plain().without("iat"), None),
        (plain().without("exp"), Some(Kind::MissingClaim)),
        (plain().without("aud"), Some(Kind::MissingClaim)),
        (plain().without("iss"), Some(Kind::UnknownIssuer)),
        (plain().header("typ", "logout+jwt"), Some(Kind::WrongType)),
        (plain().claim("jti", json!(5)), Some(Kind::MissingClaim)),
    ];
    for (token, kind) in table {
        let answer = ask(&api, any_token(), request(&server.mint(token.clone()))).await;
        assert_eq!(answer.rejection.map(|r| r.kind()), kind, "{token:?}");
    }
}

/// Keycloak writes an object for each client that a user has roles in.
#[tokio::test]
async fn a_token_may_be_large_where_no_single_object_is() {
    let world = World::new().await;
    let access: serde_json::Map<_, _> =
        (0..130).map(|n| (format!("client-{n}"), json!({"roles": ["r"]}))).collect();
    assert_eq!(world.status(&world.issuer.mint(token().claim("resource_access", access))).await, 200);
    let wide: serde_json::Map<_, _> = (0..257).map(|n| (n.to_string(), json!(1))).collect();
    let answer = world.ask(&world.issuer.mint(token().claim("wide", wide))).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::MalformedToken);
}

/// Every claim that we read × every JSON type: what is decided about each, in one place.
#[tokio::test]
async fn every_claim_of_every_type_is_decided() {
    let world = World::new().await;
    let types = [
        ("null", json!(null)),
        ("bool", json!(true)),
        ("integer", json!(NOW)),
        ("fraction", json!(NOW as f64 + 0.5)),
        ("string", json!("x")),
        ("empty string", json!("")),
        ("array", json!(["x"])),
        ("empty array", json!([])),
        ("object", json!({"x": "x"})),
    ];
    // `+` admitted, `m` missing claim, `a` wrong audience, `i` unknown issuer, `s` sender-constrained,
    // `t` not an access token; one letter a type, in the order above.
    let table = [
        ("iss", "iiiiiiiii"),
        ("aud", "mmmmaaaam"),
        ("exp", "mm++mmmmm"),
        ("iat", "mm++mmmmm"),
        ("nbf", "mm++mmmmm"),
        ("sub", "mmmm+mmmm"),
        ("client_id", "mmmm+mmmm"),
        ("jti", "mmmm+mmmm"),
        ("azp", "+++++++++"),
        ("uti", "+++++++++"),
        ("scope", "+++++++++"),
        ("cnf", "sssssssss"),
        ("events", "ttttttttt"),
        ("anything", "+++++++++"),
    ];
    for (claim, letters) in table {
        for ((kind, value), letter) in types.iter().zip(letters.chars()) {
            let expected = match letter {
                '+' => None,
                'm' => Some(Kind::MissingClaim),
                'a' => Some(Kind::WrongAudience),
                'i' => Some(Kind::UnknownIssuer),
                's' => Some(Kind::SenderConstrained),
                't' => Some(Kind::WrongType),
                other => panic!("{other}"),
            };
            let answer = world.ask(&world.issuer.mint(token().claim(claim, value.clone()))).await;
            assert_eq!(answer.rejection.map(|rejection| rejection.kind()), expected, "{claim}: {kind}");
        }
    }
}
