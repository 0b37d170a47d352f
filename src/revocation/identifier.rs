//! Revoked identifiers: recent ones in moka, each with its own end; many in an immutable set of words.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use moka::Expiry;
use moka::sync::Cache;

use super::fingerprint::{AsItIs, Fingerprint, Fingerprints};
use super::room::{Room, Sizes};
use super::table::merged;
use super::words::{Word, Words, joined};
use super::writer::Moment;
use crate::clock::UnixTime;
use crate::json::Object;
use crate::limits;

/// moka refuses to think in longer terms than a thousand years.
const LONGEST_KEEP: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

type Live = Cache<Fingerprint, Kept, AsItIs>;

/// The identifiers that name the same claims.
///
/// There is no capacity: a bounded cache drops entries, and each one dropped would let a revoked token in. The request
/// path asks `contains_key`, which writes nothing shared; `get` would log the read and run housekeeping.
#[derive(Clone)]
pub(super) struct Identifiers {
    pub(super) names: Box<[Box<str>]>,
    /// Clones of this state share it: what is said last is added in place.
    /// None where nothing was said but in bulk.
    live: Option<Live>,
    bulk: Option<Arc<Words>>,
    /// What `bulk` says of these before that second has been taken back.
    taken_back: HashMap<Fingerprint, i64, AsItIs>,
}

/// A word and how long moka keeps it.
#[derive(Clone, Copy, Debug)]
struct Kept {
    word: Word,
    /// From when it was written.
    keep: Duration,
    /// The uptime until which that is.
    until: Duration,
}

impl Identifiers {
    pub(super) fn new(names: Box<[Box<str>]>) -> Self {
        Self { names, live: None, bulk: None, taken_back: HashMap::default() }
    }

    /// With words in bulk, as they were exported.
    pub(super) fn with_bulk(names: Box<[Box<str>]>, words: &[(Fingerprint, Word)], over: i64) -> Self {
        let bulk = Words::of(None, |_, _| true, words, over).map(Arc::new);
        Self { bulk, ..Self::new(names) }
    }

    pub(super) fn revoke(&self, fingerprints: &Fingerprints, claims: &Object) -> bool {
        fingerprints.any(&self.names, claims, &mut |fingerprint| self.contains(fingerprint))
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        self.live.as_ref().is_some_and(|live| live.contains_key(&fingerprint))
            || self.bulk.as_deref().is_some_and(|bulk| {
                bulk.contains(fingerprint)
                    && (self.taken_back.is_empty() || self.bulk_word(fingerprint).is_some())
            })
    }

    fn live_word(&self, fingerprint: Fingerprint) -> Option<Kept> {
        self.live.as_ref()?.get(&fingerprint)
    }

    fn bulk_word(&self, fingerprint: Fingerprint) -> Option<Word> {
        self.bulk.as_deref()?.find(fingerprint).filter(|word| self.is_kept(fingerprint, *word))
    }

    fn is_kept(&self, fingerprint: Fingerprint, word: Word) -> bool {
        self.taken_back.get(&fingerprint).is_none_or(|at| word.said_at >= *at)
    }

    /// For the writer; the request path never reads like this.
    pub(super) fn word(&self, fingerprint: Fingerprint) -> Option<Word> {
        let live = self.live_word(fingerprint).map(|kept| kept.word);
        live.into_iter().chain(self.bulk_word(fingerprint)).reduce(Word::join)
    }

    /// Adds what is new among `words`, which are in the order of their fingerprints, and notes it, or enough of it.
    pub(super) fn add(
        place: &mut Arc<Self>,
        words: &[(Fingerprint, Word)],
        moment: Moment,
        sizes: &Sizes,
        room: &mut Room,
        added: &mut Vec<Fingerprint>,
    ) {
        let news = words.iter().filter_map(|(fingerprint, word)| {
            place.news(*fingerprint, *word, moment, room).map(|kept| (*fingerprint, kept))
        });
        let news: Vec<_> = news.collect();
        if news.is_empty() {
            return place.tidy();
        }
        added.extend(news.iter().map(|(fingerprint, _)| *fingerprint).take(limits::RECENT_ENTRIES + 1));
        if place.live_len() + news.len() > Sizes::live(sizes.live_identifiers, place.bulk_len()) {
            let words = news.iter().map(|(fingerprint, kept)| (*fingerprint, kept.word)).collect();
            Arc::make_mut(place).fold(words, moment.over);
        } else {
            let live = place.live.clone().unwrap_or_else(|| {
                let live = new_live();
                Arc::make_mut(place).live = Some(live.clone());
                live
            });
            for (fingerprint, kept) in &news {
                live.insert(*fingerprint, *kept);
            }
            // Also so that counts are right.
            place.tidy();
        }
    }

    /// What is to be kept of a word, together with what is known; none where it says nothing new, or has no room.
    fn news(&self, fingerprint: Fingerprint, word: Word, moment: Moment, room: &mut Room) -> Option<Kept> {
        let bulk = self.bulk_word(fingerprint);
        if bulk.is_some_and(|bulk| bulk.covers(word)) {
            return None;
        }
        let live = self.live_word(fingerprint);
        let word = bulk.into_iter().chain(live.map(|kept| kept.word)).fold(word, Word::join);
        let keep = keep(fingerprint, word.ends, moment.time);
        let until = moment.uptime.saturating_add(keep);
        // Also where it was put while a clock was wrong, and would go too early.
        let too_early = |kept: Kept| kept.until.saturating_add(limits::ENTRY_LAG / 2) < until;
        let is_news = live.is_none_or(|kept| !kept.word.covers(word) || too_early(kept));
        let mut has_room = || bulk.is_some() || live.is_some() || room.take();
        (is_news && has_room()).then_some(Kept { word, keep, until })
    }

