//! Futures that are ready.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::convert::Infallible;
use std::task::{Context, Poll, Waker};

/// The outcome of a future that must not wait.
pub fn poll_once<T>(future: impl Future<Output = Result<T, Infallible>>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(value)) => value,
        Poll::Ready(Err(never)) => match never {},
        Poll::Pending => panic!("a decided request does not wait"),
    }
}
