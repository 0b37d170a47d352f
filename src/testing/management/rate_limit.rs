//! How many calls of the Management API there may be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::super::state::Shared;
use super::problem::Problem;

/// A bucket of calls that fills up again with time.
///
/// ```
/// # use tower_bearer::testing::RateLimit;
/// let free_tenant = RateLimit::new(2, 10);
/// let paid_tenant = RateLimit::new(16, 50);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    per_second: u32,
    burst: u32,
}

impl RateLimit {
    /// `per_second` calls in the long run, `burst` at once. Each is at least 1.
    #[must_use]
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: per_second.max(1), burst: burst.max(1) }
    }

    /// Until one call is there again.
    fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }
}

/// The limit, and the uptime at which the bucket will be full again.
#[derive(Default)]
pub(in super::super) struct Meter(Mutex<Option<(RateLimit, Duration)>>);

/// What is left after a call.
struct Reading {
    allowed: bool,
    limit: u32,
    remaining: u32,
    /// Until there is one more.
    more_in: Duration,
}

impl Meter {
    pub(super) fn set(&self, limit: Option<RateLimit>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = limit.map(|limit| (limit, Duration::ZERO));
    }

    fn count(&self, uptime: Duration) -> Option<Reading> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (limit, full_at) = state.as_mut()?;
        let (interval, burst) = (limit.interval(), limit.burst);
        let after = (*full_at).max(uptime).saturating_add(interval);
        let allowed = after <= uptime.saturating_add(interval * burst);
        if allowed {
            *full_at = after;
        }
        // Each interval until the bucket is full is one call that is not there.
        let missing = full_at.saturating_sub(uptime);
        let calls = u32::try_from(missing.as_nanos().div_ceil(interval.as_nanos())).unwrap_or(burst);
        let more_in = missing.saturating_sub(interval * calls.saturating_sub(1));
        Some(Reading { allowed, limit: burst, remaining: burst.saturating_sub(calls), more_in })
    }
}

/// Counts a call, and refuses it where there have been too many.
pub(super) async fn limit(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let clock = &shared.settings.clock;
    let Some(reading) = shared.meter.count(clock.uptime()) else {
        return next.run(request).await;
    };
    let millis = clock.wall().plus(reading.more_in).as_millis();
    let reset = millis.div_euclid(1000) + i64::from(millis.rem_euclid(1000) > 0);
    let mut response = if reading.allowed {
        next.run(request).await
    } else {
        let message = "Global limit has been reached".to_owned();
        Problem(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).into_response()
    };
    let headers = response.headers_mut();
    headers.insert("x-ratelimit-limit", reading.limit.into());
    headers.insert("x-ratelimit-remaining", reading.remaining.into());
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
    response
}
