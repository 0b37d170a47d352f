//! Applying entries: a join, so that order, repetition and paging do not matter.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::cut_off::{CutOff, CutOffs};
use super::entry::Entry;
use super::fingerprint::{AsItIs, Fingerprint, Fingerprints};
use super::identifier::{Identifiers, Word};
use super::{NoRoom, State};
use crate::clock::{Now, UnixTime};
use crate::limits;

/// moka refuses to think in longer terms than a thousand years.
const LONGEST_KEEP: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// What only the writing side needs to remember.
#[derive(Debug, Default)]
pub(super) struct Writer {
    /// Entries taken back, by kind and claims: an old page that is applied late must not bring them back.
    withdrawn: HashMap<(bool, Fingerprint), Withdrawal, AsItIs>,
    /// The authorization server's own time, and the uptime at which it was heard.
    heard: Option<(UnixTime, Duration)>,
}

#[derive(Clone, Copy, Debug)]
struct Withdrawal {
    at: i64,
    ends: i64,
}

impl Writer {
    pub(super) fn hear(&mut self, as_of: UnixTime, uptime: Duration) {
        self.heard = Some((as_of, uptime));
    }

    /// The time by which entries end: the earlier of our wall clock and the authorization server's, carried on by
    /// uptime. A machine that starts with a wrong clock, or whose clock jumps, must drop nothing that is in force.
    fn time(&self, now: Now) -> UnixTime {
        self.heard.map_or(now.wall, |(as_of, at)| now.wall.min(as_of.plus(now.uptime.saturating_sub(at))))
    }

    pub(super) fn apply(
        &mut self,
        state: &mut State,
        fingerprints: &Fingerprints,
        entries: &[Entry],
        now: Now,
    ) -> Result<(), NoRoom> {
        let time = self.time(now);
        let mut left_out = 0;
        for entry in entries {
            if entry.ends.plus(limits::ENTRY_LAG) < time {
                continue;
            }
            let names = entry.claims.iter().map(|(name, _)| &**name);
            let fingerprint = fingerprints.of(entry.claims.iter().map(|(name, value)| (&**name, &**value)));
            let applied = match entry.issued_before {
                None => state
                    .identifiers_of(names)
                    .map(|place| self.apply_identifier(place, fingerprint, entry, time, now.uptime)),
                Some(issued_before) => state
                    .cut_offs_of(names)
                    .map(|place| self.apply_cut_off(place, fingerprint, entry, issued_before)),
            };
            left_out += usize::from(applied.is_none());
        }
        // moka's housekeeping, done here rather than on a request, and so that counts are right.
        state.identifiers.iter().for_each(|place| place.tidy());
        if left_out == 0 { Ok(()) } else { Err(NoRoom { left_out }) }
    }

    fn apply_identifier(
        &mut self,
        place: &Identifiers,
        fingerprint: Fingerprint,
        entry: &Entry,
        time: UnixTime,
        uptime: Duration,
    ) {
        let known = place.word(fingerprint);
        let ends = known.map_or(i64::MIN, |word| word.ends).max(entry.ends.as_millis());
        if entry.withdrawn {
            if known.is_some_and(|word| word.said_at < entry.said_at) {
                place.take_back(fingerprint);
            }
            self.withdraw(false, fingerprint, entry.said_at, ends);
        } else if !self.is_withdrawn(false, fingerprint, entry.said_at) {
            let said_at = known.map_or(i64::MIN, |word| word.said_at).max(entry.said_at);
            let keep = keep(fingerprint, ends, time);
            let until = uptime.saturating_add(keep);
            // Also where it was put while a clock was wrong, and would go too early.
            let too_early = |word: Word| word.until.saturating_add(limits::ENTRY_LAG / 2) < until;
            if known.is_none_or(|word| word.said_at < said_at || word.ends < ends || too_early(word)) {
                place.put(fingerprint, Word { said_at, ends, keep, until });
            }
        }
    }

