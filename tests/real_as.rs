//! The layer against real authorization servers: npm `oidc-provider` over HTTP (tests/real_as/README.md), and glewlwyd where
//! it is installed.
//!
//! Needs Node 20 or later, and npm once. Where they are missing the tests say SKIPPED, or fail with
//! `TOWER_BEARER_REQUIRE_REAL_AS=1`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "tests"
)]

#[path = "real_as/api.rs"]
mod api;
#[path = "real_as/driver.rs"]
mod driver;
#[path = "real_as/glewlwyd.rs"]
mod glewlwyd;
#[path = "real_as/outages.rs"]
mod outages;
#[path = "real_as/process.rs"]
mod process;
#[path = "real_as/recipe.rs"]
mod recipe;
#[path = "real_as/revocations.rs"]
mod revocations;
#[path = "real_as/tokens.rs"]
mod tokens;

// The checker of revocation feeds.
#[allow(dead_code, reason = "one kind of credentials is enough here")]
#[path = "../examples/feed_check/ask.rs"]
mod ask;
#[allow(dead_code, reason = "one way to make news is enough here")]
#[path = "../examples/feed_check/check.rs"]
mod check;
#[path = "../examples/feed_check/page.rs"]
mod page;
#[path = "../examples/feed_check/probes.rs"]
mod probes;
#[allow(dead_code, reason = "nothing is printed as JSON here")]
#[path = "../examples/feed_check/report.rs"]
mod report;
