//! Tenants that are not known at start.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::testing::AuthorizationServer;
use tower_bearer::{
    Builder, Complete, Feed, NeedsAudience, RejectionKind as Kind, ResourceServer, Revocation, Tenants,
    TenantsHealth, WhenStale, any_token,
};

use super::folder::Folder;
use super::keys::fetch;
use super::world::{
    AUDIENCE, Answer, NOW, PATIENCE, POLL, ask, at_once, clock, issuer, request, serve, token,
};

/// An authorization server with an issuer for each tenant, at a path of its own. It counts every question.
struct Landlord {
    url: String,
    clock: ManualClock,
    keys: AuthorizationServer,
    shared: Arc<Shared>,
}

struct Shared {
    /// What the feed of each tenant that exists lists.
    tenants: Mutex<HashMap<String, Vec<Value>>>,
    asked: Mutex<Vec<String>>,
    /// Questions are answered while this is so.
    open: watch::Sender<bool>,
    key_set: Value,
    clock: ManualClock,
    url: Mutex<String>,
}

impl Shared {
    async fn answer(self: Arc<Self>, uri: Uri) -> Response {
        let path = uri.path().to_owned();
        self.asked.lock().unwrap().push(path.clone());
        let _ = self.open.subscribe().wait_for(|open| *open).await;
        let url = self.url.lock().unwrap().clone();
        let tenant = path.rsplit('/').find(|part| !["keys", "revocations"].contains(part)).unwrap();
        let Some(revocations) = self.tenants.lock().unwrap().get(tenant).cloned() else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let name = format!("{url}/{tenant}");
        let document = if path.ends_with("/keys") {
            self.key_set.clone()
        } else if path.ends_with("/revocations") {
            let as_of = self.clock.wall().as_secs();
            json!({"iss": name, "as_of": as_of, "full": true, "revocations": revocations})
        } else {
            json!({"issuer": name, "jwks_uri": format!("{name}/keys")})
        };
        axum::Json(document).into_response()
    }
}

impl Landlord {
    async fn with<const N: usize>(tenants: [&str; N]) -> Self {
        let clock = clock();
        let keys = issuer(&clock).await;
        let shared = Arc::new(Shared {
            tenants: Mutex::new(tenants.map(|tenant| (tenant.to_owned(), Vec::new())).into()),
            asked: Mutex::default(),
            open: watch::Sender::new(true),
            key_set: serde_json::from_str(&fetch(&keys.jwks_url()).await).unwrap(),
            clock: clock.clone(),
            url: Mutex::default(),
        });
        let state = Arc::clone(&shared);
        let url = serve(axum::Router::new().fallback(move |uri| Arc::clone(&state).answer(uri))).await;
        shared.url.lock().unwrap().clone_from(&url);
        Self { url, clock, keys, shared }
    }

    fn pattern(&self) -> Tenants {
        Tenants::matching(format!("{}/{{tenant}}", self.url))
    }

    fn builder(&self, tenants: Tenants) -> Builder<NeedsAudience> {
        ResourceServer::builder().clock(self.clock.clone()).tenants(tenants)
    }

    async fn start(&self, tenants: Tenants) -> ResourceServer {
        let feed = Feed::new(format!("{}/{{tenant}}/revocations", self.url)).poll_interval(POLL);
        let builder = self.builder(tenants).audience(AUDIENCE).allow_loopback_http().revocation(feed);
        builder.start().await.unwrap()
    }

    fn token(&self, tenant: &str) -> String {
        self.token_of(&format!("{}/{tenant}", self.url))
    }

    fn token_of(&self, iss: &str) -> String {
        self.keys.mint(token().claim("iss", iss).lifetime(Duration::from_secs(24 * 3600)))
    }

    fn asked(&self) -> usize {
        self.shared.asked.lock().unwrap().len()
    }

    fn asked_at(&self, path: &str) -> usize {
        self.shared.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }

    fn list(&self, tenant: &str, revocations: Vec<Value>) {
        self.shared.tenants.lock().unwrap().insert(tenant.to_owned(), revocations);
    }
}

fn health(api: &ResourceServer) -> TenantsHealth {
    api.health().tenants[0].clone()
}

