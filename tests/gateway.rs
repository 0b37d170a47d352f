//! The gateway example from outside: the real process, a real upstream and an authorization server.
//!
//! `cargo test` builds the example first; for this file on its own, `cargo build --example gateway` must come before.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "gateway/admin.rs"]
mod admin;
#[path = "gateway/auth0.rs"]
mod auth0;
#[path = "gateway/client.rs"]
mod client;
#[path = "gateway/describing.rs"]
mod describing;
#[allow(dead_code, reason = "shared with tests of files")]
#[path = "suite/folder.rs"]
mod folder;
#[path = "gateway/headers.rs"]
mod headers;
#[path = "gateway/kill.rs"]
mod kill;
#[path = "gateway/life.rs"]
mod life;
#[path = "gateway/metrics.rs"]
mod metrics;
#[path = "gateway/paths.rs"]
mod paths;
#[allow(dead_code, reason = "shared with the tests of the transport")]
#[path = "suite/private_tls.rs"]
mod private_tls;
#[path = "gateway/process.rs"]
mod process;
#[path = "gateway/proxying.rs"]
mod proxying;
#[allow(dead_code, reason = "shared with servers that do worse")]
#[path = "suite/raw.rs"]
mod raw;
#[allow(dead_code, reason = "shared with the differential test, which uses all of it")]
#[path = "differential/rng.rs"]
mod rng;
#[path = "gateway/settings.rs"]
mod settings;
#[path = "gateway/setup.rs"]
mod setup;
#[path = "gateway/sources.rs"]
mod sources;
#[path = "suite/tenant_client.rs"]
mod tenant_client;
#[path = "gateway/tenants.rs"]
mod tenants;
#[path = "gateway/tokens.rs"]
mod tokens;
#[path = "gateway/transport.rs"]
mod transport;
#[path = "gateway/upstream.rs"]
mod upstream;
#[path = "gateway/versions.rs"]
mod versions;
