//! Plain numbers and texts as bytes, little-endian, and back, where reading never goes past the end; and what hashes are made of.

/// Words that nobody can guess: keys of what is hashed.
pub(crate) fn random<const N: usize>() -> [u64; N] {
    std::array::from_fn(|_| {
        let mut bytes = [0; 8];
        // The crypto library's generator does not fail once it has started; the callers can live with a key that is known.
        let _ = aws_lc_rs::rand::fill(&mut bytes);
        u64::from_le_bytes(bytes)
    })
}

/// Every bit of the outcome depends on every bit of both: half a hash.
#[inline]
pub(crate) fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        let length = self.u32()?;
        std::str::from_utf8(self.bytes(usize::try_from(length).ok()?)?).ok()
    }

    /// As many records of `size` bytes as are said here to follow.
    pub(crate) fn records(&mut self, size: usize) -> Option<impl ExactSizeIterator<Item = Reader<'a>>> {
        let count = usize::try_from(self.u64()?).ok()?;
        let bytes = self.bytes(count.checked_mul(size)?)?;
        Some(bytes.chunks_exact(size).map(Reader))
    }

    pub(crate) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Appends what [`Reader`] reads.
pub(crate) trait Writer {
    fn put_bytes(&mut self, bytes: &[u8]);

    fn put_flag(&mut self, flag: bool) {
        self.put_bytes(&[u8::from(flag)]);
    }

    fn put_u32(&mut self, number: u32) {
        self.put_bytes(&number.to_le_bytes());
    }

    fn put_u64(&mut self, number: u64) {
        self.put_bytes(&number.to_le_bytes());
    }

    fn put_i64(&mut self, number: i64) {
        self.put_bytes(&number.to_le_bytes());
    }

    /// Cut off at four gigabytes, which nothing here comes near.
    fn put_text(&mut self, text: &str) {
        let length = u32::try_from(text.len()).unwrap_or(0);
        self.put_u32(length);
        self.put_bytes(text.as_bytes().get(..length as usize).unwrap_or_default());
    }
}

impl Writer for Vec<u8> {
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_read() {
        let mut bytes = Vec::new();
        bytes.put_flag(true);
        bytes.put_u32(7);
        bytes.put_i64(-1);
        bytes.put_text("über");
        bytes.put_u64(2);
        bytes.put_u64(u64::MAX);
        bytes.put_u64(1);
        let mut reader = Reader::new(&bytes);
        assert_eq!((reader.flag(), reader.u32(), reader.i64()), (Some(true), Some(7), Some(-1)));
        assert_eq!(reader.text(), Some("über"));
        let numbers = reader.records(8).unwrap().map(|mut record| record.u64().unwrap());
        assert_eq!(numbers.collect::<Vec<_>>(), [u64::MAX, 1]);
        assert!(reader.rest().is_empty());
    }

    #[test]
    fn nothing_is_read_past_the_end() {
        for bytes in [&[][..], &[1], &[9, 0, 0, 0, b'a'], &[255; 12]] {
            assert_eq!(Reader::new(bytes).text(), None);
            assert!(Reader::new(bytes).records(24).is_none());
        }
        assert_eq!(Reader::new(&[2]).flag(), None);
        assert_eq!(Reader::new(&[2, 0, 0, 0, 0xff, 0xff]).text(), None, "not UTF-8");
    }
}
