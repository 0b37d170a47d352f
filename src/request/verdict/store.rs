//! The verdicts that all threads share: bounded by bytes, gone when their tokens end.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::UnixTime;

use super::super::facts::Facts;
use super::{Name, is_of};

/// A thread that looks for one verdict keeps out only those that look in the same shard, and a shard holds a few hundred
/// at least.
const SHARDS: usize = 64;
const SHARD_BYTES: usize = 256 * 1024;
/// Verdicts that are looked at whenever some are to be let go of.
const TENDED: usize = 64;
/// Second chances given before one goes all the same: a full shard must not stop a request for long.
const CHANCES: usize = 64;

pub(super) struct Store {
    shards: Box<[Mutex<Shard>]>,
    /// For each shard.
    bytes: usize,
}

/// How much is kept, and what has come and gone.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Kept {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) room: u64,
    pub(crate) added: u64,
    pub(crate) displaced: u64,
}

#[derive(Default)]
struct Shard {
    places: HashMap<u64, usize, BuildHasherDefault<AsItIs>>,
    verdicts: Vec<Arc<Facts>>,
    bytes: usize,
    /// Where the next one to make room is looked for.
    hand: usize,
    /// Where the next one that has ended is looked for.
    tended: usize,
    /// So far; counted under the lock that is held anyway, and not where a verdict is found.
    added: u64,
    displaced: u64,
}

impl Store {
    pub(super) fn new(bytes: usize) -> Self {
        let shards = (bytes / SHARD_BYTES).clamp(1, SHARDS);
        Self { shards: (0..shards).map(|_| Mutex::default()).collect(), bytes: bytes / shards }
    }

    fn shard(&self, place: u64) -> Option<MutexGuard<'_, Shard>> {
        let shard = self.shards.get(place as usize % self.shards.len())?;
        Some(shard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The verdict on exactly this token.
    pub(super) fn find(&self, name: Name, token: &[u8]) -> Option<Arc<Facts>> {
        let found = {
            let shard = self.shard(name.hash >> 32)?;
            let place = *shard.places.get(&name.hash)?;
            shard.verdicts.get(place).map(Arc::clone)?
        };
        is_of(&found, name, token).then(|| {
            found.place.note_use();
            found
        })
    }

    /// Keeps a verdict, at the cost of others if need be.
    pub(super) fn put(&self, facts: &Arc<Facts>) {
        let Some(name) = facts.name else { return };
        if facts.weight() > self.bytes {
            return;
        }
        let mut gone =
            self.shard(name.hash >> 32).and_then(|mut shard| shard.put(name.hash, facts, self.bytes));
        // What goes is dropped outside of the lock: claims in a caller's own type may do anything.
        while let Some(verdict) = gone {
            drop(verdict);
            gone = self.shard(name.hash >> 32).and_then(|mut shard| shard.make_room(self.bytes));
        }
    }

    /// Lets go of some that have ended; called again and again, of all of them.
    pub(super) fn tend(&self, turn: u64, wall: UnixTime) {
        let ended = self.shard(turn).map(|mut shard| shard.take_ended(wall));
        drop(ended);
    }

    pub(super) fn kept(&self) -> Kept {
        let mut kept = Kept { room: (self.bytes * self.shards.len()) as u64, ..Kept::default() };
        for place in 0..self.shards.len() as u64 {
            if let Some(shard) = self.shard(place) {
                kept.entries += shard.verdicts.len() as u64;
                kept.bytes += shard.bytes as u64;
                kept.added += shard.added;
                kept.displaced += shard.displaced;
            }
        }
        kept
    }
}

impl Shard {
    /// Adds one. What has to go for it, one at a time.
    fn put(&mut self, hash: u64, facts: &Arc<Facts>, most: usize) -> Option<Arc<Facts>> {
        facts.place.set_kept(true);
        self.added += 1;
        self.bytes += facts.weight();
        let place = *self.places.entry(hash).or_insert(self.verdicts.len());
        match self.verdicts.get_mut(place) {
            Some(old) => {
                let old = std::mem::replace(old, Arc::clone(facts));
                self.bytes -= old.weight();
                old.place.set_kept(Arc::ptr_eq(&old, facts));
                Some(old)
            }
            None => {
                self.verdicts.push(Arc::clone(facts));
                self.make_room(most)
            }
        }
    }

    /// Where there is too much, the next one that nobody has used since the hand passed it.
    fn make_room(&mut self, most: usize) -> Option<Arc<Facts>> {
        if self.bytes <= most {
            return None;
        }
        for _ in 0..CHANCES {
            let Some(next) = self.verdicts.get(self.hand) else {
                self.hand = 0;
                continue;
            };
            if !next.place.take_use() {
                break;
            }
            self.hand += 1;
        }
        self.hand = if self.hand < self.verdicts.len() { self.hand } else { 0 };
        let gone = self.take(self.hand);
        self.displaced += u64::from(gone.is_some());
        // The youngest has taken its place, and is not the next to go.
        self.hand += 1;
        gone
    }

    fn take_ended(&mut self, wall: UnixTime) -> Vec<Arc<Facts>> {
        let mut ended = Vec::new();
        for _ in 0..TENDED.min(self.verdicts.len()) {
            self.tended = if self.tended < self.verdicts.len() { self.tended } else { 0 };
            match self.verdicts.get(self.tended) {
                // They would keep alive what was known of a tenant that was let go of.
                Some(facts) if facts.ends() <= wall || facts.issuer.has_ended() => {
                    ended.extend(self.take(self.tended))
                }
                _ => self.tended += 1,
            }
        }
        ended
    }

    fn take(&mut self, place: usize) -> Option<Arc<Facts>> {
        if place >= self.verdicts.len() {
            return None;
        }
        let gone = self.verdicts.swap_remove(place);
        gone.place.set_kept(false);
        self.bytes -= gone.weight();
        if let Some(name) = gone.name {
            self.places.remove(&name.hash);
        }
        if let Some(name) = self.verdicts.get(place).and_then(|moved| moved.name) {
            self.places.insert(name.hash, place);
        }
        Some(gone)
    }
}

/// Threads that keep a verdict at hand let go of it when it is no longer kept here.
impl Drop for Store {
    fn drop(&mut self) {
        for shard in &mut self.shards {
            let shard = shard.get_mut().unwrap_or_else(PoisonError::into_inner);
            shard.verdicts.iter().for_each(|facts| facts.place.set_kept(false));
        }
    }
}

/// The hash of a name is one already.
#[derive(Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
