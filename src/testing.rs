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
pub use token::Token;
