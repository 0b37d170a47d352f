//! The tenant's log, followed by checkpoint (docs/adr/011).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::ask::off_thread;
use super::super::fetch::{Answer, FetchError};
use super::call::Call;
use super::{Auth0Error, Round, State};
use crate::clock::UnixTime;
use crate::limits;
use crate::redact::Shown;
use crate::revocation::stated::Revocation;

mod again;
#[cfg(fuzzing)]
pub(crate) mod bare;
mod entry;
mod exchanges;
mod lenient;
mod operation;
mod resolve;

use again::Again;
use entry::Entry;
use exchanges::Exchanges;

const NAME: &str = "logs";

/// Up to where the log has been taken in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// The last entry; none while there was not any.
    #[serde(default)]
    after: Option<String>,
    /// All that was logged before this second has been taken in, by the server's time.
    seen: i64,
    /// The entry after which the next process reads again what later entries may refer to.
    #[serde(rename = "from", default, skip_serializing_if = "Option::is_none")]
    remember_from: Option<String>,
}

/// What the log has said that later entries refer to.
#[derive(Debug, Default)]
pub(super) struct Memory {
    exchanges: Exchanges,
    again: Again,
    /// Ends that were told by an id of which it is not known whose it is.
    pub(super) unnamed: u64,
    /// The uptimes of the last notes on each kind of trouble.
    noted: [Option<Duration>; 2],
}

/// What operators are told of at most now and then.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Unreadable,
    Unnamed,
}

/// One answer.
struct Page {
    entries: Vec<Entry>,
    /// When the server made it, or when it came.
    date: UnixTime,
}

impl State {
    /// Takes in what was logged since the last time, as far as one poll may read.
    pub(super) async fn follow_logs(
        &mut self,
        news: &mut Vec<Revocation>,
        round: &Round<'_>,
    ) -> Result<(), Auth0Error> {
        let now = round.around.clock.wall();
        self.memory.forget_before(self.oldest_that_matters(now));
        self.remember(round).await?;
        let Some(place) = &self.known.logs else {
            let Page { entries, date } = self.search("date:-1", 1, round).await?;
            let after = entries.first().map(|entry| entry.id().to_owned());
            self.known.logs = Some(Place { after, seen: rounded(date), remember_from: None });
            return Ok(());
        };
        // The server may go on from a checkpoint that it has no entry of any more, without a word on what is lost.
        let long_ago = now.since(UnixTime::from_secs(place.seen)) >= limits::AUTH0_LOG_KEPT;
        if place.after.is_none() || long_ago {
            self.look_back(long_ago, false, news, round).await?;
        }
        let (mut refused, mut has_read) = (false, false);
        for _ in 0..limits::AUTH0_LOG_PAGES {
            let Some(after) = self.known.logs.as_ref().and_then(|place| place.after.clone()) else {
                return Ok(());
            };
            let (Page { entries, date }, most) = match self.page(&after, round).await {
                Err(Auth0Error::Status { status: 400 | 404, .. }) if !refused => {
                    refused = true;
                    self.look_back(true, true, news, round).await?;
                    continue;
                }
                // As much as the rate limit allows. Whoever gave up here would begin there at the next start.
                Err(Auth0Error::Limited { .. }) if has_read => return Err(Auth0Error::Behind { call: NAME }),
                answer => answer?,
            };
            if entries.iter().any(|entry| entry.id() == after) {
                return Err(Auth0Error::Restless { call: NAME });
            }
            for entry in &entries {
                self.take(entry, date, news, round);
            }
            has_read = true;
            if entries.len() < most {
                self.move_to(None, date);
                return Ok(());
            }
        }
        Err(Auth0Error::Behind { call: NAME })
    }

    /// Finds out from the oldest entry that is kept whether others were lost that had not been read, and begins there if
    /// the checkpoint is not known any more. What may have been ended in the hole is cut off.
    async fn look_back(
        &mut self,
        may_lack: bool,
        refused: bool,
        news: &mut Vec<Revocation>,
        round: &Round<'_>,
    ) -> Result<(), Auth0Error> {
        let Page { entries, date } = self.search("date:1", limits::AUTH0_PAGE, round).await?;
        let checkpoint = self.known.logs.as_ref().and_then(|place| place.after.as_deref());
        let is_there = entries.iter().any(|entry| Some(entry.id()) == checkpoint);
        // By date is not quite the order of the checkpoints. Longer ids are later ones.
        let oldest = entries.into_iter().min_by(|a, b| (a.id().len(), a.id()).cmp(&(b.id().len(), b.id())));
        let place = self.known.logs.get_or_insert_default();
        let is_later = |entry: &Entry| entry.date().is_none_or(|date| date.as_secs() > place.seen);
        if may_lack && (refused || !is_there && oldest.as_ref().is_none_or(is_later)) {
            tracing::warn!(
                issuer = %round.issuer,
                "the tenant's log no longer goes back to where it was read: tokens from before what it keeps are cut off"
            );
            let at = oldest.as_ref().map_or_else(|| after(date), |entry| entry.cut_off(date));
            self.cut_off_audiences(at, news);
        }
        let place = self.known.logs.get_or_insert_default();
        if refused {
            place.after = None;
        }
        match oldest {
            Some(oldest) if place.after.is_none() => self.take(&oldest, date, news, round),
            Some(_) => {}
            None => place.seen = place.seen.max(rounded(date)),
        }
        Ok(())
    }

