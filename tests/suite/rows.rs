//! Rows of docs/conformance.md that nothing else shows from outside. Each test names its ids.

use std::convert::Infallible;

use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::ManualClock;
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{
    AccessToken, Algorithm, Profile, RejectionKind as Kind, ResourceServer, any_token, scope,
};

use super::world::{AUDIENCE, NOW, World, ask, builder, clock, feed, issuer, request, token};

/// The keys that an issuer publishes.
#[expect(clippy::disallowed_methods, reason = "a test's own client")]
async fn published(server: &AuthorizationServer) -> Vec<Value> {
    let body = reqwest::Client::new().get(server.jwks_url()).send().await.unwrap().bytes().await.unwrap();
    let set: Value = serde_json::from_slice(&body).unwrap();
    set["keys"].as_array().unwrap().clone()
}

/// A resource server with these keys for good: an unknown `kid` waits for nobody.
async fn holding(server: &AuthorizationServer, clock: &ManualClock, keys: &[Value]) -> ResourceServer {
    let set = json!({ "keys": keys }).to_string();
    builder(server, clock).keys(set).without_revocation().start().await.unwrap()
}

async fn kind(api: &ResourceServer, token: &str) -> Option<Kind> {
    ask(api, any_token(), request(token)).await.rejection.map(|rejection| rejection.kind())
}

async fn admitted(api: &ResourceServer, token: &str) -> AccessToken {
    let inner = service_fn(async |request: Request<()>| {
        Ok::<_, Infallible>(Response::new(request.extensions().get::<AccessToken>().cloned()))
    });
    api.protect(any_token()).layer(inner).oneshot(request(token)).await.unwrap().into_body().unwrap()
}

fn b64(bytes: impl AsRef<[u8]>) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

fn with(mut object: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        match value {
            Value::Null => drop(object.as_object_mut().unwrap().remove(name)),
            _ => object[name] = value.clone(),
        }
    }
    object
}

// === BR ===

/// BR-10, BR-11, BR-14: one place to look for a token, and what stands elsewhere is the inner service's.
#[tokio::test]
async fn a_token_is_taken_from_the_header_only() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let form = format!("access_token={good}");
    let ask = async |request: http::request::Builder| {
        let request = request.method("POST").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let inner = service_fn(async |request: Request<String>| {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
        let service = world.api.protect(any_token()).layer(inner);
        let answer = service.oneshot(request.body(form.clone()).unwrap()).await.unwrap();
        let challenge = answer.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap());
        let error = challenge.and_then(|challenge| challenge.split_once("error=")).map(|(_, error)| error);
        let code = error.and_then(|error| error.split('"').nth(1)).map(str::to_owned);
        (answer.status().as_u16(), code, answer.into_body())
    };
    let bearer = format!("Bearer {good}");
    let bare = (401, None, String::new());
    assert_eq!(ask(Request::builder()).await, bare, "a form alone");
    let twice = format!("https://api/?access_token={good}&access_token={good}");
    assert_eq!(ask(Request::builder().uri(twice)).await, bare, "the query alone, and even twice");
    let admitted = ask(Request::builder().header(AUTHORIZATION, &bearer)).await;
    assert_eq!(admitted, (200, None, form.clone()), "the body is not ours to read");
    let two = Request::builder().header(AUTHORIZATION, &bearer).header(AUTHORIZATION, format!("DPoP {good}"));
    assert_eq!(ask(two).await, (400, Some("invalid_request".to_owned()), String::new()));
}

/// BR-16: whatever a token says, the answer has the same bytes.
#[tokio::test]
async fn nothing_that_a_token_says_reaches_the_answer() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = holding(&server, &clock, &published(&server).await).await;
    let hostile = "\"\r\nX-Evil: y\u{e9}\\";
    let expected = format!(
        r#"Bearer realm="{AUDIENCE}", error="invalid_token", error_description="The access token is invalid""#
    );
    let mut tokens = Vec::new();
    for name in ["kid", "typ", "alg", "cty", "x"] {
        tokens.push(token().header(name, hostile).claim("aud", hostile));
    }
    for name in ["iss", "aud", "exp", "sub", "jti"] {
        tokens.push(token().claim(name, hostile).claim("nonce", hostile).claim("nbf", hostile));
    }
    for token in tokens {
        let answer = ask(&api, any_token(), request(&server.mint(token.clone()))).await;
        assert_eq!((answer.status, answer.challenge), (401, Some(expected.clone())), "{token:?}");
    }
    let weak = server.mint(token().claim("scope", hostile));
    let answer = ask(&api, scope("read:events"), request(&weak)).await;
    assert_eq!(answer.status, 403);
    assert!(!answer.challenge.unwrap().contains("Evil"));
}

