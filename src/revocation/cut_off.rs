//! Cut-offs: all tokens with certain claims, issued up to an instant.

use std::collections::HashMap;
use std::sync::Arc;

use super::fingerprint::{AsItIs, Fingerprint, Fingerprints};
use super::room::{Room, Sizes};
use super::table::{Table, merged};
use super::writer::Moment;
use crate::clock::UnixTime;
use crate::json::Object;
use crate::limits;

/// The cut-offs that name the same claims. Immutable: a change makes a new one, which shares the bulk.
#[derive(Clone, Debug)]
pub(super) struct CutOffs {
    pub(super) names: Box<[Box<str>]>,
    live: HashMap<Fingerprint, Vec<CutOff>, AsItIs>,
    bulk: Option<Arc<Bulk>>,
    /// What `bulk` says of these before that second has been taken back.
    taken_back: HashMap<Fingerprint, i64, AsItIs>,
}

/// One cut-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CutOff {
    /// In seconds.
    pub(crate) issued_before: i64,
    /// In seconds.
    pub(crate) said_at: i64,
    /// In milliseconds since the epoch.
    pub(crate) ends: i64,
}

#[derive(Debug)]
struct Bulk {
    table: Table<Packed>,
    quarter_ends: i64,
}

/// `issued_before`, `said_at` and `ends` in seconds, 40 bits each: till the year 36812.
type Packed = [[u8; 5]; 3];

impl CutOff {
    /// One that covers both.
    fn join(self, other: Self) -> Self {
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            said_at: self.said_at.max(other.said_at),
            ends: self.ends.max(other.ends),
        }
    }

    /// Whether this one makes `other` superfluous in every respect.
    fn covers(self, other: Self) -> bool {
        self.join(other) == self
    }

    /// `ends` is rounded up to the second.
    fn pack(self) -> Packed {
        let ends = self.ends.div_euclid(1000) + i64::from(self.ends.rem_euclid(1000) > 0);
        [self.issued_before, self.said_at, ends].map(|secs| {
            let [a, b, c, d, e, ..] = secs.clamp(0, LAST).to_le_bytes();
            [a, b, c, d, e]
        })
    }

    fn unpack(packed: Packed) -> Self {
        let [issued_before, said_at, ends] =
            packed.map(|[a, b, c, d, e]| match i64::from_le_bytes([a, b, c, d, e, 0, 0, 0]) {
                LAST => i64::MAX,
                secs => secs,
            });
        Self { issued_before, said_at, ends: ends.saturating_mul(1000) }
    }
}

/// The last second that can be packed; it stands for all that come after it.
const LAST: i64 = (1 << 40) - 1;

impl Bulk {
    /// None where nothing is left.
    fn of(cut_offs: &[(Fingerprint, CutOff)]) -> Option<Arc<Self>> {
        let packed = cut_offs.iter().map(|(fingerprint, cut_off)| (*fingerprint, cut_off.pack()));
        let table = Table::build(cut_offs.len(), packed);
        let quarter_ends = table.quarter_ends(|packed| CutOff::unpack(packed).ends);
        (!cut_offs.is_empty()).then(|| Arc::new(Self { table, quarter_ends }))
    }
}

impl CutOffs {
    pub(super) fn new(names: Box<[Box<str>]>) -> Self {
        Self { names, live: HashMap::default(), bulk: None, taken_back: HashMap::default() }
    }

    /// With cut-offs in bulk, as they were exported: in the order of their fingerprints.
    pub(super) fn with_bulk(names: Box<[Box<str>]>, cut_offs: &[(Fingerprint, CutOff)], over: i64) -> Self {
        let in_force: Vec<_> = cut_offs.iter().filter(|(_, cut_off)| cut_off.ends >= over).copied().collect();
        Self { bulk: Bulk::of(&in_force), ..Self::new(names) }
    }

    /// A token without `iat` cannot be placed in time: any cut-off on its claims ends it. A token of the very second
    /// counts as issued before.
    pub(super) fn revoke(
        &self,
        fingerprints: &Fingerprints,
        claims: &Object,
        issued_at: Option<UnixTime>,
    ) -> bool {
        fingerprints.any(&self.names, claims, &mut |fingerprint| {
            self.of(fingerprint)
                .any(|cut_off| issued_at.is_none_or(|issued_at| issued_at.as_secs() <= cut_off.issued_before))
        })
    }

    /// Those on this fingerprint.
    fn of(&self, fingerprint: Fingerprint) -> impl Iterator<Item = CutOff> {
        let live = self.live.get(&fingerprint).into_iter().flatten().copied();
        let bulk = self.bulk.iter().flat_map(move |bulk| bulk.table.find(fingerprint));
        let bulk = bulk.map(|packed| CutOff::unpack(*packed));
        live.chain(bulk.filter(move |cut_off| self.is_kept(fingerprint, *cut_off)))
    }

    /// Whether one that is known makes this one superfluous.
    pub(super) fn covers(&self, fingerprint: Fingerprint, cut_off: CutOff) -> bool {
        self.of(fingerprint).any(|known| known.covers(cut_off))
    }

    pub(super) fn knows(&self, fingerprint: Fingerprint) -> bool {
        self.of(fingerprint).next().is_some()
    }

    fn is_kept(&self, fingerprint: Fingerprint, cut_off: CutOff) -> bool {
        self.taken_back.get(&fingerprint).is_none_or(|at| cut_off.said_at >= *at)
    }

