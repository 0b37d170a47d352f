//! What news cost a token that came a moment ago: the processor has its verdict, and not the places in the index where it
//! would stand.
//!
//! Each round all tokens are asked with once, so that this thread knows them; then the processor's caches are filled with
//! something else; then come the news, in every other round none. Group by group the verdicts are read, by what handlers
//! read them with, and then the group is asked with and timed. What is timed after news, less what is timed without, is what
//! news cost.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::convert::Infallible;
use std::future::ready;
use std::hint::black_box;

use http::{HeaderValue, Request, Response};
use tower::{Layer as _, Service as _, service_fn};
use tower_bearer::{AccessToken, ResourceServer, any_token};

use super::measure::{cpu_ns, median};
use super::poll::poll_once;
use super::{ask, inner, request};

const ROUNDS: usize = 41;
/// Fewer than a thread keeps at hand.
const TOKENS: usize = 2048;
const GROUP: usize = 64;

/// More than fits into the processor's caches.
pub struct SomethingElse(Vec<u8>);

impl SomethingElse {
    pub fn new() -> Self {
        Self(vec![1; 128 << 20])
    }

    /// What was in the caches has to go.
    pub fn fill_caches(&mut self) {
        self.0.iter_mut().step_by(64).for_each(|byte| *byte = byte.wrapping_add(1));
        black_box(&self.0);
    }
}

/// The token as handlers have it, which does not end before they let go of it.
fn admitted(api: &ResourceServer, value: &HeaderValue) -> AccessToken {
    let keep = service_fn(|request: Request<()>| {
        let mut response = Response::new(());
        response.extensions_mut().extend(request.extensions().clone());
        ready(Ok::<_, Infallible>(response))
    });
    let response = poll_once(api.protect(any_token()).layer(keep).call(request(value)));
    response.extensions().get::<AccessToken>().unwrap().clone()
}

fn read(token: &AccessToken) -> usize {
    let text: usize = token.claims_json().bytes().map(usize::from).sum();
    text + usize::from(token.issued_at() < Some(token.expires_at()))
        + token.token_id().map_or(0, |id| id.len())
}

/// What a request takes more after news, in nanoseconds.
pub async fn at_hand(api: &ResourceServer, tokens: &[HeaderValue], mut news: impl AsyncFnMut()) -> f64 {
    let mut service = api.protect(any_token()).layer(inner());
    let tokens = &tokens[..TOKENS];
    let held: Vec<_> = tokens.iter().map(|token| admitted(api, token)).collect();
    let mut something_else = SomethingElse::new();
    let mut more = Vec::new();
    for round in 0..2 * ROUNDS + 2 {
        tokens.iter().for_each(|token| ask(&mut service, token));
        something_else.fill_caches();
        if round % 2 == 1 {
            news().await;
        }
        let mut took = 0.0;
        for (tokens, held) in tokens.chunks(GROUP).zip(held.chunks(GROUP)) {
            black_box(held.iter().map(read).sum::<usize>());
            let start = cpu_ns();
            tokens.iter().for_each(|token| ask(&mut service, token));
            took += cpu_ns() - start;
        }
        more.push(took / TOKENS as f64);
    }
    // The first round after news makes what later ones compare with.
    median(more.chunks_exact(2).skip(1).map(|pair| pair[1] - pair[0]).collect())
}
