//! An immutable set of fingerprints, each with a payload of fixed size: sorted, and found by its topmost bits.
//!
//! The topmost bits choose a bucket of about eight fingerprints, so that looking up an absent one costs two places in
//! memory: where the bucket begins, and the bucket. At least sixteen bits are implied by the bucket; the other 48 are
//! kept, in two arrays without padding. Payloads lie apart, since looking up an absent fingerprint must not touch them.

use std::fmt;

use super::fingerprint::Fingerprint;

/// So many bits at least choose the bucket, and need not be kept.
const IMPLIED_BITS: u32 = 16;
/// Beyond that, one more bit for each doubling of the entries past this many in a bucket.
const BUCKET: usize = 6;
/// So many entries at least tell when a quarter ends.
const SAMPLE: usize = 4096;

/// See the module docs.
pub(super) struct Table<P> {
    /// Where each bucket begins, and last where they all end.
    begins: Box<[u32]>,
    /// Shifts a fingerprint down to its bucket.
    shift: u32,
    /// Bits 47 to 16 of each fingerprint.
    high: Box<[u32]>,
    /// Bits 15 to 0.
    low: Box<[u16]>,
    payloads: Box<[P]>,
}

impl<P: Copy> Table<P> {
    /// Of at most so many entries, in the order of their fingerprints. Several may have the same.
    pub(super) fn build(at_most: usize, sorted: impl Iterator<Item = (Fingerprint, P)>) -> Self {
        let bits = (at_most / BUCKET).checked_ilog2().map_or(IMPLIED_BITS, |bits| bits.max(IMPLIED_BITS));
        let shift = Fingerprint::BITS - bits;
        let mut begins = Vec::with_capacity((1 << bits) + 1);
        let mut high = Vec::with_capacity(at_most);
        let mut low = Vec::with_capacity(at_most);
        let mut payloads = Vec::with_capacity(at_most);
        for (fingerprint, payload) in sorted {
            let bucket = (fingerprint >> shift) as usize;
            if begins.len() <= bucket {
                begins.resize(bucket + 1, high.len() as u32);
            }
            high.push((fingerprint >> 16) as u32);
            low.push(fingerprint as u16);
            payloads.push(payload);
        }
        begins.resize((1 << bits) + 1, high.len() as u32);
        Self { begins: begins.into(), shift, high: high.into(), low: low.into(), payloads: payloads.into() }
    }

    /// The payloads of this fingerprint.
    pub(super) fn find(&self, fingerprint: Fingerprint) -> &[P] {
        let bucket = (fingerprint >> self.shift) as usize;
        let Some(&[begin, end]) = self.begins.get(bucket..).and_then(|begins| begins.first_chunk()) else {
            return &[];
        };
        let wanted = (fingerprint >> 16) as u32;
        let bucket = self.high.get(begin as usize..end as usize).unwrap_or_default();
        let Some(at) = bucket.iter().position(|high| *high == wanted) else { return &[] };
        let alike = bucket.iter().skip(at).take_while(|high| **high == wanted).count();
        self.among(begin as usize + at, alike, fingerprint as u16)
    }

    /// The payloads among `count` entries from `begin` on whose other bits are the same.
    #[cold]
    fn among(&self, begin: usize, count: usize, wanted: u16) -> &[P] {
        let low = self.low.get(begin..begin + count).unwrap_or_default();
        let (from, to) =
            (low.partition_point(|low| *low < wanted), low.partition_point(|low| *low <= wanted));
        self.payloads.get(begin + from..begin + to).unwrap_or_default()
    }

    /// All, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Fingerprint, P)> {
        let mut bucket = 0;
        let rows = self.high.iter().zip(&self.low).zip(&self.payloads).enumerate();
        rows.map(move |(at, ((high, low), payload))| {
            while self.begins.get(bucket + 1).is_some_and(|end| *end as usize <= at) {
                bucket += 1;
            }
            let implied = ((bucket as u64) << self.shift) & !(u64::MAX >> IMPLIED_BITS);
            (implied | u64::from(*high) << 16 | u64::from(*low), *payload)
        })
    }

    pub(super) fn len(&self) -> usize {
        self.high.len()
    }

    /// When so many entries have ended that the table is worth making anew: a quarter of a sample.
    pub(super) fn quarter_ends(&self, ends: impl Fn(P) -> i64) -> i64 {
        let step = (self.len() / SAMPLE).max(1);
        let mut sample: Vec<_> = self.payloads.iter().step_by(step).map(|payload| ends(*payload)).collect();
        sample.sort_unstable();
        sample.get(sample.len() / 4).copied().unwrap_or(i64::MAX)
    }

    /// What it takes of memory.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.begins)
            + size_of_val(&*self.high)
            + size_of_val(&*self.low)
            + size_of_val(&*self.payloads)
    }
}

impl<P> fmt::Debug for Table<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("len", &self.high.len()).finish_non_exhaustive()
    }
}

/// The entries of two lists, each in the order of its fingerprints.
pub(super) fn merged<T>(
    first: impl Iterator<Item = (Fingerprint, T)>,
    second: impl Iterator<Item = (Fingerprint, T)>,
) -> impl Iterator<Item = (Fingerprint, T)> {
    let (mut first, mut second) = (first.peekable(), second.peekable());
    std::iter::from_fn(move || match (first.peek(), second.peek()) {
        (Some((one, _)), Some((other, _))) if other < one => second.next(),
        (Some(_), _) => first.next(),
        (None, _) => second.next(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Fingerprints that share bits with others, at both ends.
    fn fingerprint() -> impl Strategy<Value = u64> {
        let crowded = (0..4_u64, 0..4_u64, 0..4_u64);
        prop_oneof![
            any::<u64>(),
            crowded.prop_map(|(top, middle, low)| top << 62 | middle << 30 | low << 14),
            Just(0),
            Just(u64::MAX)
        ]
    }

    proptest! {
        #[test]
        fn finds_what_a_map_finds(
            mut entries in prop::collection::vec((fingerprint(), any::<u8>()), 0..200),
            absent in prop::collection::vec(fingerprint(), 0..50),
            claimed in 0..2_000_000_usize,
        ) {
            entries.sort_by_key(|entry| entry.0);
            let table = Table::build(claimed.max(entries.len()), entries.iter().copied());
            let mut expected = BTreeMap::<_, Vec<_>>::new();
            for (fingerprint, payload) in &entries {
                expected.entry(*fingerprint).or_default().push(*payload);
            }
            for fingerprint in entries.iter().map(|entry| entry.0).chain(absent) {
                let own = expected.get(&fingerprint).map(Vec::as_slice).unwrap_or_default();
                prop_assert_eq!(table.find(fingerprint), own);
            }
            prop_assert_eq!(table.iter().collect::<Vec<_>>(), entries);
        }
    }

    #[test]
    fn a_quarter_has_ended_when_it_has() {
        let quarter =
            |len: u64| Table::build(100_000, (0..len).map(|n| (n, n as i64))).quarter_ends(|end| end);
        assert_eq!((quarter(0), quarter(8)), (i64::MAX, 2));
        let end = quarter(100_000);
        assert!((24_000..26_000).contains(&end), "{end}");
    }
}