fn counts(api: &ResourceServer) -> (usize, usize, usize) {
    let TenantsHealth { known, on_probation, dormant, .. } = health(api);
    (known, on_probation, dormant)
}

async fn status(api: &ResourceServer, token: &str) -> u16 {
    ask(api, any_token(), request(token)).await.status
}

#[track_caller]
fn is_later(answer: &Answer) {
    let kind = answer.rejection.as_ref().map(tower_bearer::Rejection::kind);
    assert_eq!((answer.status, kind), (503, Some(Kind::NoKeys)));
    assert!(answer.retry_after.is_some_and(|after| (1..=60).contains(&after)), "{answer:?}");
}

async fn until(api: &ResourceServer, condition: impl Fn() -> bool) {
    let patience = SystemClock::new();
    while !condition() {
        assert!(patience.uptime() < PATIENCE, "waited in vain: {:?}", api.health().tenants);
        patience.sleep(Duration::from_millis(1)).await;
    }
}

/// Lets so much time pass that the keeper of tenants has looked for those to let go of.
async fn pass(landlord: &Landlord, api: &ResourceServer, time: Duration, then: (usize, usize, usize)) {
    landlord.clock.advance(time);
    let patience = SystemClock::new();
    while counts(api) != then {
        assert!(patience.uptime() < PATIENCE, "{:?} is not {then:?}", counts(api));
        patience.sleep(Duration::from_millis(1)).await;
        // It looks every ten seconds, and may have looked before what it is to see.
        landlord.clock.advance(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn a_permitted_tenant_is_looked_up_when_its_first_token_comes() {
    let landlord = Landlord::with(["acme", "beta"]).await;
    let api = landlord.start(landlord.pattern()).await;
    assert!(api.health().is_ready() && landlord.asked() == 0, "nobody is asked at start");
    let token = landlord.token("acme");
    let answer = ask(&api, any_token(), request(&token)).await;
    assert_eq!((answer.status, answer.subject.as_deref()), (200, Some("user-1")));
    assert_eq!(counts(&api), (1, 0, 0));
    assert!(health(&api).issuers[0].keys.usable && health(&api).issuers[0].issuer.ends_with("/acme"));
    let before = landlord.asked();
    assert_eq!(status(&api, &token).await, 200);
    assert_eq!(landlord.asked(), before);
    assert_eq!(landlord.asked_at("/.well-known/oauth-authorization-server/acme"), 1);
    // Its revocations are its own.
    landlord.list("acme", vec![json!({"issued_before": NOW, "exp": NOW + 24 * 3600})]);
    landlord.clock.advance(POLL);
    until(&api, || health(&api).issuers[0].feeds[0].cut_offs == 1).await;
    let answer = ask(&api, any_token(), request(&token)).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::Revoked));
    assert_eq!(status(&api, &landlord.token("beta")).await, 200);
}

/// Nothing unlisted is ever fetched, here or elsewhere.
#[tokio::test]
async fn issuers_that_are_not_permitted_are_refused_without_a_question() {
    let landlord = Landlord::with(["acme"]).await;
    let elsewhere = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    let url = &landlord.url;
    let (host, port) = url.strip_prefix("http://").unwrap().split_once(':').unwrap();
    let other_port = elsewhere.url.rsplit(':').next().unwrap();
    let long = "x".repeat(64);
    let hostile = [
        format!("{}/acme", elsewhere.url),
        format!("{url}@127.0.0.1:{other_port}/acme"),
        format!("{url}/acme/"),
        format!("{url}/acme/keys"),
        format!("{url}/"),
        url.clone(),
        format!("{url}//acme"),
        format!("{url}/./acme"),
        format!("{url}/../acme"),
        format!("{url}/.."),
        format!("{url}/a.b"),
        format!("{url}/%61cme"),
        format!("{url}/acme%2f"),
        format!("{url}/acme?x"),
        format!("{url}/acme#x"),
        format!("{url}/acme\\x"),
        format!("{url}/ acme"),
        format!("{url}/acme\n"),
        format!("{url}/\u{430}cme"),
        format!("{url}/{{tenant}}"),
        format!("{url}/{long}"),
        format!("HTTP://{host}:{port}/acme"),
        format!("https://{host}:{port}/acme"),
        format!("http://localhost:{port}/acme"),
        format!("http://{host}:0{port}/acme"),
        "http://169.254.169.254/latest".to_owned(),
        "https://evil.example/acme".to_owned(),
        "file:///acme".to_owned(),
        "acme".to_owned(),
        String::new(),
    ];
    for iss in hostile {
        let answer = ask(&api, any_token(), request(&landlord.token_of(&iss))).await;
        assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::UnknownIssuer), "{iss}");
    }
    assert_eq!((counts(&api), landlord.asked(), elsewhere.asked()), ((0, 0, 0), 0, 0));
    assert_eq!(status(&api, &landlord.token("acme")).await, 200, "and yet it works");
}

