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

/// Whether every byte stands for itself in a string, but for quotes: no escape, no control character. Looked at as a whole,
/// several bytes at once.
pub(super) fn is_simple(bytes: &[u8]) -> bool {
    let look = |(least, any): (u8, bool), byte: &u8| (least.min(*byte), any | (*byte == b'\\'));
    let (least, any) = bytes.iter().fold((u8::MAX, false), look);
    least >= 0x20 && !any
}

/// Where the next quote stands, from a place on. Where [`is_simple`] said yes that is as far as [`plain`] goes, for less.
#[inline(never)]
pub(super) fn quote(bytes: &[u8], at: usize) -> Option<usize> {
    let mut rest = bytes.get(at..)?;
    // As a whole first: the processor compares so many bytes at once.
    while let Some((chunk, after)) = rest.split_first_chunk::<16>() {
        if chunk.iter().fold(false, |any, byte| any | (*byte == b'"')) {
            break;
        }
        rest = after;
    }
    while let Some((word, after)) = rest.split_first_chunk() {
        let marks = quotes(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(bytes.len() - rest.len() + marks.trailing_zeros() as usize / 8);
        }
        rest = after;
    }
    let length = rest.iter().position(|byte| *byte == b'"')?;
    Some(bytes.len() - rest.len() + length)
}

/// Eight bytes from a place on, where there are so many.
#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|word| u64::from_le_bytes(*word))
}

/// Marks the highest bit of each quote among eight bytes; there may be false marks above the lowest.
#[inline]
pub(super) fn quotes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    (word ^ (ONES * 0x22)).wrapping_sub(ONES) & !word & (ONES << 7)
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
                    bytes.retain(|byte| *byte != 0x1f);
                    assert_eq!(
                        is_simple(&bytes),
                        !bytes.iter().any(|b| matches!(b, b'\\' | 0..=0x1f)),
                        "{special:#x} at {at} of {length}"
                    );
                    let quote = bytes.iter().position(|b| *b == b'"');
                    assert_eq!(super::quote(&bytes, 0), quote, "{special:#x} at {at} of {length}");
                    if is_simple(&bytes) {
                        assert_eq!(plain(&bytes), quote.unwrap_or(bytes.len()));
                    }
                }
            }
        }
        assert_eq!(plain(&[b'a'; 33]), 33);
    }
}