    /// Adds what is new among `cut_offs`, which are in the order of their fingerprints, and notes it, or enough of it.
    pub(super) fn add(
        place: &mut Arc<Self>,
        mut cut_offs: Vec<(Fingerprint, CutOff)>,
        moment: Moment,
        sizes: &Sizes,
        room: &mut Room,
        added: &mut Vec<Fingerprint>,
    ) {
        cut_offs.retain(|(fingerprint, cut_off)| {
            let is_known = place.covers(*fingerprint, *cut_off);
            !is_known && room.take()
        });
        if cut_offs.is_empty() {
            return;
        }
        added.extend(cut_offs.iter().map(|(fingerprint, _)| *fingerprint).take(limits::RECENT_ENTRIES + 1));
        let own = Arc::make_mut(place);
        if own.live.len() + cut_offs.len() > Sizes::live(sizes.live_cut_offs, own.bulk_len()) {
            own.fold(cut_offs, moment.over);
        } else {
            for (fingerprint, cut_off) in cut_offs {
                put(own.live.entry(fingerprint).or_default(), cut_off);
            }
        }
    }

    /// Takes back what was said before `at`. The latest end among it, if there was any.
    pub(super) fn take_back(place: &mut Arc<Self>, fingerprint: Fingerprint, at: i64) -> Option<i64> {
        let before = |cut_off: &CutOff| cut_off.said_at < at;
        let ends = place.of(fingerprint).filter(before).map(|cut_off| cut_off.ends).max()?;
        let own = Arc::make_mut(place);
        if let Some(live) = own.live.get_mut(&fingerprint) {
            live.retain(|cut_off| !before(cut_off));
            if live.is_empty() {
                own.live.remove(&fingerprint);
            }
        }
        // Only what is left of the bulk is among these now.
        if own.of(fingerprint).any(|cut_off| before(&cut_off)) {
            own.taken_back.insert(fingerprint, at);
        }
        Some(ends)
    }

    /// Drops what ended before `over`, except from the bulk.
    pub(super) fn tidy(place: &mut Arc<Self>, over: i64) {
        if place.live.values().flatten().any(|cut_off| cut_off.ends < over) {
            Arc::make_mut(place).live.retain(|_, cut_offs| {
                cut_offs.retain(|cut_off| cut_off.ends >= over);
                !cut_offs.is_empty()
            });
        }
    }

    /// Makes the bulk anew where enough of it has ended or was taken back.
    pub(super) fn renew(place: &mut Arc<Self>, over: i64, sizes: &Sizes) {
        let is_worn = place.bulk.as_ref().is_some_and(|bulk| bulk.quarter_ends < over);
        if is_worn || place.taken_back.len() > sizes.taken_back {
            Arc::make_mut(place).fold(Vec::new(), over);
        }
    }

    /// Puts all, and `cut_offs`, into one new bulk.
    fn fold(&mut self, cut_offs: Vec<(Fingerprint, CutOff)>, over: i64) {
        let both = merged(self.all(), cut_offs.into_iter()).filter(|(_, cut_off)| cut_off.ends >= over);
        let both: Vec<_> = both.collect();
        let mut all = Vec::with_capacity(both.len());
        let mut apart = Vec::new();
        for alike in both.chunk_by(|one, other| one.0 == other.0) {
            alike.iter().for_each(|(_, cut_off)| put(&mut apart, *cut_off));
            let fingerprints = alike.iter().map(|(fingerprint, _)| *fingerprint);
            all.extend(fingerprints.zip(apart.drain(..)));
        }
        self.bulk = Bulk::of(&all);
        self.live = HashMap::default();
        self.taken_back = HashMap::default();
    }

    /// All, in the order of their fingerprints.
    pub(super) fn all(&self) -> impl Iterator<Item = (Fingerprint, CutOff)> {
        let live = self.live.iter().flat_map(|(print, all)| all.iter().map(|cut_off| (*print, *cut_off)));
        let mut live: Vec<_> = live.collect();
        live.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        let bulk = self.bulk.iter().flat_map(|bulk| bulk.table.iter());
        let bulk = bulk.map(|(fingerprint, packed)| (fingerprint, CutOff::unpack(packed)));
        merged(bulk.filter(|(fingerprint, cut_off)| self.is_kept(*fingerprint, *cut_off)), live.into_iter())
    }

    #[cfg(test)]
    pub(super) fn bulk_place(&self) -> Option<*const ()> {
        self.bulk.as_ref().map(|bulk| Arc::as_ptr(bulk).cast())
    }

    fn bulk_len(&self) -> usize {
        self.bulk.as_ref().map_or(0, |bulk| bulk.table.len())
    }

    /// About how many there are: for health, and for the room that is left.
    pub(super) fn count(&self) -> u64 {
        let live: usize = self.live.values().map(Vec::len).sum();
        (live + self.bulk_len().saturating_sub(self.taken_back.len())) as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bulk.is_none() && self.live.is_empty()
    }
}

/// Adds one; those it makes superfluous go.
fn put(cut_offs: &mut Vec<CutOff>, cut_off: CutOff) {
    if cut_offs.iter().any(|other| other.covers(cut_off)) {
        return;
    }
    cut_offs.retain(|other| !cut_off.covers(*other));
    cut_offs.push(cut_off);
    // Every request looks through them, so they must stay few: one that covers all errs on the revoked side.
    if cut_offs.len() > limits::CUT_OFFS_APART {
        let joined = cut_offs.drain(..).reduce(CutOff::join);
        cut_offs.extend(joined);
    }
}