    /// Takes one entry in, and moves the checkpoint behind it.
    fn take(&mut self, entry: &Entry, made: UnixTime, news: &mut Vec<Revocation>, round: &Round<'_>) {
        let before = self.known.logs.as_ref().and_then(|place| place.after.as_deref());
        self.memory.note(entry, made, before);
        self.resolve(entry, made, news, round);
        self.move_to(Some(entry.id()), entry.date().unwrap_or(made).min(made));
    }

    /// Notes what has been taken in, and up to which time.
    fn move_to(&mut self, id: Option<&str>, time: UnixTime) {
        let place = self.known.logs.get_or_insert_default();
        if let Some(id) = id {
            place.after = Some(id.to_owned());
        }
        place.seen = place.seen.max(rounded(time));
    }

    /// The next entries, and how many there might have been.
    async fn page(&mut self, after: &str, round: &Round<'_>) -> Result<(Page, usize), Auth0Error> {
        let mut most = limits::AUTH0_PAGE;
        loop {
            let query = [("from", after), ("take", &most.to_string())];
            match self.ask_logs(&query, most, round).await {
                // Entries hold what was sent to the Management API: one fits.
                Err(Auth0Error::Fetch { error: FetchError::TooLarge(_), .. }) if most > 1 => most = 1,
                answer => return Ok((answer?, most)),
            }
        }
    }

    /// The first of all entries in some order.
    async fn search(&mut self, sort: &str, most: usize, round: &Round<'_>) -> Result<Page, Auth0Error> {
        let query = [("sort", sort), ("per_page", &most.to_string()), ("page", "0")];
        self.ask_logs(&query, most, round).await
    }

    /// A page of `most` entries.
    async fn ask_logs(
        &mut self,
        query: &[(&str, &str)],
        most: usize,
        round: &Round<'_>,
    ) -> Result<Page, Auth0Error> {
        let unreadable = || Auth0Error::Unreadable { call: NAME };
        let mut url = self.plan.api.join(NAME).map_err(|_| unreadable())?;
        url.query_pairs_mut().extend_pairs(query);
        let call = Call { url: &url, name: NAME, scope: "read:logs", limit: limits::AUTH0_LOG_PAGE_BYTES };
        let Answer { body, date, .. } = self.caller.get(&call, round).await?;
        let weight = body.len();
        let values = off_thread(weight, move || lenient::list(body)).await.ok().flatten();
        // More than was asked for would have no bound.
        let values = values.filter(|values| values.len() <= most);
        let entries = values.and_then(|values| values.into_iter().map(Entry::check).collect());
        let date = date.unwrap_or_else(|| round.around.clock.wall());
        Ok(Page { entries: entries.ok_or_else(unreadable)?, date })
    }

    /// Tells the operator, unless that was done a moment ago.
    fn note_trouble(&mut self, trouble: Trouble, entry: &Entry, round: &Round<'_>) {
        let now = round.around.clock.uptime();
        let last = match trouble {
            Trouble::Unreadable => &mut self.memory.noted[0],
            Trouble::Unnamed => &mut self.memory.noted[1],
        };
        if last.is_some_and(|last| now.saturating_sub(last) < limits::AUTH0_TELLING) {
            return;
        }
        *last = Some(now);
        let (issuer, kind) = (round.issuer, Shown(entry.kind()));
        match trouble {
            Trouble::Unreadable => tracing::warn!(
                %issuer, %kind,
                "a log entry that ends access is not what Auth0 documents: more is cut off than it may have meant"
            ),
            Trouble::Unnamed => tracing::warn!(
                %issuer, %kind,
                "the log tells the end of a grant, refresh token or session by an id that is not known here: its tokens \
                 live until they expire (Auth0::user_grants knows users' grants by their ids)"
            ),
        }
    }
}

/// The last second of tokens that were given out before: a second more, since whoever stamps the log need not be whoever
/// stamps the tokens.
fn after(time: UnixTime) -> UnixTime {
    UnixTime::from_secs(time.plus(Duration::from_millis(999)).as_secs().saturating_add(1))
}

/// What is kept changes now and then only, so that it need not be written down at every poll.
fn rounded(time: UnixTime) -> i64 {
    let step = i64::try_from(limits::AUTH0_LOG_STEP.as_secs()).unwrap_or(1);
    time.as_secs().div_euclid(step).saturating_mul(step)
}
