//! Two judges over the same knowledge, one of which remembers: whatever happens, they say the same.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64_simd::URL_SAFE_NO_PAD;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use serde_json::json;

mod news;
mod readers;

use super::*;
use crate::algorithm::{Algorithm, Algorithms};
use crate::clock::UnixTime;
use crate::issuer::life::Life;
use crate::json::Object;
use crate::keys::{KeyRing, KeySet, VerifyingKey};
use crate::names::{Audience, ClaimName, Issuer};
use crate::policy::profile::{Profile, Rules};
use crate::policy::{WhenStale, any_token, scope};
use crate::revocation::Revocations;
use crate::revocation::entry::{CLAIMS, Entry, EntryRules, IDENTIFIERS};
use crate::revocation::freshness::{Bounds, Freshness};
use crate::revocation::in_process::InProcess;
use crate::revocation::stated::Revocation;

const NOW: i64 = 1_732_200_000;
const HOLDS: Duration = Duration::from_secs(60);

static KEYS: LazyLock<[Ed25519KeyPair; 3]> =
    LazyLock::new(|| std::array::from_fn(|_| Ed25519KeyPair::generate().unwrap()));

/// Each token has its own key, lifetime, times and scope: enough to come apart in every check.
static TOKENS: LazyLock<Vec<HeaderMap>> = LazyLock::new(|| {
    let token = |n: usize| {
        let key = n % 3;
        let scope = ["read", "write", "read write"][n / 3 % 3];
        let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": format!("k{key}")});
        let mut claims = json!({"iss": "https://as.example/", "aud": "api", "sub": format!("u{}", n % 2),
            "client_id": "app", "jti": format!("t{n}"), "scope": scope, "iat": NOW - 5 + n as i64,
            "exp": NOW + 20 * n as i64});
        if n.is_multiple_of(2) {
            claims["nbf"] = json!(NOW);
        }
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = URL_SAFE_NO_PAD.encode_to_string(KEYS[key].sign(input.as_bytes()));
        let value = HeaderValue::try_from(format!("Bearer {input}.{signature}")).unwrap();
        HeaderMap::from_iter([(AUTHORIZATION, value)])
    };
    (0..9).map(token).collect()
});

/// The same ones each time, as those of routes are: which demands a token is known to meet is remembered.
static POLICIES: LazyLock<[Policy; 4]> =
    LazyLock::new(|| [any_token(), scope("read"), scope("write"), any_token().when_stale(WhenStale::Admit)]);

/// `names` says which key goes by which id.
fn key_set(names: &[usize]) -> KeySet {
    let key = |(name, &key): (usize, &usize)| {
        let kid = Some(format!("k{name}").into());
        VerifyingKey::ed25519(kid, KEYS[key].public_key().as_ref(), Algorithms::ASYMMETRIC).unwrap()
    };
    KeySet::of(names.iter().enumerate().filter(|(_, key)| **key < 3).map(key).collect())
}

fn entry_rules() -> EntryRules {
    let names = |names: &[&str]| names.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect();
    EntryRules {
        identifiers: names(&IDENTIFIERS),
        claims: names(&CLAIMS),
        max_token_lifetime: Duration::from_secs(86_400),
        leeway: Duration::from_secs(5),
    }
}

fn entry(value: &serde_json::Value, as_of: UnixTime) -> Entry {
    Entry::read(&Object::parse(value.to_string().into(), 8, 64).unwrap(), &entry_rules(), as_of).unwrap()
}

struct World {
    issuer: Arc<TrustedIssuer>,
    remembers: Judge,
    forgets: Judge,
    now: Now,
}

#[derive(Clone, Debug)]
enum Step {
    Ask(Index, usize),
    AskAll(usize),
    Keys(Vec<usize>),
    ConfirmKeys,
    Revoke(Index),
    CutOff(Option<usize>),
    TakeBack(Index),
    Hear,
    Pass(u64),
    SetWall(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (any::<Index>(), 0..4_usize).prop_map(|(token, policy)| Step::Ask(token, policy)),
        4 => (0..4_usize).prop_map(Step::AskAll),
        2 => prop::collection::vec(0..4_usize, 3).prop_map(Step::Keys),
        2 => Just(Step::Keys(vec![0, 1, 2])),
        2 => Just(Step::ConfirmKeys),
        2 => any::<Index>().prop_map(Step::Revoke),
        1 => subsequence(vec![0, 1], 0..=1).prop_map(|user| Step::CutOff(user.first().copied())),
        1 => any::<Index>().prop_map(Step::TakeBack),
        4 => Just(Step::Hear),
        2 => prop_oneof![Just(1), Just(20), Just(31), Just(61), Just(301)].prop_map(Step::Pass),
        2 => prop_oneof![-30..30_i64, Just(i64::MIN)].prop_map(Step::SetWall),
    ]
}

impl World {
    fn new(bytes: usize) -> Self {
        Self::of(Verdicts::new(bytes), "api")
    }

    fn of(verdicts: Verdicts, audience: &str) -> Self {
        Self::living(verdicts, audience, None)
    }