    fn apply_cut_off(
        &mut self,
        place: &mut Arc<CutOffs>,
        fingerprint: Fingerprint,
        entry: &Entry,
        issued_before: i64,
    ) {
        let ends = entry.ends.as_millis();
        if entry.withdrawn {
            let dropped = Arc::make_mut(place).take_back(fingerprint, entry.said_at);
            self.withdraw(
                true,
                fingerprint,
                entry.said_at,
                dropped.map_or(ends, |dropped| dropped.max(ends)),
            );
        } else if !self.is_withdrawn(true, fingerprint, entry.said_at) {
            let cut_off = CutOff { issued_before, said_at: entry.said_at, ends };
            if !place.covers(fingerprint, cut_off) {
                Arc::make_mut(place).put(fingerprint, cut_off);
            }
        }
    }

    fn withdraw(&mut self, is_cut_off: bool, fingerprint: Fingerprint, at: i64, ends: i64) {
        let withdrawal = self.withdrawn.entry((is_cut_off, fingerprint)).or_insert(Withdrawal { at, ends });
        withdrawal.at = withdrawal.at.max(at);
        withdrawal.ends = withdrawal.ends.max(ends);
    }

    /// A withdrawal wins only over what was said before it: a tie stays revoked.
    fn is_withdrawn(&self, is_cut_off: bool, fingerprint: Fingerprint, said_at: i64) -> bool {
        self.withdrawn.get(&(is_cut_off, fingerprint)).is_some_and(|withdrawal| said_at < withdrawal.at)
    }

    pub(super) fn tidy(&mut self, state: &mut State, now: Now) {
        let time = self.time(now).minus(limits::ENTRY_LAG).as_millis();
        self.withdrawn.retain(|_, withdrawal| withdrawal.ends >= time);
        for place in &mut state.cut_offs {
            if place.has_ended(time) {
                Arc::make_mut(place).drop_ended(time);
            }
        }
        state.cut_offs.retain(|place| place.count() > 0);
        for place in &state.identifiers {
            place.tidy();
        }
        state.identifiers.retain(|place| !place.is_empty());
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.identifiers.len() + self.cut_offs.len() < limits::ENTRY_SHAPES
    }

    fn identifiers_of<'a>(&mut self, names: impl Iterator<Item = &'a str> + Clone) -> Option<&Identifiers> {
        let place = self.identifiers.iter().position(|place| same(&place.names, names.clone()));
        if place.is_none() {
            if !self.has_room() {
                return None;
            }
            self.identifiers.push(Arc::new(Identifiers::new(names.map(Box::from).collect())));
        }
        self.identifiers.get(place.unwrap_or(self.identifiers.len() - 1)).map(Arc::as_ref)
    }

    fn cut_offs_of<'a>(&mut self, names: impl Iterator<Item = &'a str> + Clone) -> Option<&mut Arc<CutOffs>> {
        let place = self.cut_offs.iter().position(|place| same(&place.names, names.clone()));
        if place.is_none() {
            if !self.has_room() {
                return None;
            }
            self.cut_offs.push(Arc::new(CutOffs::new(names.map(Box::from).collect())));
        }
        let last = self.cut_offs.len() - 1;
        self.cut_offs.get_mut(place.unwrap_or(last))
    }
}

fn same<'a>(own: &[Box<str>], names: impl Iterator<Item = &'a str>) -> bool {
    own.iter().map(|name| &**name).eq(names)
}

/// Until past the end, with a lag for clocks that are stepped, and spread so that not all end in one moment.
fn keep(fingerprint: Fingerprint, ends: i64, time: UnixTime) -> Duration {
    let jitter = limits::ENTRY_JITTER.mul_f64((fingerprint >> 96) as f64 / f64::from(u32::MAX));
    let left = UnixTime::from_millis(ends).since(time);
    left.saturating_add(limits::ENTRY_LAG).saturating_add(jitter).min(LONGEST_KEEP)
}
