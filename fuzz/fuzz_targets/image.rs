//! The image of a snapshot: its body without the checksum, then the whole.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz::{Claims, Image};

static TOKEN: LazyLock<Claims> = LazyLock::new(|| {
    let text =
        r#"{"iss":"https://as.example/","sub":"u-1","jti":"t-1","sid":"s-1","aud":["api","b"],"iat":NOW}"#;
    Claims::now(text).expect("claims")
});

fuzz_target!(|bytes: &[u8]| {
    if let Err(words) = Image::read_whole(bytes) {
        assert!(words.len() < 256 && !words.chars().any(char::is_control), "{words:?}");
    }
    let Some(image) = Image::read(bytes) else { return };
    // Nothing is made out of nothing: the smallest entry has 24 bytes.
    assert!(image.len() <= bytes.len() / 24);
    let again = Image::read(&image.written).expect("what was written is read");
    assert_eq!(again.written, image.written);
    let whole = image.whole();
    assert_eq!(Image::read_whole(&whole), Ok(()));
    let mut damaged = whole.clone();
    let at = bytes.iter().fold(0_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte)) % whole.len();
    damaged[at] ^= 1;
    assert!(Image::read_whole(&damaged).is_err(), "byte {at}");
    assert!(Image::read_whole(&whole[..at]).is_err(), "{at} bytes");

    let Some((known, kept)) = image.restore() else { return };
    assert!(kept.len() <= image.len());
    let before = known.revokes(&TOKEN);
    let (other, again) = kept.restore().expect("what was exported is taken up");
    // Ends of identifiers in bulk are rounded up to a quarter of an hour: never early, and never by more.
    assert_eq!((again.len(), again.ends().len()), (kept.len(), kept.ends().len()));
    for (before, after) in kept.ends().into_iter().zip(again.ends()) {
        assert!(before <= after && after <= before.saturating_add(900_000), "{before} became {after}");
    }
    assert_eq!(other.revokes(&TOKEN), before, "after another restart");
    known.tidy();
    assert_eq!(known.revokes(&TOKEN), before, "after tidying");
});