#[tokio::test]
async fn one_look_up_answers_everybody_who_waits() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    landlord.shared.open.send_replace(false);
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (api, token) = (api.clone(), landlord.token("acme"));
        requests.spawn(async move { status(&api, &token).await });
    }
    // Each waits with a timer; besides, the keeper of tenants sleeps.
    until(&api, || landlord.clock.sleepers() == 101 && landlord.asked() == 2).await;
    landlord.shared.open.send_replace(true);
    assert!(requests.join_all().await.into_iter().all(|status| status == 200));
    assert_eq!(landlord.asked(), 3, "metadata, keys and feed");
}

#[tokio::test]
async fn a_client_that_goes_away_stops_nothing() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    landlord.shared.open.send_replace(false);
    let first = tokio::spawn({
        let (api, token) = (api.clone(), landlord.token("acme"));
        async move { status(&api, &token).await }
    });
    until(&api, || landlord.asked() == 2).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    landlord.shared.open.send_replace(true);
    until(&api, || health(&api).issuers[0].keys.usable).await;
    assert_eq!(landlord.asked_at("/.well-known/oauth-authorization-server/acme"), 1);
    assert_eq!(status(&api, &landlord.token("acme")).await, 200);
}

/// The wait is bounded, and its end is not a verdict.
#[tokio::test]
async fn a_tenant_that_does_not_answer_in_time_is_undecided() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    landlord.shared.open.send_replace(false);
    let slow = tokio::spawn({
        let (api, token) = (api.clone(), landlord.token("acme"));
        async move { ask(&api, any_token(), request(&token)).await }
    });
    until(&api, || landlord.clock.sleepers() == 2).await;
    landlord.clock.advance(Duration::from_secs(2));
    is_later(&slow.await.unwrap());
    landlord.shared.open.send_replace(true);
    assert_eq!(status(&api, &landlord.token("acme")).await, 200);
}

/// The first answers may be older than a token that came while they were awaited: its key is looked for once more.
#[tokio::test]
async fn a_forged_token_does_not_make_a_tenant_known() {
    let landlord = Landlord::with(["acme"]).await;
    // What it has revoked takes no place either: the names of tenants can be guessed.
    landlord.list("acme", vec![json!({"jti": "t-1", "exp": NOW + 3600})]);
    let api = landlord.start(landlord.pattern()).await;
    let iss = format!("{}/acme", landlord.url);
    let forged = landlord.keys.mint(token().claim("iss", iss).signed_by_unknown_key());
    let answer = ask(&api, any_token(), request(&forged)).await;
    assert_eq!((answer.status, answer.rejection.unwrap().kind()), (401, Kind::UnknownKey));
    assert_eq!(landlord.asked_at("/acme/keys"), 2, "one that began after the token came proves it");
    assert_eq!(counts(&api), (0, 1, 0));
    pass(&landlord, &api, Duration::from_secs(60), (0, 0, 0)).await;
    assert_eq!(status(&api, &landlord.token("acme")).await, 200, "it exists, and is not shut out");
}

