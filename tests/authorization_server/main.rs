//! The authorization server in process, from outside: over HTTP, and judged by another library.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod client;
mod feed;
mod life;
mod machines;
mod revoke;
mod tenant;
mod tokens;
mod users;
