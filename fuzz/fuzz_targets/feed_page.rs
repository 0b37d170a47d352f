//! A page of a revocation feed: whatever it says, order, repetition and paging change no verdict, and the verdict is
//! that of a plain reading.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tower_bearer::fuzz::{Claims, Entries, Known, NOW, Said};

const TOKEN: &str = r#"{"iss":"https://as.example/","sub":"u-1","client_id":"app","azp":"portal","jti":"t-1","sid":"s-1",
    "grant_id":"g-1","aud":["https://api.example/","api","b"],"groups":["a","b","\u0061\"","c"],"n":5,"iat":1732199000}"#;

const ISSUED_AT: i64 = NOW - 1000;

/// Steps that a token may cost; one that costs more counts as revoked.
const STEPS: usize = 256;

/// Cut-offs on the same claims that are kept apart; where there are more, some may end more than they say.
const APART: usize = 8;

static CLAIMS: LazyLock<[Claims; 2]> = LazyLock::new(|| {
    let undated = TOKEN.replace("\"iat\":1732199000", "\"x\":0");
    [TOKEN, &undated].map(|text| Claims::parse(text).expect("claims"))
});

/// What the token holds, by the usual spelling of the claim.
fn values(name: &str) -> &'static [&'static str] {
    match name {
        "iss" => &["https://as.example/"],
        "sub" => &["u-1"],
        "client_id" => &["app", "portal"],
        "jti" => &["t-1"],
        "sid" => &["s-1"],
        "grant_id" => &["g-1"],
        "aud" => &["https://api.example/", "api", "b"],
        "groups" => &["a", "b", "a\"", "c"],
        _ => &[],
    }
}

fn reading(said: &[Said], issued_at: Option<i64>) -> bool {
    let in_force = || said.iter().filter(|entry| !entry.over);
    in_force().filter(|entry| !entry.withdrawn).any(|entry| {
        let taken_back = in_force().any(|other| {
            other.withdrawn
                && other.claims == entry.claims
                && other.issued_before.is_none() == entry.issued_before.is_none()
                && entry.said_at < other.said_at
        });
        let matches = entry.claims.iter().all(|(name, value)| values(name).contains(&value.as_str()));
        let in_time = match (entry.issued_before, issued_at) {
            (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
            _ => true,
        };
        !taken_back && matches && in_time
    })
}

/// What the pages make of the two tokens; none where they name too many different sets of claims.
fn verdicts(pages: &[&Entries], tidy: bool) -> Option<[bool; 2]> {
    let known = Known::default();
    for page in pages {
        page.apply(&known).then_some(())?;
        if tidy {
            known.tidy();
        }
    }
    Some([0, 1].map(|token| known.revokes(&CLAIMS[token])))
}

/// Steps that an entry's set of names costs at most.
fn steps(entry: &Said) -> usize {
    let mut product = 1;
    let products = entry.claims.iter().map(|(name, _)| {
        product *= values(name).len();
        product
    });
    1 + products.sum::<usize>()
}

fuzz_target!(|bytes: &[u8]| {
    let page = match Entries::read(bytes) {
        Ok(page) => page,
        Err(words) => {
            assert!(words.len() < 256 && !words.chars().any(char::is_control), "{words:?}");
            return;
        }
    };
    let said = page.said();
    let plain = [Some(ISSUED_AT), None].map(|issued_at| reading(&said, issued_at));
    let at = bytes.iter().fold(0_usize, |sum, byte| sum + usize::from(*byte)) % (said.len() + 1);
    let (first, second) = page.split(at);
    let Some(once) = verdicts(&[&page], false) else { return };
    let others = [
        ("applied twice", verdicts(&[&page, &page], false)),
        ("in two pages", verdicts(&[&first, &second], false)),
        ("in two pages, the other way round", verdicts(&[&second, &first], false)),
        ("tidied in between", verdicts(&[&second, &page], true)),
    ];
    let crowded = said.iter().any(|entry| {
        let same = |other: &&Said| other.claims == entry.claims && other.issued_before.is_some();
        said.iter().filter(same).count() > APART
    });
    if crowded || said.iter().any(|entry| steps(entry) > STEPS) {
        for (how, verdict) in others {
            let verdict = verdict.expect("it had room before");
            assert!(!plain[0] || verdict[0], "{how}: let in");
            assert!(!plain[1] || verdict[1], "{how}: let in");
        }
    } else {
        assert_eq!(once, plain, "the plain reading");
        for (how, verdict) in others {
            assert_eq!(verdict, Some(once), "{how}");
        }
    }
});