    fn living(verdicts: Verdicts, audience: &str, life: Option<Life>) -> Self {
        let bounds = Bounds {
            max_staleness: Duration::from_secs(30),
            expires_after: Duration::from_secs(300),
            when_stale: WhenStale::Refuse,
            poll_interval: Duration::from_secs(1),
        };
        let keys = KeyRing::awaiting(Duration::from_secs(30));
        keys.replace(key_set(&[0, 1, 2]), Duration::ZERO, HOLDS);
        let rules = Rules {
            profile: Profile::Rfc9068,
            audiences: [Audience::try_from(audience).unwrap()].into(),
            algorithms: Algorithms::of(&[Algorithm::EdDSA]),
            leeway: Duration::from_secs(5),
            max_lifetime: None,
            require_jti: true,
            scope_claims: [ClaimName::try_from("scope").unwrap()].into(),
            accept_sender_constrained: false,
        };
        let source = || Arc::new(Revocations::new(Freshness::new(bounds), String::new()));
        let revocations = [source(), source()].into();
        let in_process = Arc::new(InProcess::new(entry_rules()));
        let name = Issuer::try_from("https://as.example/").unwrap();
        let issuer = Arc::new(TrustedIssuer { name, rules, keys, revocations, in_process, life });
        let judge = |verdicts| Judge::new(Directory::new([Arc::clone(&issuer)], Box::default()), verdicts);
        let now = Now { wall: UnixTime::from_secs(NOW), uptime: Duration::ZERO };
        let world = Self { remembers: judge(verdicts), forgets: judge(Verdicts::new(0)), issuer, now };
        world.hear();
        world
    }

    fn hear(&self) {
        self.issuer.sources().for_each(|source| source.freshness.confirm(self.now.uptime, true));
    }

    fn publish(&self, value: &serde_json::Value) {
        let as_of = UnixTime::from_secs(NOW);
        for source in self.issuer.sources() {
            source.apply(&[entry(value, as_of)], as_of, self.now).unwrap();
        }
    }

    fn ask(&self, token: usize, policy: usize) -> Result<(), TestCaseError> {
        let verdict = |judge: &Judge| match judge.judge(&TOKENS[token], &POLICIES[policy], self.now) {
            Ok(token) => Ok(token.token_id().map(std::borrow::Cow::into_owned)),
            Err(Stop::Refused(rejection)) => Err(Some(rejection)),
            Err(Stop::UnknownKey(_)) => Err(None),
            Err(Stop::NewTenant(_)) => panic!("there are no tenants"),
        };
        let expected = verdict(&self.forgets);
        for time in 1..=2 {
            prop_assert_eq!(&verdict(&self.remembers), &expected, "token {}, {}. time", token, time);
        }
        Ok(())
    }

