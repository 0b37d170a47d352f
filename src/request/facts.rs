//! What a token says, verified: made once, and held by everybody who needs it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::clock::UnixTime;
use crate::issuer::TrustedIssuer;
use crate::json::Object;
use crate::keys::KeyId;
use crate::policy::DemandId;
use crate::revocation::marks::Marks;

use super::header::Header;
use super::typed::Typed;
use super::verdict::Name;

/// Everything but the tags holds for as long as the settings do.
pub(super) struct Facts {
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) header: Arc<Header>,
    /// Behind them in their text stands the signature as it came: all that is needed to know the token again.
    pub(super) claims: Object,
    pub(super) expires_at: UnixTime,
    pub(super) not_before: Option<UnixTime>,
    pub(super) issued_at: Option<UnixTime>,
    /// The key that signed it.
    pub(super) key: KeyId,
    /// The generation of the key set in which that key was seen last.
    pub(super) seen_in: Tag,
    pub(super) looked_at: Looked,
    /// None where the token is not to be kept.
    pub(super) name: Option<Name>,
    pub(super) place: Place,
    pub(super) typed: Typed,
}

impl Facts {
    /// From when on the clock refuses it.
    pub(super) fn ends(&self) -> UnixTime {
        self.expires_at.plus(self.issuer.rules.leeway)
    }

    /// What it costs to keep, about, and rather more than less.
    pub(super) fn weight(&self) -> usize {
        // The counts of the `Arc`, the place in the store, and what the allocator adds.
        const AROUND: usize = 96;
        size_of::<Self>() + AROUND + self.claims.heap_bytes() + self.header.weight()
    }
}

/// Up to which state of our knowledge a verdict has been looked at. It only saves a look: whoever finds another state
/// than the tag's looks again.
pub(super) struct Tag(AtomicU64);

impl Tag {
    pub(super) const fn of(state: u64) -> Self {
        Self(AtomicU64::new(state))
    }

    /// To be read before the state that it is compared with: then that is at least as new in every part, so that sums of
    /// counters that only grow are equal only where all of them are.
    #[inline]
    pub(super) fn read(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, state: u64) {
        self.0.store(state, Ordering::Release);
    }
}

/// The last look among the revocations that found none.
pub(super) struct Looked {
    /// The sum of the epochs of all sources, or [`Looked::NEVER`].
    epoch: Tag,
    /// Of the claims: for looks at what was said since. Made once there is something.
    marks: OnceLock<Marks>,
}

impl Default for Looked {
    fn default() -> Self {
        Self { epoch: Tag::of(Self::NEVER), marks: OnceLock::new() }
    }
}

impl Looked {
    const NEVER: u64 = u64::MAX;

    /// At which sum of epochs. To be read before those, as [`Tag::read`] says.
    #[inline]
    pub(super) fn read(&self) -> Option<u64> {
        Some(self.epoch.read()).filter(|epoch| *epoch != Self::NEVER)
    }

    pub(super) fn set(&self, epoch: u64) {
        self.epoch.set(epoch);
    }

    /// `claims` are those of the same verdict.
    pub(super) fn marks(&self, claims: &Object) -> &Marks {
        self.marks.get_or_init(|| Marks::of_token(claims))
    }
}

/// Whether and how a verdict stands in the store.
#[derive(Default)]
pub(super) struct Place {
    /// Asked for since the store last looked. Written only where that is news, so that cores that share a token share
    /// no line that anybody writes.
    used: AtomicBool,
    /// In the store, and thereby good for whoever keeps it at hand.
    kept: AtomicBool,
}

impl Place {
    #[inline]
    pub(super) fn note_use(&self) {
        if !self.used.load(Ordering::Relaxed) {
            self.used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since this was asked last.
    pub(super) fn take_use(&self) -> bool {
        self.used.swap(false, Ordering::Relaxed)
    }

    #[inline]
    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    pub(super) fn set_kept(&self, kept: bool) {
        self.kept.store(kept, Ordering::Relaxed);
    }
}

/// A hold on facts.
#[derive(Clone)]
pub(super) enum Held {
    /// Shared with the store, and so with every thread.
    Shared(Arc<Facts>),
    /// This thread's own: counting who holds it touches nothing that other threads use.
    Own(Arc<Own>),
}

/// What a thread keeps of a token that it has seen again.
pub(super) struct Own {
    pub(super) facts: Arc<Facts>,
    /// The whole token: comparing with it costs a tenth of putting it together again.
    pub(super) token: Box<[u8]>,
    pub(super) allowed: Allowed,
}

/// The demands of scopes that a token is known to meet: a few, by their numbers. Neither what it says nor what they demand
/// ever changes, so that this only saves a look.
#[derive(Default)]
pub(super) struct Allowed([AtomicU64; 4]);

impl Allowed {
    #[inline]
    fn place(&self, demand: DemandId) -> Option<&AtomicU64> {
        self.0.get(demand.number() as usize % self.0.len())
    }

    #[inline]
    fn has(&self, demand: DemandId) -> bool {
        self.place(demand).is_some_and(|place| place.load(Ordering::Relaxed) == demand.number())
    }

    fn note(&self, demand: DemandId) {
        if let Some(place) = self.place(demand) {
            place.store(demand.number(), Ordering::Relaxed);
        }
    }
}

impl Held {
    /// Whether it is known to meet this very demand.
    #[inline]
    pub(super) fn meets(&self, demand: DemandId) -> bool {
        match self {
            Self::Shared(_) => false,
            Self::Own(own) => own.allowed.has(demand),
        }
    }

    /// Remembers that it meets a demand, where that is written beside no other thread.
    pub(super) fn note_meets(&self, demand: Option<DemandId>) {
        if let (Self::Own(own), Some(demand)) = (self, demand) {
            own.allowed.note(demand);
        }
    }
}

impl Deref for Held {
    type Target = Facts;

    #[inline]
    fn deref(&self) -> &Facts {
        match self {
            Self::Shared(facts) => facts,
            Self::Own(own) => &own.facts,
        }
    }
}