/// BR-19, BR-20, BR-21, BR-23: what the inner service answers passes as it is, its challenges too.
#[tokio::test]
async fn answers_of_the_inner_service_are_not_touched() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let challenges = ["Newauth realm=\"apps\", Basic  realm=\"x\"", "Bearer"];
    for status in [200, 401, 403, 503] {
        let inner = service_fn(move |_: Request<()>| {
            let mut answer = Response::builder().status(status);
            for challenge in challenges {
                answer = answer.header(WWW_AUTHENTICATE, challenge);
            }
            std::future::ready(answer.body("own words".to_owned()))
        });
        let service = world.api.protect(any_token()).layer(inner);
        let answer = service.oneshot(request(&good)).await.unwrap();
        assert_eq!(answer.status().as_u16(), status);
        assert_eq!(answer.headers().get_all(WWW_AUTHENTICATE).iter().collect::<Vec<_>>(), challenges);
        assert!(!answer.headers().contains_key(CACHE_CONTROL));
        assert_eq!(answer.body(), "own words");
    }
}

// === JW ===

/// JW-02, BCP-15: no byte but those of base64url and the dot, at any end of any part.
#[tokio::test]
async fn only_the_characters_of_a_jwt_are_read() {
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let dots: Vec<usize> = good.match_indices('.').map(|(at, _)| at).collect();
    let mut tried = 0;
    for place in [1, dots[0], dots[0] + 1, dots[0] + 20, dots[1], dots[1] + 1, dots[1] + 20, good.len()] {
        for byte in (0..=u8::MAX).filter(|b| !b.is_ascii_alphanumeric() && !b"-_.".contains(b)) {
            let mut value = format!("Bearer {good}").into_bytes();
            value.insert("Bearer ".len() + place, byte);
            // Line breaks and other control characters cannot be in a header at all.
            let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
            let request = Request::builder().header(AUTHORIZATION, value).body(()).unwrap();
            let answer = ask(&world.api, any_token(), request).await;
            let kind = answer.rejection.unwrap().kind();
            let refused = matches!(kind, Kind::MalformedToken | Kind::MalformedCredentials);
            assert!(refused, "byte {byte:#x} at {place}: {kind:?}");
            tried += 1;
        }
    }
    assert!(tried > 1000);
}

/// JW-03: the bits that base64url leaves over are zero, in every part.
#[tokio::test]
async fn one_token_has_one_spelling() {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let world = World::new().await;
    let mut tried = [0; 3];
    for padding in ["", "x", "xx"] {
        let good = world.issuer.mint(token().header("x", padding).claim("x", padding));
        assert_eq!(world.status(&good).await, 200);
        let parts: Vec<&str> = good.split('.').collect();
        for (number, part) in parts.iter().enumerate() {
            let spare = match part.len() % 4 {
                2 => 4,
                3 => 2,
                _ => continue,
            };
            let last = ALPHABET.iter().position(|byte| Some(byte) == part.as_bytes().last()).unwrap();
            for bits in 1..1_usize << spare {
                let other = char::from(ALPHABET[last | bits]);
                let mut changed: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
                changed[number].pop();
                changed[number].push(other);
                let changed = changed.join(".");
                assert_eq!(kind(&world.api, &changed).await, Some(Kind::MalformedToken), "part {number}");
                tried[number] += 1;
            }
        }
    }
    assert!(tried.iter().all(|tried| *tried > 0), "{tried:?}");
}

