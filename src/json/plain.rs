//! The part of a string that stands for itself.

/// How many bytes at the start stand for themselves in a string. Eight at a time: most of a token is strings.
#[inline]
pub(super) fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The lowest byte that each of these marks is one below `least`, or equal; there may be false marks above it.
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGH;
    let is = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let marks = below(word, 0x20) | is(word, b'"') | is(word, b'\\');
        if marks != 0 {
            return place * 8 + marks.trailing_zeros() as usize / 8;
        }
    }
    let special = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f));
    bytes.len() - rest.len() + special.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_at_the_first_byte_that_does_not_wherever_it_is() {
        for length in 0..40 {
            for at in 0..=length {
                for special in 0..=u8::MAX {
                    let mut bytes = vec![0xe9; length];
                    bytes.splice(at..(at + 1).min(length), [special, 0x1f]);
                    let expected = bytes.iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f));
                    assert_eq!(
                        plain(&bytes),
                        expected.unwrap_or(bytes.len()),
                        "{special:#x} at {at} of {length}"
                    );
                }
            }
        }
        assert_eq!(plain(&[b'a'; 33]), 33);
    }
}
