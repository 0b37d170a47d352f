//! Stage 1½: a token that was admitted before is known again, so that it need not be read and verified again.
//!
//! What a token says never changes, so that is all that is remembered. Whether its key still stands is asked here;
//! time, scopes, freshness and revocation are asked by the same stages that ask them of a new token (docs/adr/008).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::binary::{fold, random};
use crate::clock::Now;

use super::AccessToken;
use super::bearer::Bearer;
use super::facts::{Facts, Held};

mod front;
mod store;

pub(crate) use store::Kept;
use store::Store;

/// Proof that these very bytes were verified before, with a key that the issuer still has.
pub(super) struct Recalled(Held);

impl Recalled {
    #[inline]
    pub(super) fn into_held(self) -> Held {
        self.0
    }
}

/// Proof that the cache was asked in vain.
pub(super) struct Unseen<'a> {
    token: &'a [u8],
    name: Option<Name>,
}

impl<'a> Unseen<'a> {
    /// The token, and by what it may be kept.
    pub(super) fn into_parts(self) -> (&'a [u8], Option<Name>) {
        (self.token, self.name)
    }
}

/// What the cache makes of a token.
pub(super) enum Sight<'a> {
    Again(Recalled),
    First(Unseen<'a>),
}

/// Which verdict it may be: of which resource server, and a keyed hash of the token's end.
#[derive(Clone, Copy)]
pub(super) struct Name {
    server: u64,
    hash: u64,
}

/// The verdicts of one resource server.
pub(crate) struct Verdicts {
    server: u64,
    /// So that nobody outside knows which tokens share a place; that would cost speed and nothing else.
    seeds: [u64; 4],
    store: Option<Store>,
}

impl Verdicts {
    /// Keeps up to `bytes` of them; none if that is zero.
    pub(crate) fn new(bytes: usize) -> Self {
        static SERVERS: AtomicU64 = AtomicU64::new(0);
        let server = SERVERS.fetch_add(1, Ordering::Relaxed);
        Self { server, seeds: random(), store: (bytes > 0).then(|| Store::new(bytes)) }
    }

    /// Places all tokens as others with the same seeds do.
    #[cfg(test)]
    pub(super) fn seeded(bytes: usize, seeds: [u64; 4]) -> Self {
        Self { seeds, ..Self::new(bytes) }
    }

    /// The end of a token is the end of its signature: where it verifies, nobody chose it.
    #[inline]
    fn name(&self, token: &[u8]) -> Option<Name> {
        self.store.as_ref()?;
        let end: &[u8; 32] = token.last_chunk()?;
        let mut words = [0; 4];
        for ((word, bytes), seed) in words.iter_mut().zip(end.as_chunks::<8>().0).zip(self.seeds) {
            *word = u64::from_le_bytes(*bytes) ^ seed;
        }
        let [a, b, c, d] = words;
        Some(Name { server: self.server, hash: fold(a, b) ^ fold(c, d) })
    }

    /// Keeps what was found about a token that passed every check.
    pub(super) fn keep(&self, facts: &Held) {
        if let (Some(store), Held::Shared(facts)) = (&self.store, facts) {
            store.put(facts);
        }
    }

    /// How many there are, and how much they take.
    pub(crate) fn kept(&self) -> Kept {
        self.store.as_ref().map(Store::kept).unwrap_or_default()
    }
}

/// Asks whether the token was admitted before and its key still stands. Where a key is gone, or the keys are too old, the
/// whole way is the one that knows what to say.
#[inline]
pub(super) fn recall<'a>(bearer: Bearer<'a>, verdicts: &Verdicts, now: Now) -> Sight<'a> {
    let token = bearer.into_token();
    let name = verdicts.name(token);
    let found = match (name, &verdicts.store) {
        (Some(name), Some(store)) => front::find(name, token, now, store),
        _ => None,
    };
    match found {
        Some(held) if key_stands(&held, now) => Sight::Again(Recalled(held)),
        _ => Sight::First(Unseen { token, name }),
    }
}

/// A token that an outer layer has admitted in this very request, which may have waited since.
pub(super) fn recall_from(token: &AccessToken, now: Now) -> Option<Recalled> {
    let held = token.held();
    key_stands(held, now).then(|| Recalled(held.clone()))
}

/// Whether the token would still be verified, with the very key that did so before.
#[inline]
fn key_stands(facts: &Facts, now: Now) -> bool {
    let ring = &facts.issuer.keys;
    if !ring.is_current(now.uptime) || facts.issuer.has_ended() {
        return false;
    }
    let seen_in = facts.seen_in.read();
    let generation = ring.generation();
    if seen_in == generation {
        return true;
    }
    let Some(keys) = ring.current(now.uptime) else { return false };
    let mut fit = keys.candidates(facts.header.kid.as_deref(), facts.header.algorithm);
    let stands = fit.any(|key| key.id() == facts.key);
    if stands {
        facts.seen_in.set(generation);
    }
    stands
}

/// Whether `facts` are those of exactly these bytes.
fn is_of(facts: &Arc<Facts>, name: Name, token: &[u8]) -> bool {
    facts.name.is_some_and(|own| own.server == name.server && own.hash == name.hash) && spells(facts, token)
}

/// Compares with the token as it would be put together from its parts.
fn spells(facts: &Facts, token: &[u8]) -> bool {
    use base64_simd::{AsOut, URL_SAFE_NO_PAD};

    const BYTES: usize = 768;
    let claims = token
        .strip_prefix(&*facts.header.encoded)
        .and_then(|rest| rest.strip_prefix(b"."))
        .and_then(|rest| rest.strip_suffix(facts.claims.rest().as_bytes()))
        .and_then(|rest| rest.strip_suffix(b"."));
    let Some(mut left) = claims else { return false };
    let mut room = [0; BYTES / 3 * 4];
    for part in facts.claims.text().as_bytes().chunks(BYTES) {
        let encoded = URL_SAFE_NO_PAD.encode(part, room.as_mut_slice().as_out());
        match left.strip_prefix(&*encoded) {
            Some(rest) => left = rest,
            None => return false,
        }
    }
    left.is_empty()
}