#[tokio::test]
async fn a_flood_of_made_up_tenants_delays_new_ones_and_nobody_else() {
    let landlord = Landlord::with(["acme", "late"]).await;
    let api = landlord.start(landlord.pattern()).await;
    let good = landlord.token("acme");
    assert_eq!(status(&api, &good).await, 200);
    for number in 0..64 {
        is_later(&ask(&api, any_token(), request(&landlord.token(&format!("made-up-{number}")))).await);
    }
    assert_eq!(counts(&api), (1, 64, 0));
    let before = landlord.asked();
    for number in 64..300 {
        is_later(&ask(&api, any_token(), request(&landlord.token(&format!("made-up-{number}")))).await);
    }
    is_later(&ask(&api, any_token(), request(&landlord.token("late"))).await);
    assert_eq!((counts(&api), landlord.asked()), ((1, 64, 0), before), "all places are taken");
    assert!(health(&api).last_error.unwrap().contains("64 tenants"));
    assert_eq!(status(&api, &good).await, 200);
    // They are let go of, and not asked again at once.
    pass(&landlord, &api, Duration::from_secs(60), (1, 0, 0)).await;
    let asked = landlord.asked_at("/.well-known/oauth-authorization-server/made-up-7");
    is_later(&ask(&api, any_token(), request(&landlord.token("made-up-7"))).await);
    assert_eq!(landlord.asked_at("/.well-known/oauth-authorization-server/made-up-7"), asked);
    assert_eq!(status(&api, &landlord.token("late")).await, 200);
    assert_eq!((counts(&api), health(&api).last_error), ((2, 0, 0), None));
    // That it did not exist is not for ever.
    landlord.clock.advance(Duration::from_secs(60));
    landlord.list("made-up-7", Vec::new());
    assert_eq!(status(&api, &landlord.token("made-up-7")).await, 200);
}

#[tokio::test]
async fn tenants_are_bounded_and_idle_ones_make_room() {
    let landlord = Landlord::with(["one", "two", "three"]).await;
    let pattern = landlord.pattern().max(2).idle_after(Duration::from_secs(600));
    let api = landlord.start(pattern).await;
    for tenant in ["one", "two"] {
        assert_eq!(status(&api, &landlord.token(tenant)).await, 200);
    }
    let before = landlord.asked_at("/three/keys");
    is_later(&ask(&api, any_token(), request(&landlord.token("three"))).await);
    assert_eq!(landlord.asked_at("/three/keys"), before);
    assert!(health(&api).last_error.unwrap().contains("max is reached"));
    assert_eq!((health(&api).limit, counts(&api)), (2, (2, 0, 0)));
    // Whoever is used stays.
    landlord.clock.advance(Duration::from_secs(400));
    until(&api, || health(&api).issuers.iter().all(|issuer| issuer.feeds[0].age == Some(0.0))).await;
    assert_eq!(status(&api, &landlord.token("two")).await, 200);
    pass(&landlord, &api, Duration::from_secs(270), (1, 0, 0)).await;
    assert!(health(&api).issuers[0].issuer.ends_with("/two"));
    assert_eq!(status(&api, &landlord.token("three")).await, 200);
}

/// No revocation in force is forgotten, also where the feed has lost it meanwhile.
#[tokio::test]
async fn an_idle_tenant_is_let_go_of_but_its_revocations_are_not() {
    let landlord = Landlord::with(["acme", "beta"]).await;
    let hour = 3600;
    let cut_off = |exp: i64| json!({"sub": "user-1", "issued_before": NOW, "exp": exp});
    landlord.list("acme", vec![cut_off(NOW + 10 * hour), json!({"jti": "t-1", "exp": NOW + 10 * hour})]);
    let api = landlord.start(landlord.pattern().max(1).idle_after(Duration::from_secs(60))).await;
    let revoked = landlord.token("acme");
    let iss = format!("{}/acme", landlord.url);
    let other = token().claim("iss", iss).lifetime(Duration::from_secs(24 * 3600)).subject("user-2");
    let by_name = landlord.keys.mint(other.clone().claim("jti", "t-1"));
    let good = landlord.keys.mint(other);
    for (token, expected) in [(&revoked, 401), (&by_name, 401), (&good, 200)] {
        assert_eq!(status(&api, token).await, expected);
    }
    pass(&landlord, &api, Duration::from_secs(180), (0, 0, 1)).await;
    // Nobody is asked for it any more, and it counts.
    let asked = landlord.asked();
    landlord.clock.advance(Duration::from_secs(60));
    is_later(&ask(&api, any_token(), request(&landlord.token("beta"))).await);
    assert_eq!(landlord.asked(), asked);
    // It comes back, and its feed has forgotten.
    landlord.list("acme", Vec::new());
    for (token, expected) in [(&good, 200), (&revoked, 401), (&by_name, 401)] {
        assert_eq!(status(&api, token).await, expected);
    }
    assert_eq!(landlord.asked_at("/.well-known/oauth-authorization-server/acme"), 2);
    assert_eq!(counts(&api), (1, 0, 0));
}

