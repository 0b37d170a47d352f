//! The documents that this crate started from: a test for each thing that they say. The numbers are those of the reference
//! that retells them (1.1 checks, 1.2 blacklists and grants, 1.3 refresh tokens and grants, 1.4 RFC 7009).
//!
//! Everything is asked over HTTP of the tenant in process, and judged by a resource server with our layer.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::clock::ManualClock;
use tower_bearer::testing::{Api, AuthorizationServer, AuthorizationServerBuilder, Token, TokenProfile};
use tower_bearer::{
    Algorithm, Auth0, Builder, ClientCredentials, NeedsRevocation, Profile, ResourceServer, SourceSettings,
};

use super::tenant_client::{BACK, client};
use super::world::{AUDIENCE, POLL, World, clock, feed};

mod asking;
mod checks;
mod device;
mod grants;
mod partner;
mod printed;
mod refresh;
mod revoke;
mod rfc_7009;

/// Another API of the tenant, whose tokens have Auth0's default profile: no `jti`.
const NAMELESS: &str = "https://api.example.com/nameless/";
const SECRET: &str = "secret";
const USER: &str = "auth0|u1";
/// The longest that a token lives here.
const MONTH: u64 = 30 * 86_400;
const OFFLINE: &str = "read:events offline_access";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A tenant with two APIs, machines (`partner`, `neighbour`, `watcher`), applications of users (`app` with a secret, `spa`
/// without) and two users.
struct Tenant {
    server: AuthorizationServer,
    clock: ManualClock,
}

/// What came back; null where the body is no JSON.
#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
    text: String,
}

