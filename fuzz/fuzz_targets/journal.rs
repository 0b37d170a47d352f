//! The journal of a snapshot: one record without its checksum, then journals of records.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz::{framed_record, read_journal, read_record};

const HEAD: &[u8] = b"tower-bearer\0rj\x01\x07\0\0\0\0\0\0\0";

fuzz_target!(|bytes: &[u8]| {
    if let Some((records, sound)) = read_journal(bytes) {
        assert!(HEAD.len() <= sound && sound <= bytes.len() && records * 13 <= sound);
    }
    // What follows the head is read as records, whatever it is.
    let (records, sound) = read_journal(&[HEAD, bytes].concat()).expect("it has the head");
    assert!(sound <= HEAD.len() + bytes.len() && records <= bytes.len() / 13);

    let Some(written) = read_record(bytes) else { return };
    assert_eq!(read_record(&written).as_ref(), Some(&written), "what was written is read");
    let framed = framed_record(&written).expect("it is short");
    let journal = [HEAD, &framed, &framed].concat();
    assert_eq!(read_journal(&journal), Some((2, journal.len())));
    let cut =
        bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte)) % framed.len();
    let whole = HEAD.len() + framed.len();
    assert_eq!(read_journal(&journal[..whole + cut]), Some((1, whole)), "cut short");
    let mut damaged = journal;
    damaged[whole + cut] ^= 1;
    assert_eq!(read_journal(&damaged), Some((1, whole)), "damaged at {cut}");
});
