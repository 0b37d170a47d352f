//! 1.2: the partner whose contract ends, with ten tokens out that live a month. Both ways of the document, each from the side
//! of the document (a month) and from ours (a poll interval).

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tower_bearer::RejectionKind as Kind;
use tower_bearer::clock::Clock as _;
use tower_bearer::testing::{Api, TokenProfile};

use super::{MONTH, NAMELESS, Tenant, claims, statuses, text};
use crate::world::{AUDIENCE, POLL, World};

/// Ten tokens of the partner, each of a second of its own, and two that are somebody else's business: the neighbour's, and the
/// partner's own for another API.
struct Story {
    tenant: Tenant,
    tokens: Vec<String>,
    others: [String; 2],
}

async fn story() -> Story {
    let tenant = Tenant::new().await;
    for identifier in [AUDIENCE, NAMELESS] {
        let api = Api::new(identifier).profile(TokenProfile::Rfc9068);
        tenant.server.add_api(api.token_lifetime(Duration::from_secs(MONTH)));
    }
    tenant.server.grant("partner", NAMELESS, ["read:events"]);
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(tenant.machine_token("partner").await);
        tenant.pass(60);
    }
    let elsewhere = text(&tenant.machine("partner", NAMELESS).await.body["access_token"]).to_owned();
    let others = [tenant.machine_token("neighbour").await, elsewhere];
    Story { tenant, tokens, others }
}

impl Story {
    async fn judged(&self, world: &World) -> ([u16; 10], [u16; 2]) {
        let ten = statuses(world, self.tokens.iter().map(String::as_str)).await;
        let two = statuses(world, self.others.iter().map(String::as_str)).await;
        (ten.try_into().unwrap(), two.try_into().unwrap())
    }
}

/// The bound, by the clock that is moved by hand: what is done right after a poll is refused when the next poll is answered,
/// so one poll interval later, and not before. (That interval is 10 s for `Auth0` unless it is set, and 1 s here.)
async fn one_poll_interval_later(story: &Story, world: &World, refused: [u16; 10]) {
    assert_eq!(story.judged(world).await, ([200; 10], [200; 2]), "not seen yet");
    let acted = story.tenant.clock.uptime();
    world.poll().await;
    assert_eq!(story.tenant.clock.uptime() - acted, POLL);
    assert_eq!(story.judged(world).await, (refused, [200; 2]));
    let first = world.ask(&story.tokens[0]).await.rejection.unwrap();
    assert_eq!(first.kind(), Kind::Revoked);
}

/// The document's side: the grant is gone, no new token is given out, and the ten live on until they end.
#[tokio::test]
async fn without_our_layer_a_deleted_grant_leaves_a_month() {
    let story = story().await;
    let world = story.tenant.unwatched().await;
    story.tenant.delete_client_grant("partner").await;
    assert_eq!(story.tenant.machine("partner", AUDIENCE).await.error(), (403, "access_denied"));
    assert_eq!(story.judged(&world).await, ([200; 10], [200; 2]));
    story.tenant.pass_for(&world, MONTH - 700).await;
    assert_eq!(story.judged(&world).await, ([200; 10], [200; 2]), "nearly a month later");
    story.tenant.pass_for(&world, 800).await;
    assert_eq!(story.judged(&world).await.0, [401; 10]);
}

/// The document's remedy: the life of tokens is the longest delay between the end of the grant and the last use.
#[tokio::test]
async fn without_our_layer_the_delay_is_the_life_of_a_token() {
    let tenant = Tenant::new().await;
    let short = Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).token_lifetime(Duration::from_secs(300));
    tenant.server.add_api(short);
    let world = tenant.unwatched().await;
    let token = tenant.machine_token("partner").await;
    tenant.delete_client_grant("partner").await;
    tenant.pass_for(&world, 299).await;
    assert_eq!(world.status(&token).await, 200);
    tenant.pass_for(&world, 6).await;
    assert_eq!(world.status(&token).await, 401);
}

/// Our side, by the way that the document recommends.
#[tokio::test]
async fn deleting_the_grant_ends_all_ten_one_poll_interval_later() {
    let story = story().await;
    let world = story.tenant.with_auth0().await;
    world.settle(2).await;
    story.tenant.delete_client_grant("partner").await;
    assert_eq!(
        story.tenant.machine("partner", AUDIENCE).await.error(),
        (403, "access_denied"),
        "nor new ones"
    );
    one_poll_interval_later(&story, &world, [401; 10]).await;
    assert_eq!(world.api.health().issuers[0].feeds[0].cut_offs, 1, "however many tokens there are");

    // A new contract, with this partner and with another one: new tokens are good, and nothing comes back.
    for _ in 0..3 {
        world.poll().await;
    }
    story.tenant.server.add_client("successor", super::SECRET);
    let mut fresh = Vec::new();
    for client in ["partner", "successor"] {
        let grant = json!({ "client_id": client, "audience": AUDIENCE, "scope": ["read:events"] });
        let made =
            story.tenant.manage(Method::POST, "client-grants", "create:client_grants", Some(grant)).await;
        assert_eq!(made.status, 201, "{made:?}");
        fresh.push(story.tenant.machine_token(client).await);
    }
    for _ in 0..3 {
        assert_eq!(statuses(&world, fresh.iter().map(String::as_str)).await, [200; 2]);
        assert_eq!(story.judged(&world).await, ([401; 10], [200; 2]));
        world.poll().await;
    }
    assert_eq!(world.last_error(), None);
}

