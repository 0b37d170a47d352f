//! The readers of a snapshot's files without their checksums, for fuzz targets: nobody guesses a digest.

use super::image::{self, Image};
use super::journal;
use crate::binary::Reader;
use crate::revocation::export::Exported;

/// An image's body, and what it becomes when it is written again.
pub(crate) fn image_body(bytes: &[u8]) -> Option<(Exported, Vec<u8>)> {
    let image = image::read_body(&mut Reader::new(bytes))?;
    let Image { generation, issuer, source, rules, answered, exported } = image;
    let mut written = Vec::new();
    image::write_body(&mut written, generation, [&issuer, &source, &rules], answered.as_ref(), &exported);
    Some((exported, written))
}

/// A whole image, read with its checksum; the complaint in words.
pub(crate) fn image(bytes: &[u8]) -> Result<(), String> {
    image::read(bytes, "a/path").map(drop).map_err(|error| error.to_string())
}

/// A whole image around everything that is in force.
pub(crate) fn written(exported: &Exported) -> Vec<u8> {
    image::write(7, "https://as.example/", "a source", "rules", None, exported)
}

/// A record, and what it becomes when it is written again.
pub(crate) fn record(bytes: &[u8]) -> Option<Vec<u8>> {
    journal::decode(&mut Reader::new(bytes)).map(|record| journal::encode(&record))
}

/// A whole journal: how many sound records there are, and how many bytes.
pub(crate) fn records(bytes: &[u8]) -> Option<(usize, usize)> {
    journal::records(bytes, 7).map(|(records, sound)| (records.len(), sound as usize))
}

/// A record as it stands in a journal.
pub(crate) fn framed(record: &[u8]) -> Option<Vec<u8>> {
    journal::frame(record).ok()
}
