//! The whole way, from outside: a resource server, the authorization server in process, and a clock moved by hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod auth0;
mod auth0_events;
mod auth0_everything;
mod auth0_logs;
mod auth0_retold;
mod authorization_servers;
mod bad_key_endpoints;
mod client_credentials;
mod clock_jumps;
mod credentials;
mod dry_run;
mod feed;
mod feed_oracle;
mod folder;
mod full_state;
mod grpc;
mod in_process;
mod isolation;
mod keys;
mod keys_file;
mod lifecycle;
mod list;
mod long_poll;
mod lying_feeds;
mod metadata;
#[allow(dead_code, reason = "shared with the tests of the transport")]
mod private_tls;
mod profiles;
mod raw;
mod readiness;
mod rotation;
mod routes;
mod rows;
mod scripted;
mod seed;
mod signed_feed;
mod snapshot;
mod sources;
mod start;
mod storm;
mod tenant_client;
mod tenants;
mod tokens;
mod verdict_cache;
mod watch;
mod world;
