//! Keyed fingerprints of claims: nobody outside can find two conjunctions with the same one.

use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip::SipHasher13;

use crate::binary::random;
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
        // A constant key would allow a stranger with an issuer's signing key to make two tokens share their fate.
        let [first, second] = random();
        Self(SipHasher13::new_with_keys(first, second))
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
        let mut left = limits::SHAPE_LOOKUPS;
        // A claim that is missing decides, before all combinations of the others are tried.
        if names.len() > 1 && names.iter().any(|name| !any_value(claims, name, &mut |_| true)) {
            return false;
        }
        self.walk(self.0, names, claims, &mut left, probe)
    }

    fn last(
        hasher: &SipHasher13,
        name: &str,
        claims: &Object,
        left: &mut usize,
        probe: &mut impl FnMut(Fingerprint) -> bool,
    ) -> bool {
        any_value(claims, name, &mut |value| {
            let Some(fewer) = left.checked_sub(1) else { return true };
            *left = fewer;
            probe(end(hasher, name, value))
        })
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
        match names {
            [] => probe(hasher.finish()),
            [last] => Self::last(&hasher, last, claims, left, probe),
            [name, rest @ ..] => any_value(claims, name, &mut |value| {
                let mut hasher = hasher;
                write(&mut hasher, name, value);
                self.walk(hasher, rest, claims, left, probe)
            }),
        }
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

/// What it is after that is written too: at once, which takes a third, where it is as short as it mostly is.
fn end(hasher: &SipHasher13, name: &str, value: &str) -> Fingerprint {
    let mut room = [0; 128];
    if let Some(all) = in_one(&mut room, name, value) {
        return hasher.hash(all);
    }
    let mut hasher = *hasher;
    write(&mut hasher, name, value);
    hasher.finish()
}

/// What [`write`] writes, where it fits.
fn in_one<'a>(room: &'a mut [u8; 128], name: &str, value: &str) -> Option<&'a [u8]> {
    let (name_len, rest) = room.split_first_chunk_mut()?;
    *name_len = (name.len() as u32).to_le_bytes();
    let (own_name, rest) = rest.split_at_mut_checked(name.len())?;
    own_name.copy_from_slice(name.as_bytes());
    let (value_len, rest) = rest.split_first_chunk_mut()?;
    *value_len = (value.len() as u32).to_le_bytes();
    rest.get_mut(..value.len())?.copy_from_slice(value.as_bytes());
    room.get(..8 + name.len() + value.len())
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Of entries and of tokens, written in pieces and at once.
    #[test]
    fn both_ways_of_writing_are_one() {
        let fingerprints = Fingerprints::random();
        for len in (0..140).chain([1000]) {
            let text = "v".repeat(len);
            for (name, value) in [("jti", text.as_str()), (text.as_str(), "value"), (&text, &text)] {
                for hasher in [fingerprints.0, SipHasher13::new_with_key(&[len as u8; 16])] {
                    for mut hasher in [hasher, {
                        let mut more = hasher;
                        more.write(b"more");
                        more
                    }] {
                        let ended = end(&hasher, name, value);
                        write(&mut hasher, name, value);
                        assert_eq!(ended, hasher.finish(), "{name:?} {value:?}");
                    }
                }
            }
        }
    }
}
