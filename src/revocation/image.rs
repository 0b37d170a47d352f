//! [`Exported`] entries as bytes: the body of a snapshot.

use super::cut_off::CutOff;
use super::export::{Exported, ExportedShape, Withdrawn};
use super::words::Word;
use crate::binary::{Reader, Writer};
use crate::clock::UnixTime;
use crate::limits;

impl Exported {
    /// Appends everything, the fingerprints' key included.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.put_bytes(&self.key);
        out.put_flag(self.heard.is_some());
        out.put_i64(self.heard.map_or(0, UnixTime::as_millis));
        write_shapes(out, &self.identifiers, |out, word| {
            out.put_i64(word.said_at);
            out.put_i64(word.ends);
        });
        write_shapes(out, &self.cut_offs, |out, cut_off| {
            out.put_i64(cut_off.issued_before);
            out.put_i64(cut_off.said_at);
            out.put_i64(cut_off.ends);
        });
        out.put_u64(self.withdrawn.len() as u64);
        for withdrawn in &self.withdrawn {
            out.put_u64(withdrawn.fingerprint);
            out.put_i64(withdrawn.at);
            out.put_i64(withdrawn.ends);
            out.put_flag(withdrawn.of_cut_off);
        }
    }

    /// Reads what [`Exported::write`] wrote; none where it is something else. Whether it makes sense, taking it up tells.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let key = reader.array()?;
        let (is_heard, heard) = (reader.flag()?, reader.i64()?);
        let word = |record: &mut Reader<'_>| Some(Word { said_at: record.i64()?, ends: record.i64()? });
        let cut_off = |record: &mut Reader<'_>| {
            let (issued_before, said_at) = (record.i64()?, record.i64()?);
            Some(CutOff { issued_before, said_at, ends: record.i64()? })
        };
        let identifiers = read_shapes(reader, 16, word)?;
        let cut_offs = read_shapes(reader, 24, cut_off)?;
        let withdrawn = |mut record: Reader<'_>| {
            let (fingerprint, at, ends) = (record.u64()?, record.i64()?, record.i64()?);
            Some(Withdrawn { of_cut_off: record.flag()?, fingerprint, at, ends })
        };
        let withdrawn = reader.records(25)?.map(withdrawn).collect::<Option<_>>()?;
        let heard = is_heard.then(|| UnixTime::from_millis(heard));
        Some(Self { key, heard, identifiers, cut_offs, withdrawn })
    }
}

fn write_shapes<T>(out: &mut Vec<u8>, shapes: &[ExportedShape<T>], write: impl Fn(&mut Vec<u8>, &T)) {
    out.put_u32(shapes.len() as u32);
    for shape in shapes {
        out.put_u32(shape.names.len() as u32);
        shape.names.iter().for_each(|name| out.put_text(name));
        out.put_u64(shape.entries.len() as u64);
        for (fingerprint, entry) in &shape.entries {
            out.put_u64(*fingerprint);
            write(out, entry);
        }
    }
}

fn read_shapes<T>(
    reader: &mut Reader<'_>,
    size: usize,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> Option<Vec<ExportedShape<T>>> {
    let count = reader.u32().filter(|count| *count as usize <= limits::ENTRY_SHAPES)?;
    let shape = |_| {
        let names = reader.u32().filter(|names| *names as usize <= limits::ENTRY_CLAIMS)?;
        let names = (0..names).map(|_| reader.text().map(Box::from)).collect::<Option<_>>()?;
        let entries = reader.records(8 + size)?;
        let entry = |mut record: Reader<'_>| Some((record.u64()?, read(&mut record)?));
        Some(ExportedShape { names, entries: entries.map(entry).collect::<Option<_>>()? })
    };
    (0..count).map(shape).collect()
}
