//! Tokens, the token endpoint, metadata and keys.

use std::time::Duration;

use aws_lc_rs::signature::{ECDSA_P521_SHA512_FIXED, UnparsedPublicKey};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode_header};
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tower_bearer::Algorithm::{
    self, ES256, ES384, ES512, EdDSA, HS256, PS256, PS384, PS512, RS256, RS384, RS512,
};
use tower_bearer::testing::{AuthorizationServer, Token};
use url::form_urlencoded::Serializer;

use crate::client::{builder, client, get, send, start, start_at_1000};

const API: &str = "https://api.example.com/";
const CLIENT: &str = "calendar-app";

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json; charset=utf-8";

/// What jsonwebtoken can verify: everything with a public key but ES512.
const VERIFIABLE: [Algorithm; 9] = [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA];

async fn jwks(server: &AuthorizationServer) -> JwkSet {
    serde_json::from_str(&get(&server.jwks_url()).await.body).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "another library's judgement, to hold the signatures against")]
fn decode(token: &str, key: &DecodingKey, algorithm: jsonwebtoken::Algorithm) -> Option<Value> {
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[API]);
    Some(jsonwebtoken::decode(token, key, &validation).ok()?.claims)
}

/// The claims, if the JWK set verifies them.
fn verify(token: &str, keys: &JwkSet) -> Option<Value> {
    let header = decode_header(token).ok()?;
    let jwk = keys.find(&header.kid?)?;
    assert_eq!(jwk.common.key_algorithm.unwrap().to_string(), format!("{:?}", header.alg));
    decode(token, &DecodingKey::from_jwk(jwk).unwrap(), header.alg)
}

fn bytes(base64url: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode_to_vec(base64url).unwrap()
}

/// The header (0) or the claims (1) of a token.
fn part(token: &str, index: usize) -> Value {
    serde_json::from_slice(&bytes(token.split('.').nth(index).unwrap())).unwrap()
}

/// What the token endpoint says to the client, if it asks for `scope` or for all that it is granted.
async fn get_token(server: &AuthorizationServer, scope: Option<&str>) -> Value {
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", CLIENT),
        ("client_secret", "secret"),
        ("audience", API),
    ];
    form.extend(scope.map(|scope| ("scope", scope)));
    let body = Serializer::new(String::new()).extend_pairs(form).finish();
    send(client().post(server.token_url()).header(CONTENT_TYPE, FORM).body(body)).await.json()
}

#[tokio::test]
async fn every_algorithm_verifies_against_the_published_keys() {
    for algorithm in VERIFIABLE {
        let server = AuthorizationServer::builder().algorithms([algorithm]).start().await.unwrap();
        server.add_client(CLIENT, "secret");
        let grant = server.grant(CLIENT, API, ["read:events", "write:events"]);
        let answer = get_token(&server, Some("read:events")).await;
        assert_eq!(answer["token_type"], "Bearer");
        assert_eq!(answer["expires_in"], 3600);
        assert_eq!(answer["scope"], "read:events");
        let token = answer["access_token"].as_str().unwrap();
        let keys = jwks(&server).await;
        assert_eq!(keys.keys.len(), 1);
        let claims = verify(token, &keys).unwrap_or_else(|| panic!("{algorithm}"));
        assert_eq!(part(token, 0)["typ"], "at+jwt");
        assert_eq!(part(token, 0)["alg"], algorithm.name());
        assert_eq!(claims["iss"], server.issuer());
        assert_eq!(claims["sub"], CLIENT);
        assert_eq!(claims["client_id"], CLIENT);
        assert_eq!(claims["scope"], "read:events");
        assert_eq!(claims["grant_id"], grant);
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|iat| iat + 3600));
        assert_eq!(claims["jti"].as_str().unwrap().len(), 22);
    }
}

#[tokio::test]
async fn es512_signs_and_an_algorithm_without_a_key_gets_one() {
    let server = start().await;
    let token = server.mint(Token::new(API).algorithm(ES512));
    let keys = get(&server.jwks_url()).await.json();
    let jwk = &keys["keys"][1];
    assert_eq!(jwk["crv"], "P-521");
    let mut point = vec![4];
    for coordinate in ["x", "y"] {
        point.extend(bytes(jwk[coordinate].as_str().unwrap()));
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&ECDSA_P521_SHA512_FIXED, point);
    key.verify(message.as_bytes(), &bytes(signature)).unwrap();
}

