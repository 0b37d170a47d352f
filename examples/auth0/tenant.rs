//! A tenant and who acts in it: in process, or as the environment says.

use std::env;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::{Api, AuthorizationServer, TokenProfile};
use tower_bearer::{Auth0, ClientCredentials, Profile, ResourceServer};

use crate::Outcome;

const USER: &str = "auth0|jane";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Id and secret.
pub(crate) type Application = (String, String);

pub(crate) struct Tenant {
    /// Without a slash after it.
    base: String,
    issuer: String,
    pub(crate) audience: String,
    watcher: Application,
    admin: Application,
    pub(crate) partner: Application,
    /// The id of an application that users sign in to; it has no secret.
    device: String,
    pub(crate) poll_interval: Duration,
    pub(crate) logs: bool,
    pub(crate) events: bool,
    http: reqwest::Client,
    /// That in process, whose users sign in by themselves.
    server: Option<AuthorizationServer>,
}

/// Who signed in, and what was given out for it.
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) access_token: String,
    refresh_token: String,
}

#[expect(clippy::disallowed_methods, reason = "a client beside the crate, not part of it")]
fn client() -> reqwest::Client {
    reqwest::Client::new()
}

impl Tenant {
    pub(crate) async fn in_process() -> Outcome<Self> {
        let audience = "https://api.example.com/calendar/v1/";
        let server = AuthorizationServer::builder().issuer_with_slash().start().await?;
        let api = Api::new(audience).profile(TokenProfile::Rfc9068).allow_offline_access();
        server.add_api(api.token_lifetime(Duration::from_secs(86_400)));
        let management = server.management_audience();
        let may_watch = ["blacklist:tokens", "read:client_grants", "read:logs", "read:events"];
        let may_all = [
            "blacklist:tokens",
            "read:client_grants",
            "create:client_grants",
            "delete:client_grants",
            "update:users",
        ];
        for (client, audience, scopes) in [
            ("watcher", management.as_str(), &may_watch[..]),
            ("admin", management.as_str(), &may_all[..]),
            ("partner", audience, &["read:events"][..]),
        ] {
            server.add_client(client, "a secret");
            server.grant(client, audience, scopes.iter().copied());
        }
        server.add_public_client("device");
        server.add_user(USER);
        let application = |id: &str| (id.to_owned(), "a secret".to_owned());
        Ok(Self {
            base: server.issuer().trim_end_matches('/').to_owned(),
            issuer: server.issuer().to_owned(),
            audience: audience.to_owned(),
            watcher: application("watcher"),
            admin: application("admin"),
            partner: application("partner"),
            device: "device".to_owned(),
            poll_interval: Duration::from_secs(1),
            logs: true,
            events: true,
            http: client(),
            server: Some(server),
        })
    }

    pub(crate) fn of_environment() -> Outcome<Self> {
        let get = |name: &str| match env::var(name) {
            Ok(value) if !value.trim().is_empty() => Ok(value.trim().to_owned()),
            _ => Err(format!("{name} is not set: examples/auth0.rs says what must be in it")),
        };
        let application = |name: &str| -> Result<Application, String> {
            Ok((get(&format!("AUTH0_{name}_ID"))?, get(&format!("AUTH0_{name}_SECRET"))?))
        };
        let chosen = |name: &str| match env::var(name).unwrap_or_default().trim() {
            "" | "0" => Ok(false),
            "1" => Ok(true),
            _ => Err(format!("{name} is neither 0 nor 1")),
        };
        let poll = env::var("AUTH0_POLL_SECONDS").unwrap_or_else(|_| "10".to_owned());
        let poll = poll.parse().ok().filter(|seconds| *seconds > 0);
        let poll = poll.ok_or("AUTH0_POLL_SECONDS is no whole number of seconds")?;
        let domain = get("AUTH0_DOMAIN")?;
        let domain = domain.trim_end_matches('/');
        let base = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
        let (logs, events) = (chosen("AUTH0_LOGS")?, chosen("AUTH0_EVENTS")?);
        Ok(Self {
            issuer: format!("{base}/"),
            base,
            audience: get("AUTH0_AUDIENCE")?,
            watcher: application("WATCHER")?,
            admin: application("ADMIN")?,
            partner: application("PARTNER")?,
            device: if logs || events { get("AUTH0_DEVICE_ID")? } else { String::new() },
            poll_interval: Duration::from_secs(poll),
            logs,
            events,
            http: client(),
            server: None,
        })
    }

    pub(crate) async fn resource_server(&self) -> Outcome<ResourceServer> {
        let watcher = ClientCredentials::new(&self.watcher.0, &self.watcher.1);
        let auth0 = Auth0::new(&self.base, watcher).audience(&self.audience);
        // A stream of events must have time to be opened again.
        let max_staleness = (self.poll_interval * 6).max(Duration::from_secs(20));
        let auth0 = auth0.poll_interval(self.poll_interval).max_staleness(max_staleness);
        let auth0 = if self.logs { auth0.logs() } else { auth0 };
        let auth0 = if self.events { auth0.events() } else { auth0 };
        let api = ResourceServer::builder()
            .issuer(&self.issuer)
            .audience(&self.audience)
            .profile(Profile::Auth0)
            .revocation(auth0)
            .allow_loopback_http()
            .start();
        Ok(api.await?)
    }

