//! The verdicts that a thread has at hand: in front of the store, without a lock, and without a count that other threads
//! use.
//!
//! Only what is in a store is good here, so a verdict ends here when it ends there. Until the thread comes by to let go
//! of it, which takes it a second of work, memory stays taken: of at most [`limits::FRONT_VERDICTS`] verdicts a thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Now;
use crate::limits;

use super::super::facts::{Facts, Held, Own};
use super::Name;
use super::store::Store;

/// Places where one verdict may stand: one line of the processor's cache.
const WAYS: usize = 4;
/// How often old ones are let go of, and how many are looked at.
const TEND_EVERY: Duration = Duration::from_millis(16);
const TENDED: usize = limits::FRONT_VERDICTS / 64;

thread_local! {
    static FRONT: RefCell<Front> = const { RefCell::new(Front::new()) };
}

struct Front {
    /// Empty before the first verdict comes.
    slots: Vec<Option<Slot>>,
    /// Which of the ways gives way next.
    turn: usize,
    /// The uptime at which old ones were last let go of, when they will be next, and how often they were.
    tended: Duration,
    tend_next: Duration,
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
        // Each resource server has a clock of its own.
        if now.uptime >= front.tend_next || now.uptime < front.tended {
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
    let own = Arc::new(Own { facts, token: token.into() });
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
        Self { slots: Vec::new(), turn: 0, tended: Duration::ZERO, tend_next: Duration::ZERO, rounds: 0 }
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
        self.tended = now.uptime;
        self.tend_next = now.uptime.saturating_add(TEND_EVERY);
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
