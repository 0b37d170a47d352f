//! The tenant's log, in the order of its ids.

use serde_json::{Map, Value};

use super::date::rfc3339;
use crate::clock::UnixTime;

/// Every entry that is kept.
#[derive(Default)]
pub(super) struct Logs {
    entries: Vec<Value>,
    /// How many there were before them.
    forgotten: usize,
}

/// Ids are ordered as text.
fn id(number: usize) -> String {
    format!("900{number:021}")
}

impl Logs {
    /// Appends an entry. Its id is later than all before it, whatever its date.
    pub(super) fn add(&mut self, kind: &str, members: Value, now: UnixTime) {
        let id = id(self.forgotten + self.entries.len() + 1);
        let mut entry = Map::new();
        entry.insert("_id".to_owned(), id.clone().into());
        entry.insert("log_id".to_owned(), id.into());
        entry.insert("date".to_owned(), rfc3339(now).into());
        entry.insert("type".to_owned(), kind.into());
        if let Value::Object(members) = members {
            entry.extend(members);
        }
        self.entries.push(entry.into());
    }

    /// At most `take` entries after the one called `from`; nothing for an id that no entry has had, or a forgotten one.
    pub(super) fn after(&self, from: Option<&str>, take: usize) -> Option<Vec<Value>> {
        let start = match from {
            None => 0,
            Some(from) => {
                let number: usize = from.strip_prefix("900")?.parse().ok()?;
                let place = number.checked_sub(self.forgotten).filter(|place| *place > 0)?;
                (place <= self.entries.len() && id(number) == from).then_some(place)?
            }
        };
        let rest = self.entries.get(start..).unwrap_or_default();
        Some(rest.iter().take(take).cloned().collect())
    }

    /// All entries by date, the latest first if so asked.
    pub(super) fn by_date(&self, latest_first: bool) -> Vec<Value> {
        let mut entries = self.entries.clone();
        entries.sort_by_key(|entry| entry.get("date").and_then(Value::as_str).map(str::to_owned));
        if latest_first {
            entries.reverse();
        }
        entries
    }

    /// Forgets all entries but the last `kept`.
    pub(super) fn expire(&mut self, kept: usize) {
        let gone = self.entries.len().saturating_sub(kept);
        self.entries.drain(..gone);
        self.forgotten += gone;
    }
}
