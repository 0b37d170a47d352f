//! The whole way, from outside: a resource server, the authorization server in process, and a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod client_credentials;
mod credentials;
mod dry_run;
mod feed;
mod full_state;
mod grpc;
mod in_process;
mod keys;
mod lifecycle;
mod list;
mod long_poll;
mod metadata;
mod profiles;
mod readiness;
mod routes;
mod rows;
mod scripted;
mod signed_feed;
mod sources;
mod start;
mod tokens;
mod world;