/// A stream is a use, also where no new request comes.
#[tokio::test]
async fn a_tenant_whose_token_is_watched_is_not_idle() {
    let landlord = Landlord::with(["acme", "beta"]).await;
    let api = landlord.start(landlord.pattern().idle_after(Duration::from_secs(60))).await;
    let answer = ask(&api, any_token(), request(&landlord.token("acme"))).await;
    assert_eq!(status(&api, &landlord.token("beta")).await, 200);
    let watch = tokio::spawn(api.watch(&answer.token.unwrap(), any_token().when_stale(WhenStale::Admit)));
    let patience = SystemClock::new();
    while counts(&api) != (1, 0, 0) {
        assert!(patience.uptime() < PATIENCE, "{:?}", counts(&api));
        patience.sleep(Duration::from_millis(1)).await;
        landlord.clock.advance(Duration::from_secs(1));
    }
    for _ in 0..300 {
        patience.sleep(Duration::from_millis(1)).await;
        landlord.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(counts(&api), (1, 0, 0));
    assert!(health(&api).issuers[0].issuer.ends_with("/acme") && !watch.is_finished());
    let all = Revocation::cut_off(UnixTime::from_secs(NOW));
    api.revocations_of(&format!("{}/acme", landlord.url)).unwrap().revoke(all).unwrap();
    until(&api, || watch.is_finished()).await;
    assert_eq!(watch.await.unwrap().kind(), Kind::Revoked);
}

#[tokio::test]
async fn revocations_of_a_tenant_that_is_gone_end_when_their_tokens_do() {
    let landlord = Landlord::with(["acme"]).await;
    landlord.list("acme", vec![json!({"sub": "user-9", "issued_before": NOW, "exp": NOW + 600})]);
    let api = landlord.start(landlord.pattern().idle_after(Duration::from_secs(60))).await;
    assert_eq!(status(&api, &landlord.token("acme")).await, 200);
    pass(&landlord, &api, Duration::from_secs(180), (0, 0, 1)).await;
    // Until an hour past their end, for clocks that are set.
    landlord.clock.advance(Duration::from_secs(3600));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(counts(&api), (0, 0, 1));
    pass(&landlord, &api, Duration::from_secs(600), (0, 0, 0)).await;
}

#[tokio::test]
async fn one_dead_tenant_changes_nothing_for_others() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    let good = landlord.token("acme");
    assert_eq!(status(&api, &good).await, 200);
    let dead = landlord.token("dead");
    for _ in 0..3 {
        is_later(&ask(&api, any_token(), request(&dead)).await);
        assert_eq!(status(&api, &good).await, 200);
    }
    let issuers = health(&api).issuers;
    assert!(issuers[1].keys.last_error.as_ref().unwrap().contains("404"));
    assert!(issuers[0].keys.last_error.is_none() && issuers[0].feeds[0].last_error.is_none());
    assert!(api.health().is_ready());
}

/// A named issuer is what it was named as, and of several patterns the first counts.
#[tokio::test]
async fn the_first_description_counts_and_a_named_issuer_before_all() {
    let landlord = Landlord::with(["acme", "beta", "gamma"]).await;
    let url = &landlord.url;
    let api = landlord
        .builder(Tenants::listed([format!("{url}/beta"), format!("{url}/acme")]))
        .audience("listed")
        .allow_loopback_http()
        .without_revocation()
        .tenants(landlord.pattern())
        .audience("https://{tenant}.example/")
        .allow_loopback_http()
        .without_revocation()
        .issuer(format!("{url}/acme"))
        .audience("named")
        .allow_loopback_http()
        .without_revocation()
        .start()
        .await
        .unwrap();
    let table = [
        ("acme", "named", 200),
        ("acme", "listed", 401),
        ("beta", "listed", 200),
        ("beta", "https://beta.example/", 401),
        ("gamma", "https://gamma.example/", 200),
        ("gamma", "https://beta.example/", 401),
        ("gamma", "https://{tenant}.example/", 401),
    ];
    for (tenant, audience, expected) in table {
        let claims = token().claim("iss", format!("{url}/{tenant}")).claim("aud", audience);
        assert_eq!(status(&api, &landlord.keys.mint(claims)).await, expected, "{tenant} for {audience}");
    }
}

