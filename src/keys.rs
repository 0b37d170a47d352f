//! The keys of one issuer: read on every request, replaced whole by the background's way.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

use crate::limits;

pub(crate) mod bell;
pub(crate) mod jwk;
mod pem;
mod set;
mod verifying;

use bell::Bell;
pub(crate) use set::{KeySet, KeySetError};
pub(crate) use verifying::{KeyError, KeyId, VerifyingKey};

/// What the request's way knows of an issuer's keys.
#[derive(Debug)]
pub(crate) struct KeyRing {
    set: ArcSwap<KeySet>,
    /// How often the set has been replaced.
    generation: AtomicU64,
    /// Uptime in milliseconds plus one at which the set was last confirmed by the issuer; zero before the first time.
    confirmed: AtomicU64,
    /// Uptime in milliseconds until which the set is relied on.
    good_until: AtomicU64,
    /// Uptime in milliseconds at which it will be asked for again.
    next: AtomicU64,
    /// How long a set is relied on after it should have been fetched again.
    stale_after: Duration,
    /// Fixed keys do not age.
    fixed: bool,
    pub(crate) bell: Bell,
    trouble: Mutex<Option<String>>,
    /// Ids of keys that the last set lacked for the first time.
    missing: Mutex<Vec<Box<str>>>,
}

impl KeyRing {
    /// A ring that is empty until the first key set arrives.
    pub(crate) fn awaiting(stale_after: Duration) -> Self {
        Self { stale_after, ..Self::holding(KeySet::default(), false) }
    }

    /// A ring whose keys were given by the operator.
    pub(crate) fn fixed(set: KeySet) -> Self {
        Self::holding(set, true)
    }

    fn holding(set: KeySet, fixed: bool) -> Self {
        Self {
            set: ArcSwap::from_pointee(set),
            generation: AtomicU64::new(0),
            confirmed: AtomicU64::new(0),
            good_until: AtomicU64::new(0),
            next: AtomicU64::new(0),
            stale_after: limits::KEYS_STALE_AFTER,
            fixed,
            bell: Bell::new(),
            trouble: Mutex::new(None),
            missing: Mutex::default(),
        }
    }

    /// The keys, unless there are none yet or nobody has confirmed them for too long.
    pub(crate) fn current(&self, uptime: Duration) -> Option<Guard<Arc<KeySet>>> {
        self.is_current(uptime).then(|| self.set.load())
    }

    /// Whether [`KeyRing::current`] has keys.
    #[inline]
    pub(crate) fn is_current(&self, uptime: Duration) -> bool {
        self.fixed || millis(uptime) < self.good_until.load(Ordering::Acquire)
    }

    /// Grows after the set has been replaced: who reads it, then the keys, has at least the keys of that generation.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether the operator gave the keys, so that there is nobody to ask for more.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// Time since the issuer last confirmed the set; none before the first time, zero for fixed keys.
    pub(crate) fn age(&self, uptime: Duration) -> Option<Duration> {
        if self.fixed {
            return Some(Duration::ZERO);
        }
        let confirmed = self.confirmed.load(Ordering::Acquire).checked_sub(1)?;
        Some(uptime.saturating_sub(Duration::from_millis(confirmed)))
    }

    /// Replaces the set: a key that is not in it stops verifying with the next request.
    pub(crate) fn replace(&self, set: KeySet, confirmed: Duration, holds: Duration) {
        let set = Arc::new(set);
        let before = self.set.swap(Arc::clone(&set));
        self.generation.fetch_add(1, Ordering::Release);
        let gone = before.keys().iter().filter_map(|key| key.kid()).filter(|kid| !set.has_kid(kid));
        let gone: Vec<Box<str>> = gone.map(Box::from).collect();
        self.settle_missing(&set, confirmed);
        self.missing.lock().unwrap_or_else(PoisonError::into_inner).extend(gone);
        self.stamp(confirmed, holds);
    }

    /// One answer without a key may come from a replica that is behind; a second one settles it.
    fn settle_missing(&self, set: &KeySet, at: Duration) {
        let mut missing = self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        for kid in missing.drain(..).filter(|kid| !set.has_kid(kid)) {
            self.bell.note_taken_away(&kid, at);
        }
    }

    /// The issuer says at `confirmed` that the set is still this one, for as long as it `holds`.
    pub(crate) fn confirm(&self, confirmed: Duration, holds: Duration) {
        self.settle_missing(&self.set.load(), confirmed);
        self.stamp(confirmed, holds);
    }

    fn stamp(&self, confirmed: Duration, holds: Duration) {
        self.confirmed.store(millis(confirmed).saturating_add(1), Ordering::Release);
        let until = confirmed.saturating_add(holds).saturating_add(self.stale_after);
        self.good_until.store(millis(until), Ordering::Release);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes when the set will be asked for again.
    pub(crate) fn note_next(&self, at: Duration) {
        self.next.store(millis(at), Ordering::Relaxed);
    }

    /// How long until then; none for fixed keys.
    pub(crate) fn next_refresh(&self, uptime: Duration) -> Option<Duration> {
        let next = Duration::from_millis(self.next.load(Ordering::Relaxed));
        (!self.fixed).then(|| next.saturating_sub(uptime))
    }

    /// Notes a failed fetch: the keys stay, only their age grows.
    pub(crate) fn note_trouble(&self, trouble: String) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(trouble);
    }

    /// What went wrong with the last fetch.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The set, however old: for health only.
    pub(crate) fn snapshot(&self) -> Arc<KeySet> {
        self.set.load_full()
    }
}

fn millis(uptime: Duration) -> u64 {
    u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod vectors;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_unknown_then_current_then_too_old() {
        let holds = Duration::from_secs(60);
        let ring = KeyRing::awaiting(limits::KEYS_STALE_AFTER);
        assert!(ring.current(Duration::ZERO).is_none());
        ring.replace(KeySet::default(), Duration::from_secs(10), holds);
        assert!(ring.current(Duration::from_secs(10)).is_some());
        ring.note_trouble("connection refused".to_owned());
        let last = Duration::from_secs(10) + holds + limits::KEYS_STALE_AFTER;
        assert!(ring.current(last - Duration::from_millis(1)).is_some());
        assert!(ring.current(last).is_none());
        ring.confirm(last, holds);
        assert!(ring.current(last).is_some() && ring.trouble().is_none());
    }

    #[test]
    fn fixed_keys_do_not_age() {
        assert!(KeyRing::fixed(KeySet::default()).current(Duration::from_secs(u64::MAX)).is_some());
    }
}