/// JW-04, JW-05, JW-06, BCP-08: one UTF-8 object each, and every name in it once.
#[tokio::test]
async fn header_and_claims_are_one_object_without_duplicates() {
    let world = World::new().await;
    let kid = world.issuer.key_id(Algorithm::ES256).unwrap();
    let iss = world.issuer.issuer();
    let exp = NOW + 60;
    let head = |members: &str| format!(r#"{{{members}"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#);
    let body = |members: &str| {
        format!(
            r#"{{{members}"iss":"{iss}","aud":"{AUDIENCE}","sub":"u","client_id":"c","iat":{NOW},"exp":{exp},"jti":"j","scope":"a"}}"#
        )
    };
    let sign = |header: &[u8], claims: &[u8]| world.issuer.sign(Algorithm::ES256, header, claims);
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let (good_head, good_body) = (head(""), body(""));
    assert_eq!(kind(&world.api, &sign(good_head.as_bytes(), good_body.as_bytes())).await, None);
    let both = |good: &str| {
        vec![
            b"[]".to_vec(),
            b"\"x\"".to_vec(),
            b"null".to_vec(),
            b"".to_vec(),
            format!("[{good}]").into(),
            format!("\u{feff}{good}").into(),
            format!("{good}{good}").into(),
            format!("{good} x").into(),
            utf_16(good),
            good.replacen('{', "{\"x\":\"\u{0}\",", 1).into(),
            [&b"{\"x\":\"\xff\","[..], &good.as_bytes()[1..]].concat(),
            good.replacen('{', r#"{"x":1,"x":1,"#, 1).into(),
            good.replacen('{', r#"{"x":{"y":1,"y":2},"#, 1).into(),
            good.replacen('{', r#"{"x":1,"\u0078":1,"#, 1).into(),
        ]
    };
    let mut headers = both(&good_head);
    headers.extend([r#""alg":"HS256","#, r#""kid":"x","#, r#""typ":"JWT","#].map(|again| head(again).into()));
    for header in headers {
        let shown = String::from_utf8_lossy(&header).into_owned();
        let forged = sign(&header, good_body.as_bytes());
        assert_eq!(kind(&world.api, &forged).await, Some(Kind::MalformedToken), "{shown}");
    }
    let mut claims = both(&good_body);
    claims.push(format!(r#"[{exp},0,"u","{iss}","{AUDIENCE}"]"#).into());
    for name in ["iss", "aud", "sub", "scope", "jti"] {
        claims.push(body(&format!(r#""{name}":"x","#)).into());
    }
    claims.push(body(r#""exp":1,"#).into());
    for claims in claims {
        let shown = String::from_utf8_lossy(&claims).into_owned();
        let forged = sign(good_head.as_bytes(), &claims);
        assert_eq!(kind(&world.api, &forged).await, Some(Kind::MalformedToken), "{shown}");
    }
}

/// JW-08, JW-09, JW-10, JW-15, JW-28, BCP-06: nothing that would have to be understood is skipped.
#[tokio::test]
async fn headers_that_ask_for_more_than_a_signature_are_refused() {
    let world = World::new().await;
    let unsupported = [
        json!({"crit": ["x"], "x": 1}),
        json!({"crit": ["x"]}),
        json!({"crit": ["alg"]}),
        json!({"crit": ["kid"]}),
        json!({"crit": ["exp", "exp"], "exp": 1}),
        json!({"crit": []}),
        json!({"crit": [1]}),
        json!({"crit": "exp"}),
        json!({"crit": {"exp": true}}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": ["b64"], "b64": true}),
        json!({"b64": false}),
        json!({"b64": "false"}),
        json!({"enc": "A256GCM"}),
        json!({"zip": "DEF"}),
        json!({"cty": "jwt"}),
        json!({"cty": "Jwt"}),
        json!({"cty": "application/JWT"}),
    ];
    for members in unsupported {
        let mut token = token();
        for (name, value) in members.as_object().unwrap() {
            token = token.header(name, value.clone());
        }
        let judged = kind(&world.api, &world.issuer.mint(token)).await;
        assert_eq!(judged, Some(Kind::UnsupportedToken), "{members}");
    }
    for name in ["none", "None", "NONE", "nOnE"] {
        for token in [token().header("alg", name), token().header("alg", name).unsigned()] {
            for token in [token.clone(), token.without_header("kid")] {
                let judged = kind(&world.api, &world.issuer.mint(token)).await;
                assert_eq!(judged, Some(Kind::WrongAlgorithm), "{name}");
            }
        }
    }
    let head = json!({"alg": "RSA-OAEP", "enc": "A256GCM", "typ": "at+jwt"}).to_string();
    let part = b64([7; 32]);
    let encrypted = format!("{}.{part}.{part}.{part}.{part}", b64(&head));
    let answer = world.ask(&encrypted).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::MalformedToken), "a JWE");
    let three = world.issuer.sign(Algorithm::ES256, head, "{}");
    assert_eq!(kind(&world.api, &three).await, Some(Kind::WrongAlgorithm), "its header alone");
}

/// JW-11, BCP-12: keys come from the issuer; what a token brings along or points to is not looked at.
#[tokio::test]
async fn keys_that_a_token_brings_along_are_neither_used_nor_fetched() {
    for (what, expected) in [
        ("our kid", Kind::WrongSignature),
        ("no kid", Kind::WrongSignature),
        ("its own kid, a URL", Kind::UnknownKey),
    ] {
        // A world for each: unknown keys may be asked for, and only so often.
        let world = World::new().await;
        let attacker = issuer(&world.clock).await;
        let jwk = published(&attacker).await.remove(0);
        let before = attacker.requests(&attacker.jwks_url());
        let forged = token()
            .claim("iss", world.issuer.issuer())
            .header("jwk", jwk)
            .header("jku", attacker.jwks_url())
            .header("x5u", format!("{}/cert.pem", attacker.issuer()))
            .header("x5c", json!(["MIIB"]))
            .header("x5t", "AA");
        let forged = match what {
            "our kid" => forged.header("kid", world.issuer.key_id(Algorithm::ES256).unwrap()),
            "no kid" => forged.without_header("kid"),
            _ => forged.header("kid", attacker.jwks_url()),
        };
        assert_eq!(kind(&world.api, &attacker.mint(forged)).await, Some(expected), "{what}");
        assert_eq!(attacker.requests(&attacker.jwks_url()), before, "{what}");
        assert_eq!(attacker.requests("/cert.pem"), 0, "{what}");
    }
}

/// JW-12: a `kid` is any text of up to 256 bytes, and is compared as it is.
#[tokio::test]
async fn a_kid_is_opaque() {
    let clock = clock();
    let server = issuer(&clock).await;
    let key = published(&server).await.remove(0);
    for kid in ["abc/+=", "../key", "' OR 1=1", "\u{e9}", "", &"k".repeat(256)] {
        let api = holding(&server, &clock, &[with(key.clone(), &json!({ "kid": kid }))]).await;
        assert_eq!(kind(&api, &server.mint(token().header("kid", kid))).await, None, "{kid:?}");
        for other in [format!("{kid} "), kid.to_uppercase(), "e\u{301}".to_owned()] {
            if other != kid && other.len() <= 256 {
                let judged = kind(&api, &server.mint(token().header("kid", other))).await;
                assert_eq!(judged, Some(Kind::UnknownKey), "{kid:?}");
            }
        }
    }
}

/// JW-23: a `jti` means one issuer's token, to the byte.
#[tokio::test]
async fn a_token_id_belongs_to_its_issuer() {
    let clock = clock();
    let (one, two) = (issuer(&clock).await, issuer(&clock).await);
    one.revoke_token("same");
    let api = builder(&one, &clock)
        .revocation(feed(&one))
        .issuer(two.issuer())
        .allow_loopback_http()
        .audience(AUDIENCE)
        .revocation(feed(&two));
    let api = api.start().await.unwrap();
    assert_eq!(kind(&api, &one.mint(token().claim("jti", "same"))).await, Some(Kind::Revoked));
    assert_eq!(kind(&api, &one.mint(token().claim("jti", "Same"))).await, None);
    assert_eq!(kind(&api, &two.mint(token().claim("jti", "same"))).await, None);
}

/// JW-24, AT-17: who is meant is a text; a token bound to anything at all is not a bearer's.
#[tokio::test]
async fn subjects_are_texts_and_confirmations_are_not_skipped() {
    let world = World::new().await;
    let table = [
        ("sub", json!(5), Kind::MissingClaim),
        ("sub", json!(""), Kind::MissingClaim),
        ("cnf", json!({"a-member-of-tomorrow": 1}), Kind::SenderConstrained),
        ("cnf", json!({}), Kind::SenderConstrained),
        ("cnf", json!(null), Kind::SenderConstrained),
    ];
    for (name, value, expected) in table {
        let token = world.issuer.mint(token().claim(name, value.clone()));
        assert_eq!(kind(&world.api, &token).await, Some(expected), "{name}: {value}");
    }
}

/// Fuzzing found it: a revocation names texts, so a number identifies no token.
#[tokio::test]
async fn an_id_is_a_text() {
    let clock = clock();
    let server = issuer(&clock).await;
    let generic = builder(&server, &clock).profile(Profile::Generic).revocation(feed(&server));
    let api = generic.start().await.unwrap();
    for (uti, expected) in
        [(json!("t-1"), None), (json!(5), Some(Kind::MissingClaim)), (json!(""), Some(Kind::MissingClaim))]
    {
        let token = server.mint(token().without("jti").claim("uti", uti.clone()));
        assert_eq!(kind(&api, &token).await, expected, "{uti}");
    }
}

/// JW-29: a secret is at least as long as the hash.
#[tokio::test]
async fn secrets_have_the_length_of_the_hash() {
    let clock = clock();
    let server = issuer(&clock).await;
    for (algorithm, length) in [(Algorithm::HS256, 32), (Algorithm::HS384, 48), (Algorithm::HS512, 64)] {
        let start = async |length: usize| {
            let builder = builder(&server, &clock).shared_secret(vec![7; length]).algorithms([algorithm]);
            builder.without_revocation().start().await
        };
        assert_eq!(start(length - 1).await.unwrap_err().setting(), "shared_secret", "{algorithm}");
        assert!(start(length).await.is_ok(), "{algorithm}");
    }
}

/// JW-32: (r, n-s) signs as well as (r, s); a revocation hits both, since it names a claim and no text.
#[tokio::test]
async fn the_twin_of_a_signature_is_revoked_with_it() {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let world = World::new().await;
    let good = world.issuer.mint(token());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let mut signature = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    let mut borrow = 0;
    for place in (0..32).rev() {
        let difference = i16::from(ORDER[place]) - i16::from(signature[32 + place]) - borrow;
        borrow = i16::from(difference < 0);
        signature[32 + place] = difference.rem_euclid(256) as u8;
    }
    let twin = format!("{signed}.{}", b64(signature));
    assert_ne!(twin, good);
    assert_eq!((world.status(&good).await, world.status(&twin).await), (200, 200));
    world.issuer.revoke_jwt(&good);
    world.poll().await;
    assert_eq!(kind(&world.api, &good).await, Some(Kind::Revoked));
    assert_eq!(kind(&world.api, &twin).await, Some(Kind::Revoked));
}

// === JK ===

/// JK-02, JK-03, JK-04, JK-05, JK-12: what a member of a key set says about itself.
#[tokio::test]
async fn a_published_key_is_used_for_what_it_says() {
    let clock = clock();
    let (server, other) = (issuer(&clock).await, issuer(&clock).await);
    let key = published(&server).await.remove(0);
    let decoy = published(&other).await.remove(0);
    let good = server.mint(token());
    let table = [
        (json!({"issuer": "https://x", "x5t#S256": "a", "exp": 5, "ext": {"a": [1]}, "cloud": "y"}), true),
        (json!({"use": null, "alg": null}), true),
        (json!({"use": null, "key_ops": ["verify"]}), true),
        (json!({"use": "sig", "key_ops": ["verify"]}), true),
        (json!({"x5c": ["not base64!", ""]}), true),
        (json!({"x5c": []}), true),
        (json!({"x5c": 5}), false),
        (json!({"use": "enc"}), false),
        (json!({"use": "enc", "key_ops": ["verify"]}), false),
        (json!({"use": "SIG"}), false),
        (json!({"use": null, "key_ops": ["sign"]}), false),
        (json!({"use": "sig", "key_ops": ["encrypt"]}), false),
        (json!({"key_ops": []}), false),
        (json!({"alg": "ES384"}), false),
        (json!({"alg": "RS256"}), false),
        (json!({"d": "AA"}), false),
    ];
    for (members, used) in table {
        let api = holding(&server, &clock, &[with(key.clone(), &members), decoy.clone()]).await;
        let expected = if used { None } else { Some(Kind::UnknownKey) };
        assert_eq!(kind(&api, &good).await, expected, "{members}");
        assert_eq!(api.health().issuers[0].keys.left_out.len(), usize::from(!used), "{members}");
    }
    let twice = key.to_string().replacen('{', r#"{"kid":"former","kty":"RSA","#, 1);
    let set = format!(r#"{{"keys":[{twice}]}}"#);
    let api = builder(&server, &clock).keys(set).without_revocation().start().await.unwrap();
    assert_eq!(kind(&api, &good).await, None, "the last one of two members counts");
}

/// JK-05, BCP-02: a real PS256 signature of a key that is published for RS256.
#[tokio::test]
async fn a_key_verifies_no_algorithm_but_its_own() {
    let clock = clock();
    let server = AuthorizationServer::builder().algorithms([Algorithm::PS256]).clock(clock.clone());
    let server = server.start().await.unwrap();
    let key = published(&server).await.remove(0);
    let good = server.mint(token());
    for (alg, expected) in
        [(json!("PS256"), None), (json!(null), None), (json!("RS256"), Some(Kind::UnknownKey))]
    {
        let api = holding(&server, &clock, &[with(key.clone(), &json!({ "alg": alg }))]).await;
        assert_eq!(kind(&api, &good).await, expected, "{alg}");
    }
}

/// JK-06: a public key is no secret, in whatever form it is taken for one.
#[tokio::test]
async fn a_published_key_is_no_secret() {
    let clock = clock();
    let server = AuthorizationServer::builder().algorithms([Algorithm::RS256]).clock(clock.clone());
    let server = server.start().await.unwrap();
    let key = published(&server).await.remove(0);
    let api = holding(&server, &clock, std::slice::from_ref(&key)).await;
    let n = key["n"].as_str().unwrap();
    let modulus = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(n).unwrap();
    let kid = key["kid"].as_str().unwrap();
    for secret in [key.to_string().into_bytes(), n.as_bytes().to_vec(), modulus, kid.into(), Vec::new()] {
        for algorithm in [Algorithm::HS256, Algorithm::HS512] {
            let forged = token().algorithm(algorithm).signed_with_secret(&secret).header("kid", kid);
            assert_eq!(kind(&api, &server.mint(forged.clone())).await, Some(Kind::WrongAlgorithm));
            let posing = forged.header("alg", "RS256");
            assert_eq!(kind(&api, &server.mint(posing)).await, Some(Kind::WrongSignature));
        }
    }
}

/// JK-07: keys of two kinds may share a `kid`.
#[tokio::test]
async fn keys_of_one_kid_are_told_apart_by_kind() {
    let clock = clock();
    let both = [Algorithm::ES256, Algorithm::EdDSA];
    let server = AuthorizationServer::builder().algorithms(both).clock(clock.clone()).start().await.unwrap();
    let keys = published(&server).await.into_iter().map(|key| with(key, &json!({"kid": "a"})));
    let api = holding(&server, &clock, &keys.collect::<Vec<_>>()).await;
    for algorithm in both {
        let good = server.mint(token().algorithm(algorithm).header("kid", "a"));
        assert_eq!(kind(&api, &good).await, None, "{algorithm}");
    }
}

/// JK-08: without a `kid` a few keys are tried, and of many none.
#[tokio::test]
async fn without_a_kid_only_a_few_keys_are_tried() {
    let clock = clock();
    let server = issuer(&clock).await;
    for keys in 1..=6 {
        let silent = server.mint(token().without_header("kid"));
        let named = server.mint(token());
        let found = published(&server).await;
        assert_eq!(found.len(), keys);
        let api = holding(&server, &clock, &found).await;
        assert_eq!(kind(&api, &named).await, None);
        let expected = if keys <= 4 { None } else { Some(Kind::UnknownKey) };
        assert_eq!(kind(&api, &silent).await, expected, "{keys} keys");
        server.rotate_keys_with_overlap().await.unwrap();
        if keys < 4 {
            let later = holding(&server, &clock, &published(&server).await).await;
            assert_eq!(kind(&later, &silent).await, None, "the key is not the first one any more");
        }
    }
}

/// JK-11: bounded in bytes and members, of either media type, and found without a redirect.
#[tokio::test]
async fn a_key_set_is_bounded() {
    let clock = clock();
    let server = issuer(&clock).await;
    let start = async || builder(&server, &clock).without_revocation().start().await;
    let key = published(&server).await.remove(0);
    let json = |body: Vec<u8>| Reply::status(200).content_type("application/json").body(body);
    let table = [
        (json(vec![b' '; 513 * 1024]), "larger than"),
        (json(br#"{"keys":[]"#.to_vec()), "not a JWK set"),
        (Reply::redirect("http://127.0.0.1:1/"), "answered 302"),
        (Reply::redirect(&server.jwks_url()), "answered 302"),
        (Reply::status(500), "answered 500"),
    ];
    for (reply, words) in table {
        server.set_reply(&server.jwks_url(), reply);
        let error = start().await.unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
    for media_type in ["application/json", "application/jwk-set+json"] {
        let set = json!({"keys": [key]}).to_string();
        server.set_reply(&server.jwks_url(), Reply::status(200).content_type(media_type).body(set));
        assert!(start().await.is_ok(), "{media_type}");
    }
    let decoy = published(&issuer(&clock).await).await.remove(0);
    for (before, expected) in [(63, None), (64, Some(Kind::UnknownKey))] {
        let mut keys = vec![decoy.clone(); before];
        keys.push(key.clone());
        let api = holding(&server, &clock, &keys).await;
        assert_eq!(kind(&api, &server.mint(token())).await, expected, "{before} keys before it");
    }
}

// === BCP, AT ===

/// BCP-09, AT-07: a key proves what its own issuer says, and nothing of another's.
#[tokio::test]
async fn keys_belong_to_their_issuer() {
    let clock = clock();
    let (one, two) = (issuer(&clock).await, issuer(&clock).await);
    let set = async |server| json!({ "keys": published(server).await }).to_string();
    let api = builder(&one, &clock)
        .keys(set(&one).await)
        .without_revocation()
        .issuer(two.issuer())
        .keys(set(&two).await)
        .audience(AUDIENCE)
        .without_revocation();
    let api = api.start().await.unwrap();
    for (signer, victim) in [(&one, &two), (&two, &one)] {
        assert_eq!(kind(&api, &signer.mint(token())).await, None);
        let crossed = token().claim("iss", victim.issuer());
        assert_eq!(kind(&api, &signer.mint(crossed.clone())).await, Some(Kind::UnknownKey));
        let posing = crossed.clone().header("kid", victim.key_id(Algorithm::ES256).unwrap());
        assert_eq!(kind(&api, &signer.mint(posing)).await, Some(Kind::WrongSignature));
        let silent = crossed.without_header("kid");
        assert_eq!(kind(&api, &signer.mint(silent)).await, Some(Kind::WrongSignature));
    }
}

#[derive(Deserialize, PartialEq, Debug)]
struct Group {
    value: String,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

/// AT-12: lists of texts can be demanded by routes; SCIM's objects are for the handler.
#[tokio::test]
async fn roles_and_groups_are_lists_of_texts_for_a_policy() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).scope_claims(["scope", "roles", "groups", "entitlements"]);
    let api = api.without_revocation().start().await.unwrap();
    for name in ["roles", "groups", "entitlements"] {
        let texts = server.mint(token().claim(name, json!(["x", "admin"])));
        assert_eq!(ask(&api, scope("admin"), request(&texts)).await.status, 200, "{name}");
        let objects = server.mint(token().claim(name, json!([{"value": "admin"}])));
        assert_eq!(ask(&api, scope("admin"), request(&objects)).await.status, 403, "{name}");
    }
    let objects = server.mint(token().claim("groups", json!([{"value": "admin", "display": "Admins"}])));
    let groups: Groups = admitted(&api, &objects).await.claims().unwrap();
    assert_eq!(groups.groups, [Group { value: "admin".to_owned() }]);
}

/// AT-14: a client that is called like a user is a client.
#[tokio::test]
async fn a_client_does_not_become_a_user_by_its_name() {
    let world = World::new().await;
    let of = async |subject: &str, client: &str| {
        admitted(&world.api, &world.issuer.mint(token().subject(subject).client(client))).await
    };
    assert!(!of("user-1", "app").await.is_for_client());
    assert!(of("app", "app").await.is_for_client());
    assert!(of("user-1", "user-1").await.is_for_client());
}

// === PR, GR ===

/// PR-08: any origin may read the document, and keep it for a while.
#[tokio::test]
async fn the_document_is_for_every_origin() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).without_revocation().resource(AUDIENCE).start().await.unwrap();
    let request = Request::builder().header("origin", "https://app.example").body(()).unwrap();
    let answer = api.resource_metadata().unwrap().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");
    assert_eq!(answer.headers()[CACHE_CONTROL], "public, max-age=300");
}

/// GR-01: what is gRPC in every respect, and nothing else, is answered as gRPC is.
#[tokio::test]
async fn grpc_is_known_by_more_than_its_content_type() {
    let world = World::new().await;
    let ask = async |content: &'static str| {
        let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
        let request =
            Request::builder().method("POST").version(http::Version::HTTP_2).header("te", "trailers");
        let request = request.header(CONTENT_TYPE, content).body(()).unwrap();
        world.api.protect(any_token()).layer(inner).oneshot(request).await.unwrap()
    };
    for content in ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"] {
        let answer = ask(content).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &"16".parse().unwrap())
        );
        assert_eq!(answer.headers()[CONTENT_TYPE], content);
        assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
    }
    for content in ["application/json", "application/grpc-web+proto", "application/grpcx"] {
        let plain = ask(content).await;
        assert_eq!((plain.status().as_u16(), plain.headers().get("grpc-status")), (401, None), "{content}");
    }
}

// === DI ===

/// A resource server for the issuer of this name at `server`.
async fn discovering(
    server: &AuthorizationServer,
    clock: &ManualClock,
    name: &str,
) -> Result<ResourceServer, tower_bearer::StartError> {
    let builder = ResourceServer::builder().clock(clock.clone()).issuer(name).audience(AUDIENCE);
    assert!(name.starts_with(server.issuer()));
    builder.allow_loopback_http().without_revocation().start().await
}

/// DI-02, DI-03: the last of three places will do, and each is asked once.
#[tokio::test]
async fn metadata_behind_the_path_are_found() {
    let clock = clock();
    let server = issuer(&clock).await;
    let name = format!("{}/t1", server.issuer());
    let place = "/t1/.well-known/openid-configuration";
    server.set_reply(place, Reply::json(&json!({"issuer": name, "jwks_uri": server.jwks_url()})));
    let api = discovering(&server, &clock, &name).await.unwrap();
    assert_eq!(kind(&api, &server.mint(token().claim("iss", name))).await, None);
    let others =
        ["/.well-known/oauth-authorization-server/t1", "/.well-known/openid-configuration/t1", place];
    assert_eq!(others.map(|place| server.requests(place)), [1, 1, 1]);
}

/// DI-04, DI-05, DI-10: the issuer in the document is the one that was asked for, code point by code point, and no
/// template for it.
#[tokio::test]
async fn names_of_issuers_are_not_normalised() {
    let clock = clock();
    let server = issuer(&clock).await;
    let base = server.issuer();
    let name = format!("{base}/t\u{e9}");
    let place = "/t%C3%A9/.well-known/openid-configuration";
    let table = [
        (name.clone(), true),
        (format!("{base}/te\u{301}"), false),
        (format!("{base}/t%C3%A9"), false),
        (format!("{base}/t\u{c9}"), false),
        (format!("{name}/"), false),
        (base.to_uppercase(), false),
        (format!("{base}/{{tenantid}}"), false),
    ];
    for (said, fits) in table {
        server.set_reply(place, Reply::json(&json!({"issuer": said, "jwks_uri": server.jwks_url()})));
        match discovering(&server, &clock, &name).await {
            Ok(_) => assert!(fits, "{said}"),
            Err(error) => assert!(!fits && error.to_string().contains("to the last byte"), "{said}: {error}"),
        }
    }
}

/// DI-06, DI-09: members that mean nothing here are ignored, signed metadata among them.
#[tokio::test]
async fn metadata_are_read_for_two_members() {
    let clock = clock();
    let server = issuer(&clock).await;
    let signed = server.sign(
        Algorithm::ES256,
        r#"{"alg":"ES256"}"#,
        json!({"iss": server.issuer(), "jwks_uri": "https://other.example/jwks"}).to_string(),
    );
    let document = json!({"issuer": server.issuer(), "jwks_uri": server.jwks_url(), "signed_metadata": signed,
        "token_endpoint": 5, "x": {"y": [null]}});
    server.set_reply(&server.metadata_url(), Reply::json(&document));
    let api = discovering(&server, &clock, server.issuer()).await.unwrap();
    assert_eq!(kind(&api, &server.mint(token())).await, None);
}

/// DI-11: each refresh asks the metadata again, and follows the keys to where they have moved.
#[tokio::test]
async fn keys_that_have_moved_are_found() {
    let world = World::new().await;
    let server = &world.issuer;
    assert_eq!(world.status(&server.mint(token())).await, 200);
    server.rotate_keys().await.unwrap();
    server.set_reply("/moved.json", Reply::json(&json!({ "keys": published(server).await })));
    server.set_reply(&server.jwks_url(), Reply::status(404));
    let document = json!({"issuer": server.issuer(), "jwks_uri": format!("{}/moved.json", server.issuer())});
    server.set_reply(&server.metadata_url(), Reply::json(&document));
    assert_eq!(world.status(&server.mint(token())).await, 200);
}