#[tokio::test]
async fn shared_secrets_sign_their_audience() {
    let server = builder().shared_secret(API, "keyboardcat").start().await.unwrap();
    server.add_client(CLIENT, "secret");
    server.grant(CLIENT, API, ["a"]);
    let answer = get_token(&server, None).await;
    let minted = server.mint(Token::new(API));
    for token in [answer["access_token"].as_str().unwrap(), &minted] {
        let key = DecodingKey::from_secret(b"keyboardcat");
        assert!(decode(token, &key, jsonwebtoken::Algorithm::HS256).is_some());
        assert_eq!(part(token, 0), json!({ "alg": "HS256", "typ": "at+jwt" }));
    }
    assert_eq!(part(&server.mint(Token::new("other")), 0)["alg"], "ES256");
    assert_eq!(jwks(&server).await.keys.len(), 1);
}

#[tokio::test]
async fn the_token_endpoint_refuses_as_rfc_6749_says() {
    let server = start().await;
    server.add_client(CLIENT, "secret");
    server.grant(CLIENT, API, ["read:events"]);
    server.add_client("stranger", "secret");
    let kind = "grant_type=client_credentials";
    let good = "grant_type=client_credentials&client_id=calendar-app&client_secret=secret";
    let aud = "audience=https://api.example.com/";
    let res = "resource=https://api.example.com/";
    let by = |id: &str, secret: &str| format!("{kind}&client_id={id}&client_secret={secret}&{aud}");
    let mut document = json!({ "grant_type": "client_credentials", "client_id": CLIENT, "audience": API });
    document["client_secret"] = "secret".into();
    let table = [
        (FORM, format!("{good}&{aud}"), None, 200, ""),
        (FORM, format!("{good}&{res}&scope=read:events"), None, 200, ""),
        (JSON, document.to_string(), None, 200, ""),
        (FORM, format!("{kind}&{aud}"), Some("secret"), 200, ""),
        (FORM, format!("{kind}&{aud}"), Some("wrong"), 401, "invalid_client"),
        (FORM, format!("{good}&{aud}"), Some("secret"), 400, "invalid_request"),
        (FORM, format!("{kind}&{aud}"), None, 401, "invalid_client"),
        (FORM, by(CLIENT, "no"), None, 401, "invalid_client"),
        (FORM, by("nobody", "secret"), None, 401, "invalid_client"),
        (FORM, by("stranger", "secret"), None, 400, "unauthorized_client"),
        (FORM, format!("{good}&audience=https://other/"), None, 400, "unauthorized_client"),
        (FORM, good.to_owned(), None, 400, "invalid_request"),
        (FORM, aud.to_owned(), None, 400, "invalid_request"),
        (FORM, format!("{good}&{aud}&{aud}"), None, 400, "invalid_request"),
        (FORM, format!("{good}&{aud}&scope=delete:events"), None, 400, "invalid_scope"),
        (FORM, format!("grant_type=password&{aud}"), None, 400, "unsupported_grant_type"),
        (JSON, "{".to_owned(), None, 400, "invalid_request"),
        (JSON, "[]".to_owned(), None, 400, "invalid_request"),
        ("text/plain", format!("{good}&{aud}"), None, 400, "invalid_request"),
    ];
    let asked = table.len();
    for (media_type, body, basic, status, error) in table {
        let mut request = client().post(server.token_url()).header(CONTENT_TYPE, media_type);
        if let Some(secret) = basic {
            request = request.basic_auth(CLIENT, Some(secret));
        }
        let answer = send(request.body(body.clone())).await;
        assert_eq!(answer.status, status, "{body}");
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401);
        assert_eq!(answer.json()["error"].as_str().unwrap_or(""), error, "{body}");
    }
    assert_eq!(get(&server.token_url()).await.status, 405);
    assert_eq!(server.requests("/oauth/token"), asked + 1);
    assert_eq!(server.requests(&server.token_url()), asked + 1);
}

#[tokio::test]
async fn a_deleted_grant_gives_no_more_tokens_and_a_new_one_has_a_new_id() {
    let server = start().await;
    server.add_client(CLIENT, "secret");
    let first = server.grant(CLIENT, API, ["a"]);
    let second = server.grant(CLIENT, API, ["a", "b"]);
    assert_ne!(first, second);
    assert_eq!(get_token(&server, None).await["scope"], "a b");
    let entry = server.delete_grant(&second);
    assert_eq!(entry["grant_id"], second);
    assert_eq!(get_token(&server, None).await["error"], "unauthorized_client");
    assert_ne!(server.grant(CLIENT, API, ["a"]), second);
    assert_eq!(get_token(&server, None).await["scope"], "a");
}

