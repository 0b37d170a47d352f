//! The journal: what came after the image, record by record. A record that is cut short, and all after it, was never put
//! in force.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};

use super::Answered;
use super::files::create;
use super::image::{read_answered, write_answered};
use crate::binary::{Reader, Writer};
use crate::clock::UnixTime;
use crate::revocation::entry::Entry;

const MAGIC: &[u8; 16] = b"tower-bearer\0rj\x01";
const HEAD: usize = MAGIC.len() + size_of::<u64>();

/// One thing that happened.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Entries of a page were about to be put in force.
    Entries { as_of: UnixTime, entries: Vec<Entry> },
    /// An answer was complete.
    Answered(Answered),
    /// Something was not understood.
    Flawed,
}

/// Open for more.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    bytes: u64,
    /// Something has been written since it was last on the disk itself.
    unsettled: bool,
}

impl Journal {
    /// An empty one that follows the image of this generation.
    pub(super) fn create(path: &Path, generation: u64) -> io::Result<Self> {
        let mut head = Vec::with_capacity(HEAD);
        head.put_bytes(MAGIC);
        head.put_u64(generation);
        let mut file = create(path)?;
        file.write_all(&head)?;
        file.sync_all()?;
        Ok(Self { file, bytes: HEAD as u64, unsettled: false })
    }

    /// The one that follows the image, to be gone on with after its last sound record, and its records. An empty one in
    /// place of what does not follow it.
    pub(super) fn open(path: &Path, generation: u64) -> io::Result<(Option<Self>, Vec<Record>)> {
        let Some((records, sound)) = Self::read(path, generation)? else {
            return Ok((Some(Self::create(path, generation)?), Vec::new()));
        };
        let mut file = OpenOptions::new().write(true).open(path)?;
        file.set_len(sound)?;
        file.seek(SeekFrom::End(0))?;
        Ok((Some(Self { file, bytes: sound, unsettled: true }), records))
    }

    /// Its records, for a process that does not write it.
    pub(super) fn peek(path: &Path, generation: u64) -> io::Result<Vec<Record>> {
        Ok(Self::read(path, generation)?.map(|(records, _)| records).unwrap_or_default())
    }

    fn read(path: &Path, generation: u64) -> io::Result<Option<(Vec<Record>, u64)>> {
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(mut file) => file.read_to_end(&mut bytes)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(records(&bytes, generation))
    }

    /// Writes one record.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let framed = frame(&encode(record))?;
        self.file.write_all(&framed)?;
        self.bytes += framed.len() as u64;
        self.unsettled = true;
        Ok(())
    }

    pub(super) fn settle(&mut self) -> io::Result<()> {
        if self.unsettled {
            self.file.sync_data()?;
            self.unsettled = false;
        }
        Ok(())
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// From now on it is written there.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn divert(&mut self, file: File) {
        self.file = file;
    }
}

/// Length, checksum, record.
pub(super) fn frame(record: &[u8]) -> io::Result<Vec<u8>> {
    let length = u32::try_from(record.len()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let mut framed = Vec::with_capacity(record.len() + 12);
    framed.put_u32(length);
    framed.put_u64(checksum(record));
    framed.put_bytes(record);
    Ok(framed)
}

fn checksum(record: &[u8]) -> u64 {
    Reader::new(digest(&SHA256, record).as_ref()).u64().unwrap_or_default()
}

/// The sound records, and how many bytes they and what precedes them take; none if they do not follow this image.
pub(super) fn records(bytes: &[u8], generation: u64) -> Option<(Vec<Record>, u64)> {
    let mut reader = Reader::new(bytes);
    if reader.array() != Some(*MAGIC) || reader.u64() != Some(generation) {
        return None;
    }
    let mut records = Vec::new();
    let mut sound = reader;
    while let Some(record) = unframe(&mut reader).and_then(|bytes| decode(&mut Reader::new(bytes))) {
        records.push(record);
        sound = reader;
    }
    Some((records, (bytes.len() - sound.rest().len()) as u64))
}

fn unframe<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let (length, expected) = (reader.u32()?, reader.u64()?);
    reader.bytes(length as usize).filter(|record| checksum(record) == expected)
}