#[tokio::test]
async fn listed_tenants_have_feeds_and_keys_of_their_own() {
    let landlord = Landlord::with(["acme", "beta", "gamma"]).await;
    let names = ["acme", "beta"].map(|tenant| format!("{}/{tenant}", landlord.url));
    let api = landlord
        .builder(Tenants::listed(names))
        .audience(AUDIENCE)
        .allow_loopback_http()
        .jwks_url("{issuer}/keys".to_owned())
        .revocation(Feed::new("{issuer}/revocations"))
        .start()
        .await
        .unwrap();
    landlord.list("beta", vec![json!({"issued_before": NOW, "exp": NOW + 24 * 3600})]);
    for (tenant, expected) in [("acme", 200), ("beta", 401), ("gamma", 401)] {
        assert_eq!(status(&api, &landlord.token(tenant)).await, expected, "{tenant}");
    }
    assert_eq!(landlord.asked(), 4, "keys and feed of two");
}

/// What this process revokes at a tenant outlives its lives, also where nobody has ever come for it.
#[tokio::test]
async fn what_this_process_revokes_at_a_tenant_is_kept_when_it_is_let_go_of() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern().idle_after(Duration::from_secs(60))).await;
    let iss = format!("{}/acme", landlord.url);
    let of = |subject: &str| {
        let claims = token().claim("iss", &*iss).lifetime(Duration::from_secs(24 * 3600)).subject(subject);
        landlord.keys.mint(claims)
    };
    let (early, late, good) = (of("early"), of("late"), of("good"));
    let revoke = |subject: &str| {
        let revocation = Revocation::cut_off(landlord.clock.wall()).claim("sub", subject);
        api.revocations_of(&iss).unwrap().revoke(revocation).unwrap();
    };
    revoke("early");
    assert_eq!(counts(&api), (0, 1, 0));
    pass(&landlord, &api, Duration::from_secs(70), (0, 0, 1)).await;
    for (token, expected) in [(&early, 401), (&late, 200), (&good, 200)] {
        assert_eq!(status(&api, token).await, expected);
    }
    pass(&landlord, &api, Duration::from_secs(180), (0, 0, 1)).await;
    // While it is dormant: it wakes with both.
    revoke("late");
    for (token, expected) in [(&early, 401), (&late, 401), (&good, 200)] {
        assert_eq!(status(&api, token).await, expected);
    }
}

/// Only a tenant's first answers are waited for: old news are what the route says they are, at once.
#[tokio::test]
async fn a_known_tenant_whose_news_grow_old_is_not_waited_for() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    assert_eq!(status(&api, &landlord.token("acme")).await, 200);
    until(&api, || landlord.clock.sleepers() == 3).await;
    // From here on nobody answers, and no attempt has failed yet.
    landlord.shared.open.send_replace(false);
    let asked = landlord.asked();
    landlord.clock.advance(Duration::from_secs(100));
    until(&api, || landlord.asked() > asked).await;
    assert!(health(&api).issuers[0].feeds[0].last_error.is_none());
    let new = landlord.token("acme");
    let kind = at_once(&api, &new).rejection.map(|rejection| rejection.kind());
    assert_eq!(kind, Some(Kind::RevocationsStale));
    let admitting = any_token().when_stale(WhenStale::Admit);
    assert_eq!(ask(&api, admitting, request(&new)).await.status, 200);
}

/// Whoever makes names up must not fill a disk with them.
#[tokio::test]
async fn made_up_tenants_leave_nothing_on_the_disk() {
    let landlord = Landlord::with(["acme"]).await;
    let folder = Folder::new();
    let feed = Feed::new(format!("{}/{{tenant}}/revocations", landlord.url))
        .poll_interval(POLL)
        .snapshot(folder.join("{tenant}.bin"));
    let builder = landlord.builder(landlord.pattern()).audience(AUDIENCE).allow_loopback_http();
    let api = builder.revocation(feed).start().await.unwrap();
    let files = || std::fs::read_dir(&*folder).map(Iterator::count).unwrap_or_default();
    for n in 0..10 {
        is_later(&ask(&api, any_token(), request(&landlord.token(&format!("made-up-{n}")))).await);
    }
    until(&api, || health(&api).issuers.iter().all(|issuer| issuer.feeds[0].last_error.is_some())).await;
    let left = files();
    assert_eq!(status(&api, &landlord.token("acme")).await, 200);
    until(&api, || folder.join("acme.bin").exists()).await;
    assert_eq!(left, 0, "files of tenants that do not exist");
}