impl Answer {
    /// Status and error code.
    fn error(&self) -> (u16, &str) {
        (self.status, self.body["error"].as_str().unwrap_or_default())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

fn claims(token: &Value) -> Value {
    let part = text(token).split('.').nth(1).unwrap();
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
}

impl Tenant {
    async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    async fn with(set: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder) -> Self {
        let clock = clock();
        let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).issuer_with_slash();
        let server = set(builder).clock(clock.clone()).start().await.unwrap();
        server.add_api(Api::new(AUDIENCE).profile(TokenProfile::Rfc9068).allow_offline_access());
        server.add_api(Api::new(NAMELESS).allow_offline_access());
        for machine in ["partner", "neighbour", "watcher", "app"] {
            server.add_client(machine, SECRET);
        }
        for partner in ["partner", "neighbour"] {
            server.grant(partner, AUDIENCE, ["read:events"]);
        }
        let watched = ["blacklist:tokens", "read:client_grants", "read:grants"];
        server.grant("watcher", &server.management_audience(), watched);
        server.add_public_client("spa");
        for application in ["app", "spa"] {
            server.allow_redirect(application, BACK);
        }
        for user in [USER, "auth0|u2"] {
            server.add_user(user);
        }
        Self { server, clock }
    }

    /// A resource server that trusts the tenant, up to the word on revocation.
    fn api(&self) -> Builder<NeedsRevocation> {
        let builder = ResourceServer::builder().clock(self.clock.clone()).issuer(self.server.issuer());
        builder.audience(AUDIENCE).audience(NAMELESS).profile(Profile::Auth0).allow_loopback_http()
    }

    fn world(&self, api: ResourceServer) -> World {
        World { issuer: self.server.clone(), clock: self.clock.clone(), api }
    }

    /// As the documents have it: tokens are judged by what stands in them.
    async fn unwatched(&self) -> World {
        self.world(self.api().without_revocation().start().await.unwrap())
    }

    /// With the native feed.
    async fn with_feed(&self) -> World {
        self.watched(feed(&self.server)).await
    }

    async fn watched(&self, source: impl Into<SourceSettings>) -> World {
        let builder = self.api().require_jti(false).max_token_lifetime(Duration::from_secs(MONTH));
        self.world(builder.revocation(source).start().await.unwrap())
    }

    /// With the Management API as the source.
    async fn with_auth0(&self) -> World {
        let domain = self.server.issuer().trim_end_matches('/');
        let source = Auth0::new(domain, ClientCredentials::new("watcher", SECRET)).user_grants();
        let source = source.audience(AUDIENCE).audience(NAMELESS);
        let source = source.poll_interval(POLL).max_staleness(Duration::from_secs(30));
        self.watched(source).await
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Lets much time pass for a world without sources, whose keys are then asked for again.
    async fn pass_for(&self, world: &World, seconds: u64) {
        world.settle(1).await;
        self.pass(seconds);
        let fresh = |world: &World| world.api.health().issuers[0].keys.age.is_some_and(|age| age < 60.0);
        world.until(fresh).await;
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or_default(), text }
    }

    async fn post(&self, url: String, body: Value) -> Answer {
        let request = client().post(url).header("content-type", "application/json");
        self.send(request.body(body.to_string())).await
    }

    async fn exchange(&self, body: Value) -> Answer {
        self.post(self.server.token_url(), body).await
    }

    /// What a machine gets in its own name.
    async fn machine(&self, client_id: &str, audience: &str) -> Answer {
        let body = json!({
            "grant_type": "client_credentials", "client_id": client_id, "client_secret": SECRET,
            "audience": audience,
        });
        self.exchange(body).await
    }

    async fn machine_token(&self, client_id: &str) -> String {
        text(&self.machine(client_id, AUDIENCE).await.body["access_token"]).to_owned()
    }

    /// The code with which the browser of a user comes back to an application.
    async fn code(&self, user: &str, client_id: &str, audience: &str, scope: &str) -> String {
        let query = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", BACK),
            ("audience", audience),
            ("scope", scope),
            ("state", "s-1"),
            ("login_hint", user),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let url = url::Url::parse_with_params(&self.server.authorization_url(), query).unwrap();
        let answer = client().get(url).send().await.unwrap();
        let back = url::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        let pairs: Vec<_> = back.query_pairs().into_owned().collect();
        assert!(pairs.contains(&("state".to_owned(), "s-1".to_owned())), "{back}");
        pairs.into_iter().find(|(name, _)| name == "code").unwrap().1
    }

    fn with_code(client_id: &str, code: &str) -> Value {
        let mut body = json!({
            "grant_type": "authorization_code", "client_id": client_id, "code": code, "redirect_uri": BACK,
            "code_verifier": VERIFIER,
        });
        if client_id == "app" {
            body["client_secret"] = SECRET.into();
        }
        body
    }

    /// What an application gets in a user's name.
    async fn sign_in(&self, user: &str, client_id: &str, audience: &str, scope: &str) -> Value {
        let code = self.code(user, client_id, audience, scope).await;
        let answer = self.exchange(Self::with_code(client_id, &code)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// The usual user at the usual application and API, on one more device.
    async fn device(&self) -> Value {
        self.sign_in(USER, "spa", AUDIENCE, OFFLINE).await
    }

    async fn refresh(&self, client_id: &str, tokens: &Value) -> Answer {
        let mut body = json!({ "grant_type": "refresh_token", "client_id": client_id });
        body["refresh_token"] = tokens["refresh_token"].clone();
        if client_id == "app" {
            body["client_secret"] = SECRET.into();
        }
        self.exchange(body).await
    }

    /// `POST /oauth/revoke`.
    async fn revoke(&self, body: Value) -> Answer {
        self.post(self.server.revocation_url(), body).await
    }

    /// A call of the Management API with a token of this scope.
    async fn manage(&self, method: Method, path: &str, scope: &str, body: Option<Value>) -> Answer {
        let token = Token::new(&self.server.management_audience()).client("admin").scope(scope);
        let mut request = client().request(method, self.server.management_url(path));
        request = request.bearer_auth(self.server.mint(token));
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        self.send(request).await
    }

    /// The id of a machine's client grant, as its administrator finds it.
    async fn client_grant(&self, client_id: &str) -> String {
        let path = format!("client-grants?client_id={client_id}&audience={AUDIENCE}");
        let listed = self.manage(Method::GET, &path, "read:client_grants", None).await;
        text(&listed.body[0]["id"]).to_owned()
    }

    async fn delete_client_grant(&self, client_id: &str) {
        let path = format!("client-grants/{}", self.client_grant(client_id).await);
        let answer = self.manage(Method::DELETE, &path, "delete:client_grants", None).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    }

    async fn blacklist(&self, token: &str) -> Answer {
        let jti = claims(&json!(token))["jti"].clone();
        let body = json!({ "aud": AUDIENCE, "jti": jti });
        self.manage(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(body)).await
    }
}

async fn statuses<'a>(world: &World, tokens: impl IntoIterator<Item = &'a str>) -> Vec<u16> {
    let mut statuses = Vec::new();
    for token in tokens {
        statuses.push(world.status(token).await);
    }
    statuses
}

/// What the API answers to the access tokens of these answers of the token endpoint.
async fn judged(world: &World, answers: &[&Value]) -> Vec<u16> {
    statuses(world, answers.iter().map(|answer| text(&answer["access_token"]))).await
}
