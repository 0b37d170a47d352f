//! Whatever was told, in whatever order: the verdict is that of a plain list, read entry by entry.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Spellings of the claims that stand in the lists below.
const SPELLED: [(&str, &[&str]); 5] = [
    ("jti", &["jti", "uti"]),
    ("sid", &["sid"]),
    ("sub", &["sub"]),
    ("client_id", &["client_id", "azp", "appid", "cid"]),
    ("aud", &["aud"]),
];

/// An entry as it stands in the list.
#[derive(Clone, Debug)]
struct Told {
    claims: BTreeMap<&'static str, u8>,
    issued_before: Option<i64>,
    at: Option<i64>,
    withdrawn: bool,
    spelling: usize,
}

#[derive(Clone, Debug)]
struct Token {
    claims: BTreeMap<&'static str, Vec<u8>>,
    iat: Option<i64>,
    spelling: usize,
}

fn spell(name: &str, spelling: usize) -> &'static str {
    let all = SPELLED.iter().find(|(usual, _)| *usual == name).unwrap().1;
    all[spelling % all.len()]
}

impl Told {
    /// Of the same claims, all entries end at once: soon or late.
    fn ends(&self) -> i64 {
        if self.claims.values().sum::<u8>() % 2 == 0 { NOW + 100 } else { LATER }
    }

    fn said_at(&self) -> i64 {
        self.at.or(self.issued_before).unwrap_or(0)
    }

    fn json(&self) -> Value {
        let mut entry = json!({"exp": self.ends()});
        for (name, value) in &self.claims {
            entry[spell(name, self.spelling)] = json!(value.to_string());
        }
        if let Some(cut_off) = self.issued_before {
            entry["issued_before"] = json!(cut_off);
        }
        if let Some(at) = self.at {
            entry["at"] = json!(at);
            entry["withdrawn"] = json!(self.withdrawn);
        }
        entry
    }

    fn is_taken_back_by(&self, other: &Self) -> bool {
        let same_kind = self.issued_before.is_some() == other.issued_before.is_some();
        other.withdrawn && same_kind && self.claims == other.claims && self.said_at() < other.said_at()
    }

    fn matches(&self, token: &Token) -> bool {
        let in_time = match (self.issued_before, token.iat) {
            (Some(cut_off), Some(issued_at)) => issued_at <= cut_off,
            _ => true,
        };
        let has = |(name, value)| token.claims.get(name).is_some_and(|all: &Vec<u8>| all.contains(value));
        in_time && self.claims.iter().all(has)
    }
}

impl Token {
    fn json(&self) -> Value {
        let mut token = json!({});
        for (name, values) in &self.claims {
            let values: Vec<_> = values.iter().map(u8::to_string).collect();
            token[spell(name, self.spelling)] = match values.as_slice() {
                [one] => json!(one),
                several => json!(several),
            };
        }
        if let Some(iat) = self.iat {
            token["iat"] = json!(iat);
        }
        token
    }
}

/// Whether the token must be refused, and whether it may be: an entry whose tokens are over may still be there, also where it
/// was taken back by one that was over when it was told.
fn verdict(told: &[Told], token: &Token, time: i64) -> (bool, bool) {
    let stands = |entry: &Told| !entry.withdrawn && entry.matches(token);
    let in_force = |entry: &Told| stands(entry) && !told.iter().any(|other| entry.is_taken_back_by(other));
    let is_over = |entry: &Told| entry.ends() < time;
    let must = told.iter().any(|entry| in_force(entry) && !is_over(entry));
    (must, told.iter().any(|entry| in_force(entry) || (stands(entry) && is_over(entry))))
}

/// The epochs of earlier looks that found none: of the first one, and of the last.
struct Looks {
    claims: Object,
    iat: Option<UnixTime>,
    marks: Marks,
    live_at: Vec<u64>,
}

impl Looks {
    fn of(token: &Token) -> Self {
        let claims = Object::parse(token.json().to_string().into(), 8, 64).unwrap();
        let (iat, marks) = (token.iat.map(UnixTime::from_secs), Marks::of_token(&claims));
        Self { claims, iat, marks, live_at: Vec::new() }
    }

    /// Whether a look at what was said since each of them finds what one at everything has `found`.
    fn agree(&mut self, revocations: &Revocations, found: bool) -> bool {
        let Self { claims, iat, marks, live_at } = self;
        let since = |epoch: &u64| revocations.revokes_since(*epoch, || marks, claims, *iat);
        let agree = live_at.iter().all(|epoch| since(epoch) == found);
        if !found {
            live_at.truncate(1);
            live_at.push(revocations.epoch());
        }
        agree
    }
}

