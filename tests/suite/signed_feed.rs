//! Feeds whose pages the issuer signs.

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{Algorithm, RejectionKind as Kind};

use super::world::{NOW, World, builder, clock, feed, issuer, token};

const MEDIA_TYPE: &str = "application/revocation-feed+jwt";

fn page(server: &AuthorizationServer) -> Value {
    json!({"iss": server.issuer(), "as_of": NOW, "cursor": "c", "full": true, "revocations": []})
}

fn signed(server: &AuthorizationServer, header: &Value, page: &Value) -> Reply {
    let mut whole =
        json!({"alg": "ES256", "kid": server.key_id(Algorithm::ES256), "typ": "revocation-feed+jwt"});
    whole.as_object_mut().unwrap().extend(header.as_object().unwrap().clone());
    whole.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    let jws = server.sign(Algorithm::ES256, whole.to_string(), page.to_string());
    Reply::status(200).content_type(MEDIA_TYPE).body(jws)
}

#[tokio::test]
async fn signed_pages_are_read_also_after_the_keys_were_changed() {
    let clock = clock();
    let server = issuer(&clock).await;
    server.sign_feed(true);
    let api = builder(&server, &clock).revocation(feed(&server).signed()).start().await.unwrap();
    let world = World { issuer: server, clock, api };
    let revoked = world.issuer.mint(token().claim("jti", "a").lifetime(Duration::from_secs(3600)));
    world.issuer.revoke_token("a");
    world.poll().await;
    assert_eq!(world.ask(&revoked).await.rejection.unwrap().kind(), Kind::Revoked);

    let fetched = world.issuer.requests(&world.issuer.jwks_url());
    world.issuer.rotate_keys().await.unwrap();
    world.issuer.revoke_token("b");
    world.poll().await;
    assert!(
        world.issuer.requests(&world.issuer.jwks_url()) > fetched,
        "a key that is not known is asked for"
    );
    assert_eq!(world.status(&world.issuer.mint(token().claim("jti", "b"))).await, 401);
    assert_eq!(world.status(&world.issuer.mint(token().claim("jti", "c"))).await, 200);
}

#[tokio::test]
async fn pages_that_the_issuer_did_not_sign_as_such_are_refused() {
    let clock = clock();
    let (server, other) = (issuer(&clock).await, issuer(&clock).await);
    let good = page(&server);
    let none = json!({});
    let kid = |kid: &str| json!({"kid": kid});
    let forged = |kid: Option<String>| signed(&other, &json!({ "kid": kid }), &good);
    let mut foreign = good.clone();
    foreign["iss"] = json!("https://other.example");
    let plain = |body: &str| Reply::status(200).content_type(MEDIA_TYPE).body(body);
    let wrong = [
        (Reply::json(&good), "not signed"),
        (plain(&good.to_string()), "not a compact JWS"),
        (plain("a.b"), "not a compact JWS"),
        (plain("e30.e30."), "typ"),
        (forged(server.key_id(Algorithm::ES256)), "signature is wrong"),
        (forged(None), "signature is wrong"),
        (signed(&server, &json!({"typ": "at+jwt"}), &good), "typ"),
        (signed(&server, &json!({"typ": null}), &good), "typ"),
        (signed(&server, &json!({"alg": "none"}), &good), "alg"),
        (signed(&server, &json!({"alg": "HS256"}), &good), "alg"),
        (signed(&server, &json!({"crit": ["exp"]}), &good), "crit"),
        (signed(&server, &none, &foreign), "not for this issuer"),
        (signed(&server, &none, &json!([])), "strict JSON"),
    ];
    let start = async || builder(&server, &clock).revocation(feed(&server).signed()).start().await;
    for (reply, expected) in wrong {
        server.set_reply(&server.feed_url(), reply);
        let error = start().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    server.set_reply(&server.feed_url(), signed(&server, &none, &good));
    assert!(start().await.is_ok());
    // A key that the issuer does not publish: its set is asked for once more, and says no.
    server.set_reply(&server.feed_url(), signed(&server, &kid("stranger"), &good));
    let fetched = server.requests(&server.jwks_url());
    let error = start().await.unwrap_err().to_string();
    assert!(error.contains("no key of the issuer fits"), "{error}");
    assert_eq!(server.requests(&server.jwks_url()), fetched + 2, "at the start, and for the page");
}

#[tokio::test]
async fn a_shared_secret_vouches_for_no_page() {
    let clock = clock();
    let server = issuer(&clock).await;
    let builder = builder(&server, &clock).shared_secret(b"0123456789abcdef0123456789abcdef");
    let error = builder.revocation(feed(&server).signed()).start().await.unwrap_err();
    assert_eq!(error.setting(), "signed", "{error}");
}