#[tokio::test]
async fn a_token_says_what_one_wants() {
    let (server, _clock) = start_at_1000().await;
    let token = Token::new(API).subject("u").client("c").issued_at(500).lifetime(Duration::from_secs(60));
    let claims = part(&server.mint(token), 1);
    let expected = json!({
        "iss": server.issuer(), "aud": API, "sub": "u", "client_id": "c",
        "iat": 500, "exp": 560, "jti": claims["jti"],
    });
    assert_eq!(claims, expected);
    assert_eq!(part(&server.mint(Token::new(API)), 1)["iat"], 1000);

    let odd = Token::new(API).claim("aud", json!([1])).without("exp");
    let odd = server.mint(odd.header("typ", 7).without_header("kid").header("alg", "none"));
    assert_eq!(part(&odd, 0), json!({ "alg": "none", "typ": 7 }));
    assert_eq!(part(&odd, 1)["aud"], json!([1]));
    assert_eq!(part(&odd, 1).get("exp"), None);
    assert!(server.mint(Token::new(API).unsigned()).ends_with('.'));
}

#[tokio::test]
async fn a_token_is_forged_as_one_wants() {
    let server = start().await;
    let keys = jwks(&server).await;
    assert!(verify(&server.mint(Token::new(API)), &keys).is_some());
    let unknown = server.mint(Token::new(API).signed_by_unknown_key());
    assert!(keys.find(part(&unknown, 0)["kid"].as_str().unwrap()).is_none());
    let kid = server.key_id(ES256).unwrap();
    let forged = server.mint(Token::new(API).signed_by_unknown_key().header("kid", kid.clone()));
    assert_eq!(part(&forged, 0)["kid"], kid);
    assert_eq!(verify(&forged, &keys), None);

    let confused = server.mint(Token::new(API).algorithm(HS256).signed_with_secret("n"));
    assert_eq!(part(&confused, 0), json!({ "alg": "HS256", "typ": "at+jwt" }));
    assert!(decode(&confused, &DecodingKey::from_secret(b"n"), jsonwebtoken::Algorithm::HS256).is_some());

    let header = format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#);
    let raw = |exp: &str| {
        let claims = format!(r#"{{{exp}"exp":4000000000,"aud":"{API}"}}"#);
        verify(&server.sign(ES256, &header, claims), &keys)
    };
    assert!(raw("").is_some());
    assert!(raw(r#""exp":1,"#).is_none(), "a claim that comes twice");
}

#[tokio::test]
async fn keys_rotate_with_and_without_overlap() {
    let server = AuthorizationServer::builder().algorithms([ES256, EdDSA]).start().await.unwrap();
    let token = server.mint(Token::new(API).algorithm(EdDSA));
    let answer = get(&server.jwks_url()).await;
    assert_eq!(answer.header("cache-control"), "max-age=60");
    let again = || send(client().get(server.jwks_url()).header("if-none-match", answer.header("etag")));
    assert_eq!(again().await.status, 304);

    server.rotate_keys_with_overlap().await.unwrap();
    assert_eq!(again().await.status, 200);
    let keys = jwks(&server).await;
    assert_eq!(keys.keys.len(), 4);
    assert_eq!(keys.keys[0].common.key_id, server.key_id(ES256));
    assert!(verify(&token, &keys).is_some());
    server.retire_old_keys();
    assert!(verify(&token, &jwks(&server).await).is_none());

    let token = server.mint(Token::new(API));
    assert!(verify(&token, &jwks(&server).await).is_some());
    server.rotate_keys().await.unwrap();
    let keys = jwks(&server).await;
    assert_eq!(keys.keys.len(), 2);
    assert!(verify(&token, &keys).is_none());
    assert!(verify(&server.mint(Token::new(API)), &keys).is_some());
}

#[tokio::test]
async fn metadata_name_every_endpoint() {
    let server = start().await;
    let openid = format!("{}/.well-known/openid-configuration", server.issuer());
    for url in [server.metadata_url(), openid] {
        let metadata = get(&url).await.json();
        assert_eq!(metadata["issuer"], server.issuer());
        assert_eq!(metadata["jwks_uri"], server.jwks_url());
        assert_eq!(metadata["token_endpoint"], server.token_url());
        assert_eq!(metadata["revocation_feed_uri"], server.feed_url());
    }
}
