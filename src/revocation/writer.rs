//! Applying entries: a join, so that order, repetition and paging do not matter.

use std::collections::HashMap;
use std::time::Duration;

use super::cut_off::{CutOff, CutOffs};
use super::entry::Entry;
use super::export::Withdrawn;
use super::fingerprint::{AsItIs, Fingerprint};
use super::identifier::Identifiers;
use super::room::{Full, NoRoom, Room, Sizes};
use super::state::State;
use super::words::{Word, joined};
use crate::clock::{Now, UnixTime};
use crate::limits;

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

/// When entries are applied or let go of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// The time by which entries end.
    pub(super) time: UnixTime,
    pub(super) uptime: Duration,
    /// What ended before this, in milliseconds since the epoch, can no longer matter.
    pub(super) over: i64,
}

/// The entries of a page by what they say: for each shape those that revoke, and all that take back.
#[derive(Default)]
struct Sorted<'a> {
    identifiers: Vec<Vec<(Fingerprint, Word)>>,
    cut_offs: Vec<Vec<(Fingerprint, CutOff)>>,
    withdrawals: Vec<(Fingerprint, &'a Entry)>,
}

impl Writer {
    pub(super) fn hear(&mut self, as_of: UnixTime, uptime: Duration) {
        self.heard = Some((as_of, uptime));
    }

    /// The authorization server's time, carried on by uptime.
    pub(super) fn heard(&self, now: Now) -> Option<UnixTime> {
        self.heard.map(|(as_of, at)| as_of.plus(now.uptime.saturating_sub(at)))
    }

    /// Entries end by the earlier of our wall clock and the authorization server's. A machine that starts with a wrong
    /// clock, or whose clock jumps, must drop nothing that is in force.
    pub(super) fn moment(&self, now: Now) -> Moment {
        let time = self.heard(now).map_or(now.wall, |heard| now.wall.min(heard));
        Moment { time, uptime: now.uptime, over: time.minus(limits::ENTRY_LAG).as_millis() }
    }

    /// Of what was added the first fingerprints, more than [`limits::RECENT_ENTRIES`] where there are more; and what had no room.
    pub(super) fn apply(
        &mut self,
        state: &mut State,
        entries: &[Entry],
        now: Now,
        sizes: &Sizes,
    ) -> (Vec<Fingerprint>, Result<(), NoRoom>) {
        let moment = self.moment(now);
        let mut room = Room::new(sizes.entries().saturating_sub(state.count() + self.withdrawn.len()));
        let mut shapeless = 0;
        let mut sorted = Sorted::default();
        for entry in entries.iter().filter(|entry| entry.ends.as_millis() >= moment.over) {
            let fingerprint = state.fingerprints.of(entry.named());
            if entry.withdrawn {
                if self.remembers(entry, fingerprint) || state.knows(entry, fingerprint) || room.take() {
                    self.withdraw(entry, fingerprint, entry.ends.as_millis());
                    sorted.withdrawals.push((fingerprint, entry));
                }
            } else if !sorted.put(state, entry, fingerprint) {
                shapeless += 1;
            }
        }
        let added = self.add(state, &mut sorted, moment, sizes, &mut room);
        self.take_back(state, &sorted.withdrawals);
        state.renew(moment.over, sizes);
        let reason = if shapeless > 0 { Full::Shapes } else { Full::Entries(sizes.entries()) };
        let left_out = shapeless + room.refused;
        (added, if left_out == 0 { Ok(()) } else { Err(NoRoom { left_out, reason }) })
    }

    /// What the page takes back is known by now: nothing is ever seen in force that has been taken back, and nothing
    /// that stays in force is ever seen gone.
    fn add(
        &self,
        state: &mut State,
        sorted: &mut Sorted<'_>,
        moment: Moment,
        sizes: &Sizes,
        room: &mut Room,
    ) -> Vec<Fingerprint> {
        let mut added = Vec::new();
        for (place, words) in state.identifiers.iter_mut().zip(&mut sorted.identifiers) {
            words.retain(|(fingerprint, word)| !self.is_withdrawn(false, *fingerprint, word.said_at));
            words.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
            let words: Vec<_> = joined(words.drain(..)).collect();
            Identifiers::add(place, &words, moment, sizes, room, &mut added);
        }
        for (place, cut_offs) in state.cut_offs.iter_mut().zip(&mut sorted.cut_offs) {
            cut_offs.retain(|(fingerprint, cut_off)| !self.is_withdrawn(true, *fingerprint, cut_off.said_at));
            cut_offs.sort_by_key(|(fingerprint, _)| *fingerprint);
            CutOffs::add(place, std::mem::take(cut_offs), moment, sizes, room, &mut added);
        }
        added
    }

