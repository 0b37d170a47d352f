//! Choices that a seed repeats (SplitMix64).

use std::ops::Range;
use std::time::Duration;

#[derive(Debug)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A source of its own: what it is asked for changes no other choice.
    pub(super) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From zero up to and without `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    /// Whole milliseconds, with the same chance for each.
    pub(super) fn within(&mut self, millis: Range<u64>) -> Duration {
        Duration::from_millis(millis.start + self.next() % (millis.end - millis.start))
    }

    /// Whole milliseconds, with the same chance for each order of magnitude.
    pub(super) fn spread(&mut self, millis: Range<u64>) -> Duration {
        let magnitude = (millis.end as f64 / millis.start as f64).ln();
        Duration::from_millis((millis.start as f64 * (magnitude * self.fraction()).exp()) as u64)
    }

    /// Uniform in `0..1`.
    pub(super) fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