/// What lives longer than a day is refused where there is a source, unless the operator names a longer life.
#[tokio::test]
async fn tokens_that_live_a_month_must_be_permitted() {
    let story = story().await;
    let builder = story.tenant.api().revocation(crate::world::feed(&story.tenant.server));
    let world = story.tenant.world(builder.start().await.unwrap());
    let refused = world.ask(&story.tokens[0]).await;
    assert_eq!((refused.status, refused.rejection.unwrap().kind()), (401, Kind::LivesTooLong));
}

/// The same by the native feed, which does not compare listings: a partner that is granted again in the next second gets good
/// tokens at once.
#[tokio::test]
async fn with_the_native_feed_it_is_the_same() {
    let story = story().await;
    let world = story.tenant.with_feed().await;
    world.settle(2).await;
    story.tenant.delete_client_grant("partner").await;
    one_poll_interval_later(&story, &world, [401; 10]).await;
    story.tenant.server.grant("partner", AUDIENCE, ["read:events"]);
    let anew = story.tenant.machine_token("partner").await;
    assert_eq!(world.status(&anew).await, 200);
    assert_eq!(story.judged(&world).await, ([401; 10], [200; 2]));
}

/// Our side, by the other way: each of the ten must be found and listed. What is forgotten stays good.
#[tokio::test]
async fn blacklisting_ends_each_token_that_is_listed_one_poll_interval_later() {
    let story = story().await;
    let world = story.tenant.with_auth0().await;
    world.settle(2).await;
    for token in &story.tokens[..9] {
        assert_eq!(story.tenant.blacklist(token).await.status, 204);
    }
    let mut all_but_one = [401; 10];
    all_but_one[9] = 200;
    one_poll_interval_later(&story, &world, all_but_one).await;
    assert_eq!(world.api.health().issuers[0].feeds[0].identifiers, 9);
    assert_eq!(story.tenant.machine("partner", AUDIENCE).await.status, 200, "and new ones are given out");

    world.settle(2).await;
    story.tenant.blacklist(&story.tokens[9]).await;
    world.poll().await;
    assert_eq!(story.judged(&world).await, ([401; 10], [200; 2]));
}

/// The document's side: a tenant that lists a token does not keep an API that never asks from taking it.
#[tokio::test]
async fn without_our_layer_a_blacklisted_token_is_taken() {
    let story = story().await;
    let world = story.tenant.unwatched().await;
    for token in &story.tokens {
        story.tenant.blacklist(token).await;
    }
    assert_eq!(story.judged(&world).await, ([200; 10], [200; 2]));
}

/// Whoever lists a token needs a token of the Management API, with the scope for it.
#[tokio::test]
async fn listing_a_token_takes_a_token_of_the_management_api() {
    let tenant = Tenant::new().await;
    let token = tenant.machine_token("partner").await;
    let body = json!({ "aud": AUDIENCE, "jti": claims(&json!(token))["jti"] });
    let path = "blacklists/tokens";
    let by = async |scope: &str| tenant.manage(Method::POST, path, scope, Some(body.clone())).await.status;
    assert_eq!((by("read:client_grants").await, by("blacklist:tokens").await), (403, 204));
    let request = super::client().post(tenant.server.management_url(path)).bearer_auth(&token);
    let request = request.header("content-type", "application/json").body(body.to_string());
    assert_eq!(tenant.send(request).await.status, 401, "not one for another API");
    let listed = tenant.manage(Method::GET, path, "blacklist:tokens", None).await.body;
    assert_eq!(listed, json!([body]), "audience and name, and no end");
}

/// A token needs a name to be listed. Where there is a blacklist, tokens without one are refused unless that is given up.
#[tokio::test]
async fn a_token_without_a_name_cannot_be_listed() {
    let tenant = Tenant::new().await;
    tenant.server.grant("partner", NAMELESS, ["read:events"]);
    let nameless = text(&tenant.machine("partner", NAMELESS).await.body["access_token"]).to_owned();
    assert_eq!(claims(&json!(nameless)).get("jti"), None);
    let nothing = json!({ "aud": NAMELESS });
    let refused = tenant.manage(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(nothing)).await;
    assert_eq!(refused.status, 400);
    let lenient = tenant.with_auth0().await;
    assert_eq!(lenient.status(&nameless).await, 200);
    let source = tower_bearer::Auth0::new(
        tenant.server.issuer(),
        tower_bearer::ClientCredentials::new("watcher", super::SECRET),
    );
    let strict = tenant.api().revocation(source.audience(NAMELESS)).start().await.unwrap();
    assert_eq!(tenant.world(strict).status(&nameless).await, 401);
}
