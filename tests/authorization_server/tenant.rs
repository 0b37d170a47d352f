//! A tenant with two APIs, a partner, an application without a secret and a user, under a clock that stands still.

use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use tower_bearer::clock::{ManualClock, UnixTime};
use tower_bearer::testing::{Api, AuthorizationServer, AuthorizationServerBuilder, Token, TokenProfile};
use url::Url;

use crate::client::{Answer, builder, client, read, send};

pub(crate) const NOW: u64 = 1_795_000_000;
/// Auth0's default profile: tokens without `jti`.
pub(crate) const PLAIN: &str = "https://api.example.com/calendar/v1/";
/// RFC 9068: tokens with `jti`.
pub(crate) const NAMED: &str = "https://api.example.com/files/v1/";
pub(crate) const USER: &str = "auth0|u1";
pub(crate) const BACK: &str = "https://app.example/callback?tenant=7";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(crate) struct Tenant {
    pub(crate) server: AuthorizationServer,
    pub(crate) clock: ManualClock,
}

/// Header (0) or claims (1) of a token.
pub(crate) fn part(token: &Value, index: usize) -> Value {
    let part = token.as_str().unwrap().split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
}

impl Tenant {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(crate) async fn with(
        set: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder,
    ) -> Self {
        let clock = ManualClock::new(UnixTime::from_secs(NOW as i64));
        let server = set(builder()).clock(clock.clone()).start().await.unwrap();
        server.add_api(Api::new(PLAIN).allow_offline_access().scopes(["read:events", "write:events"]));
        let lifetime = Duration::from_secs(600);
        let named = Api::new(NAMED).profile(TokenProfile::Rfc9068).token_lifetime(lifetime);
        server.add_api(named.allow_offline_access());
        server.add_client("partner", "secret");
        server.add_public_client("spa");
        server.allow_redirect("spa", BACK);
        server.add_user(USER);
        Self { server, clock }
    }

    pub(crate) fn second(&self) {
        self.clock.advance(Duration::from_secs(1));
    }

    pub(crate) async fn post(&self, url: String, body: Value) -> Answer {
        send(client().post(url).header("content-type", "application/json").body(body.to_string())).await
    }

    /// `POST /oauth/token`.
    pub(crate) async fn exchange(&self, body: Value) -> Answer {
        self.post(self.server.token_url(), body).await
    }

    /// What the partner gets in its own name.
    pub(crate) async fn machine(&self, audience: &str) -> Answer {
        let body = json!({
            "grant_type": "client_credentials", "client_id": "partner", "client_secret": "secret",
            "audience": audience,
        });
        self.exchange(body).await
    }

    /// Where the user's browser is sent, as pairs. `more` comes last.
    pub(crate) async fn authorize(
        &self,
        audience: &str,
        scope: &str,
        more: &[(&str, &str)],
    ) -> Vec<(String, String)> {
        let usual = [
            ("response_type", "code"),
            ("client_id", "spa"),
            ("redirect_uri", BACK),
            ("audience", audience),
            ("scope", scope),
            ("state", "s-1"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let kept = usual.into_iter().filter(|(name, _)| more.iter().all(|(own, _)| own != name));
        let pairs = kept.chain(more.iter().copied().filter(|(_, value)| !value.is_empty()));
        let url = Url::parse_with_params(&self.server.authorization_url(), pairs).unwrap();
        let answer = send(client().get(url)).await;
        assert_eq!(answer.status, 302, "{answer:?}");
        let back = Url::parse(answer.header("location")).unwrap();
        assert!(back.as_str().starts_with(BACK), "{back}");
        back.query_pairs().into_owned().filter(|(name, _)| name != "tenant").collect()
    }

    pub(crate) async fn code(&self, audience: &str, scope: &str) -> String {
        let back = self.authorize(audience, scope, &[]).await;
        assert_eq!((back[0].0.as_str(), &back[1]), ("code", &("state".to_owned(), "s-1".to_owned())));
        back[0].1.clone()
    }

    pub(crate) fn with_code(code: &str) -> Value {
        json!({
            "grant_type": "authorization_code", "client_id": "spa", "code": code, "redirect_uri": BACK,
            "code_verifier": VERIFIER,
        })
    }

    /// What the user's application gets.
    pub(crate) async fn sign_in(&self, audience: &str, scope: &str) -> Value {
        let answer = self.exchange(Self::with_code(&self.code(audience, scope).await)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) async fn refresh(&self, tokens: &Value) -> Answer {
        let refresh_token = &tokens["refresh_token"];
        let body =
            json!({ "grant_type": "refresh_token", "client_id": "spa", "refresh_token": refresh_token });
        self.exchange(body).await
    }

    /// A call of the Management API by somebody with this scope.
    pub(crate) async fn call(&self, method: Method, path: &str, scope: &str, body: Option<Value>) -> Answer {
        let token = Token::new(&self.server.management_audience()).client("m2m").scope(scope);
        let token = self.server.mint(token);
        let mut request = client().request(method, self.server.management_url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        send(request).await
    }

    pub(crate) async fn list(&self, path: &str, scope: &str) -> Value {
        let answer = self.call(Method::GET, path, scope, None).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.json()
    }

    pub(crate) async fn delete(&self, path: &str, scope: &str) {
        let answer = self.call(Method::DELETE, path, scope, None).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
    }

    /// The feed's entries, without the members that all have.
    pub(crate) async fn entries(&self) -> Vec<Value> {
        let mut entries = read(&self.server, "").await["revocations"].as_array().unwrap().clone();
        for entry in &mut entries {
            let entry = entry.as_object_mut().unwrap();
            assert!(entry.remove("exp").unwrap().as_u64().unwrap() >= NOW);
            entry.remove("at").unwrap();
        }
        entries
    }

    /// The log's entries of one type.
    pub(crate) async fn logged(&self, kind: &str) -> Vec<Value> {
        let logs = self.list("logs?take=100", "read:logs").await;
        logs.as_array().unwrap().iter().filter(|entry| entry["type"] == kind).cloned().collect()
    }
}

/// The feed's entry for what the user granted to the application.
pub(crate) fn user_cut_off(audience: &str, second: u64) -> Value {
    json!({ "sub": USER, "client_id": "spa", "aud": audience, "issued_before": second })
}