    async fn post(&self, path: &str, body: &Value) -> Outcome<(StatusCode, Value)> {
        let request = self.http.post(format!("{}/oauth/{path}", self.base));
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// An access token by client credentials, which go in the body.
    pub(crate) async fn token(&self, (id, secret): &Application, audience: &str) -> Outcome<String> {
        let body = json!({
            "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience,
        });
        let answer = self.post("token", &body).await?;
        given(&answer, "access_token", &format!("no token for application {id} and audience {audience}"))
    }

    /// Tokens of a user, who says yes in a browser (RFC 8628).
    pub(crate) async fn sign_in(&self) -> Outcome<User> {
        let (device, refused) = (&self.device, format!("no user's tokens for application {}", self.device));
        let body = json!({ "client_id": device, "audience": self.audience, "scope": "offline_access" });
        let begun = self.post("device/code", &body).await?;
        let code = given(&begun, "device_code", &refused)?;
        match &self.server {
            Some(server) => drop(server.approve_device(&text(&begun.1, "user_code"), USER)),
            None => println!("sign in at {}", text(&begun.1, "verification_uri_complete")),
        }
        let interval = begun.1.get("interval").and_then(Value::as_u64).unwrap_or(5);
        let body = json!({ "grant_type": DEVICE_GRANT, "client_id": device, "device_code": code });
        loop {
            let answer = self.post("token", &body).await?;
            if !["authorization_pending", "slow_down"].contains(&text(&answer.1, "error").as_str()) {
                let access_token = given(&answer, "access_token", &refused)?;
                let refused = "no refresh token: the API must allow offline access";
                let refresh_token = given(&answer, "refresh_token", refused)?;
                return Ok(User { id: text(&claims(&access_token)?, "sub"), access_token, refresh_token });
            }
            SystemClock::new().sleep(Duration::from_secs(interval)).await;
        }
    }

    pub(crate) async fn refresh(&self, user: &mut User) -> Outcome<()> {
        let body = json!({
            "grant_type": "refresh_token", "client_id": self.device, "refresh_token": user.refresh_token,
        });
        let answer = self.post("token", &body).await?;
        user.access_token = given(&answer, "access_token", "no token for a refresh token")?;
        if let Ok(rotated) = given(&answer, "refresh_token", "") {
            user.refresh_token = rotated;
        }
        Ok(())
    }

    pub(crate) async fn revoke_refresh_token(&self, user: &User) -> Outcome<()> {
        let body = json!({ "client_id": self.device, "token": user.refresh_token });
        match self.post("revoke", &body).await?.0 {
            status if status.is_success() => Ok(()),
            status => Err(format!("the refresh token was not revoked: {status}").into()),
        }
    }

    pub(crate) async fn set_blocked(&self, user: &User, blocked: bool) -> Outcome<()> {
        let id: String = url::form_urlencoded::byte_serialize(user.id.as_bytes()).collect();
        let body = Some(json!({ "blocked": blocked }));
        self.administer(Method::PATCH, &format!("users/{id}"), "update:users", body).await?;
        Ok(())
    }

    /// A call of the Management API by the administrator.
    pub(crate) async fn administer(
        &self,
        method: Method,
        path: &str,
        scope: &str,
        body: Option<Value>,
    ) -> Outcome<Value> {
        let token = self.token(&self.admin, &format!("{}/api/v2/", self.base)).await?;
        let url = format!("{}/api/v2/{path}", self.base);
        let mut request = self.http.request(method.clone(), url).bearer_auth(token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await?;
        if !answer.status().is_success() {
            let remedy =
                format!("the administrator's application needs the scope {scope} of the Management API");
            let remedy = if answer.status() == 403 { format!(": {remedy}") } else { String::new() };
            return Err(format!("{method} {path}: {}{remedy}", answer.status()).into());
        }
        Ok(serde_json::from_str(&answer.text().await?).unwrap_or_default())
    }
}

/// A member of an answer, or why there is none.
fn given((status, body): &(StatusCode, Value), name: &str, otherwise: &str) -> Outcome<String> {
    match text(body, name) {
        none if none.is_empty() => {
            let (error, why) = (text(body, "error"), text(body, "error_description"));
            Err(format!("{otherwise}: {status} {error}: {why}").into())
        }
        value => Ok(value),
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(crate) fn claims(token: &str) -> Outcome<Value> {
    let payload = URL_SAFE_NO_PAD.decode_to_vec(token.split('.').nth(1).unwrap_or_default())?;
    Ok(serde_json::from_slice(&payload)?)
}
