//! What was told, to be told again where everything is asked for.

use std::collections::VecDeque;

use crate::clock::UnixTime;
use crate::limits;
use crate::revocation::stated::Revocation;

/// Revocations, each with the last second of its tokens. What is left out for want of room is in force already, but for a
/// source that had no room for it.
#[derive(Debug, Default)]
pub(super) struct Told(VecDeque<(Revocation, UnixTime)>);

impl Told {
    /// Says it now, and keeps it.
    pub(super) fn tell(&mut self, revocation: Revocation, at: UnixTime, news: &mut Vec<Revocation>) {
        if self.0.len() >= limits::AUTH0_TOLD {
            self.0.pop_front();
        }
        self.0.push_back((revocation.clone(), at));
        news.push(revocation);
    }

    /// Tokens from before have expired.
    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.0.retain(|(_, at)| *at >= time);
    }

    pub(super) fn again(&self) -> Vec<Revocation> {
        self.0.iter().map(|(revocation, _)| revocation.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_first() {
        let (mut told, mut news) = (Told::default(), Vec::new());
        for number in 0..=limits::AUTH0_TOLD {
            let at = UnixTime::from_secs(number as i64);
            told.tell(Revocation::cut_off(at), at, &mut news);
        }
        assert_eq!(told.again(), news[1..]);
        told.forget_before(UnixTime::from_secs(limits::AUTH0_TOLD as i64));
        assert_eq!(told.again(), news[limits::AUTH0_TOLD..]);
    }
}
