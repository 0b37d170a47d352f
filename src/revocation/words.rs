//! Many words on identifiers, in less than twelve bytes each.

use std::fmt;

use super::fingerprint::Fingerprint;
use super::table::{Table, merged};

/// The last word on an identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// In seconds; zero where nobody said when.
    pub(crate) said_at: i64,
    /// When no token with it is valid any more, in milliseconds since the epoch.
    pub(crate) ends: i64,
}

impl Word {
    /// One that says both.
    pub(super) fn join(self, other: Self) -> Self {
        Self { said_at: self.said_at.max(other.said_at), ends: self.ends.max(other.ends) }
    }

    /// Whether `other` adds nothing.
    pub(super) fn covers(self, other: Self) -> bool {
        self.join(other) == self
    }
}

/// Ends are kept in units of a quarter of an hour, rounded up.
const UNIT: i64 = 15 * 60 * 1000;
/// A time of saying in this place: the word did not fit, and stands apart.
const APART: u32 = 0xFF_FFFF;

/// An immutable set of words. Ends may be up to a quarter of an hour late, never early; all else is exact.
pub(super) struct Words {
    /// End (16 bits) and time of saying (24 bits), relative to the bases. Times of zero stay zero.
    table: Table<[u8; 5]>,
    said_base: i64,
    /// In units.
    ends_base: i64,
    /// Words that are too far from the bases: said more than half a year before the latest, or ending nearly two
    /// years after the first.
    apart: Box<[(Fingerprint, Word)]>,
    range: Range,
    /// When a quarter of them has ended.
    quarter_ends: i64,
}

/// What the words of a set lie between.
#[derive(Clone, Copy, Debug)]
struct Range {
    last_said: i64,
    first_end: i64,
}

impl Words {
    /// Of both, without what ended before `over` and what is in `known` and not `kept`; `fresh` must be in the order
    /// of its fingerprints. None where nothing is left.
    pub(super) fn of(
        known: Option<&Self>,
        kept: impl Fn(Fingerprint, Word) -> bool,
        fresh: &[(Fingerprint, Word)],
        over: i64,
    ) -> Option<Self> {
        let of_fresh = fresh.iter().map(|(_, word)| Range { last_said: word.said_at, first_end: word.ends });
        let range =
            known.map(|known| known.range).into_iter().chain(of_fresh).reduce(|one, other| Range {
                last_said: one.last_said.max(other.last_said),
                first_end: one.first_end.min(other.first_end),
            })?;
        let range = Range { first_end: range.first_end.max(over), ..range };
        let at_most = known.map_or(0, |known| known.table.len()) + fresh.len();
        let old = known.into_iter().flat_map(Self::iter).filter(|(print, word)| kept(*print, *word));
        let both = merged(old, fresh.iter().copied()).filter(|(_, word)| word.ends >= over);
        let words = Self::build(at_most, range, joined(both));
        (words.table.len() > 0).then_some(words)
    }

    fn build(at_most: usize, range: Range, words: impl Iterator<Item = (Fingerprint, Word)>) -> Self {
        let said_base = range.last_said.saturating_sub(i64::from(APART) - 1);
        let ends_base = units(range.first_end);
        let mut apart = Vec::new();
        let table = Table::build(
            at_most,
            words.map(|(fingerprint, word)| {
                let payload = pack(word, said_base, ends_base).unwrap_or_else(|| {
                    apart.push((fingerprint, word));
                    bytes(0, APART)
                });
                (fingerprint, payload)
            }),
        );
        let quarter_ends = table.quarter_ends(|payload| unpack(payload, said_base, ends_base).ends);
        Self { table, said_base, ends_base, apart: apart.into(), range, quarter_ends }
    }

    pub(super) fn contains(&self, fingerprint: Fingerprint) -> bool {
        !self.table.find(fingerprint).is_empty()
    }

    pub(super) fn find(&self, fingerprint: Fingerprint) -> Option<Word> {
        self.table.find(fingerprint).first().map(|payload| self.unpack(fingerprint, *payload))
    }

    /// All, in the order of their fingerprints.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Fingerprint, Word)> {
        self.table.iter().map(|(fingerprint, payload)| (fingerprint, self.unpack(fingerprint, payload)))
    }

    fn unpack(&self, fingerprint: Fingerprint, payload: [u8; 5]) -> Word {
        if is_apart(payload) {
            let place = self.apart.binary_search_by_key(&fingerprint, |(own, _)| *own);
            if let Some((_, word)) = place.ok().and_then(|place| self.apart.get(place)) {
                return *word;
            }
        }
        unpack(payload, self.said_base, self.ends_base)
    }

    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether it is worth making anew, for what ended before `time`.
    pub(super) fn is_worn(&self, time: i64) -> bool {
        self.quarter_ends < time
    }

    /// What it takes of memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.table.bytes() + size_of_val(&*self.apart)
    }
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// One word for each fingerprint.
pub(super) fn joined(
    words: impl Iterator<Item = (Fingerprint, Word)>,
) -> impl Iterator<Item = (Fingerprint, Word)> {
    let mut words = words.peekable();
    std::iter::from_fn(move || {
        let (fingerprint, mut word) = words.next()?;
        while let Some((_, other)) = words.next_if(|(next, _)| *next == fingerprint) {
            word = word.join(other);
        }
        Some((fingerprint, word))
    })
}

