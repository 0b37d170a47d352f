//! What is remembered of a token saves work and changes no answer: every check that can come out differently is made on
//! every request (docs/adr/008).

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use http::Request;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::clock::{ManualClock, UnixTime};
use tower_bearer::testing::{Reply, Token};
use tower_bearer::{AccessToken, Policy, RejectionKind as Kind, ResourceServer, WhenStale, any_token, scope};

use super::world::{NOW, World, ask, builder, clock, feed, issuer, request, token};

fn entries(api: &ResourceServer) -> u64 {
    api.health().verdicts.entries
}

async fn status(api: &ResourceServer, token: &str) -> u16 {
    ask(api, any_token(), request(token)).await.status
}

/// First sight, from the store, and from this thread's own memory.
async fn make_known(api: &ResourceServer, token: &str) {
    let before = entries(api);
    for _ in 0..3 {
        assert_eq!(status(api, token).await, 200);
    }
    assert_eq!(entries(api), before + 1);
}

impl World {
    /// A world whose cache holds `token` already.
    async fn knowing(token: Token) -> (Self, String) {
        let world = Self::new().await;
        let token = world.issuer.mint(token);
        make_known(&world.api, &token).await;
        (world, token)
    }

    async fn kind(&self, policy: Policy, token: &str) -> Option<Kind> {
        ask(&self.api, policy, request(token)).await.rejection.map(|rejection| rejection.kind())
    }
}

#[tokio::test]
async fn a_known_token_ends_when_it_ends() {
    let (world, token) = World::knowing(token().lifetime(Duration::from_secs(20))).await;
    world.clock.step_wall(UnixTime::from_secs(NOW + 24));
    assert_eq!(world.status(&token).await, 200, "within the leeway");
    world.clock.step_wall(UnixTime::from_secs(NOW + 25));
    assert_eq!(world.kind(any_token(), &token).await, Some(Kind::Expired));
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_a_known_token_one_of_the_future() {
    let (world, of_now) = World::knowing(token()).await;
    let bounded = world.issuer.mint(token().claim("nbf", NOW).claim("iat", NOW - 3600));
    make_known(&world.api, &bounded).await;
    world.clock.step_wall(UnixTime::from_secs(NOW - 6));
    assert_eq!(world.kind(any_token(), &of_now).await, Some(Kind::IssuedInFuture));
    assert_eq!(world.kind(any_token(), &bounded).await, Some(Kind::NotYetValid));
}

#[tokio::test]
async fn a_known_token_ends_with_its_key() {
    let (world, old) = World::knowing(token()).await;
    world.issuer.rotate_keys().await.unwrap();
    assert_eq!(world.status(&world.issuer.mint(token())).await, 200, "which fetches the new set");
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(world.kind(any_token(), &old).await, Some(Kind::UnknownKey));
}

/// Nor is it enough that a key of that id is there.
#[tokio::test]
async fn a_known_token_ends_when_another_key_takes_its_keys_name() {
    let (world, old) = World::knowing(token()).await;
    let jwks = world.issuer.jwks_url();
    let kid = world.issuer.key_id(tower_bearer::Algorithm::ES256).unwrap();
    world.issuer.rotate_keys().await.unwrap();
    let new = world.issuer.key_id(tower_bearer::Algorithm::ES256).unwrap();
    let set = super::keys::fetch(&jwks).await.replace(&new, &kid);
    world.issuer.set_reply(&jwks, Reply::status(200).content_type("application/json").body(set));
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(5));
    let unknown = world.issuer.mint(token().header("kid", "made-up"));
    assert_ne!(world.status(&unknown).await, 200, "which fetches the new set");
    assert_eq!(world.kind(any_token(), &old).await, Some(Kind::WrongSignature));
}

#[tokio::test]
async fn a_known_token_outlives_a_rotation_that_keeps_its_key() {
    let (world, old) = World::knowing(token()).await;
    world.issuer.rotate_keys_with_overlap().await.unwrap();
    let new = world.issuer.mint(token());
    assert_eq!(world.status(&new).await, 200, "which fetches the new set");
    let before = entries(&world.api);
    assert_eq!((world.status(&old).await, world.status(&old).await), (200, 200));
    assert_eq!(entries(&world.api), before, "and it was not verified again");
}

#[tokio::test]
async fn known_tokens_are_refused_when_the_keys_are_too_old() {
    let clock = clock();
    let server = issuer(&clock).await;
    let bound = Duration::from_secs(60);
    let api = builder(&server, &clock).without_revocation().keys_stale_after(bound).start().await.unwrap();
    let token = server.mint(token());
    make_known(&api, &token).await;
    server.set_reply(&server.jwks_url(), Reply::status(500));
    server.set_reply(&server.metadata_url(), Reply::status(500));
    clock.advance(Duration::from_secs(600));
    let answer = ask(&api, any_token(), request(&token)).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::NoKeys);
}