/// Few kinds, so that many entries meet in one: identifiers where they can be, and cut-offs.
const KINDS: [&[&str]; 7] =
    [&["jti"], &["sid"], &["sub"], &["jti", "aud"], &["sub", "client_id"], &["sub", "client_id", "aud"], &[]];

fn any_told() -> impl Strategy<Value = Told> {
    let claims = (0..KINDS.len(), 0..3_u8, 0..2_u8);
    let times = (
        proptest::option::of(0..4_i64),
        proptest::option::weighted(0.7, 0..4_i64),
        proptest::bool::weighted(0.3),
    );
    (claims, times, 0..4_usize).prop_map(|((kind, first, others), times, spelling)| {
        let (issued_before, at, withdrawn) = times;
        let identifies = KINDS[kind].iter().any(|name| ["jti", "sid"].contains(name));
        let issued_before = issued_before.or(if identifies { None } else { Some(0) });
        let values = std::iter::once(first).chain(std::iter::repeat(others));
        Told {
            claims: KINDS[kind].iter().copied().zip(values).collect(),
            issued_before: issued_before.map(|before| NOW - before),
            at: at.map(|before| NOW - before),
            withdrawn: withdrawn && at.is_some(),
            spelling,
        }
    })
}

fn any_token() -> impl Strategy<Value = Token> {
    let values = || prop::collection::vec(0..3_u8, 0..3);
    let claims = (values(), values(), values(), values(), values());
    (claims, proptest::option::of(0..5_i64), 0..4_usize).prop_map(|(claims, issued, spelling)| {
        let (jti, sid, sub, client, aud) = claims;
        let named = [("jti", jti), ("sid", sid), ("sub", sub), ("client_id", client), ("aud", aud)];
        let claims = named.into_iter().filter(|(_, values)| !values.is_empty()).collect();
        Token { claims, iat: issued.map(|before| NOW - before), spelling }
    })
}

/// What happens after a page.
#[derive(Clone, Copy, Debug)]
enum Then {
    Nothing,
    Tidy,
    Restart,
    TimePasses(u64),
}

fn any_then() -> impl Strategy<Value = Then> {
    prop_oneof![
        Just(Then::Nothing),
        Just(Then::Tidy),
        Just(Then::Restart),
        (0..3000_u64).prop_map(Then::TimePasses)
    ]
}

proptest! {
    #[test]
    fn agrees_with_the_plain_reading(
        list in prop::collection::vec(any_told(), 0..40),
        repeated in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..12),
        tokens in prop::collection::vec(any_token(), 1..8),
        page in 1..9_usize,
        after in prop::collection::vec(any_then(), 52),
        live in 0..6_usize,
        taken_back in 0..3_usize,
    ) {
        // In any order, with repetitions, in pages of any size.
        let mut order = list.clone();
        if !list.is_empty() {
            for (one, place) in repeated {
                order.insert(place.index(order.len() + 1), one.get(&list).clone());
            }
        }
        let sizes = tiny(live, taken_back);
        let mut revocations = of_sizes(sizes);
        let mut now = now();
        let mut known = Vec::new();
        let mut looks: Vec<_> = tokens.iter().map(Looks::of).collect();
        for (told, then) in order.chunks(page).zip(after) {
            let entries: Vec<_> = told.iter().map(|told| entry(&told.json())).collect();
            revocations.apply(&entries, now.wall, now).unwrap();
            // What is over before it is told is not taken in, also not as a withdrawal.
            known.extend_from_slice(told);
            match then {
                Then::Nothing => {}
                Then::Tidy => revocations.tidy(now),
                Then::Restart => {
                    let exported = revocations.export(now);
                    revocations = of_sizes(sizes);
                    revocations.import(&exported, now).unwrap();
                    looks = tokens.iter().map(Looks::of).collect();
                }
                Then::TimePasses(secs) => {
                    let passed = Duration::from_secs(secs);
                    now = Now { wall: now.wall.plus(passed), uptime: now.uptime + passed };
                    revocations.tidy(now);
                }
            }
            for (token, looks) in tokens.iter().zip(&mut looks) {
                let (must, may) = verdict(&known, token, now.wall.as_secs());
                let found = revokes(&revocations, &token.json());
                prop_assert!(if found { may } else { !must }, "{found}: {token:?} by {known:?}");
                prop_assert!(looks.agree(&revocations, found), "since, not {found}: {token:?} by {known:?}");
            }
        }
    }
}
