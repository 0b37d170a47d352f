//! The authorization server in process, from outside: over HTTP, and judged by another library.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod client;
mod end_to_end;
mod events;
mod feed;
mod life;
mod limits;
mod logs;
mod machines;
mod management;
mod revoke;
mod tenant;
mod tokens;
mod users;
