//! 1.1: what an API checks before it lets a request in, and what it may rely on after.

use serde_json::{Value, json};
use tower_bearer::testing::{Api, AuthorizationServer, Token};
use tower_bearer::{Algorithm, Profile, RejectionKind as Kind, ResourceServer, any_token, scope};

use super::{SECRET, Tenant, text};
use crate::world::{AUDIENCE, NOW, World, ask, clock, request};

fn token() -> Token {
    Token::new(AUDIENCE).subject("auth0|u1").client("app").scope("read:events")
}

async fn judge(world: &World, token: Token) -> (u16, Option<Kind>) {
    let answer = world.ask(&world.issuer.mint(token)).await;
    (answer.status, answer.rejection.map(|rejection| rejection.kind()))
}

/// 1.1, check 1.
#[tokio::test]
async fn the_audience_is_the_apis_own_identifier() {
    let world = Tenant::new().await.unwatched().await;
    let wrong = (401, Some(Kind::WrongAudience));
    let table: [(Value, _); 7] = [
        (json!(AUDIENCE), (200, None)),
        (json!([AUDIENCE]), (200, None)),
        (json!(["https://other.example/", AUDIENCE]), (200, None)),
        (json!("https://other.example/"), wrong),
        (json!(["https://other.example/"]), wrong),
        (json!(AUDIENCE.trim_end_matches('/')), wrong),
        (json!(format!("{AUDIENCE}events")), wrong),
    ];
    for (audience, expected) in table {
        assert_eq!(judge(&world, token().claim("aud", audience.clone())).await, expected, "{audience}");
    }
    assert_eq!(judge(&world, token().without("aud")).await.0, 401);
}

/// 1.1, check 2: a day is what an access token lives unless its API says otherwise.
#[tokio::test]
async fn the_token_has_not_ended() {
    let tenant = Tenant::new().await;
    let world = tenant.unwatched().await;
    let token = tenant.machine_token("partner").await;
    for (pass, expected) in [(0, 200), (86_399, 200), (6, 401), (86_400, 401)] {
        tenant.pass_for(&world, pass).await;
        assert_eq!(world.status(&token).await, expected, "{pass} s later");
    }
    assert_eq!(world.ask(&token).await.rejection.unwrap().kind(), Kind::Expired);
}

/// 1.1, check 3: who says that they are the issuer, and are not.
#[tokio::test]
async fn the_token_comes_from_the_authorization_server_that_is_trusted() {
    let tenant = Tenant::new().await;
    let world = tenant.unwatched().await;
    let other = Tenant::new().await;
    let issuer = tenant.server.issuer();
    let kid = tenant.server.key_id(Algorithm::ES256).unwrap();
    for (token, kind) in [
        (other.server.mint(token()), Kind::UnknownIssuer),
        (other.server.mint(token().claim("iss", issuer)), Kind::UnknownKey),
        (other.server.mint(token().claim("iss", issuer).header("kid", kid)), Kind::WrongSignature),
        (tenant.server.mint(token().claim("iss", issuer.trim_end_matches('/'))), Kind::UnknownIssuer),
        (tenant.server.mint(token().without("iss")), Kind::UnknownIssuer),
        (tenant.server.mint(token().unsigned()), Kind::WrongSignature),
    ] {
        let answer = world.ask(&token).await;
        assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, kind));
    }
    assert_eq!(world.status(&tenant.server.mint(token())).await, 200);
}

