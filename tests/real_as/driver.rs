//! What clients and users do at the authorization server, over HTTP as any of them would.

use std::collections::BTreeMap;

use aws_lc_rs::{digest, rand};
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use url::Url;
use url::form_urlencoded::Serializer;

use crate::api::PATIENCE;
use crate::process::RealServer;

pub(crate) const RESOURCES: [(&str, &str); 4] = [
    ("https://api.example.test/rs256", "RS256"),
    ("https://api.example.test/ps256", "PS256"),
    ("https://api.example.test/es256", "ES256"),
    ("https://api.example.test/eddsa", "EdDSA"),
];
pub(crate) const RS256: &str = RESOURCES[0].0;
pub(crate) const ES256: &str = RESOURCES[2].0;
pub(crate) const BOTH: &str = "read:events write:events";

const MACHINE: (&str, &str) = ("machine", "machine-secret");
const APP: (&str, &str) = ("app", "app-secret");
const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// Drives one authorization server.
#[derive(Debug)]
pub(crate) struct Driver {
    http: reqwest::Client,
    metadata: Value,
    control: String,
}

/// What a user's app holds.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) id_token: Option<String>,
    /// The form that the authorization code was exchanged with.
    pub(crate) exchange: Vec<(&'static str, String)>,
    /// The user's browser, after a login.
    cookies: Cookies,
}

type Cookies = BTreeMap<String, String>;

/// A client that can be deleted.
#[derive(Debug)]
pub(crate) struct Partner {
    pub(crate) token: String,
    uri: String,
    secret: String,
}

impl Driver {
    pub(crate) async fn of(server: &RealServer) -> Self {
        let http = http();
        let metadata = format!("{}/.well-known/oauth-authorization-server", server.issuer);
        let metadata = json(http.get(metadata)).await.1;
        assert_eq!(metadata["issuer"], server.issuer);
        Self { http, metadata, control: format!("{}/control", server.issuer) }
    }

    fn endpoint(&self, name: &str) -> &str {
        self.metadata[name].as_str().expect(name)
    }

