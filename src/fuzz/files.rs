//! Doors to plain lists, signed pages and the files of a snapshot.

use super::{Claims, Known, NOW, now};
use crate::algorithm::Algorithms;
use crate::background::snapshot::bare;
use crate::background::{list as lists, signed};
use crate::keys::KeySet;
use crate::revocation::export::Exported;

/// The items of a plain list; the complaint in words where it is none.
pub fn list(body: &[u8]) -> Result<Vec<Box<str>>, String> {
    lists::parse(body).map_err(|error| error.to_string())
}

/// Signed pages of an issuer with these keys.
#[derive(Debug)]
pub struct SignedPages(KeySet);

impl SignedPages {
    /// Trusts a published key set.
    pub fn of(keys: &[u8]) -> Option<Self> {
        KeySet::parse(keys, Algorithms::ASYMMETRIC).ok().map(Self)
    }

    /// The page in a signed answer; the complaint in words where it is none.
    pub fn open(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let header = signed::header(body, Algorithms::ASYMMETRIC).map_err(|error| error.to_string())?;
        header.open(body, &self.0).map_err(|error| error.to_string())
    }
}

/// The body of a snapshot's image, without its checksum.
#[derive(Debug)]
pub struct Image {
    exported: Exported,
    /// As it is written again.
    pub written: Vec<u8>,
}

impl Image {
    /// Reads a body.
    pub fn read(body: &[u8]) -> Option<Self> {
        bare::image_body(body).map(|(exported, written)| Self { exported, written })
    }

    /// Reads a whole image, with its checksum; the complaint in words.
    pub fn read_whole(bytes: &[u8]) -> Result<(), String> {
        bare::image(bytes)
    }

    /// A whole image of these entries.
    pub fn whole(&self) -> Vec<u8> {
        bare::written(&self.exported)
    }

    /// Puts them in force, and says what is in force then; none where they make no sense.
    pub fn restore(&self) -> Option<(Known, Self)> {
        let known = Known::default();
        known.0.import(&self.exported, now()).ok()?;
        let exported = known.0.export(now());
        let written = bare::written(&exported);
        Some((known, Self { exported, written }))
    }

    /// How many entries and withdrawals there are.
    pub fn len(&self) -> usize {
        let identifiers = self.exported.identifiers.iter().map(|shape| shape.entries.len());
        let cut_offs = self.exported.cut_offs.iter().map(|shape| shape.entries.len());
        identifiers.chain(cut_offs).sum::<usize>() + self.exported.withdrawn.len()
    }

    /// When they end, in order.
    pub fn ends(&self) -> Vec<i64> {
        let identifiers = self.exported.identifiers.iter().flat_map(|shape| &shape.entries);
        let cut_offs = self.exported.cut_offs.iter().flat_map(|shape| &shape.entries);
        identifiers.map(|(_, word)| word.ends).chain(cut_offs.map(|(_, cut_off)| cut_off.ends)).collect()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A record of a journal, as it is written again.
pub fn read_record(bytes: &[u8]) -> Option<Vec<u8>> {
    bare::record(bytes)
}

/// A record as it stands in a journal.
pub fn framed_record(record: &[u8]) -> Option<Vec<u8>> {
    bare::framed(record)
}

/// A whole journal of generation 7: how many sound records, and up to which byte.
pub fn read_journal(bytes: &[u8]) -> Option<(usize, usize)> {
    bare::records(bytes)
}

impl Claims {
    /// Of a token that was issued now.
    pub fn now(text: &str) -> Option<Self> {
        Self::parse(&text.replace("NOW", &NOW.to_string()))
    }
}
