//! The image: magic, version, length, checksum, and everything that is in force.

use aws_lc_rs::digest::{SHA256, digest};

use super::SnapshotError;
use crate::binary::{Reader, Writer};
use crate::clock::UnixTime;
use crate::revocation::export::Exported;

const MAGIC: &[u8; 15] = b"tower-bearer\0rv";
const VERSION: u8 = 1;
const CHECKSUM: usize = 32;

/// What the last complete answer gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// From where to ask on.
    pub(crate) cursor: Option<String>,
    /// The wall clock's time of which it tells.
    pub(crate) confirmed: UnixTime,
}

/// What an image holds.
pub(super) struct Image {
    pub(super) generation: u64,
    pub(super) issuer: Box<str>,
    pub(super) source: Box<str>,
    pub(super) rules: Box<str>,
    pub(super) answered: Option<Answered>,
    pub(super) exported: Exported,
}

pub(super) fn write(
    generation: u64,
    issuer: &str,
    source: &str,
    rules: &str,
    answered: Option<&Answered>,
    exported: &Exported,
) -> Vec<u8> {
    let mut body = Vec::new();
    write_body(&mut body, generation, [issuer, source, rules], answered, exported);
    let mut bytes = Vec::with_capacity(body.len() + 64);
    bytes.put_bytes(MAGIC);
    bytes.put_bytes(&[VERSION]);
    bytes.put_u64(body.len() as u64);
    bytes.put_bytes(digest(&SHA256, &body).as_ref());
    bytes.append(&mut body);
    bytes
}

/// What the checksum is of.
/// `whose` are issuer, source and rules.
pub(super) fn write_body(
    body: &mut Vec<u8>,
    generation: u64,
    whose: [&str; 3],
    answered: Option<&Answered>,
    exported: &Exported,
) {
    body.put_u64(generation);
    whose.iter().for_each(|text| body.put_text(text));
    body.put_flag(answered.is_some());
    if let Some(answered) = answered {
        write_answered(body, answered);
    }
    exported.write(body);
}

/// Reads what [`write`] wrote, and nothing else.
pub(super) fn read(bytes: &[u8], path: &str) -> Result<Image, SnapshotError> {
    let damaged = || SnapshotError::Damaged(path.into());
    let mut reader = Reader::new(bytes);
    match reader.array() {
        Some(magic) if magic == *MAGIC => {}
        // The beginning of what a process that was killed has left.
        _ if MAGIC.starts_with(bytes) => return Err(damaged()),
        _ => return Err(SnapshotError::NotASnapshot(path.into())),
    }
    match reader.u8() {
        Some(VERSION) => {}
        Some(version) => return Err(SnapshotError::Version { path: path.into(), version }),
        None => return Err(damaged()),
    }
    let length = reader.u64().and_then(|length| usize::try_from(length).ok()).ok_or_else(damaged)?;
    let checksum = reader.array::<CHECKSUM>().ok_or_else(damaged)?;
    let body = reader.rest();
    if body.len() != length || digest(&SHA256, body).as_ref() != checksum {
        return Err(damaged());
    }
    read_body(&mut Reader::new(body)).ok_or_else(damaged)
}

pub(super) fn read_body(reader: &mut Reader<'_>) -> Option<Image> {
    let generation = reader.u64()?;
    let (issuer, source, rules) = (reader.text()?.into(), reader.text()?.into(), reader.text()?.into());
    let answered = if reader.flag()? { Some(read_answered(reader)?) } else { None };
    let exported = Exported::read(reader)?;
    reader.rest().is_empty().then_some(Image { generation, issuer, source, rules, answered, exported })
}

pub(super) fn write_answered(out: &mut Vec<u8>, answered: &Answered) {
    out.put_i64(answered.confirmed.as_millis());
    out.put_flag(answered.cursor.is_some());
    out.put_text(answered.cursor.as_deref().unwrap_or_default());
}

pub(super) fn read_answered(reader: &mut Reader<'_>) -> Option<Answered> {
    let confirmed = UnixTime::from_millis(reader.i64()?);
    let (has_cursor, cursor) = (reader.flag()?, reader.text()?);
    Some(Answered { cursor: has_cursor.then(|| cursor.to_owned()), confirmed })
}
