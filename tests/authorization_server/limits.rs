//! Rate limits of the Management API; reference §2.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tower_bearer::testing::RateLimit;

use crate::client::{Answer, client, send};
use crate::tenant::{NOW, Tenant};

fn reading(answer: &Answer) -> (u16, u64, u64, u64) {
    let number = |name| answer.header(&format!("x-ratelimit-{name}")).parse().unwrap();
    (answer.status, number("limit"), number("remaining"), number("reset"))
}

#[tokio::test]
async fn calls_beyond_the_limit_get_429() {
    let tenant = Tenant::new().await;
    let call = async || tenant.call(Method::GET, "grants", "read:grants", None).await;
    assert!(!call().await.headers.contains_key("x-ratelimit-limit"), "off by default");
    tenant.server.set_rate_limit(RateLimit::new(2, 3));
    assert_eq!(reading(&call().await), (200, 3, 2, NOW + 1));
    assert_eq!(reading(&call().await), (200, 3, 1, NOW + 1));
    assert_eq!(reading(&call().await), (200, 3, 0, NOW + 1));
    let refused = call().await;
    assert_eq!(reading(&refused), (429, 3, 0, NOW + 1));
    let body = json!({
        "statusCode": 429, "error": "Too Many Requests", "message": "Global limit has been reached",
        "errorCode": "too_many_requests",
    });
    assert_eq!(refused.json(), body);

    tenant.clock.advance(Duration::from_millis(500));
    assert_eq!(call().await.status, 200, "two a second");
    assert_eq!(call().await.status, 429);
    tenant.clock.advance(Duration::from_secs(60));
    for status in [200, 200, 200, 429] {
        assert_eq!(call().await.status, status, "no more than the burst is saved up");
    }
    tenant.server.set_rate_limit(None);
    assert_eq!(call().await.status, 200);
}

#[tokio::test]
async fn what_is_refused_otherwise_counts_too_and_other_endpoints_do_not() {
    let tenant = Tenant::new().await;
    tenant.server.set_rate_limit(RateLimit::new(1, 1));
    let bare = async || send(client().get(tenant.server.management_url("grants"))).await.status;
    assert_eq!((bare().await, bare().await), (401, 429));
    for _ in 0..3 {
        assert_eq!(send(client().get(tenant.server.jwks_url())).await.status, 200);
    }
}
