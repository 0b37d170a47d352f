//! The bounds that a world must keep, by what it is like and by `limits`.

use std::time::Duration;

use crate::limits;

#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Questions of one fetch, each of which may take as long as a connection may.
    pub(super) questions: u32,
    /// The longest that one question takes in good times.
    pub(super) answer: Duration,
    /// The longest that the authorization server lets a set hold, as it is clamped.
    pub(super) holds: Duration,
    /// How far replicas are behind at most.
    pub(super) lag: Duration,
    /// As configured.
    pub(super) stale_after: Duration,
}

impl Bounds {
    /// A fetch that began in bad times is over.
    fn bad_fetch(&self) -> Duration {
        limits::TOTAL_TIMEOUT * self.questions
    }

    fn good_fetch(&self) -> Duration {
        self.answer * self.questions
    }

    /// Everything of worse times is over: their last fetch, the pause after it, what it has shown to be absent.
    pub(super) fn settled(&self) -> Duration {
        self.bad_fetch() + limits::BACKOFF_LONGEST.max(limits::BELL_COOLDOWN)
    }

    /// From ringing to knowing, in good times.
    pub(super) fn rung(&self) -> Duration {
        limits::BELL_COOLDOWN + self.good_fetch()
    }

    /// From the beginning of good times to knowing, though nobody rings.
    pub(super) fn refreshed(&self) -> Duration {
        self.bad_fetch() + self.holds.max(limits::BACKOFF_LONGEST) + limits::BELL_COOLDOWN + self.good_fetch()
    }

    /// How long a withdrawn key may be relied on while nobody says that it is.
    pub(super) fn relied_on_unheard(&self) -> Duration {
        self.lag + self.holds + self.stale_after
    }
}