    fn take(&mut self, step: &Step) -> Result<(), TestCaseError> {
        let of = |token: &Index| token.index(TOKENS.len());
        match step {
            Step::Ask(token, policy) => self.ask(of(token), *policy)?,
            Step::AskAll(policy) => (0..TOKENS.len()).try_for_each(|token| self.ask(token, *policy))?,
            Step::Keys(names) => self.issuer.keys.replace(key_set(names), self.now.uptime, HOLDS),
            Step::ConfirmKeys => self.issuer.keys.confirm(self.now.uptime, HOLDS),
            Step::Revoke(token) => {
                self.publish(&json!({"jti": format!("t{}", of(token)), "at": NOW, "exp": NOW + 3600}));
            }
            Step::CutOff(user) => {
                let mut entry = json!({"issued_before": NOW - 2, "at": NOW, "exp": NOW + 3600});
                if let Some(user) = user {
                    entry["sub"] = json!(format!("u{user}"));
                }
                self.publish(&entry);
            }
            Step::TakeBack(token) => {
                let jti = format!("t{}", of(token));
                self.publish(&json!({"jti": jti, "at": NOW + 1, "withdrawn": true, "exp": NOW + 3600}));
            }
            Step::Hear => self.hear(),
            Step::Pass(seconds) => {
                let passed = Duration::from_secs(*seconds);
                self.now = Now { wall: self.now.wall.plus(passed), uptime: self.now.uptime + passed };
            }
            // Often back to where most tokens are good.
            Step::SetWall(i64::MIN) => self.now.wall = UnixTime::from_secs(NOW),
            Step::SetWall(by) => {
                self.now.wall = UnixTime::from_millis(self.now.wall.as_millis() + by * 1000);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn remembering_changes_no_answer(
        steps in prop::collection::vec(step(), 1..80),
        // Room for all of them, and for two or three.
        bytes in prop_oneof![Just(1 << 20), Just(3000)],
    ) {
        let mut world = World::new(bytes);
        for step in &steps {
            world.take(step)?;
        }
        prop_assert!(world.remembers.kept().bytes <= bytes as u64);
    }
}

#[test]
fn what_is_remembered_is_used() {
    let world = World::new(1 << 20);
    (0..TOKENS.len()).for_each(|token| world.ask(token, 0).unwrap());
    assert!(world.remembers.kept().entries > 5, "{:?}", world.remembers.kept());
    assert_eq!(world.forgets.kept().entries, 0);
}

/// Also where there are more demands than places for them.
#[test]
fn a_yes_to_one_demand_is_none_to_another() {
    let world = World::new(1 << 20);
    let policies: Vec<_> = (0..12).map(|n| (n, scope(["read", "write", "neither"][n % 3]))).collect();
    for _ in 0..4 {
        for (n, policy) in policies.iter().chain(policies.iter().rev()) {
            let admitted = world.remembers.judge(&TOKENS[1], policy, world.now).is_ok();
            assert_eq!(admitted, n % 3 == 0, "{policy:?}");
        }
    }
}

/// Even where all places are the same, a thread does not take what one resource server admitted for what another did.
#[test]
fn resource_servers_do_not_mix() {
    let world = |audience| World::of(Verdicts::seeded(1 << 20, [1, 2, 3, 4]), audience);
    let (one, other) = (world("api"), world("another"));
    for world in [&one, &other, &one] {
        (0..TOKENS.len()).for_each(|token| world.ask(token, 0).unwrap());
    }
    assert!(one.remembers.kept().entries > 5);
    assert_eq!(other.remembers.kept().entries, 0);
}

/// A look that races with one source must not stand for a look at another, nor one at the old entries for the new.
#[test]
fn a_token_that_is_asked_for_all_the_while_is_revoked_by_whichever_source_says_so() {
    for round in 0..300 {
        let world = World::new(1 << 20);
        world.ask(1, 0).unwrap();
        let as_of = UnixTime::from_secs(NOW);
        let publish = |source: &Revocations, n: usize| {
            let value = json!({"jti": format!("t{n}"), "at": NOW, "exp": NOW + 3600});
            source.apply(&[entry(&value, as_of)], as_of, world.now).unwrap();
        };
        let say = |n: usize| {
            let said = Revocation::identifier("jti", format!("t{n}"));
            world.issuer.in_process.say(said, false, world.now).unwrap();
        };
        let ask = || world.remembers.judge(&TOKENS[1], &any_token(), world.now).is_ok();
        // Which of the three says so, and when.
        let (who, last) = (round % 3, 3 + round % 5);
        let writers = AtomicUsize::new(3);
        std::thread::scope(|scope| {
            for writer in 0..3 {
                let (publish, say, writers, world) = (&publish, &say, &writers, &world);
                scope.spawn(move || {
                    for n in 2..=last {
                        let n = if n == last && writer == who { 1 } else { n };
                        match world.issuer.revocations.get(writer) {
                            Some(source) => publish(source, n),
                            None => say(n),
                        }
                    }
                    writers.fetch_sub(1, Ordering::SeqCst);
                });
            }
            scope.spawn(|| while writers.load(Ordering::SeqCst) > 0 && ask() {});
        });
        assert!(!ask(), "round {round}");
    }
}

/// Between an outer layer and an inner one a request may wait for long.
#[test]
fn between_layers_a_token_ends_with_its_key_and_when_the_keys_are_too_old() {
    let world = World::new(1 << 20);
    let Ok(admitted) = world.remembers.judge(&TOKENS[1], &any_token(), world.now) else { panic!() };
    let again = |now| world.remembers.judge_again(&admitted, &any_token(), now).map_err(|no| no.kind());
    assert_eq!(again(world.now), Ok(()));
    let late = Now { uptime: HOLDS + Duration::from_secs(30), ..world.now };
    world.issuer.sources().for_each(|source| source.freshness.confirm(late.uptime, true));
    assert_eq!(again(late), Err(RejectionKind::NoKeys), "nobody has confirmed the keys for too long");
    world.issuer.keys.replace(key_set(&[0, 3, 2]), world.now.uptime, HOLDS);
    assert_eq!(again(world.now), Err(RejectionKind::NoKeys), "its key is gone: the next try says so");
    world.issuer.keys.replace(key_set(&[0, 1, 2]), world.now.uptime, HOLDS);
    assert_eq!(again(world.now), Ok(()));
}

/// They would keep its keys and its revocations in memory until they end themselves.
#[test]
fn verdicts_about_a_tenant_that_was_let_go_of_go_too() {
    let life = Some(Life::new(Duration::ZERO, false));
    let mut world = World::living(Verdicts::new(1 << 20), "api", life);
    (0..TOKENS.len()).for_each(|token| world.ask(token, 0).unwrap());
    assert!(world.remembers.kept().entries > 5);
    world.issuer.life.as_ref().unwrap().end();
    for _ in 0..8 {
        world.now.wall = world.now.wall.plus(Duration::from_millis(16));
        assert!(world.remembers.judge(&nobodys(), &any_token(), world.now).is_err());
    }
    assert_eq!(world.remembers.kept().entries, 0);
}

fn nobodys() -> HeaderMap {
    let value = HeaderValue::from_static("Bearer 0123456789abcdef0123456789abcdef.a.b");
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}