    fn take_back(&mut self, state: &mut State, withdrawals: &[(Fingerprint, &Entry)]) {
        for (fingerprint, entry) in withdrawals {
            let ends = if entry.issued_before.is_none() {
                state.identifiers_of(entry).and_then(|place| {
                    let word = place.word(*fingerprint)?;
                    if word.said_at < entry.said_at {
                        Identifiers::take_back(place, *fingerprint, entry.said_at);
                    }
                    Some(word.ends)
                })
            } else {
                let place = state.cut_offs_of(entry);
                place.and_then(|place| CutOffs::take_back(place, *fingerprint, entry.said_at))
            };
            if let Some(ends) = ends {
                self.withdraw(entry, *fingerprint, ends);
            }
        }
    }

    fn remembers(&self, entry: &Entry, fingerprint: Fingerprint) -> bool {
        self.withdrawn.contains_key(&(entry.issued_before.is_some(), fingerprint))
    }

    /// Whether this has been taken back as late, and for as long, already.
    pub(super) fn has_withdrawn(&self, entry: &Entry, fingerprint: Fingerprint, at: i64, ends: i64) -> bool {
        let known = self.withdrawn.get(&(entry.issued_before.is_some(), fingerprint));
        known.is_some_and(|known| known.at >= at && known.ends >= ends)
    }

    fn withdraw(&mut self, entry: &Entry, fingerprint: Fingerprint, ends: i64) {
        let new = Withdrawal { at: entry.said_at, ends };
        let own = self.withdrawn.entry((entry.issued_before.is_some(), fingerprint)).or_insert(new);
        *own = Withdrawal { at: own.at.max(new.at), ends: own.ends.max(new.ends) };
    }

    /// A withdrawal wins only over what was said before it: a tie stays revoked.
    pub(super) fn is_withdrawn(&self, is_cut_off: bool, fingerprint: Fingerprint, said_at: i64) -> bool {
        self.withdrawn.get(&(is_cut_off, fingerprint)).is_some_and(|withdrawal| said_at < withdrawal.at)
    }

    pub(super) fn tidy(&mut self, state: &mut State, now: Now, sizes: &Sizes) {
        let over = self.moment(now).over;
        self.withdrawn.retain(|_, withdrawal| withdrawal.ends >= over);
        state.cut_offs.iter_mut().for_each(|place| CutOffs::tidy(place, over));
        state.identifiers.iter().for_each(|place| place.tidy());
        state.renew(over, sizes);
    }

    /// All withdrawals, in order.
    pub(super) fn withdrawn(&self) -> Vec<Withdrawn> {
        let withdrawn = |(&(of_cut_off, fingerprint), withdrawal): (&(bool, Fingerprint), &Withdrawal)| {
            Withdrawn { of_cut_off, fingerprint, at: withdrawal.at, ends: withdrawal.ends }
        };
        let mut all: Vec<_> = self.withdrawn.iter().map(withdrawn).collect();
        all.sort_unstable_by_key(Withdrawn::place);
        all
    }

    /// Takes up withdrawals where there are none yet.
    pub(super) fn restore(&mut self, withdrawn: &[Withdrawn]) {
        let known = withdrawn.iter().map(|one| (one.place(), Withdrawal { at: one.at, ends: one.ends }));
        self.withdrawn = known.collect();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.withdrawn.is_empty()
    }
}

impl Sorted<'_> {
    /// False where there is no room for another shape.
    fn put(&mut self, state: &mut State, entry: &Entry, fingerprint: Fingerprint) -> bool {
        let (said_at, ends) = (entry.said_at, entry.ends.as_millis());
        match entry.issued_before {
            None => {
                let place = state.place_of_identifiers(entry);
                let list = place.and_then(|place| at(&mut self.identifiers, place));
                list.map(|list| list.push((fingerprint, Word { said_at, ends })))
            }
            Some(issued_before) => {
                let place = state.place_of_cut_offs(entry);
                let list = place.and_then(|place| at(&mut self.cut_offs, place));
                list.map(|list| list.push((fingerprint, CutOff { issued_before, said_at, ends })))
            }
        }
        .is_some()
    }
}

/// The list at this place, which is made if need be.
fn at<T>(lists: &mut Vec<Vec<T>>, place: usize) -> Option<&mut Vec<T>> {
    if lists.len() <= place {
        lists.resize_with(place + 1, Vec::new);
    }
    lists.get_mut(place)
}