#[tokio::test]
async fn a_known_token_is_revoked_by_itself_or_with_its_user() {
    let (world, one) = World::knowing(token()).await;
    let other = world.issuer.mint(token().subject("user-2"));
    make_known(&world.api, &other).await;
    world.issuer.revoke_jwt(&one);
    world.poll().await;
    assert_eq!(world.kind(any_token(), &one).await, Some(Kind::Revoked));
    assert_eq!(world.kind(any_token(), &one).await, Some(Kind::Revoked), "and stays so");
    assert_eq!(world.status(&other).await, 200);
    world.issuer.revoke_subject("user-2");
    world.poll().await;
    assert_eq!(world.kind(any_token(), &other).await, Some(Kind::Revoked));
}

#[tokio::test]
async fn taking_a_revocation_back_makes_a_known_token_good_again() {
    let (world, token) = World::knowing(token()).await;
    let entry = world.issuer.revoke_jwt(&token).unwrap();
    world.poll().await;
    assert_eq!(world.status(&token).await, 401);
    world.issuer.withdraw(&entry);
    world.poll().await;
    assert_eq!(world.status(&token).await, 200);
}

#[tokio::test]
async fn a_stale_feed_refuses_known_tokens_where_the_route_says_so() {
    let (world, token) = World::knowing(token()).await;
    world.issuer.set_reply(&world.issuer.feed_url(), Reply::status(500));
    world.settle(2).await;
    world.clock.advance(Duration::from_secs(31));
    assert_eq!(world.kind(any_token(), &token).await, Some(Kind::RevocationsStale));
    let admits = any_token().when_stale(WhenStale::Admit);
    assert_eq!(world.kind(admits, &token).await, None);
}

#[tokio::test]
async fn each_route_asks_for_its_own_scopes() {
    let (world, token) = World::knowing(token()).await;
    assert_eq!(world.kind(scope("write:events"), &token).await, Some(Kind::InsufficientScope));
    assert_eq!(world.kind(scope("read:events"), &token).await, None);
}

#[tokio::test]
async fn what_one_resource_server_knows_is_nothing_to_another() {
    let (world, token) = World::knowing(token()).await;
    let other = builder(&world.issuer, &world.clock);
    let other = other.audience("https://other.example/").revocation(feed(&world.issuer));
    let other = other.start().await.unwrap();
    assert_eq!(entries(&other), 0);
    make_known(&other, &token).await;
    let strict = builder(&world.issuer, &world.clock).max_token_lifetime(Duration::from_secs(60));
    let strict = strict.without_revocation().start().await.unwrap();
    assert_eq!(status(&strict, &token).await, 401);
}

/// The first and the last byte, and every one in between.
#[tokio::test]
async fn another_byte_is_another_token() {
    let clock = clock();
    let server = issuer(&clock).await;
    let keys = super::keys::fetch(&server.jwks_url()).await;
    let api = builder(&server, &clock).keys(keys).without_revocation().start().await.unwrap();
    let token = server.mint(token());
    make_known(&api, &token).await;
    for place in 0..token.len() {
        let mut other = token.clone().into_bytes();
        other[place] = if other[place] == b'A' { b'B' } else { b'A' };
        let other = String::from_utf8(other).unwrap();
        assert_ne!(status(&api, &other).await, 200, "byte {place}");
    }
    let (input, signature) = token.rsplit_once('.').unwrap();
    let longer = format!("{input}AAAA.{signature}");
    let shorter = format!("{}.{signature}", &input[..input.len() - 4]);
    for other in
        [longer, shorter, format!("{token}A"), token[..token.len() - 1].to_owned(), token[1..].to_owned()]
    {
        assert_ne!(status(&api, &other).await, 200);
    }
    assert_eq!((status(&api, &token).await, entries(&api)), (200, 1));
}

/// ECDSA signatures have a twin that verifies too: another token, and just as revoked.
#[tokio::test]
async fn a_malleable_twin_is_verified_for_itself_and_revoked_with_its_id() {
    let (world, token) = World::knowing(token()).await;
    let twin = twin(&token);
    make_known(&world.api, &twin).await;
    world.issuer.revoke_jwt(&token);
    world.poll().await;
    assert_eq!((world.status(&token).await, world.status(&twin).await), (401, 401));
}

/// The signature (r, n - s) in place of (r, s).
fn twin(token: &str) -> String {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
        0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let (input, signature) = token.rsplit_once('.').unwrap();
    let mut signature = URL_SAFE_NO_PAD.decode_to_vec(signature).unwrap();
    let mut borrow = 0;
    for (place, order) in ORDER.iter().enumerate().rev() {
        let left = i16::from(*order) - i16::from(signature[32 + place]) - borrow;
        borrow = i16::from(left < 0);
        signature[32 + place] = left.rem_euclid(256) as u8;
    }
    format!("{input}.{}", URL_SAFE_NO_PAD.encode_to_string(signature))
}

#[tokio::test]
async fn it_can_be_turned_off() {
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).revocation(feed(&server)).verdict_cache(0).start().await.unwrap();
    let token = server.mint(token());
    for _ in 0..3 {
        assert_eq!(status(&api, &token).await, 200);
    }
    let told = api.health().verdicts;
    assert_eq!([told.entries, told.bytes, told.room, told.added, told.displaced], [0; 5]);
}

