//! Keyed fingerprints of claims: nobody outside can find two conjunctions with the same one.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::json::{Array, Object, Value};
use crate::limits;
use crate::names::spellings;

/// 128 bits under a key that is drawn anew in each process.
pub(super) type Fingerprint = u128;

/// The key.
#[derive(Clone)]
pub(super) struct Fingerprints(SipHasher13);

impl Fingerprints {
    pub(super) fn random() -> Self {
        let mut key = [0; 16];
        // The crypto library's generator does not fail once it has started; a constant key would merely allow a
        // stranger with an issuer's signing key to make two tokens share their fate.
        let _ = aws_lc_rs::rand::fill(&mut key);
        Self(SipHasher13::new_with_key(&key))
    }

    /// Of an entry's claims, ordered by name.
    pub(super) fn of<'a>(&self, claims: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fingerprint {
        let mut hasher = self.0;
        for (name, value) in claims {
            write(&mut hasher, name, value);
        }
        hasher.finish128().into()
    }

    /// Whether `probe` says yes to any fingerprint that `claims` has for these names. Claims with several values
    /// (`aud`) have several. A token with more of them than anybody issues counts as a hit: it is not let through
    /// unchecked.
    pub(super) fn any(
        &self,
        names: &[Box<str>],
        claims: &Object,
        probe: &mut impl FnMut(Fingerprint) -> bool,
    ) -> bool {
        // A claim that is missing decides, before all combinations of the others are tried.
        if names.iter().any(|name| !any_value(claims, name, &mut |_| true)) {
            return false;
        }
        let mut left = limits::SHAPE_LOOKUPS;
        self.walk(self.0, names, claims, &mut left, probe)
    }

    fn walk(
        &self,
        hasher: SipHasher13,
        names: &[Box<str>],
        claims: &Object,
        left: &mut usize,
        probe: &mut impl FnMut(Fingerprint) -> bool,
    ) -> bool {
        let Some(fewer) = left.checked_sub(1) else { return true };
        *left = fewer;
        let Some((name, rest)) = names.split_first() else {
            return probe(hasher.finish128().into());
        };
        any_value(claims, name, &mut |value| {
            let mut hasher = hasher;
            write(&mut hasher, name, value);
            self.walk(hasher, rest, claims, left, probe)
        })
    }
}

impl fmt::Debug for Fingerprints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprints")
    }
}

/// Lengths go in too, so that no two lists of names and values run together alike.
fn write(hasher: &mut SipHasher13, name: &str, value: &str) {
    hasher.write(&(name.len() as u32).to_le_bytes());
    hasher.write(name.as_bytes());
    hasher.write(&(value.len() as u32).to_le_bytes());
    hasher.write(value.as_bytes());
}

/// Whether `check` says yes to a string that the claim is or contains, in any of its spellings.
fn any_value(claims: &Object, name: &str, check: &mut impl FnMut(&str) -> bool) -> bool {
    spellings(&name).iter().any(|spelling| any_of_value(claims.get(spelling), check))
}

fn any_of_value(value: Option<Value<'_>>, check: &mut impl FnMut(&str) -> bool) -> bool {
    match value {
        Some(Value::String(text)) => check(&text),
        Some(Value::Array(array)) => any_item(array, check),
        _ => false,
    }
}

fn any_item(array: Array<'_>, check: &mut impl FnMut(&str) -> bool) -> bool {
    array.items().any(|item| item.into_string().is_some_and(|text| check(&text)))
}

/// A fingerprint is a hash already.
pub(super) type AsItIs = BuildHasherDefault<LowBits>;

/// Takes the low half of a fingerprint.
#[derive(Default)]
pub(super) struct LowBits(u64);

impl Hasher for LowBits {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, fingerprint: u128) {
        self.0 = fingerprint as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
