//! A verdict is compared only with what was said since it was looked at: the answer is that of a look at everything.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::Value;

use super::*;
use crate::limits;

const SECRET: &[u8] = &[7; 64];
const SOURCES: usize = 3;

/// Spellings of the claims that tokens and entries carry.
const SPELLED: [&[&str]; 5] =
    [&["jti", "uti"], &["sid"], &["sub"], &["client_id", "azp", "appid", "cid"], &["aud"]];

fn spell(name: usize, spelling: usize) -> &'static str {
    SPELLED[name][spelling % SPELLED[name].len()]
}

/// Which claims entries name; those with the first or the second identify.
const KINDS: [&[usize]; 7] = [&[0], &[1], &[2], &[0, 4], &[2, 3], &[2, 3, 4], &[]];

/// Small numbers, so that they meet.
fn any_claims() -> impl Strategy<Value = Value> {
    let values = prop::collection::vec(0..4_u8, 0..3);
    (prop::collection::vec(values, 5), 0..4_usize, prop::option::weighted(0.9, 0..4_i64)).prop_map(
        |(all, spelling, issued)| {
            let mut claims = json!({"iss": "https://as.example/", "exp": NOW + 80_000});
            for (name, values) in all.into_iter().enumerate() {
                let mut texts: Vec<_> = values.iter().map(|value| format!("v\u{e9}\n{value}")).collect();
                // For us too.
                texts.extend((name == 4).then(|| "api".to_owned()));
                match texts.as_slice() {
                    [] => {}
                    [one] => claims[spell(name, spelling)] = json!(one),
                    several => claims[spell(name, spelling)] = json!(several),
                }
            }
            if let Some(before) = issued {
                claims["iat"] = json!(NOW - before);
            }
            claims
        },
    )
}

fn any_entry() -> impl Strategy<Value = Value> {
    let claims = (0..KINDS.len(), prop::collection::vec(0..4_u8, 3), 0..4_usize);
    let times = (prop::option::of(0..4_i64), 0..4_i64, prop::bool::weighted(0.3));
    (claims, times).prop_map(|((kind, values, spelling), (issued_before, at, withdrawn))| {
        let mut entry = json!({"exp": NOW + 80_000, "at": NOW - at, "withdrawn": withdrawn});
        for (name, value) in KINDS[kind].iter().zip(values) {
            entry[spell(*name, spelling)] = json!(format!("v\u{e9}\n{value}"));
        }
        let issued_before = issued_before.or_else(|| (kind > 3 || kind == 2).then_some(0));
        if let Some(before) = issued_before {
            entry["issued_before"] = json!(NOW - before);
        }
        entry
    })
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Index),
    AskAll,
    Say(usize, Vec<Value>),
    /// Of others, that many.
    Others(usize, usize),
    Tidy(usize),
    /// What another process kept.
    Import(usize, Vec<Value>),
    InProcess(u8, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let page = || prop::collection::vec(any_entry(), 1..5);
    let many = prop_oneof![4 => 1..5_usize, 2 => 20..50_usize, 1 => Just(limits::RECENT_ENTRIES),
        1 => limits::RECENT_ENTRIES + 1..90];
    prop_oneof![
        6 => any::<Index>().prop_map(Step::Ask),
        3 => Just(Step::AskAll),
        6 => (0..SOURCES, page()).prop_map(|(source, page)| Step::Say(source, page)),
        3 => (0..SOURCES, many).prop_map(|(source, many)| Step::Others(source, many)),
        1 => (0..SOURCES).prop_map(Step::Tidy),
        1 => (0..SOURCES, page()).prop_map(|(source, page)| Step::Import(source, page)),
        1 => (0..4_u8, any::<bool>()).prop_map(|(value, withdrawn)| Step::InProcess(value, withdrawn)),
    ]
}