    async fn form(&self, endpoint: &str, client: (&str, &str), form: &[(&str, String)]) -> (u16, Value) {
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(self.endpoint(endpoint)).basic_auth(client.0, Some(client.1));
        json(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body)).await
    }

    /// An access token of the machine client, without any user.
    pub(crate) async fn machine(&self, resource: &str, scope: &str) -> String {
        let mut form = vec![("grant_type", "client_credentials".to_owned()), ("scope", scope.to_owned())];
        form.extend((!resource.is_empty()).then(|| ("resource", resource.to_owned())));
        let (status, body) = self.form("token_endpoint", MACHINE, &form).await;
        assert_eq!(status, 200, "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }

    /// Authorization code with PKCE, in a browser of its own: a new grant each time.
    pub(crate) async fn login(&self, user: &str, resource: &str, scope: &str) -> Session {
        let verifier = random();
        let challenge = digest::digest(&digest::SHA256, verifier.as_bytes());
        let (state, challenge) = (random(), URL_SAFE_NO_PAD.encode_to_string(challenge));
        let mut url = Url::parse(self.endpoint("authorization_endpoint")).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("client_id", APP.0),
            ("redirect_uri", REDIRECT_URI),
            ("response_type", "code"),
            ("scope", scope),
            ("prompt", "consent"),
            ("resource", resource),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("login_hint", user),
        ]);
        let mut cookies = Cookies::new();
        let back: BTreeMap<_, _> = self.browse(url, &mut cookies).await.query_pairs().into_owned().collect();
        assert_eq!((&back["state"], back["iss"].as_str()), (&state, self.endpoint("issuer")));
        let exchange = vec![
            ("grant_type", "authorization_code".to_owned()),
            ("code", back["code"].clone()),
            ("redirect_uri", REDIRECT_URI.to_owned()),
            ("code_verifier", verifier),
        ];
        Session { cookies, ..self.exchange(exchange).await.unwrap() }
    }

    /// What the user does who ends the session at the server: the page that asks, and its form.
    pub(crate) async fn log_out(&self, session: &Session) {
        let mut cookies = session.cookies.clone();
        let request = self.http.get(self.endpoint("end_session_endpoint"));
        let response = request.header(COOKIE, header_of(&cookies)).send().await.unwrap();
        assert_eq!(response.status(), 200);
        keep(&response, &mut cookies);
        let page = response.text().await.unwrap();
        let (_, rest) = page.split_once(r#"name="xsrf" value=""#).expect(&page);
        let form = [("xsrf", rest.split('"').next().unwrap()), ("logout", "yes")];
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.http.post(format!("{}/confirm", self.endpoint("end_session_endpoint")));
        let request = request.header(COOKIE, header_of(&cookies)).body(body);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert_eq!(request.send().await.unwrap().status(), 303);
    }

    /// Follows redirects with the cookies that come, until one leads back to the app.
    async fn browse(&self, mut url: Url, jar: &mut Cookies) -> Url {
        for _ in 0..10 {
            let request = self.http.get(url.clone()).header(COOKIE, header_of(jar));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), 303, "{url}");
            keep(&response, jar);
            url = url.join(response.headers()[LOCATION].to_str().unwrap()).unwrap();
            if url.as_str().starts_with(REDIRECT_URI) {
                return url;
            }
        }
        panic!("too many redirects, the last to {url}");
    }

    /// A session for a code or a refresh token; the error code where it is refused.
    pub(crate) async fn exchange(&self, exchange: Vec<(&'static str, String)>) -> Result<Session, String> {
        let (status, body) = self.form("token_endpoint", APP, &exchange).await;
        if status != 200 {
            return Err(body["error"].as_str().unwrap().to_owned());
        }
        let text = |name: &str| body[name].as_str().map(str::to_owned);
        let (access, refresh) = (text("access_token").unwrap(), text("refresh_token").unwrap());
        Ok(Session { access, refresh, id_token: text("id_token"), exchange, cookies: Cookies::new() })
    }

    pub(crate) async fn refresh(&self, session: &Session) -> Result<Session, String> {
        let token = ("refresh_token", session.refresh.clone());
        self.exchange(vec![("grant_type", "refresh_token".to_owned()), token]).await
    }

    /// RFC 7009: what an app does when its user logs out.
    pub(crate) async fn revoke(&self, session: &Session) {
        let form = [("token", session.refresh.clone()), ("token_type_hint", "refresh_token".to_owned())];
        let (status, body) = self.form("revocation_endpoint", APP, &form).await;
        assert_eq!(status, 200, "{body}");
    }

    /// What an administrator does; returns the entry of the feed.
    pub(crate) async fn revoke_token(&self, token: &str) -> Value {
        let claims = claims(token);
        self.control("revoke-token", json!({"jti": claims["jti"], "exp": claims["exp"]})).await
    }

    pub(crate) async fn revoke_client(&self, client: &str) -> Value {
        self.control("revoke-client", json!({ "client_id": client })).await
    }

    /// As an account page does where a user ends what an app was allowed.
    pub(crate) async fn destroy_grant(&self, grant: &Value) {
        self.control("destroy-grant", json!({ "grant_id": grant })).await;
    }

    async fn control(&self, name: &str, body: Value) -> Value {
        let (status, body) =
            json(self.http.post(format!("{}/{name}", self.control)).body(body.to_string())).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// How often the server has answered on `path` with `status`.
    pub(crate) async fn answers(&self, path: &str, status: u16) -> u64 {
        let (_, counts) = json(self.http.get(format!("{}/answers", self.control))).await;
        counts[path][status.to_string()].as_u64().unwrap_or(0)
    }

    /// A machine client that registers itself (RFC 7591) and gets a token; deletes itself (RFC 7592) when it is told to.
    pub(crate) async fn partner(&self) -> Partner {
        let metadata =
            json!({"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []});
        let request = self.http.post(self.endpoint("registration_endpoint"));
        let request = request.header(CONTENT_TYPE, "application/json").body(metadata.to_string());
        let (status, body) = json(request).await;
        assert_eq!(status, 201, "{body}");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("scope", BOTH.to_owned()),
            ("resource", RS256.to_owned()),
        ];
        let client = (text("client_id"), text("client_secret"));
        let (status, granted) = self.form("token_endpoint", (&client.0, &client.1), &form).await;
        assert_eq!(status, 200, "{granted}");
        let token = granted["access_token"].as_str().unwrap().to_owned();
        Partner { token, uri: text("registration_client_uri"), secret: text("registration_access_token") }
    }

    pub(crate) async fn delete(&self, partner: &Partner) {
        let request = self.http.delete(&partner.uri).bearer_auth(&partner.secret);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }

    /// A request to an API.
    pub(crate) async fn get(&self, url: &str, token: Option<&str>) -> Response {
        let request = self.http.get(url);
        let request = token
            .into_iter()
            .fold(request, |request, token| request.header(AUTHORIZATION, format!("Bearer {token}")));
        request.send().await.unwrap()
    }
}

fn header_of(cookies: &Cookies) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

fn keep(response: &Response, cookies: &mut Cookies) {
    cookies.extend(response.headers().get_all(SET_COOKIE).iter().filter_map(|line| {
        let (pair, _) = line.to_str().unwrap().split_once(';')?;
        pair.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    }));
    cookies.retain(|_, value| !value.is_empty());
}

/// No connection is used twice: the server may be another one the next time.
#[expect(clippy::disallowed_methods, reason = "the one place where this test opens connections")]
pub(crate) fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    builder.pool_max_idle_per_host(0).timeout(PATIENCE).build().unwrap()
}

async fn json(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

fn random() -> String {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).unwrap();
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// The header, claims and signature of a token, decoded and not verified.
pub(crate) fn parts(token: &str) -> [Vec<u8>; 3] {
    let parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode_to_vec(part).unwrap());
    parts.collect::<Vec<_>>().try_into().expect("three parts")
}

/// The opposite of [`parts`].
pub(crate) fn token(parts: &[Vec<u8>; 3]) -> String {
    parts.each_ref().map(|part| URL_SAFE_NO_PAD.encode_to_string(part)).join(".")
}

pub(crate) fn header(token: &str) -> Value {
    serde_json::from_slice(&parts(token)[0]).unwrap()
}

pub(crate) fn claims(token: &str) -> Value {
    serde_json::from_slice(&parts(token)[1]).unwrap()
}
