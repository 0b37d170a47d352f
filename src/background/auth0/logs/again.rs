//! What an earlier process knew of exchanges: the next one reads these entries again.

use std::collections::VecDeque;

use super::entry::Entry;
use super::{Memory, NAME, Page, Place};
use crate::background::auth0::{Auth0Error, Round, State};
use crate::clock::UnixTime;
use crate::limits;

/// From where on to read again.
#[derive(Debug, Default)]
pub(super) struct Again {
    /// Checkpoints, a page apart, with the time of the entry that follows.
    marks: VecDeque<(String, UnixTime)>,
    /// Entries since the last one.
    since: usize,
    /// After which entry there is something to be read again.
    after: Option<String>,
}

impl Memory {
    /// Begins where an earlier process has stopped.
    pub(in crate::background::auth0) fn resume(&mut self, place: Option<&Place>) {
        self.again.after = place.and_then(|place| place.remember_from.clone());
    }

    /// From where the next process is to read again.
    pub(in crate::background::auth0) fn keep(&self, place: &mut Place) {
        if self.again.after.is_none() {
            place.remember_from = self.again.marks.front().map(|(mark, _)| mark.clone());
        }
    }

    /// Notes what later entries may refer to. `before` is the checkpoint that the entry comes after.
    pub(super) fn note(&mut self, entry: &Entry, made: UnixTime, before: Option<&str>) {
        let Again { marks, since, .. } = &mut self.again;
        if let Some(before) = before.filter(|_| marks.is_empty() || *since >= limits::AUTH0_PAGE) {
            marks.push_back((before.to_owned(), entry.date().unwrap_or(made).min(made)));
            *since = 0;
            if marks.len() > limits::AUTH0_LOG_PAGES {
                marks.pop_front();
            }
        }
        *since += 1;
        if let Some(exchange) = entry.exchange(made) {
            self.exchanges.add(exchange);
        }
    }

    /// Tokens from before have expired.
    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.exchanges.forget_before(time);
        let marks = &mut self.again.marks;
        while marks.get(1).is_some_and(|(_, date)| *date < time) {
            marks.pop_front();
        }
    }
}

impl State {
    /// Reads what an earlier process had read, as far as later entries may refer to it. What that ended is in force.
    pub(super) async fn remember(&mut self, round: &Round<'_>) -> Result<(), Auth0Error> {
        let mut has_read = false;
        // A page more, since the first one is not full.
        for _ in 0..=limits::AUTH0_LOG_PAGES {
            let Some(from) = self.memory.again.after.clone() else { return Ok(()) };
            let (Page { entries, date }, most) = match self.page(&from, round).await {
                // It is not kept any more.
                Err(Auth0Error::Status { status: 400 | 404, .. }) => break,
                Err(Auth0Error::Limited { .. }) if has_read => return Err(Auth0Error::Behind { call: NAME }),
                answer => answer?,
            };
            has_read = true;
            let last = self.known.logs.as_ref().and_then(|place| place.after.as_deref());
            for entry in &entries {
                let before = self.memory.again.after.take();
                self.memory.note(entry, date, before.as_deref());
                if Some(entry.id()) == last {
                    return Ok(());
                }
                self.memory.again.after = Some(entry.id().to_owned());
            }
            if entries.len() < most {
                break;
            }
        }
        self.memory.again.after = None;
        Ok(())
    }
}
