//! The revocation feed's content: a log of entries, read in pages from a cursor.

use serde::Serialize;
use serde_json::{Map, Value};

use super::encoding::random_id;

/// Seconds that an entry is listed after its `exp`: the longest leeway with which a resource server takes
/// the tokens that it names.
const KEPT_AFTER_EXP: u64 = 300;

/// An entry and until when it is listed, in unix seconds.
struct Entry {
    number: u64,
    until: u64,
    body: Value,
}

/// Everything in force, in the order in which it was published.
pub(super) struct Feed {
    issuer: String,
    page_size: usize,
    /// Part of every cursor, so that cursors of another life are not taken for ours.
    generation: String,
    entries: Vec<Entry>,
    last_number: u64,
    /// When the next entry is to be forgotten.
    first_until: u64,
    last_at: u64,
    as_of: u64,
}

/// One answer of the feed.
#[derive(Serialize)]
pub(super) struct Page {
    iss: String,
    as_of: u64,
    cursor: String,
    full: bool,
    more: bool,
    revocations: Vec<Value>,
}

impl Page {
    /// Nothing but the time. The end of a full state says more than that, also where it lists nothing.
    pub(super) fn is_heartbeat(&self) -> bool {
        self.revocations.is_empty() && !self.full
    }
}

/// Where a reader stands.
#[derive(Clone, Copy)]
struct Position {
    number: u64,
    full: bool,
}

impl Feed {
    pub(super) fn new(issuer: String, page_size: usize) -> Self {
        Self {
            issuer,
            page_size,
            generation: random_id(),
            entries: Vec::new(),
            last_number: 0,
            first_until: u64::MAX,
            last_at: 0,
            as_of: 0,
        }
    }

    /// Appends any entry, valid or not. One whose `exp` is not a whole number stays for ever.
    pub(super) fn publish(&mut self, body: Value) {
        let exp = body.get("exp").and_then(Value::as_u64).unwrap_or(u64::MAX);
        let until = exp.saturating_add(KEPT_AFTER_EXP);
        self.last_number += 1;
        self.first_until = self.first_until.min(until);
        self.entries.push(Entry { number: self.last_number, until, body });
    }

    /// Stamps `entry` with `at` and appends it. Among entries of one key the latest `at` wins.
    pub(super) fn revoke(&mut self, entry: Map<String, Value>, now: u64) -> Value {
        self.last_at = self.last_at.max(now);
        self.publish_at(entry)
    }

    /// Takes `entry` back. A tie stays revoked, so this one is stamped a second later than all before it.
    pub(super) fn withdraw(&mut self, mut entry: Map<String, Value>, now: u64) -> Value {
        let revoked_at = entry.get("at").and_then(Value::as_u64).unwrap_or(0);
        let later = self.last_at.max(revoked_at).saturating_add(1);
        self.last_at = later.max(now);
        entry.insert("withdrawn".to_owned(), true.into());
        self.publish_at(entry)
    }

    fn publish_at(&mut self, mut entry: Map<String, Value>) -> Value {
        entry.insert("at".to_owned(), self.last_at.into());
        let entry = Value::Object(entry);
        self.publish(entry.clone());
        entry
    }

    /// The page after `cursor`, or the first page of the full state; nothing for a cursor of another life.
    pub(super) fn page(&mut self, cursor: Option<&str>, now: u64) -> Option<Page> {
        self.forget_ended(now);
        self.as_of = self.as_of.max(now);
        let from = match cursor {
            Some(cursor) => self.position(cursor)?,
            None => Position { number: 0, full: true },
        };
        let start = self.entries.partition_point(|entry| entry.number <= from.number);
        let rest = self.entries.get(start..).unwrap_or_default();
        let listed = rest.get(..self.page_size).unwrap_or(rest);
        let more = listed.len() < rest.len();
        let to = match listed.last() {
            Some(last) if more => self.cursor(Position { number: last.number, full: from.full }),
            _ => self.cursor(Position { number: self.last_number, full: false }),
        };
        Some(Page {
            iss: self.issuer.clone(),
            as_of: self.as_of,
            cursor: to,
            full: from.full,
            more,
            revocations: listed.iter().map(|entry| entry.body.clone()).collect(),
        })
    }

    /// The full state's entity tag, which does not move with the time alone.
    pub(super) fn entity_tag(&mut self, now: u64) -> String {
        self.forget_ended(now);
        // Between two publications entries only leave, so their count tells the rest.
        let (last, count) = (self.last_number, self.entries.len());
        format!("\"{}.{last}.{count}\"", self.generation)
    }

    /// Makes every cursor given out so far unknown.
    pub(super) fn forget_cursors(&mut self) {
        self.generation = random_id();
    }

    /// Drops every entry and every cursor, as a server restored from an old backup would.
    pub(super) fn forget_entries(&mut self) {
        self.entries.clear();
        self.first_until = u64::MAX;
        self.forget_cursors();
    }

    fn forget_ended(&mut self, now: u64) {
        if self.first_until < now {
            self.entries.retain(|entry| entry.until >= now);
            let ends = self.entries.iter().map(|entry| entry.until);
            self.first_until = ends.min().unwrap_or(u64::MAX);
        }
    }

    /// A reader in the middle of a full state carries that in its cursor.
    fn cursor(&self, position: Position) -> String {
        let kind = if position.full { 'f' } else { 'c' };
        format!("{}.{kind}{}", self.generation, position.number)
    }

    fn position(&self, cursor: &str) -> Option<Position> {
        let rest = cursor.strip_prefix(&self.generation)?.strip_prefix('.')?;
        let full = rest.starts_with('f');
        let number = rest.strip_prefix(['c', 'f'])?.parse().ok()?;
        (number <= self.last_number).then_some(Position { number, full })
    }
}
