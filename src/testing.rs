//! An OAuth 2.0 authorization server in process: for examples, tests, benches and your own tests.
//!
//! It publishes metadata and keys, issues and mints tokens, revokes them through the native
//! revocation feed, and can be made to rotate keys, lie, hang, die and come back.
//!
//! ```
//! # use tower_bearer::testing::{AuthorizationServer, Token};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let server = AuthorizationServer::start().await?;
//! let token = server.mint(Token::new("https://api.example.com/").subject("u-1").scope("read:events"));
//! // … `server.issuer()` is what the resource server under test trusts; it admits `token` …
//! server.revoke_jwt(&token);
//! // … and refuses it after its next poll.
//! # Ok(()) }
//! ```
//!
//! # As an Auth0 tenant
//!
//! With [APIs](Api), clients and users it answers as an Auth0 tenant does, over real HTTP:
//!
//! | endpoint | what it does |
//! |---|---|
//! | `POST /oauth/token` | `client_credentials`, `authorization_code` (PKCE by S256), device codes and `refresh_token`, in a form or JSON; refresh tokens rotate, and one that comes twice ends its grant |
//! | `GET /authorize` | signs the user in that `login_hint` names, else the first one, who consents to everything |
//! | `POST /oauth/device/code` | RFC 8628; the test is the user who [says yes](AuthorizationServer::approve_device) |
//! | `POST /oauth/revoke` | RFC 7009, for refresh tokens |
//! | `/api/v2/blacklists/tokens`, `client-grants`, `grants`, `device-credentials`, `refresh-tokens`, `sessions/{id}/revoke`, `logs`, `events` | the Management API, protected by this crate's own layer with Auth0's scopes |
//!
//! ```
//! # use tower_bearer::testing::{Api, AuthorizationServer, RateLimit};
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
//! let server = AuthorizationServer::builder().issuer_with_slash().start().await?;
//! server.add_api(Api::new("https://api.example.com/").allow_offline_access());
//! server.add_client("partner", "secret");
//! server.grant("partner", "https://api.example.com/", ["read:events"]);
//! server.add_public_client("app");
//! server.allow_redirect("app", "https://app.example/callback");
//! server.add_user("auth0|u1");
//! // Whoever follows the tenant needs a client of its own.
//! server.add_client("watcher", "secret");
//! server.grant("watcher", &server.management_audience(), ["read:client_grants", "read:logs"]);
//! server.set_rate_limit(RateLimit::new(2, 10));
//! # Ok(()) }
//! ```
//!
//! What ends access is also in the native feed, whichever door it came through:
//!
//! | act | entry |
//! |---|---|
//! | a token is blacklisted | its `jti` |
//! | a client grant is deleted | cut-off on `client_id` and `aud` |
//! | a user's grant is deleted, or a refresh token or code of it comes twice | cut-off on `sub`, `client_id` and `aud` |
//! | a refresh token is revoked, or its device credential deleted | the `jti`s of the access tokens that came with it; where "refresh token revocation deletes grant" is on, a client's revocation also makes the cut-off of the grant |
//! | a user is blocked or deleted | cut-off on `sub` |
//!
//! **The second of a cut-off.** Times in tokens are whole seconds, and a cut-off covers the second in which it was made, or
//! else it would miss tokens that were issued earlier in it. A token issued later in the same second cannot be
//! told from those, so the server gives none out: until the second is over, the token endpoint answers those whom the cut-off
//! names with 503, `temporarily_unavailable` and `Retry-After: 1`. It does not wait instead, since a clock that a test
//! moves by hand might never get there, and it does not lie about `iat`. [`AuthorizationServer::mint`] signs whatever it is asked to, and entries
//! that were [published](AuthorizationServer::publish) as they are do not count.
//!
//! Where Auth0 and RFC 6749 differ in a status, Auth0 is followed: `invalid_grant`, `access_denied`,
//! `authorization_pending` and `expired_token` are 403, `slow_down` is 429.
//!
//! It is no authorization server for production: it holds everything in memory and trusts its caller.

mod api;
mod builder;
mod clients;
mod date;
mod encoding;
mod ending;
mod endpoints;
mod events;
mod feed;
mod keys;
mod logs;
mod management;
mod oauth;
mod reply;
mod revocation;
mod running;
mod server;
mod state;
mod tenant;
mod token;

pub use api::{Api, TokenProfile};
pub use builder::AuthorizationServerBuilder;
pub use management::RateLimit;
pub use reply::Reply;
pub use server::AuthorizationServer;
pub use tenant::ClientAuthentication;
pub use token::Token;