#[tokio::test]
async fn settings_that_do_not_work() {
    let of = |tenants: Tenants| ResourceServer::builder().tenants(tenants).audience("x");
    let plain = |pattern: &str| of(Tenants::matching(pattern)).without_revocation();
    let good = || of(Tenants::matching("https://{tenant}.example.com/"));
    let none: [&str; 0] = [];
    let cases: Vec<(Builder<Complete>, &str, &str)> = vec![
        (plain("https://{tenant}"), "tenants", "choose the domain"),
        (plain("https://{tenant}/x"), "tenants", "choose the domain"),
        (plain("https://evil-{tenant}/"), "tenants", "choose the domain"),
        (plain("https://{tenant}.com/"), "tenants", "choose the domain"),
        (plain("https://as.example.com:{tenant}/"), "tenants", "port"),
        (plain("https://{tenant}@as.example.com/"), "tenants", "credentials"),
        (plain("https://u:hunter2@{tenant}.as.example.com/"), "tenants", "credentials"),
        (plain("{tenant}://as.example.com/"), "tenants", "no http"),
        (plain("https://as.example.com/?{tenant}"), "tenants", "query"),
        (plain("https://as.example.com/"), "tenants", "exactly one"),
        (plain("http://as.example.com/{tenant}"), "issuer", "not https"),
        (plain("http://127.0.0.1:1/{tenant}"), "issuer", "allow_loopback_http"),
        (plain("https://{tenant}.10.0.1/"), "tenants", "no http"),
        (of(Tenants::listed(none)).without_revocation(), "tenants", "no issuer is listed"),
        (of(Tenants::listed(["{tenant}"])).without_revocation(), "tenants", "stands for nothing"),
        (
            of(Tenants::listed(["https://as.example/", "http://as.example/"])).without_revocation(),
            "issuer",
            "https",
        ),
        (
            of(Tenants::matching("https://as.example/{tenant}").max(0)).without_revocation(),
            "tenants",
            "max is 0",
        ),
        (
            of(Tenants::matching("https://as.example/{tenant}").idle_after(Duration::from_secs(59)))
                .without_revocation(),
            "tenants",
            "a minute",
        ),
        (good().jwks_url("https://{tenant}.test/").without_revocation(), "jwks_url", "choose the domain"),
        (good().revocation(Feed::new("https://{tenant}/")), "revocation", "choose the domain"),
        (good().revocation(Feed::new("https://as.example.com/feed")), "revocation", "speaks for one issuer"),
        (good().leeway(Duration::from_secs(301)).without_revocation(), "leeway", "301s"),
        (
            good()
                .without_revocation()
                .tenants(Tenants::matching("https://{tenant}.example.com/"))
                .audience("x")
                .without_revocation(),
            "tenants",
            "twice",
        ),
    ];
    for (builder, setting, words) in cases {
        let error = builder.start_lazily().unwrap_err();
        let text = error.to_string();
        assert_eq!(error.setting(), setting, "{text}");
        assert!(text.contains(words) && text.contains(error.value()), "{words}: {text}");
        assert!(!error.remedy().is_empty() && text.contains(error.remedy()), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(
        good().jwks_url("https://keys.example.com/?t={tenant}").without_revocation().start_lazily().is_ok()
    );
}

#[tokio::test]
async fn tasks_of_tenants_end_with_the_resource_server() {
    let landlord = Landlord::with(["acme"]).await;
    let api = landlord.start(landlord.pattern()).await;
    assert_eq!(status(&api, &landlord.token("acme")).await, 200);
    until(&api, || landlord.clock.sleepers() == 3).await;
    drop(api);
    let patience = SystemClock::new();
    while landlord.clock.sleepers() > 0 {
        assert!(patience.uptime() < PATIENCE, "waited in vain");
        patience.sleep(Duration::from_millis(1)).await;
    }
}
