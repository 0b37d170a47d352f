//! The whole way, from outside: a resource server, the authorization server in process, and a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod credentials;
mod feed;
mod grpc;
mod keys;
mod lifecycle;
mod metadata;
mod profiles;
mod readiness;
mod routes;
mod rows;
mod start;
mod tokens;
mod verdict_cache;
mod world;