/// 1.1, check 3: by the server's public key, or by a secret that it shares with the API. Each way takes no token of the other.
#[tokio::test]
async fn signatures_verify_by_rs256_and_by_hs256() {
    const SHARED: &[u8] = b"a random secret of thirty-two by";
    let tenant = Tenant::with(|builder| builder.algorithms([Algorithm::RS256])).await;
    let symmetric = "https://api.example.com/symmetric/";
    tenant.server.add_api(Api::new(symmetric).shared_secret(SHARED));
    tenant.server.grant("partner", symmetric, ["read:events"]);
    let rs256 = tenant.machine_token("partner").await;
    let hs256 = text(&tenant.machine("partner", symmetric).await.body["access_token"]).to_owned();

    let public = tenant.unwatched().await;
    let described = |audience: &str, secret: &[u8]| {
        let builder = ResourceServer::builder().clock(tenant.clock.clone()).issuer(tenant.server.issuer());
        builder.audience(audience).profile(Profile::Auth0).shared_secret(secret).without_revocation()
    };
    let status = async |api: &ResourceServer, token: &str| ask(api, any_token(), request(token)).await.status;
    let secret = described(symmetric, SHARED).start().await.unwrap();
    assert_eq!((public.status(&rs256).await, status(&secret, &hs256).await), (200, 200));
    assert_eq!((public.status(&hs256).await, status(&secret, &rs256).await), (401, 401));
    let other = described(symmetric, b"another secret of thirty-two by!").start().await.unwrap();
    assert_eq!(status(&other, &hs256).await, 401);
    // The public key is no secret: nobody signs with it.
    let jwks: Value = {
        let answer = super::client().get(tenant.server.jwks_url()).send().await.unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap()
    };
    let forged = token().algorithm(Algorithm::HS256).signed_with_secret(text(&jwks["keys"][0]["n"]));
    assert_eq!(judge(&public, forged).await, (401, Some(Kind::WrongAlgorithm)));
}

/// 1.1, check 4.
#[tokio::test]
async fn the_scopes_suffice_for_the_operation() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", AUDIENCE, ["read:events", "write:events"]);
    tenant.server.grant("neighbour", AUDIENCE, ["read:events"]);
    let world = tenant.unwatched().await;
    for (client, policy, status) in [
        ("partner", scope("read:events"), 200),
        ("partner", scope("write:events"), 200),
        ("neighbour", scope("read:events"), 200),
        ("neighbour", scope("write:events"), 403),
        ("neighbour", scope("read"), 403),
        ("neighbour", any_token(), 200),
    ] {
        let token = tenant.machine_token(client).await;
        let answer = ask(&world.api, policy.clone(), request(&token)).await;
        assert_eq!(answer.status, status, "{client} {policy:?}");
        assert_eq!(status == 403, answer.challenge.is_some_and(|it| it.contains("insufficient_scope")));
    }
}

/// 1.1: one check that fails is enough. That nothing reaches the application is what `ask` holds for every answer but 200.
#[tokio::test]
async fn one_failing_check_refuses_the_request() {
    let world = Tenant::new().await.unwatched().await;
    let elsewhere = "https://other.example/";
    let ended = u64::try_from(NOW - 100).unwrap();
    let sound = || token().scope("read:events");
    let table = [
        (sound(), 200),
        (sound().claim("aud", elsewhere), 401),
        (sound().claim("exp", ended), 401),
        (sound().claim("iss", elsewhere), 401),
        (sound().signed_by_unknown_key(), 401),
        (sound().scope("read"), 403),
    ];
    for (token, status) in table {
        let token = world.issuer.mint(token);
        let asked = ask(&world.api, scope("read:events"), request(&token));
        assert_eq!(asked.await.status, status);
    }
}

/// 1.1: who issued it, for which user the application acts, and what was granted.
#[tokio::test]
async fn after_the_checks_the_api_may_rely_on_what_the_token_says() {
    let tenant = Tenant::new().await;
    let world = tenant.unwatched().await;
    let user = tenant.device().await;
    let token = world.ask(text(&user["access_token"])).await.token.unwrap();
    assert_eq!(token.issuer(), tenant.server.issuer());
    assert_eq!(token.subject().unwrap(), "auth0|u1");
    assert_eq!(token.client_id().unwrap(), "spa");
    assert!(token.has_scope("read:events") && !token.has_scope("write:events"));
    assert!(!token.is_for_client());

    let machine = world.ask(&tenant.machine_token("partner").await).await.token.unwrap();
    assert_eq!(machine.client_id().unwrap(), "partner");
    assert!(machine.is_for_client(), "there is no user");
    assert_eq!(machine.string("scope").unwrap(), "read:events");
}

/// The server in process keeps the secret of an API to itself.
#[tokio::test]
async fn a_shared_secret_is_published_nowhere() {
    let clock = clock();
    let builder = AuthorizationServer::builder().algorithms([]).shared_secret(AUDIENCE, SECRET);
    let server = builder.clock(clock).start().await.unwrap();
    for url in [server.jwks_url(), server.metadata_url()] {
        let text = super::client().get(url).send().await.unwrap().text().await.unwrap();
        assert!(!text.contains("\"oct\"") && !text.contains(&format!("\"{SECRET}\"")), "{text}");
    }
}
