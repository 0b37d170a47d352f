//! A thousand issuers are as cheap as one: the whole layer, for tokens that are seen for the first time each time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a bench"
)]

use std::convert::Infallible;
use std::future::{Ready, ready};

use http::{HeaderValue, Request, Response};
use serde_json::json;
use tower::util::ServiceFn;
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{Algorithm, Builder, NeedsRevocation, Protected, ResourceServer, any_token};

#[path = "harness/measure.rs"]
mod measure;
#[path = "harness/poll.rs"]
mod poll;
use measure::{Bench, measure, table, write_json};
use poll::poll_once;

const AUDIENCE: &str = "https://api.example.com/";
const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const MANY: usize = 1000;

type Answer = Ready<Result<Response<()>, Infallible>>;
type Inner = ServiceFn<fn(Request<()>) -> Answer>;

fn issuer(n: usize) -> String {
    format!("https://tenant-{n}.example.com/")
}

/// A resource server that trusts the first `count` issuers, by a shared secret or by the key set at `jwks`. HS256 is the
/// cheapest signature: what looking an issuer up costs shows most beside it.
async fn service(count: usize, jwks: Option<&str>) -> Protected<Inner> {
    let keyed = |builder: Builder<NeedsRevocation>| match jwks {
        Some(url) => builder.jwks_url(url).allow_loopback_http().without_revocation(),
        None => builder.shared_secret(SECRET).without_revocation(),
    };
    let mut builder = keyed(ResourceServer::builder().verdict_cache(0).issuer(issuer(0)).audience(AUDIENCE));
    for n in 1..count {
        builder = keyed(builder.issuer(issuer(n)).audience(AUDIENCE));
    }
    let inner: fn(Request<()>) -> Answer = |_| ready(Ok(Response::new(())));
    builder.start().await.unwrap().protect(any_token()).layer(service_fn(inner))
}

fn ask(service: &mut Protected<Inner>, token: &HeaderValue) {
    let mut request = Request::new(());
    request.headers_mut().insert("authorization", token.clone());
    let response = poll_once(service.call(request));
    assert_eq!(response.status(), 200);
}

/// One issuer against a thousand, with one token and with a thousand in turn.
async fn compare(server: &AuthorizationServer, algorithm: Algorithm) -> serde_json::Value {
    let token = |issuer: &str, n: usize| {
        let token = Token::new(AUDIENCE).subject(&format!("user-{n}")).client("app").scope("read:events");
        let token = token.claim("iss", issuer).algorithm(algorithm);
        let token = if algorithm == Algorithm::HS256 { token.signed_with_secret(SECRET) } else { token };
        HeaderValue::try_from(format!("Bearer {}", server.mint(token))).unwrap()
    };
    let of_one: Vec<_> = (0..MANY).map(|n| token(&issuer(0), n)).collect();
    let of_all: Vec<_> = (0..MANY).map(|n| token(&issuer(n), n)).collect();
    let jwks = server.jwks_url();
    let jwks = (algorithm != Algorithm::HS256).then_some(jwks.as_str());
    let (mut one, mut many) = (service(1, jwks).await, service(MANY, jwks).await);
    let (mut one_again, mut many_again) = (one.clone(), many.clone());
    let (mut next_of_one, mut next_of_all) = (turns(&of_one), turns(&of_all));
    let figures = measure(vec![
        Bench::new("1 issuer, 1 token", || ask(&mut one, &of_one[0])),
        Bench::new("1 000 issuers, 1 token", || ask(&mut many, &of_one[0])),
        Bench::new("1 issuer, 1 000 tokens in turn", || ask(&mut one_again, next_of_one())),
        Bench::new("1 000 issuers, 1 token of each in turn", || ask(&mut many_again, next_of_all())),
    ]);
    let (same, turning) = (figures[1].ratio_to(&figures[0]), figures[3].ratio_to(&figures[2]));
    println!("{}", table(&format!("A thousand issuers, {algorithm:?}"), &figures));
    println!("1 000 issuers over one: {same:.3} with the same token, {turning:.3} with 1 000 tokens in turn");
    json!({ "same_token_ratio": same, "tokens_in_turn_ratio": turning })
}

fn turns<'a>(tokens: &'a [HeaderValue]) -> impl FnMut() -> &'a HeaderValue {
    let mut turn = 0;
    move || {
        turn = (turn + 1) % MANY;
        &tokens[turn]
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = AuthorizationServer::builder().algorithms([Algorithm::ES256]).start().await.unwrap();
    let hs256 = compare(&server, Algorithm::HS256).await;
    let es256 = compare(&server, Algorithm::ES256).await;
    write_json("issuers", &json!({ "HS256": hs256, "ES256": es256 }));
}
