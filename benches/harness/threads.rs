//! How much more two threads do than one, on the wall: the one figure that others who use the machine disturb.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::sync::Barrier;

use http::HeaderValue;
use tower_bearer::Protected;

use super::measure::{cpu_ns, median};
use super::world::{Inner, ask};

const REQUESTS: usize = 200_000;
const ROUNDS: usize = 9;

/// Requests a second of two threads over those of one. Counted by CPU time of each thread, so that waiting for a core
/// does not count, but waiting for a line of memory does.
pub fn scaling(service: impl Fn() -> Protected<Inner> + Sync, tokens: &[HeaderValue]) -> f64 {
    let rounds = (0..ROUNDS).map(|_| 2.0 * ns(&service, tokens, 1) / ns(&service, tokens, 2)).collect();
    median(rounds)
}

/// CPU time of one request, the mean of all threads.
fn ns(service: &(impl Fn() -> Protected<Inner> + Sync), tokens: &[HeaderValue], threads: usize) -> f64 {
    let barrier = Barrier::new(threads);
    let one = |thread: usize| {
        let mut service = service();
        // A header value of its own: its text is counted by reference.
        let own: Vec<_> =
            tokens.iter().map(|token| HeaderValue::from_bytes(token.as_bytes()).unwrap()).collect();
        for token in own.iter().chain(&own) {
            ask(&mut service, token);
        }
        barrier.wait();
        let start = cpu_ns();
        for n in 0..REQUESTS {
            ask(&mut service, &own[(n + thread * own.len() / 2) % own.len()]);
        }
        (cpu_ns() - start) / REQUESTS as f64
    };
    let of_threads: Vec<f64> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    of_threads.iter().sum::<f64>() / threads as f64
}
