//! What follows from an answer, and from none.

use super::super::pull_error::PullError;
use super::{Complete, Puller};
use crate::limits;

impl Puller {
    /// A complete answer is in force: from here on `self.cursor` stands for all that is known.
    pub(super) fn confirm(&mut self, complete: &Complete) {
        let freshness = &self.revocations.freshness;
        self.unfinished = None;
        self.unanswered = 0;
        self.backoff.reset();
        self.hole = self.hole.filter(|_| !self.whole);
        freshness.note_ignored(self.intake.ignored, self.whole);
        freshness.confirm_aged(complete.told, complete.age, self.whole);
        if complete.is_behind {
            freshness.note_trouble(format!(
                "the answer is {:?} older than earlier ones by its own time: a cache or replica is behind, or the server's \
                 clock was set back, which is believed after a while",
                complete.age
            ));
        }
    }

    pub(super) fn fail(&mut self, error: &PullError, broken: bool) {
        self.unanswered = if error.is_progress() { 0 } else { self.unanswered + 1 };
        if error.is_flaw() {
            // Deltas go on in time; everything is asked for now and then.
            self.revocations.flaw(error.to_string());
            let now = self.around.clock.uptime();
            self.hole = Some(now.saturating_add(self.backoff.pause(limits::BACKOFF_LONGEST)));
        }
        if broken || (!error.is_flaw() && self.unanswered >= limits::CURSOR_TRIES) {
            self.start_over();
        }
        if broken || error.is_flaw() {
            self.asker.forget();
        }
        self.revocations.freshness.note_trouble(error.to_string());
    }

    /// The next question is for everything.
    pub(super) fn start_over(&mut self) {
        (self.cursor, self.etag, self.unfinished) = (None, None, None);
    }
}
