//! A partner holds ten access tokens and its contract ends: one token is blacklisted, then its client grant is deleted, then
//! it is granted access again. All of it by Auth0's Management API.
//!
//! ```text
//! cargo run --example auth0      # a tenant in process; exits with 1 if a step comes out wrong
//! ```
//!
//! Against a tenant of yours, with the variables below set. **The partner's client grant for the API is deleted and made
//! again**, so take an application for tests. The API needs the token profile of RFC 9068, whose tokens carry `jti`, and the
//! applications the authentication method "Client Secret (Post)".
//!
//! ```text
//! AUTH0_DOMAIN           tenant.eu.auth0.com
//! AUTH0_AUDIENCE         the API's identifier
//! AUTH0_WATCHER_ID       granted blacklist:tokens read:client_grants; and AUTH0_WATCHER_SECRET
//! AUTH0_ADMIN_ID         granted blacklist:tokens read:client_grants create:client_grants delete:client_grants; and …_SECRET
//! AUTH0_PARTNER_ID       granted the API; and AUTH0_PARTNER_SECRET
//! AUTH0_POLL_SECONDS     how often the tenant is asked; default 10
//! ```

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use http::{Request, Response};
use reqwest::Method;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::testing::{Api, AuthorizationServer, TokenProfile};
use tower_bearer::{Auth0, ClientCredentials, Profile, ResourceServer, any_token};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Id and secret.
type Application = (String, String);

/// A tenant, and who acts in it.
struct Tenant {
    /// Without a slash after it.
    base: String,
    issuer: String,
    audience: String,
    watcher: Application,
    admin: Application,
    partner: Application,
    poll_interval: Duration,
    http: reqwest::Client,
}

async fn run() -> Outcome<()> {
    if env::var_os("AUTH0_DOMAIN").is_some() {
        return story(&Tenant::of_environment()?).await;
    }
    let audience = "https://api.example.com/calendar/v1/";
    let server = AuthorizationServer::builder().issuer_with_slash().start().await?;
    server.add_api(
        Api::new(audience).profile(TokenProfile::Rfc9068).token_lifetime(Duration::from_secs(86_400)),
    );
    let management = server.management_audience();
    let may_watch = ["blacklist:tokens", "read:client_grants"];
    let may_all = ["blacklist:tokens", "read:client_grants", "create:client_grants", "delete:client_grants"];
    for (client, audience, scopes) in [
        ("watcher", management.as_str(), &may_watch[..]),
        ("admin", management.as_str(), &may_all[..]),
        ("partner", audience, &["read:events"][..]),
    ] {
        server.add_client(client, "a secret");
        server.grant(client, audience, scopes.iter().copied());
    }
    let application = |id: &str| (id.to_owned(), "a secret".to_owned());
    let tenant = Tenant {
        base: server.issuer().trim_end_matches('/').to_owned(),
        issuer: server.issuer().to_owned(),
        audience: audience.to_owned(),
        watcher: application("watcher"),
        admin: application("admin"),
        partner: application("partner"),
        poll_interval: Duration::from_secs(1),
        http: client(),
    };
    story(&tenant).await
}

#[expect(clippy::disallowed_methods, reason = "a client beside the crate, not part of it")]
fn client() -> reqwest::Client {
    reqwest::Client::new()
}

impl Tenant {
    fn of_environment() -> Outcome<Self> {
        let get = |name: &str| match env::var(name) {
            Ok(value) if !value.trim().is_empty() => Ok(value.trim().to_owned()),
            _ => Err(format!("{name} is not set: examples/auth0.rs says what must be in it")),
        };
        let application = |name: &str| -> Result<Application, String> {
            Ok((get(&format!("AUTH0_{name}_ID"))?, get(&format!("AUTH0_{name}_SECRET"))?))
        };
        let poll = env::var("AUTH0_POLL_SECONDS").unwrap_or_else(|_| "10".to_owned());
        let poll = poll.parse().ok().filter(|seconds| *seconds > 0);
        let poll = poll.ok_or("AUTH0_POLL_SECONDS is no whole number of seconds")?;
        let domain = get("AUTH0_DOMAIN")?;
        let domain = domain.trim_end_matches('/');
        let base = if domain.contains("://") { domain.to_owned() } else { format!("https://{domain}") };
        Ok(Self {
            issuer: format!("{base}/"),
            base,
            audience: get("AUTH0_AUDIENCE")?,
            watcher: application("WATCHER")?,
            admin: application("ADMIN")?,
            partner: application("PARTNER")?,
            poll_interval: Duration::from_secs(poll),
            http: client(),
        })
    }