#[tokio::test]
async fn it_is_bounded_by_bytes_and_what_goes_is_what_is_not_used() {
    const BYTES: usize = 20_000;
    let clock = clock();
    let server = issuer(&clock).await;
    let api = builder(&server, &clock).revocation(feed(&server)).verdict_cache(BYTES).start().await.unwrap();
    let favourite = server.mint(token());
    make_known(&api, &favourite).await;
    for _ in 0..100 {
        let other = server.mint(token());
        assert_eq!(status(&api, &other).await, 200);
        ask_for_counted(&api, &favourite).await;
        assert!(api.health().verdicts.bytes <= BYTES as u64, "{:?}", api.health().verdicts);
    }
    assert!(entries(&api) > 5, "{:?}", api.health().verdicts);
    assert_eq!(MADE.get(), 1, "it was there all the time");
    let heavy = server.mint(token().claim("note", "x".repeat(8000)));
    assert_eq!((status(&api, &heavy).await, status(&api, &heavy).await), (200, 200));
    let told = api.health().verdicts;
    assert_eq!((told.room, told.added), (BYTES as u64, 102), "each once, none where it is known: {told:?}");
    assert_eq!(told.displaced, told.added - told.entries, "{told:?}");
}

#[tokio::test]
async fn what_was_not_admitted_does_not_get_in() {
    let world = World::new().await;
    let mint = |token: Token| world.issuer.mint(token);
    let revoked = mint(token());
    world.issuer.revoke_jwt(&revoked);
    world.poll().await;
    let kid = world.issuer.key_id(tower_bearer::Algorithm::ES256).unwrap();
    let refused = [
        "garbage".to_owned(),
        mint(token().issued_at(1_000_000)),
        mint(token().header("kid", kid.as_str()).signed_by_unknown_key()),
        mint(token().claim("iss", "https://evil.example/")),
        mint(token().claim("aud", "https://other.example/")),
        mint(token().unsigned()),
        revoked,
    ];
    for token in refused {
        assert_ne!(world.status(&token).await, 200);
    }
    let poor = mint(token());
    assert_eq!(world.kind(scope("write:events"), &poor).await, Some(Kind::InsufficientScope));
    assert_eq!(entries(&world.api), 0);
    make_known(&world.api, &poor).await;
}

#[tokio::test]
async fn what_has_ended_is_let_go_of() {
    let (world, short) = World::knowing(token().lifetime(Duration::from_secs(20))).await;
    let long = world.issuer.mint(token());
    make_known(&world.api, &long).await;
    assert_eq!(entries(&world.api), 2);
    world.clock.step_wall(UnixTime::from_secs(NOW + 30));
    tend(&world.clock, &world.api, &long).await;
    assert_eq!(entries(&world.api), 1);
    assert_eq!(world.status(&short).await, 401);
}

/// Requests over the second that it takes to come by everything.
async fn tend(clock: &ManualClock, api: &ResourceServer, token: &str) {
    for _ in 0..70 {
        clock.advance(Duration::from_millis(20));
        assert_eq!(status(api, token).await, 200);
    }
}

/// Counts how many of it live, and were made: of each test, which has a thread of its own.
#[derive(Clone)]
struct Counted(Arc<AtomicUsize>);

thread_local! {
    static LIVING: Arc<AtomicUsize> = Arc::default();
    static MADE: Cell<usize> = const { Cell::new(0) };
}

impl<'de> serde::Deserialize<'de> for Counted {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer)?;
        let living = LIVING.with(Arc::clone);
        living.fetch_add(1, Ordering::SeqCst);
        MADE.set(MADE.get() + 1);
        Ok(Self(living))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Asks for the claims as `Counted` in the handler.
async fn ask_for_counted(api: &ResourceServer, token: &str) {
    let inner = service_fn(async |request: Request<()>| {
        let token = request.extensions().get::<AccessToken>().unwrap();
        assert!(std::ptr::eq(
            token.claims_cached::<Counted>().unwrap(),
            token.claims_cached::<Counted>().unwrap()
        ));
        assert!(token.claims_cached::<Vec<u8>>().is_err());
        let subject = &token.claims_cached::<serde_json::Value>().unwrap()["sub"];
        assert_eq!(subject.as_str(), token.subject().as_deref());
        Ok::<_, Infallible>(http::Response::new(()))
    });
    let mut service = api.protect(any_token()).layer(inner);
    let response = service.ready().await.unwrap().call(request(token)).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn claims_in_a_type_are_read_once_and_end_with_the_resource_server() {
    let living = LIVING.with(Arc::clone);
    let (world, token) = World::knowing(token()).await;
    for _ in 0..5 {
        ask_for_counted(&world.api, &token).await;
    }
    assert_eq!((living.load(Ordering::SeqCst), MADE.get()), (1, 1));
    let other = builder(&world.issuer, &world.clock).without_revocation().start().await.unwrap();
    make_known(&other, &token).await;
    drop(world.api);
    tend(&world.clock, &other, &token).await;
    assert_eq!(living.load(Ordering::SeqCst), 0);
}
