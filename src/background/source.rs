//! Where revocations come from.

mod feed;

pub use feed::Feed;