    async fn resource_server(&self) -> Outcome<ResourceServer> {
        let watcher = ClientCredentials::new(&self.watcher.0, &self.watcher.1);
        let auth0 = Auth0::new(&self.base, watcher).audience(&self.audience);
        let auth0 = auth0.poll_interval(self.poll_interval).max_staleness(self.poll_interval * 6);
        let api = ResourceServer::builder()
            .issuer(&self.issuer)
            .audience(&self.audience)
            .profile(Profile::Auth0)
            .revocation(auth0)
            .allow_loopback_http()
            .start();
        Ok(api.await?)
    }

    /// An access token by client credentials, which go in the body.
    async fn token(&self, (id, secret): &Application, audience: &str) -> Outcome<String> {
        let body = json!({
            "grant_type": "client_credentials", "client_id": id, "client_secret": secret, "audience": audience,
        });
        let request = self.http.post(format!("{}/oauth/token", self.base));
        let answer = request.header("content-type", "application/json").body(body.to_string()).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        match said("access_token") {
            none if none.is_empty() => {
                let (error, why) = (said("error"), said("error_description"));
                Err(format!("no token for application {id} and audience {audience}: {status} {error}: {why}")
                    .into())
            }
            token => Ok(token),
        }
    }

    /// A call of the Management API by the administrator.
    async fn administer(
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

/// What the API answers to a request with this token.
async fn status(api: &ResourceServer, token: &str) -> Outcome<u16> {
    let inner = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let request = Request::builder().header("authorization", format!("Bearer {token}")).body(())?;
    Ok(api.protect(any_token()).layer(inner).oneshot(request).await?.status().as_u16())
}

/// Waits until each of the tokens gets this status, and says how long that took.
async fn until(api: &ResourceServer, tokens: &[String], wanted: u16, longest: Duration) -> Outcome<Duration> {
    let clock = SystemClock::new();
    'waiting: loop {
        for token in tokens {
            let got = status(api, token).await?;
            if got != wanted {
                if clock.uptime() > longest {
                    return Err(format!("{got} instead of {wanted} after {longest:?}").into());
                }
                clock.sleep(Duration::from_millis(20)).await;
                continue 'waiting;
            }
        }
        return Ok(clock.uptime());
    }
}

async fn story(tenant: &Tenant) -> Outcome<()> {
    let api = tenant.resource_server().await?;
    let longest = tenant.poll_interval + Duration::from_secs(5);
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(tenant.token(&tenant.partner, &tenant.audience).await?);
    }
    let first = tokens.first().ok_or("there are ten")?;
    let payload = URL_SAFE_NO_PAD.decode_to_vec(first.split('.').nth(1).unwrap_or_default())?;
    let claims: Value = serde_json::from_slice(&payload)?;
    if claims.get("jti").is_none() {
        return Err("the API's tokens have no `jti`: give it the token profile of RFC 9068".into());
    }
    until(&api, &tokens, 200, Duration::ZERO).await?;
    println!("the partner's ten tokens are admitted");

    let listed = json!({ "aud": tenant.audience, "jti": claims.get("jti") });
    tenant.administer(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(listed)).await?;
    let took = until(&api, tokens.get(..1).unwrap_or_default(), 401, longest).await?;
    until(&api, tokens.get(1..).unwrap_or_default(), 200, Duration::ZERO).await?;
    println!("one is blacklisted: refused after {took:?}; the others are still admitted");

    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &tenant.partner.0)
        .append_pair("audience", &tenant.audience)
        .finish();
    let grants =
        tenant.administer(Method::GET, &format!("client-grants?{query}"), "read:client_grants", None).await?;
    let grant = grants.get(0).ok_or("the partner has no client grant")?;
    let id = grant.get("id").and_then(Value::as_str).ok_or("the grant has no id")?;
    tenant.administer(Method::DELETE, &format!("client-grants/{id}"), "delete:client_grants", None).await?;
    let ended = until(&api, &tokens, 401, longest).await;
    // Made again whatever came out: the tenant may be somebody's.
    let anew = json!({
        "client_id": tenant.partner.0, "audience": tenant.audience, "scope": grant.get("scope"),
    });
    tenant.administer(Method::POST, "client-grants", "create:client_grants", Some(anew)).await?;
    println!("its client grant is deleted: all ten are refused after {:?}", ended?);

    // The cut-off reaches a little past the deletion: a token of that second is refused, the next one is not.
    let clock = SystemClock::new();
    loop {
        let token = tenant.token(&tenant.partner, &tenant.audience).await;
        match token {
            Ok(token) if status(&api, &token).await? == 200 => break,
            Err(error) if clock.uptime() > longest => return Err(error),
            Ok(_) if clock.uptime() > longest => return Err("granted again, and still refused".into()),
            _ => {}
        }
        clock.sleep(Duration::from_millis(500)).await;
    }
    until(&api, &tokens, 401, Duration::ZERO).await?;
    println!("granted again: its new token is admitted, the old ones are not");
    Ok(())
}