    /// Takes back what was said before `at`, which must be so of all that was said. Readers that hold an earlier state
    /// may see the word for another moment, or not: it is over.
    pub(super) fn take_back(place: &mut Arc<Self>, fingerprint: Fingerprint, at: i64) {
        if let Some(live) = &place.live {
            live.invalidate(&fingerprint);
        }
        if place.bulk_word(fingerprint).is_some() {
            Arc::make_mut(place).taken_back.insert(fingerprint, at);
        }
    }

    /// Lets moka do its housekeeping here rather than on a request.
    pub(super) fn tidy(&self) {
        if let Some(live) = &self.live {
            live.run_pending_tasks();
        }
    }

    /// Makes the bulk anew where enough of it has ended or was taken back.
    pub(super) fn renew(place: &mut Arc<Self>, over: i64, sizes: &Sizes) {
        let is_worn = place.bulk.as_ref().is_some_and(|bulk| bulk.is_worn(over));
        if is_worn || place.taken_back.len() > sizes.taken_back {
            Arc::make_mut(place).fold(Vec::new(), over);
        }
    }

    /// Puts all, and `words`, into one new bulk. Earlier states keep theirs, with all that was live beside it: a reader finds an
    /// entry there or here.
    fn fold(&mut self, words: Vec<(Fingerprint, Word)>, over: i64) {
        let fresh: Vec<_> = merged(self.live_words().into_iter(), words.into_iter()).collect();
        let kept = |fingerprint, word| self.is_kept(fingerprint, word);
        self.bulk = Words::of(self.bulk.as_deref(), kept, &fresh, over).map(Arc::new);
        self.live = None;
        self.taken_back = HashMap::default();
    }

    /// About.
    fn live_len(&self) -> usize {
        self.live.as_ref().map_or(0, |live| live.entry_count() as usize)
    }

    fn bulk_len(&self) -> usize {
        self.bulk.as_ref().map_or(0, |bulk| bulk.len())
    }

    /// About how many there are: for health, and for the room that is left.
    pub(super) fn count(&self) -> u64 {
        (self.live_len() + self.bulk_len().saturating_sub(self.taken_back.len())) as u64
    }

    /// Whether there is none at all; exact, unlike the count.
    pub(super) fn is_empty(&self) -> bool {
        self.bulk.is_none() && self.live_len() == 0 && self.live.iter().flatten().next().is_none()
    }

    /// All, in the order of their fingerprints.
    pub(super) fn words(&self) -> Vec<(Fingerprint, Word)> {
        let bulk = self.bulk.iter().flat_map(|bulk| bulk.iter());
        let bulk = bulk.filter(|(fingerprint, word)| self.is_kept(*fingerprint, *word));
        joined(merged(bulk, self.live_words().into_iter())).collect()
    }

    fn live_words(&self) -> Vec<(Fingerprint, Word)> {
        let mut words: Vec<_> =
            self.live.iter().flatten().map(|(fingerprint, kept)| (*fingerprint, kept.word)).collect();
        words.sort_unstable_by_key(|(fingerprint, _)| *fingerprint);
        words
    }

    /// As it would be without a bulk.
    #[cfg(test)]
    pub(super) fn put_live(&mut self, fingerprint: Fingerprint, word: Word) {
        let keep = Duration::from_secs(86_400);
        let live = self.live.get_or_insert_with(new_live);
        live.insert(fingerprint, Kept { word, keep, until: keep });
    }
}

impl std::fmt::Debug for Identifiers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identifiers").field("names", &self.names).field("count", &self.count()).finish()
    }
}

fn new_live() -> Live {
    Cache::builder().expire_after(LaterDeadline).build_with_hasher(AsItIs::default())
}

/// Until past the end, with a lag for clocks that are stepped, and spread so that not all end in one moment.
fn keep(fingerprint: Fingerprint, ends: i64, time: UnixTime) -> Duration {
    let jitter = limits::ENTRY_JITTER.mul_f64((fingerprint >> 32) as f64 / f64::from(u32::MAX));
    let left = UnixTime::from_millis(ends).since(time);
    left.saturating_add(limits::ENTRY_LAG).saturating_add(jitter).min(LONGEST_KEEP)
}

/// moka keeps the old deadline when an entry is written again; a revocation must keep the later one.
struct LaterDeadline;

impl Expiry<Fingerprint, Kept> for LaterDeadline {
    fn expire_after_create(&self, _: &Fingerprint, kept: &Kept, _: Instant) -> Option<Duration> {
        Some(kept.keep)
    }

    fn expire_after_update(
        &self,
        _: &Fingerprint,
        kept: &Kept,
        _: Instant,
        left: Option<Duration>,
    ) -> Option<Duration> {
        Some(left.map_or(kept.keep, |left| left.max(kept.keep)))
    }
}