fn units(millis: i64) -> i64 {
    millis.div_euclid(UNIT) + i64::from(millis.rem_euclid(UNIT) > 0)
}

/// None where it does not fit.
fn pack(word: Word, said_base: i64, ends_base: i64) -> Option<[u8; 5]> {
    let end = u16::try_from(units(word.ends).checked_sub(ends_base)?).ok()?;
    let said = match word.said_at {
        0 => 0,
        said_at => {
            u32::try_from(said_at.checked_sub(said_base)?).ok().filter(|said| (1..APART).contains(said))?
        }
    };
    Some(bytes(end, said))
}

fn unpack(payload: [u8; 5], said_base: i64, ends_base: i64) -> Word {
    if is_apart(payload) {
        // Revoked, and for good.
        return Word { said_at: i64::MAX, ends: i64::MAX };
    }
    let [end_low, end_high, low, middle, high] = payload;
    let said = u32::from_le_bytes([low, middle, high, 0]);
    let end = u16::from_le_bytes([end_low, end_high]);
    Word {
        said_at: if said == 0 { 0 } else { said_base.saturating_add(said.into()) },
        ends: ends_base.saturating_add(end.into()).saturating_mul(UNIT),
    }
}

fn is_apart([_, _, low, middle, high]: [u8; 5]) -> bool {
    u32::from_le_bytes([low, middle, high, 0]) == APART
}

fn bytes(end: u16, said: u32) -> [u8; 5] {
    let ([end_low, end_high], [low, middle, high, _]) = (end.to_le_bytes(), said.to_le_bytes());
    [end_low, end_high, low, middle, high]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(mut list: Vec<(Fingerprint, Word)>) -> Option<Words> {
        list.sort_unstable_by_key(|entry| entry.0);
        Words::of(None, |_, _| true, &list, i64::MIN)
    }

    fn any_time() -> impl Strategy<Value = i64> {
        const NOW: i64 = 1_732_200_000;
        prop_oneof![
            4 => NOW - 1000..NOW + 1000,
            2 => NOW - 40_000_000..NOW + 80_000_000,
            1 => Just(0),
            1 => any::<i64>(),
        ]
    }

    proptest! {
        #[test]
        fn words_keep_their_time_and_end_late_at_most(
            list in prop::collection::vec((0..60_u64, any_time(), any_time()), 1..60),
            more in prop::collection::vec((0..60_u64, any_time(), any_time()), 0..60),
        ) {
            let said = |list: &[(u64, i64, i64)]| -> Vec<_> {
                let word = |(print, said_at, ends): &(u64, i64, i64)| (*print, Word { said_at: *said_at, ends: *ends });
                let mut words: Vec<_> = list.iter().map(word).collect();
                words.sort_unstable_by_key(|entry| entry.0);
                words
            };
            let first = words(said(&list));
            let both = Words::of(first.as_ref(), |_, _| true, &said(&more), i64::MIN).unwrap();
            for print in 0..60 {
                let all = list.iter().chain(&more).filter(|entry| entry.0 == print);
                let expected = all.map(|(_, said_at, ends)| Word { said_at: *said_at, ends: *ends }).reduce(Word::join);
                let found = both.find(print);
                prop_assert_eq!(found.map(|word| word.said_at), expected.map(|word| word.said_at));
                if let (Some(found), Some(expected)) = (found, expected) {
                    let late = i128::from(found.ends) - i128::from(expected.ends);
                    prop_assert!((0..i128::from(UNIT)).contains(&late), "{late} ms late");
                }
            }
            prop_assert!(both.iter().map(|(print, _)| print).is_sorted());
        }
    }

    /// The bar: twelve bytes an entry, all included.
    #[test]
    fn a_million_identifiers_cost_at_most_twelve_bytes_each() {
        for count in [1_000_000_u64, 1 << 20, (1 << 20) + 1, 1_600_000] {
            let spread = u64::MAX / count;
            let list = (0..count)
                .map(|n| (n * spread, Word { said_at: 1_732_200_000 - n as i64, ends: 1_732_200_000_000 }));
            let words = words(list.collect()).unwrap();
            let each = words.bytes() as f64 / count as f64;
            assert!(words.apart.is_empty() && each <= 12.0, "{count} cost {each} bytes each");
        }
    }

    #[test]
    fn what_has_ended_or_is_not_kept_goes() {
        let word = |ends| Word { said_at: 5, ends };
        let list: Vec<_> = (0..8).map(|n| (n, word(n as i64 * UNIT))).collect();
        let all = words(list).unwrap();
        assert!(!all.is_worn(2 * UNIT) && all.is_worn(2 * UNIT + 1));
        let left = Words::of(Some(&all), |print, _| print != 6, &[(7, word(9 * UNIT))], 5 * UNIT).unwrap();
        let left: Vec<_> = left.iter().collect();
        assert_eq!(left, [(5, word(5 * UNIT)), (7, word(9 * UNIT))]);
        assert!(Words::of(Some(&all), |_, _| false, &[], 0).is_none());
    }
}
