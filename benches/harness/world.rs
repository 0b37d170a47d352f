//! What the benches of the hot path judge: tokens like those of Auth0, resource servers that know their keys, and an inner
//! service that does nothing.

#![allow(dead_code, unreachable_pub, reason = "each bench uses what it needs")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64_simd::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::Value;
use tower::util::ServiceFn;
use tower::{Service, service_fn};
use tower_bearer::clock::Clock;
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, Feed, Protected, ResourceServer};

pub use super::auth0::{AUDIENCE, ISSUER, SECRET, token};
use super::poll::poll_once;

/// Too small for that many verdicts: each token is seen for the first time each time.
pub const SMALL: usize = 64 * 1024;

pub type Answer = Ready<Result<Response<()>, Infallible>>;
pub type Inner = ServiceFn<fn(Request<()>) -> Answer>;

pub fn inner() -> Inner {
    let answer: fn(Request<()>) -> Answer = |request| {
        black_box(&request);
        ready(Ok(Response::new(())))
    };
    service_fn(answer)
}

pub struct World<C> {
    pub server: AuthorizationServer,
    pub keys: String,
    clock: C,
}

#[allow(clippy::disallowed_methods, reason = "what a bench fetches has no limits")]
pub async fn fetch(url: &str) -> String {
    let body = reqwest::Client::new().get(url).send().await.unwrap().bytes().await.unwrap();
    String::from_utf8(body.to_vec()).unwrap()
}

impl<C: Clock + Clone> World<C> {
    pub async fn new(clock: C) -> Self {
        let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::EdDSA];
        let server = AuthorizationServer::builder().algorithms(algorithms).start().await.unwrap();
        // The keys as they would be fetched, but given: what a request costs does not depend on that.
        let keys = fetch(&server.jwks_url()).await;
        Self { server, keys, clock }
    }

    pub fn mint(&self, token: Token) -> HeaderValue {
        HeaderValue::try_from(format!("Bearer {}", self.server.mint(token))).unwrap()
    }

    pub async fn api(&self, algorithm: Algorithm, cache: usize) -> ResourceServer {
        let builder = ResourceServer::builder().clock(self.clock.clone()).verdict_cache(cache);
        let builder = builder.issuer(ISSUER).audience(AUDIENCE);
        let builder = match algorithm {
            Algorithm::HS256 => builder.shared_secret(SECRET),
            _ => builder.keys(self.keys.as_str()),
        };
        builder.without_revocation().start().await.unwrap()
    }

    /// With a feed, as the gateway has it.
    pub async fn api_with_feed(&self) -> ResourceServer {
        let builder = ResourceServer::builder().clock(self.clock.clone());
        let builder = builder.issuer(self.server.issuer()).audience(AUDIENCE);
        let builder = builder.allow_loopback_http().revocation(Feed::new(self.server.feed_url()));
        builder.start().await.unwrap()
    }

    /// A verification with the key parsed beforehand, and nothing else: the floor. Of another token each time, as in
    /// service: the same one again and again is predicted.
    pub fn floor(&self, algorithm: Algorithm, values: &[HeaderValue]) -> Box<dyn FnMut()> {
        let parts = |value: &HeaderValue| {
            let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap();
            let (message, signature) = token.rsplit_once('.').unwrap();
            (message.as_bytes().to_vec(), URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap())
        };
        let all: Vec<_> = values.iter().map(parts).collect();
        let mut turn = 0;
        if algorithm == Algorithm::HS256 {
            let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
            return Box::new(move || {
                turn = (turn + 1) % all.len();
                hmac::verify(&key, &all[turn].0, &all[turn].1).unwrap();
            });
        }
        let set: Value = serde_json::from_str(&self.keys).unwrap();
        let kid = self.server.key_id(algorithm).unwrap();
        let jwk = set["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid.as_str()).unwrap();
        let part = |name: &str| URL_SAFE_NO_PAD.decode_to_vec(jwk[name].as_str().unwrap()).unwrap();
        let key = match algorithm {
            Algorithm::RS256 => RsaPublicKeyComponents { n: part("n"), e: part("e") }
                .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::PS256 => RsaPublicKeyComponents { n: part("n"), e: part("e") }
                .to_parsed_public_key(&signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::ES256 => ParsedPublicKey::new(
                &signature::ECDSA_P256_SHA256_FIXED,
                [&[4], &*part("x"), &*part("y")].concat(),
            ),
            _ => ParsedPublicKey::new(&signature::ED25519, part("x")),
        };
        let key = key.unwrap();
        Box::new(move || {
            turn = (turn + 1) % all.len();
            key.verify_sig(&all[turn].0, &all[turn].1).unwrap();
        })
    }
}

pub fn request(value: &HeaderValue) -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert("authorization", value.clone());
    request
}

pub fn ask(service: &mut Protected<Inner>, value: &HeaderValue) {
    let response = poll_once(service.call(request(value)));
    assert_eq!(response.status(), StatusCode::OK);
}

pub fn refused(service: &mut Protected<Inner>, value: &HeaderValue) {
    let response = poll_once(service.call(request(value)));
    assert_ne!(response.status(), StatusCode::OK);
    black_box(response);
}

pub fn bare(service: &mut Inner, value: &HeaderValue) {
    poll_once(service.call(request(value)));
}

pub fn turns<'a, T>(all: &'a [T]) -> impl FnMut() -> &'a T {
    let mut turn = 0;
    move || {
        turn = (turn + 1) % all.len();
        &all[turn]
    }
}
