//! Putting one answer in force: what is valid of it, whatever else it says.

use std::time::Duration;

use super::ask::Content;
use super::page::Page;
use super::pull_error::PullError;
use super::snapshot::SnapshotError;
use super::source::Pulled;
use crate::clock::{Now, UnixTime};
use crate::limits;
use crate::redact::Shown;
use crate::revocation::entry::{Entry, EntryError, EntryRules, Parts};
use crate::revocation::{NoRoom, Revocations};

/// What an answer said besides its entries, which are in force.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) said: Said,
    /// Some entry had no end of its own.
    pub(super) open_ended: bool,
    /// How many entries there were.
    pub(super) count: usize,
    /// The place of the first entry that was not understood, how many there were, and why.
    pub(super) bad: Option<(usize, usize, EntryError)>,
    pub(super) no_room: Option<NoRoom>,
    /// Why the entries could not be written down before.
    pub(super) not_noted: Option<SnapshotError>,
}

/// The outside of an answer.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) as_of: UnixTime,
    pub(super) age: Age,
    pub(super) cursor: Option<String>,
    pub(super) full: bool,
    pub(super) more: bool,
    pub(super) resync: bool,
}

/// How it is known how old an answer is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Age {
    /// By `as_of`, which is its server's own time.
    ByServer,
    /// The source has no clock but ours.
    Known(Duration),
}

type Entries = Vec<Result<Entry, EntryError>>;

/// Reads an answer and applies it. `note` writes the entries down, with the time of the answer and whether others were not
/// understood.
pub(super) fn take_in(
    content: Content,
    issuer: &str,
    revocations: &Revocations,
    rules: &EntryRules,
    now: Now,
    note: impl FnOnce(&[Entry], UnixTime, bool) -> Result<(), SnapshotError>,
) -> Result<Taken, PullError> {
    let (said, read) = match content {
        Content::Page(body) => read_page(body, issuer, rules)?,
        Content::List { items, claim, date } => read_list(items, &claim, date, rules, now),
        Content::Pulled(pulled) => read_pulled(pulled, rules, now),
    };
    let mut taken =
        Taken { said, open_ended: false, count: read.len(), bad: None, no_room: None, not_noted: None };
    let mut entries = Vec::with_capacity(read.len());
    for (place, entry) in read.into_iter().enumerate() {
        match entry {
            Ok(entry) => {
                taken.open_ended |= entry.open_ended;
                entries.push(entry);
            }
            Err(error) => taken.bad.get_or_insert((place, 0, error)).1 += 1,
        }
    }
    // What has ever refused a token must be there after a restart.
    taken.not_noted = note(&entries, taken.said.as_of, taken.bad.is_some()).err();
    // Here all entries of every source come into force, and nowhere else.
    taken.no_room = revocations.apply(&entries, taken.said.as_of, now).err();
    Ok(taken)
}

fn read_page(body: Vec<u8>, issuer: &str, rules: &EntryRules) -> Result<(Said, Entries), PullError> {
    let mut page = Page::parse(body)?;
    let said = Said {
        as_of: page.as_of,
        age: Age::ByServer,
        cursor: page.cursor.take(),
        full: page.full,
        more: page.more,
        resync: page.resync,
    };
    if page.resync {
        return Ok((said, Vec::new()));
    }
    if page.issuer != issuer {
        return Err(PullError::OtherIssuer(Shown(&page.issuer).to_string()));
    }
    let read = |object: Option<_>| {
        object.ok_or(EntryError::NotAnObject).and_then(|object| Entry::read(&object, rules, page.as_of))
    };
    Ok((said, page.entries().map(read).collect()))
}

fn read_list(
    items: Vec<Box<str>>,
    claim: &str,
    date: Option<UnixTime>,
    rules: &EntryRules,
    now: Now,
) -> (Said, Entries) {
    let as_of = date.unwrap_or(now.wall);
    let age = if date.is_some() { Age::ByServer } else { Age::Known(Duration::ZERO) };
    let entry =
        |item| Entry::check(Parts { claims: vec![(claim.into(), item)], ..Parts::default() }, rules, as_of);
    let said = Said { as_of, age, cursor: None, full: true, more: false, resync: false };
    (said, items.into_iter().map(entry).collect())
}

fn read_pulled(pulled: Pulled, rules: &EntryRules, now: Now) -> (Said, Entries) {
    let Pulled { revocations, whole, cursor, age, .. } = pulled;
    let as_of = now.wall.minus(age);
    let entry =
        |stated: crate::revocation::stated::Revocation| Entry::check(stated.into_parts(), rules, as_of);
    let said = Said { as_of, age: Age::Known(age), cursor, full: whole, more: false, resync: false };
    (said, revocations.into_iter().map(entry).collect())
}

impl Content {
    /// About how many bytes there are to read.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Page(body) => body.len(),
            Self::List { items, .. } => items.len().saturating_mul(limits::ENTRY_WEIGHT),
            Self::Pulled(pulled) => pulled.revocations.len().saturating_mul(limits::ENTRY_WEIGHT),
        }
    }
}
