//! What will happen in a world, all of it drawn from the seed beforehand.

use std::collections::BTreeMap;
use std::time::Duration;

use super::bounds::Bounds;
use super::rng::Rng;
use super::server::{Nature, Times};
use super::tokens::{KEYS, STRANGERS, Set, Token};
use crate::limits;

#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    Publish(Set),
    Times(Times),
    /// A client comes, and goes after so long if it has not been answered.
    Request(Token, Option<Duration>),
    /// The operator, or NTP, sets the resource server's clock.
    StepWall(i64),
}

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nature: Nature,
    pub(super) bounds: Bounds,
    pub(super) end: Duration,
    /// By time, then by the order of planning.
    pub(super) deeds: BTreeMap<(Duration, usize), Deed>,
    published: Set,
    signing: usize,
    next: usize,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// When clients come after something has happened, in milliseconds: within each bound, at it, and past it.
const AFTER: [u64; 14] =
    [0, 3, 500, 1_900, 2_000, 4_999, 5_000, 7_500, 11_000, 25_000, 47_000, 75_000, 130_000, 290_000];

impl Plan {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        let max_ages = match rng.below(6) {
            0 => vec![Some(Duration::ZERO), Some(MINUTE)],
            1 => vec![None],
            2 => vec![None, Some(2 * MINUTE), Some(15 * MINUTE)],
            3 => vec![Some(10 * MINUTE)],
            _ => vec![Some(HOUR), Some(24 * HOUR)],
        };
        let (shortest, longest) = limits::KEYS_REFRESH_BOUNDS.into_inner();
        let holds = max_ages.iter().map(|max_age| max_age.unwrap_or(limits::KEYS_REFRESH));
        let holds = holds.max().unwrap().clamp(shortest, longest);
        let nature = Nature {
            metadata_at: rng.pick(&[None, None, Some(0), Some(1)]),
            etags: rng.chance(70),
            max_ages,
            answer: rng.spread(5..4_000),
            lag: rng.spread(500..60_000),
            liar: false,
        };
        let bounds = Bounds {
            questions: if nature.metadata_at.is_some() { 3 } else { 1 },
            answer: nature.answer,
            holds,
            lag: nature.lag,
            stale_after: rng.pick(&[limits::KEYS_STALE_AFTER, limits::KEYS_STALE_AFTER, 10 * MINUTE, MINUTE]),
        };
        // Where keys are fetched often, a shorter life shows as much.
        let end = (holds * 45).clamp(3 * HOUR, 27 * HOUR);
        let deeds = BTreeMap::new();
        let mut plan = Self { nature, bounds, end, deeds, published: 1, signing: 0, next: 1 };
        plan.add(Duration::ZERO, Deed::Publish(1));
        plan.add(Duration::ZERO, Deed::Times(if rng.chance(80) { Times::Good } else { Times::Mixed }));
        plan.rotations(rng);
        plan.weather(rng);
        plan.floods(rng);
        plan.everyday(rng);
        plan
    }

    /// One hour of good times with these deeds.
    pub(super) fn of(deeds: impl IntoIterator<Item = (Duration, Deed)>, answer: Duration) -> Self {
        let max_ages = vec![Some(HOUR)];
        let nature =
            Nature { metadata_at: None, etags: true, max_ages, answer, lag: Duration::ZERO, liar: false };
        let stale_after = limits::KEYS_STALE_AFTER;
        let bounds = Bounds { questions: 1, answer, holds: HOUR, lag: Duration::ZERO, stale_after };
        let empty = BTreeMap::new();
        let mut plan = Self { nature, bounds, end: HOUR, deeds: empty, published: 1, signing: 0, next: 1 };
        plan.add(Duration::ZERO, Deed::Times(Times::Good));
        deeds.into_iter().for_each(|(at, deed)| plan.add(at, deed));
        plan
    }

    fn add(&mut self, at: Duration, deed: Deed) {
        if at < self.end {
            self.deeds.insert((at, self.deeds.len()), deed);
        }
    }

    fn request(&mut self, at: Duration, token: Token, rng: &mut Rng) {
        let patience = rng.chance(15).then(|| rng.within(0..2_100));
        self.add(at, Deed::Request(token, patience));
    }

    fn publish(&mut self, at: Duration, set: Set) {
        self.published = set;
        self.add(at, Deed::Publish(set));
    }

    /// Clients with tokens of these keys come around this time.
    fn around(&mut self, at: Duration, keys: &[usize], rng: &mut Rng) {
        self.request(at.saturating_sub(SECOND), genuine(rng.pick(keys), rng), rng);
        for after in AFTER {
            if rng.chance(40) {
                let jitter = if rng.chance(50) { Duration::ZERO } else { rng.within(0..after / 4 + 2) };
                let token = match rng.below(10) {
                    0 => forged(rng.pick(keys), rng),
                    _ => genuine(rng.pick(keys), rng),
                };
                self.request(at + Duration::from_millis(after) + jitter, token, rng);
            }
        }
    }

    /// Clients come with a token of a key that is gone, before and after each bound.
    fn haunt(&mut self, gone: Duration, key: usize, rng: &mut Rng) {
        let bounds = [
            limits::BELL_COOLDOWN,
            limits::KEYS_REFRESH,
            self.bounds.holds,
            self.bounds.refreshed(),
            self.bounds.stale_after,
            self.bounds.relied_on_unheard(),
        ];
        for bound in bounds {
            if rng.chance(60) {
                let at = rng.pick(&[bound.saturating_sub(SECOND), bound + SECOND, bound * 2]);
                self.request(gone + at, genuine(key, rng), rng);
            }
        }
    }

    fn rotations(&mut self, rng: &mut Rng) {
        let mut at = rng.spread(60_000..3_600_000);
        while at < self.end {
            let (old, new) = (self.signing, self.next);
            // Where new keys have run out, a key of long ago comes back.
            self.next = (self.next + 1) % KEYS;
            let both = bit(old) | bit(new);
            let done = match rng.below(6) {
                // Published first, used later, and the old one goes last.
                0 | 1 => {
                    let used = at + rng.spread(1_000..3_600_000);
                    let gone = used + rng.spread(1_000..3_600_000);
                    self.publish(at, both);
                    self.around(at, &[old], rng);
                    self.around(used, &[old, new], rng);
                    self.publish(gone, bit(new));
                    self.around(gone, &[old, new], rng);
                    self.haunt(gone, old, rng);
                    gone
                }
                // The old one is compromised.
                2 | 3 => {
                    self.publish(at, bit(new));
                    self.around(at, &[old, new], rng);
                    self.haunt(at, old, rng);
                    at
                }
                // Used before it is published.
                4 => {
                    let published = at + rng.spread(50..30_000);
                    let gone = published + rng.spread(1_000..600_000);
                    self.around(at, &[new], rng);
                    self.publish(published, both);
                    self.around(published, &[old, new], rng);
                    self.publish(gone, bit(new));
                    self.haunt(gone, old, rng);
                    gone
                }
                // Taken back: the new one was wrong, or the operator was.
                _ => {
                    let back = at + rng.spread(1_000..1_800_000);
                    self.publish(at, bit(new));
                    self.around(at, &[old, new], rng);
                    self.publish(back, bit(old));
                    self.around(back, &[old, new], rng);
                    self.haunt(back, new, rng);
                    self.signing = old;
                    self.around(back + limits::KEYS_REFRESH, &[old], rng);
                    at = back + pause(rng);
                    continue;
                }
            };
            self.signing = new;
            at = done + pause(rng);
        }
    }

    /// Bad times come and go, often together with a change of keys.
    fn weather(&mut self, rng: &mut Rng) {
        let changes: Vec<Duration> = self
            .deeds
            .iter()
            .filter(|(_, deed)| matches!(deed, Deed::Publish(_)))
            .map(|((at, _), _)| *at)
            .collect();
        let mut at = rng.spread(60_000..4 * 3_600_000);
        while at < self.end {
            let near = changes.iter().find(|change| **change > at).filter(|_| rng.chance(60));
            if let Some(change) = near {
                at = at.max(change.saturating_sub(rng.spread(1_000..30_000)));
            }
            let kinds =
                [Times::Lagging, Times::Slow, Times::Refusing, Times::Hanging, Times::Erring, Times::Mixed];
            let long = rng.chance(8);
            let over =
                at + if long { rng.spread(600_000..3 * 3_600_000) } else { rng.spread(1_000..600_000) };
            self.add(at, Deed::Times(rng.pick(&kinds)));
            self.add(over, Deed::Times(Times::Good));
            let keys = self.keys_near(over);
            self.around(at, &keys, rng);
            self.around(over, &keys, rng);
            at = over + pause(rng);
        }
    }

    /// The keys that are published then, and those that were before.
    fn keys_near(&self, at: Duration) -> Vec<usize> {
        let before = self.deeds.iter().take_while(|((when, _), _)| *when <= at);
        let sets =
            before.filter_map(|(_, deed)| if let Deed::Publish(set) = deed { Some(*set) } else { None });
        let sets: Vec<Set> = sets.collect();
        let last = sets.iter().rev().take(3).fold(0, |all, set| all | set);
        (0..KEYS).filter(|key| last & bit(*key) != 0).collect()
    }

    /// Somebody sends forged tokens, most of them when keys change.
    fn floods(&mut self, rng: &mut Rng) {
        let changes: Vec<Duration> = self.deeds.keys().map(|(at, _)| *at).collect();
        for _ in 0..rng.below(4) {
            let start = rng.pick(&changes).saturating_sub(rng.within(0..5_000));
            let (many, every) = (rng.below(30), rng.pick(&[0, 10, 250, 1_000]));
            for turn in 0..many as u64 {
                let key = self.signing;
                self.request(start + Duration::from_millis(turn * every), forged(key, rng), rng);
            }
        }
    }

    fn everyday(&mut self, rng: &mut Rng) {
        let mut at = rng.spread(1..60_000);
        while at < self.end {
            let keys = self.keys_near(at);
            let token =
                if rng.chance(90) { genuine(rng.pick(&keys), rng) } else { forged(rng.pick(&keys), rng) };
            self.request(at, token, rng);
            if rng.chance(1) {
                let hour = HOUR.as_millis() as i64;
                self.add(at, Deed::StepWall(if rng.chance(50) { hour } else { -hour }));
            }
            at += rng.within(1_000..3_600_000);
        }
    }
}

/// Hours as a rule, seconds now and then.
fn pause(rng: &mut Rng) -> Duration {
    if rng.chance(20) { rng.spread(2_000..600_000) } else { rng.within(3_600_000..12 * 3_600_000) }
}

fn bit(key: usize) -> Set {
    1 << key
}

fn genuine(key: usize, rng: &mut Rng) -> Token {
    Token::Genuine { key, kid: rng.chance(85) }
}

fn forged(key: usize, rng: &mut Rng) -> Token {
    match rng.below(4) {
        0 => Token::Forged { key },
        1 => Token::Bare,
        _ => Token::Strange(rng.below(STRANGERS)),
    }
}
