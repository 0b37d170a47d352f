//! A partner holds ten access tokens and its contract ends: one token is blacklisted, then its client grant is deleted, then
//! it is granted access again. After that a user is blocked, let in again, and loses a device: its refresh token is revoked.
//! All of it as a tenant's administrator or application would, by Auth0's own endpoints.
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
//!
//! The user's part is left out there, unless one of these is set to 1. **The user is blocked and unblocked**, so take one for
//! tests.
//!
//! ```text
//! AUTH0_EVENTS           the blocked user; the watcher needs read:events too, the admin update:users
//! AUTH0_LOGS             the revoked refresh token; the watcher needs read:logs too
//! AUTH0_DEVICE_ID        for both: a native application without authentication, with the grants "Device Code" and "Refresh
//!                        Token". The API must allow offline access. A page to sign in at is printed
//! ```

use std::convert::Infallible;
use std::env;
use std::error::Error;
use std::process::ExitCode;
use std::slice;
use std::time::Duration;

use http::{Request, Response};
use reqwest::Method;
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::clock::{Clock, SystemClock};
use tower_bearer::{ResourceServer, any_token};

#[path = "auth0/tenant.rs"]
mod tenant;
use tenant::{Tenant, claims};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Beyond the poll interval: how long a tenant takes to tell of an act is promised nowhere.
const PATIENCE: Duration = Duration::from_secs(120);

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

async fn run() -> Outcome<()> {
    let tenant = match env::var_os("AUTH0_DOMAIN") {
        Some(_) => Tenant::of_environment()?,
        None => Tenant::in_process().await?,
    };
    let api = tenant.resource_server().await?;
    partner(&tenant, &api).await?;
    if tenant.events || tenant.logs { user(&tenant, &api).await } else { Ok(()) }
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

/// Asks for tokens until one is admitted. A cut-off reaches a little past what it cuts off, so the first may be refused.
async fn until_admitted(
    api: &ResourceServer,
    longest: Duration,
    mut ask: impl AsyncFnMut() -> Outcome<String>,
) -> Outcome<()> {
    let clock = SystemClock::new();
    loop {
        match ask().await {
            Ok(token) if status(api, &token).await? == 200 => return Ok(()),
            Err(error) if clock.uptime() > longest => return Err(error),
            Ok(_) if clock.uptime() > longest => return Err("granted again, and still refused".into()),
            _ => {}
        }
        clock.sleep(Duration::from_millis(500)).await;
    }
}

async fn partner(tenant: &Tenant, api: &ResourceServer) -> Outcome<()> {
    let longest = tenant.poll_interval + PATIENCE;
    let mut tokens = Vec::new();
    for _ in 0..10 {
        tokens.push(tenant.token(&tenant.partner, &tenant.audience).await?);
    }
    let first = tokens.first().ok_or("there are ten")?;
    let claims = claims(first)?;
    if claims.get("jti").is_none() {
        return Err("the API's tokens have no `jti`: give it the token profile of RFC 9068".into());
    }
    until(api, &tokens, 200, Duration::ZERO).await?;
    println!("the partner's ten tokens are admitted");

    let listed = json!({ "aud": tenant.audience, "jti": claims.get("jti") });
    tenant.administer(Method::POST, "blacklists/tokens", "blacklist:tokens", Some(listed)).await?;
    let took = until(api, tokens.get(..1).unwrap_or_default(), 401, longest).await?;
    until(api, tokens.get(1..).unwrap_or_default(), 200, Duration::ZERO).await?;
    println!("one is blacklisted: refused after {took:?}; the others are still admitted");

    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &tenant.partner.0)
        .append_pair("audience", &tenant.audience)
        .finish();
    let grants =
        tenant.administer(Method::GET, &format!("client-grants?{query}"), "read:client_grants", None).await?;
    let grant = grants.get(0).ok_or("the partner has no client grant")?;
    let id = grant.get("id").and_then(serde_json::Value::as_str).ok_or("the grant has no id")?;
    tenant.administer(Method::DELETE, &format!("client-grants/{id}"), "delete:client_grants", None).await?;
    let ended = until(api, &tokens, 401, longest).await;
    // Made again whatever came out: the tenant may be somebody's.
    let anew = json!({
        "client_id": tenant.partner.0, "audience": tenant.audience, "scope": grant.get("scope"),
    });
    tenant.administer(Method::POST, "client-grants", "create:client_grants", Some(anew)).await?;
    println!("its client grant is deleted: all ten are refused after {:?}", ended?);

    until_admitted(api, longest, async || tenant.token(&tenant.partner, &tenant.audience).await).await?;
    until(api, &tokens, 401, Duration::ZERO).await?;
    println!("granted again: its new token is admitted, the old ones are not");
    Ok(())
}

async fn user(tenant: &Tenant, api: &ResourceServer) -> Outcome<()> {
    let longest = tenant.poll_interval + PATIENCE;
    let mut user = tenant.sign_in().await?;
    until(api, slice::from_ref(&user.access_token), 200, Duration::ZERO).await?;
    println!("a user has signed in, and their token is admitted");
    if tenant.events {
        tenant.set_blocked(&user, true).await?;
        let ended = until(api, slice::from_ref(&user.access_token), 401, longest).await;
        // Whatever came out: the user may be somebody.
        tenant.set_blocked(&user, false).await?;
        println!("the user is blocked: refused after {:?}", ended?);
        until_admitted(api, longest, async || {
            tenant.refresh(&mut user).await?;
            Ok(user.access_token.clone())
        })
        .await?;
        println!("unblocked: a new token is admitted");
    }
    if tenant.logs {
        tenant.revoke_refresh_token(&user).await?;
        let took = until(api, slice::from_ref(&user.access_token), 401, longest).await?;
        println!("the refresh token is revoked: the access token is refused after {took:?}");
    }
    Ok(())
}
