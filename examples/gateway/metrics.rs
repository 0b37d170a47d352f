//! What the gateway counts of requests. Labels are the configuration's words and our own, never a client's.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Response;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::{Rejection, RejectionKind};

use crate::prometheus::{Kind, Page};

/// The upper bounds of the buckets, in seconds.
const BOUNDS: [&str; 12] =
    ["0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "10"];
/// The same, in microseconds.
const BOUNDS_MICROS: [u64; 12] =
    [1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000];

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// By the path in the configuration; routes that differ in methods only are counted together.
    routes: BTreeMap<String, Arc<RouteMetrics>>,
    unrouted: [AtomicU64; Unrouted::ALL.len()],
}

/// Why a request came to no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unrouted {
    BadRequest,
    NotFound,
    MethodNotAllowed,
    NotImplemented,
}

/// Why the upstream gave no answer that can be passed on. In the extensions of the response that is sent in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamError {
    NoAnswer,
    TimedOut,
    ProtocolChanged,
}

/// What is counted of the routes with one path.
pub(crate) struct RouteMetrics {
    clock: SystemClock,
    admitted: AtomicU64,
    refused: BTreeMap<RejectionKind, AtomicU64>,
    abandoned: AtomicU64,
    upstream_errors: [AtomicU64; UpstreamError::ALL.len()],
    /// Not cumulative; the last is for what is longer than every bound.
    buckets: [AtomicU64; BOUNDS.len() + 1],
    total_micros: AtomicU64,
}

/// A request that is being answered. If it is dropped before it ends, the client has gone away.
pub(crate) struct Counting<'a> {
    metrics: &'a RouteMetrics,
    began: Duration,
    ended: bool,
}

impl Unrouted {
    const ALL: [Self; 4] = [Self::BadRequest, Self::NotFound, Self::MethodNotAllowed, Self::NotImplemented];

    const fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::NotImplemented => "not_implemented",
        }
    }
}

impl UpstreamError {
    const ALL: [Self; 3] = [Self::NoAnswer, Self::TimedOut, Self::ProtocolChanged];

    const fn word(self) -> &'static str {
        match self {
            Self::NoAnswer => "no_answer",
            Self::TimedOut => "timed_out",
            Self::ProtocolChanged => "protocol_changed",
        }
    }
}

impl Metrics {
    pub(crate) fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let routes = paths.map(|path| (path.to_owned(), Arc::default())).collect();
        Self { routes, unrouted: Default::default() }
    }

    pub(crate) fn of(&self, path: &str) -> Arc<RouteMetrics> {
        self.routes.get(path).map(Arc::clone).unwrap_or_default()
    }

    pub(crate) fn count_unrouted(&self, reason: Unrouted) {
        for (own, count) in Unrouted::ALL.iter().zip(&self.unrouted) {
            count.fetch_add(u64::from(*own == reason), Ordering::Relaxed);
        }
    }

    pub(crate) fn write(&self, page: &mut Page) {
        let help = "Requests by the route's path and what became of them: admitted, abandoned by the client, or refused.";
        let mut family = page.family("gateway_requests_total", Kind::Counter, help);
        for (path, route) in &self.routes {
            let mut sample = |outcome: &str, count: &AtomicU64| {
                family.sample(&[("path", path), ("outcome", outcome)], read(count));
            };
            sample("admitted", &route.admitted);
            sample("abandoned", &route.abandoned);
            route.refused.iter().for_each(|(kind, count)| sample(&word(*kind), count));
        }
        let help = "Requests that came to no route.";
        let mut family = page.family("gateway_unrouted_requests_total", Kind::Counter, help);
        for (reason, count) in Unrouted::ALL.iter().zip(&self.unrouted) {
            family.sample(&[("reason", reason.word())], read(count));
        }
        let help = "Admitted requests that the upstream did not answer.";
        let mut family = page.family("gateway_upstream_errors_total", Kind::Counter, help);
        for (path, route) in &self.routes {
            for (reason, count) in UpstreamError::ALL.iter().zip(&route.upstream_errors) {
                family.sample(&[("path", path), ("reason", reason.word())], read(count));
            }
        }
        let help = "Time from a request's head to the head of its answer.";
        let mut family = page.family("gateway_request_duration_seconds", Kind::Histogram, help);
        for (path, route) in &self.routes {
            let mut count = 0;
            for (bound, bucket) in BOUNDS.iter().chain(&["+Inf"]).zip(&route.buckets) {
                count += read(bucket);
                family.sample_of("_bucket", &[("path", path), ("le", bound)], count);
            }
            let total = Duration::from_micros(read(&route.total_micros)).as_secs_f64();
            family.sample_of("_sum", &[("path", path)], total);
            family.sample_of("_count", &[("path", path)], count);
        }
    }
}

impl Default for RouteMetrics {
    fn default() -> Self {
        Self {
            clock: SystemClock::new(),
            admitted: AtomicU64::default(),
            refused: RejectionKind::ALL.iter().map(|kind| (*kind, AtomicU64::default())).collect(),
            abandoned: AtomicU64::default(),
            upstream_errors: Default::default(),
            buckets: Default::default(),
            total_micros: AtomicU64::default(),
        }
    }
}

impl RouteMetrics {
    pub(crate) fn begin(&self) -> Counting<'_> {
        Counting { metrics: self, began: self.clock.uptime(), ended: false }
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMetrics").finish_non_exhaustive()
    }
}

impl Counting<'_> {
    pub(crate) fn end<B>(mut self, response: &Response<B>) {
        self.ended = true;
        let metrics = self.metrics;
        let refusal = response.extensions().get::<Rejection>();
        let outcome = match refusal {
            Some(rejection) => metrics.refused.get(&rejection.kind()),
            None => Some(&metrics.admitted),
        };
        outcome.into_iter().for_each(add_one);
        if let Some(error) = response.extensions().get::<UpstreamError>() {
            let place = UpstreamError::ALL.iter().position(|own| own == error);
            place.and_then(|place| metrics.upstream_errors.get(place)).into_iter().for_each(add_one);
        }
        let spent = metrics.clock.uptime().saturating_sub(self.began);
        let micros = u64::try_from(spent.as_micros()).unwrap_or(u64::MAX);
        metrics.total_micros.fetch_add(micros, Ordering::Relaxed);
        let bucket = BOUNDS_MICROS.partition_point(|bound| *bound < micros);
        metrics.buckets.get(bucket).into_iter().for_each(add_one);
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        if !self.ended {
            add_one(&self.metrics.abandoned);
        }
    }
}

fn add_one(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// The kind's name as Prometheus writes names: `wrong_audience`.
fn word(kind: RejectionKind) -> String {
    let mut word = String::new();
    for character in format!("{kind:?}").chars() {
        if character.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(character.to_ascii_lowercase());
    }
    word
}
