//! Keyed fingerprints of claims: nobody outside can find two conjunctions with the same one.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

use crate::json::{Array, Object, Value};
use crate::limits;
use crate::names::spellings;

/// 64 bits under a random key. Two conjunctions share one by chance only, and a token is then refused wrongly: among ten
/// million entries once in two million million look-ups.
pub(crate) type Fingerprint = u64;

/// The key: drawn anew, or kept with the entries.
#[derive(Clone)]
pub(super) struct Fingerprints(SipHasher13);

impl Default for Fingerprints {
    fn default() -> Self {
        Self::random()
    }
}

impl Fingerprints {
    pub(super) fn random() -> Self {
        let mut key = [0; 16];
        // The crypto library's generator does not fail once it has started; a constant key would merely allow a
        // stranger with an issuer's signing key to make two tokens share their fate.
        let _ = aws_lc_rs::rand::fill(&mut key);
        Self(SipHasher13::new_with_key(&key))
    }

    pub(super) fn of_key(key: [u8; 16]) -> Self {
        Self(SipHasher13::new_with_key(&key))
    }

    pub(super) fn key(&self) -> [u8; 16] {
        self.0.key()
    }

    /// Of an entry's claims, ordered by name.
    pub(super) fn of<'a>(&self, claims: impl IntoIterator<Item = (&'a str, &'a str)>) -> Fingerprint {
        let mut hasher = self.0;
        for (name, value) in claims {
            write(&mut hasher, name, value);
        }
        hasher.finish()
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
        if names.len() > 1 && names.iter().any(|name| !any_value(claims, name, &mut |_| true)) {
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
            return probe(hasher.finish());
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
pub(super) type AsItIs = BuildHasherDefault<Last>;

/// Takes the last number that is written.
#[derive(Default)]
pub(super) struct Last(u64);

impl Hasher for Last {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