pub(super) fn encode(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    match record {
        Record::Entries { as_of, entries } => {
            out.put_bytes(&[1]);
            out.put_i64(as_of.as_millis());
            out.put_u32(entries.len() as u32);
            entries.iter().for_each(|entry| encode_entry(&mut out, entry));
        }
        Record::Answered(answered) => {
            out.put_bytes(&[2]);
            write_answered(&mut out, answered);
        }
        Record::Flawed => out.put_bytes(&[3]),
    }
    out
}

pub(super) fn decode(reader: &mut Reader<'_>) -> Option<Record> {
    let record = match reader.u8()? {
        1 => {
            let (as_of, count) = (UnixTime::from_millis(reader.i64()?), reader.u32()?);
            let entries = (0..count).map(|_| decode_entry(reader)).collect::<Option<_>>()?;
            Record::Entries { as_of, entries }
        }
        2 => Record::Answered(read_answered(reader)?),
        3 => Record::Flawed,
        _ => return None,
    };
    reader.rest().is_empty().then_some(record)
}

fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    out.put_u32(entry.claims.len() as u32);
    for (name, value) in &entry.claims {
        out.put_text(name);
        out.put_text(value);
    }
    out.put_flag(entry.issued_before.is_some());
    out.put_i64(entry.issued_before.unwrap_or_default());
    out.put_i64(entry.said_at);
    out.put_i64(entry.ends.as_millis());
    out.put_flag(entry.withdrawn);
    out.put_flag(entry.open_ended);
}

fn decode_entry(reader: &mut Reader<'_>) -> Option<Entry> {
    let claim = |reader: &mut Reader<'_>| Some((Box::from(reader.text()?), Box::from(reader.text()?)));
    let count = reader.u32()?;
    let claims = (0..count).map(|_| claim(reader)).collect::<Option<_>>()?;
    let (is_cut_off, issued_before) = (reader.flag()?, reader.i64()?);
    Some(Entry {
        claims,
        issued_before: is_cut_off.then_some(issued_before),
        said_at: reader.i64()?,
        ends: UnixTime::from_millis(reader.i64()?),
        withdrawn: reader.flag()?,
        open_ended: reader.flag()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Record> {
        let entry = |value: &str, issued_before| Entry {
            claims: vec![("aud".into(), "https://api/".into()), ("sub".into(), value.into())],
            issued_before,
            said_at: 5,
            withdrawn: issued_before.is_none(),
            ends: UnixTime::from_millis(7),
            open_ended: true,
        };
        let confirmed = UnixTime::from_secs(9);
        vec![
            Record::Entries {
                as_of: UnixTime::from_secs(3),
                entries: vec![entry("ü", None), entry("", Some(-1))],
            },
            Record::Answered(Answered { cursor: Some("c42".to_owned()), confirmed }),
            Record::Flawed,
            Record::Answered(Answered { cursor: None, confirmed }),
        ]
    }

    fn written() -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.put_u64(4);
        for record in sample() {
            bytes.extend(frame(&encode(&record)).unwrap());
        }
        bytes
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let bytes = written();
        assert_eq!(records(&bytes, 4), Some((sample(), bytes.len() as u64)));
        assert_eq!(records(&bytes, 5), None, "another image's");
    }

    #[test]
    fn what_is_cut_short_or_damaged_ends_it_there() {
        let whole = written();
        for length in 0..whole.len() {
            let Some((found, sound)) = records(&whole[..length], 4) else {
                assert!(length < HEAD);
                continue;
            };
            assert!(sound as usize <= length && found.len() < 4);
            assert_eq!(found[..], sample()[..found.len()]);
        }
        for place in HEAD..whole.len() {
            let mut damaged = whole.clone();
            damaged[place] ^= 0x10;
            let (found, _) = records(&damaged, 4).unwrap();
            assert!(found.len() < 4 && found[..] == sample()[..found.len()], "byte {place}");
        }
    }
}
