//! One complete answer: page after page, each in force before the next one is asked for.

use std::time::Duration;

use super::super::ask::{Place, Reply};
use super::super::pull_error::PullError;
use super::super::take_in::{Age, Taken};
use super::{Complete, Puller, hear};
use crate::clock::UnixTime;
use crate::limits;

impl Puller {
    /// All pages of one answer, or the rest of them.
    pub(super) async fn pull(&mut self) -> Result<Complete, PullError> {
        let mut hold = self.hold();
        let first_asked = self.around.clock.uptime();
        // It tells of the time when its first page was asked for, however many there were.
        let mut told = self.unfinished.unwrap_or(first_asked);
        let mut first_page = self.unfinished.is_none();
        if first_page {
            self.whole = self.cursor.is_none();
            self.intake.ignored = 0;
        }
        let mut restarts = 0;
        for _ in 0..limits::FEED_PAGES {
            let asked = self.around.clock.uptime();
            let held = hold.take();
            let (taken, etag) = match self.ask(held).await? {
                Reply::Unchanged { date } => {
                    let behind = self.behind(date, asked);
                    return Ok(Complete { told, age: behind, is_behind: !behind.is_zero(), at_once: false });
                }
                Reply::Page { content, etag } => (Some(self.intake.take_in(content).await?), etag),
                Reply::Broken { content, error } => {
                    self.intake.take_in(content).await?;
                    return Err(error);
                }
                Reply::StartOver => (None, None),
            };
            let Some(Taken { said, open_ended, count, .. }) = taken.filter(|taken| !taken.said.resync) else {
                restarts += 1;
                if restarts > 1 {
                    return Err(PullError::Restless);
                }
                self.start_over();
                (self.whole, first_page, self.intake.ignored) = (true, true, 0);
                continue;
            };
            if self.whole && !said.full {
                return Err(PullError::NotFull);
            }
            let moved = said.cursor.is_some() && said.cursor != self.cursor;
            if said.more && !moved {
                return Err(PullError::Endless);
            }
            // An ETag speaks for a whole state only where that is one page, nothing follows it by cursor, and reading it
            // again would not prolong anything.
            let whole = first_page && said.full && !said.more && said.cursor.is_none() && !open_ended;
            self.etag = etag.filter(|_| whole);
            let age = match said.age {
                Age::ByServer => self.behind(Some(said.as_of), asked),
                Age::Known(age) => age,
            };
            if held.is_some() && age.is_zero() {
                told = self.pace.made(said.as_of, asked, self.around.clock.uptime());
            }
            self.cursor = said.cursor;
            first_page = false;
            if !said.more {
                // Also where something in it was not understood: what follows is news.
                self.unfinished = None;
                let at_once = held.is_none() || (count > 0 && moved);
                let is_behind = matches!(said.age, Age::ByServer) && !age.is_zero();
                return Ok(Complete { told, age, is_behind, at_once });
            }
            // There is something to go on from.
            self.unanswered = 0;
            self.backoff.reset();
            self.unfinished = self.whole.then_some(told);
        }
        Err(PullError::Endless)
    }

    /// How old an answer that has just come is by its server's own time, if that has one.
    fn behind(&mut self, as_of: Option<UnixTime>, asked: Duration) -> Duration {
        let received = self.around.clock.uptime();
        as_of.map_or(Duration::ZERO, |as_of| self.pace.age(as_of, asked, received))
    }

    async fn ask(&mut self, hold: Option<Duration>) -> Result<Reply, PullError> {
        let within = match hold {
            // Noticed in time to ask again before the source is stale.
            Some(hold) => {
                hold.saturating_add(self.within.min(self.common.max_staleness.saturating_sub(hold) / 2))
            }
            // Much may have to come, as much as the transport has time for.
            None if self.whole => self.around.fetcher.within(),
            None => self.within,
        };
        let place = Place { cursor: self.cursor.as_deref(), known: self.etag.as_deref(), hold, within };
        let reply = hear::while_hearing(&mut self.ear, &mut self.intake, self.asker.ask(place)).await?;
        let reply = self.with_first_sign(reply, within).await;
        if matches!(reply, Err(PullError::Undated)) {
            self.etag = None;
        }
        reply
    }
}