fn source() -> Arc<Revocations> {
    let bounds = Bounds {
        max_staleness: Duration::from_secs(30),
        expires_after: Duration::from_secs(300),
        when_stale: WhenStale::Refuse,
        poll_interval: Duration::from_secs(1),
    };
    let source = Revocations::new(Freshness::new(bounds), String::new());
    source.freshness.confirm(Duration::ZERO, true);
    Arc::new(source)
}

fn now() -> Now {
    Now { wall: UnixTime::from_secs(NOW), uptime: Duration::ZERO }
}

fn apply(source: &Revocations, page: &[Value]) {
    let entries: Vec<_> = page.iter().map(|value| entry(value, now().wall)).collect();
    source.apply(&entries, now().wall, now()).unwrap();
}

struct Asked {
    issuer: Arc<TrustedIssuer>,
    remembers: Judge,
    forgets: Judge,
    tokens: Vec<HeaderMap>,
    said: usize,
}

impl Asked {
    fn new(claims: &[Value]) -> Self {
        let issuer = Arc::new(TrustedIssuer {
            name: Issuer::try_from("https://as.example/").unwrap(),
            rules: Rules {
                profile: Profile::Generic,
                audiences: [Audience::try_from("api").unwrap()].into(),
                algorithms: Algorithms::HMAC,
                leeway: Duration::from_secs(5),
                max_lifetime: None,
                require_jti: false,
                scope_claims: [].into(),
                accept_sender_constrained: false,
            },
            keys: KeyRing::fixed(KeySet::of(vec![
                VerifyingKey::secret(SECRET, Algorithms::HMAC, false).unwrap(),
            ])),
            revocations: (0..SOURCES).map(|_| source()).collect(),
            in_process: Arc::new(InProcess::new(entry_rules())),
            life: None,
        });
        let judge =
            |bytes| Judge::new(Directory::new([Arc::clone(&issuer)], Box::default()), Verdicts::new(bytes));
        let token = |claims| {
            let token = encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).unwrap();
            HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
        };
        let tokens = claims.iter().map(token).collect();
        Self { remembers: judge(1 << 20), forgets: judge(0), issuer, tokens, said: 0 }
    }

    /// Twice: an answer is remembered too.
    fn ask(&self, token: usize) -> Result<(), TestCaseError> {
        let verdict = |judge: &Judge| match judge.judge(&self.tokens[token], &any_token(), now()) {
            Ok(_) => None,
            Err(Stop::Refused(rejection)) => Some(rejection.kind()),
            Err(_) => panic!("no other outcome"),
        };
        let expected = verdict(&self.forgets);
        for _ in 0..2 {
            prop_assert_eq!(verdict(&self.remembers), expected);
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Ask(token) => self.ask(token.index(self.tokens.len()))?,
            Step::AskAll => (0..self.tokens.len()).try_for_each(|token| self.ask(token))?,
            Step::Say(source, page) => apply(&self.issuer.revocations[*source], page),
            Step::Others(source, many) => {
                let said = self.said..self.said + many;
                self.said = said.end;
                let page: Vec<_> = said.map(|n| json!({"jti": format!("other {n}")})).collect();
                apply(&self.issuer.revocations[*source], &page);
            }
            Step::Tidy(source) => self.issuer.revocations[*source].tidy(now()),
            Step::Import(place, page) => {
                let other = source();
                apply(&other, page);
                // Where something is known already, nothing is taken up.
                let _ = self.issuer.revocations[*place].import(&other.export(now()), now());
            }
            Step::InProcess(value, withdrawn) => {
                let said = Revocation::identifier("jti", format!("v\u{e9}\n{value}"));
                self.issuer.in_process.say(said, *withdrawn, now()).unwrap();
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_look_at_what_was_said_since_is_as_good_as_one_at_everything(
        claims in prop::collection::vec(any_claims(), 1..8),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let mut asked = Asked::new(&claims);
        (0..claims.len()).try_for_each(|token| asked.ask(token))?;
        for step in &steps {
            asked.take(step)?;
        }
        (0..claims.len()).try_for_each(|token| asked.ask(token))?;
    }
}
