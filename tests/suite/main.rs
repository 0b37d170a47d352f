//! The whole way, from outside: a resource server, the authorization server in process, and a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod bad_key_endpoints;
mod clock_jumps;
mod credentials;
mod feed;
mod grpc;
mod isolation;
mod keys;
mod keys_file;
mod lifecycle;
mod metadata;
mod profiles;
mod readiness;
mod rotation;
mod routes;
mod rows;
mod start;
mod storm;
mod tenants;
mod tokens;
mod world;
