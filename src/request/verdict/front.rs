//! The verdicts that a thread has at hand: in front of the store, without a lock, and without a count that other threads
//! use.
//!
//! Only what is in a store is good here, so a verdict ends here when it ends there. Until the thread comes by to let go
//! of it, which takes it a second of work, memory stays taken: of at most [`limits::FRONT_VERDICTS`] verdicts a thread.

use std::cell::RefCell;
use std::sync::Arc;

use crate::clock::{Now, UnixTime};
use crate::limits;

use super::super::facts::{Allowed, Facts, Held, Own};
use super::Name;
use super::store::Store;

/// Places where one verdict may stand: one line of the processor's cache.
const WAYS: usize = 4;
/// How often old ones are let go of, in milliseconds, and how many are looked at.
const TEND_EVERY: u64 = 16;
const TENDED: usize = limits::FRONT_VERDICTS / 64;

thread_local! {
    static FRONT: RefCell<Front> = const { RefCell::new(Front::new()) };
}

struct Front {
    /// Empty before the first verdict comes.
    slots: Vec<Option<Slot>>,
    /// Which of the ways gives way next.
    turn: usize,
    /// When old ones were last let go of, and how often they were.
    tended: UnixTime,
    rounds: u64,
}

struct Slot {
    hash: u64,
    own: Arc<Own>,
}

/// The verdict on exactly this token, from here or from the store; what is found there is kept here from then on.
#[inline]
pub(super) fn find(name: Name, token: &[u8], now: Now, store: &Store) -> Option<Held> {
    let at_hand = FRONT.try_with(|front| {
        let mut front = front.try_borrow_mut().ok()?;
        if front.is_due(now) {
            front.tend(now, store);
        }
        front.get(name, token)
    });
    match at_hand {
        Ok(Some(own)) => Some(Held::Own(own)),
        _ => bring(name, token, store),
    }
}

#[inline(never)]
fn bring(name: Name, token: &[u8], store: &Store) -> Option<Held> {
    let facts = store.find(name, token)?;
    if token.len() > limits::FRONT_TOKEN_BYTES {
        return Some(Held::Shared(facts));
    }
    let own = Arc::new(Own { facts, token: token.into(), allowed: Allowed::default() });
    let former = FRONT.try_with(|front| {
        let mut front = front.try_borrow_mut().ok()?;
        front.put(name, Arc::clone(&own))
    });
    // Dropped only now: claims in a caller's own type may do anything.
    drop(former);
    Some(Held::Own(own))
}

impl Front {
    const fn new() -> Self {
        Self { slots: Vec::new(), turn: 0, tended: UnixTime::from_millis(i64::MIN), rounds: 0 }
    }

    /// By the wall clock: each resource server's uptime has a beginning of its own, and one thread serves several in turn.
    #[inline]
    fn is_due(&self, now: Now) -> bool {
        now.wall.as_millis().abs_diff(self.tended.as_millis()) >= TEND_EVERY
    }

    /// The places that a hash may have.
    #[inline]
    fn set(&mut self, hash: u64) -> Option<&mut [Option<Slot>]> {
        let first = hash as usize % (limits::FRONT_VERDICTS / WAYS) * WAYS;
        self.slots.get_mut(first..first + WAYS)
    }

    #[inline]
    fn get(&mut self, name: Name, token: &[u8]) -> Option<Arc<Own>> {
        let slot = self.set(name.hash)?.iter().flatten().find(|slot| slot.hash == name.hash)?;
        let facts: &Facts = &slot.own.facts;
        let good = facts.place.is_kept()
            && facts.name.is_some_and(|own| own.server == name.server)
            && *slot.own.token == *token;
        good.then(|| {
            facts.place.note_use();
            Arc::clone(&slot.own)
        })
    }

    /// The one that had to give way, if any.
    fn put(&mut self, name: Name, own: Arc<Own>) -> Option<Slot> {
        if self.slots.is_empty() {
            self.slots.resize_with(limits::FRONT_VERDICTS, || None);
        }
        self.turn = (self.turn + 1) % WAYS;
        let turn = self.turn;
        let set = self.set(name.hash)?;
        let same = set.iter().position(|slot| slot.as_ref().is_some_and(|slot| slot.hash == name.hash));
        let free = || set.iter().position(|slot| slot.as_ref().is_none_or(Slot::is_over));
        let place = same.or_else(free).unwrap_or(turn);
        set.get_mut(place)?.replace(Slot { hash: name.hash, own })
    }

    /// Lets go of what the stores have let go of, and the store of what has ended: a part of either each time.
    #[cold]
    fn tend(&mut self, now: Now, store: &Store) {
        self.tended = now.wall;
        self.rounds += 1;
        store.tend(self.rounds, now.wall);
        let first = self.rounds as usize * TENDED % limits::FRONT_VERDICTS;
        for slot in self.slots.get_mut(first..first + TENDED).into_iter().flatten() {
            if slot.as_ref().is_some_and(Slot::is_over) {
                *slot = None;
            }
        }
    }
}

impl Slot {
    fn is_over(&self) -> bool {
        !self.own.facts.place.is_kept()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Or each request in turn would look for old ones, and lock the store for it.
    #[test]
    fn resource_servers_that_began_at_other_times_do_not_make_it_due() {
        let (store, wall) = (Store::new(1), UnixTime::from_secs(100));
        let now = |wall, uptime| Now { wall, uptime: Duration::from_secs(uptime) };
        let mut front = Front::new();
        assert!(front.is_due(now(wall, 1000)));
        front.tend(now(wall, 1000), &store);
        assert!(!front.is_due(now(wall, 1000)) && !front.is_due(now(wall, 5)));
        for step in [wall.plus(Duration::from_millis(16)), wall.minus(Duration::from_secs(9))] {
            assert!(front.is_due(now(step, 1000)));
        }
    }
}
