//! Readers beside a writer, the whole way from an admitted token on: the index, its freshness, and who asks for which first.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::header::AUTHORIZATION;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::super::*;
use crate::algorithm::Algorithms;
use crate::clock::{Now, UnixTime};
use crate::json::Object;
use crate::keys::{KeyRing, KeySet, VerifyingKey};
use crate::names::{Audience, ClaimName, Issuer};
use crate::policy::profile::{Profile, Rules};
use crate::policy::{self, WhenStale};
use crate::revocation::Revocations;
use crate::revocation::entry::{CLAIMS, Entry, EntryRules, IDENTIFIERS};
use crate::revocation::freshness::{Bounds, Freshness};
use crate::revocation::in_process::InProcess;

const NOW: i64 = 1_732_200_000;
const SECRET: &[u8] = &[7; 64];
const TOKENS: u64 = 512;
/// The age at which news are stale: that of one entry.
const STALE: u64 = 1;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn at(uptime: u64) -> Now {
    Now { wall: UnixTime::from_secs(NOW), uptime: seconds(uptime) }
}

fn rules() -> EntryRules {
    let names = |names: &[&str]| names.iter().map(|name| ClaimName::try_from(*name).unwrap()).collect();
    EntryRules {
        identifiers: names(&IDENTIFIERS),
        claims: names(&CLAIMS),
        max_token_lifetime: seconds(86_400),
        leeway: seconds(5),
    }
}

fn judge() -> (Judge, Arc<Revocations>) {
    let bounds = Bounds {
        max_staleness: seconds(STALE),
        expires_after: seconds(1_000_000),
        when_stale: WhenStale::Refuse,
        poll_interval: seconds(1),
    };
    let known = Arc::new(Revocations::new(Freshness::new(bounds), String::new()));
    let key = VerifyingKey::secret(SECRET, Algorithms::HMAC, false).unwrap();
    let issuer = TrustedIssuer {
        name: Issuer::try_from("https://as.example/").unwrap(),
        rules: Rules {
            profile: Profile::Rfc9068,
            audiences: [Audience::try_from("api").unwrap()].into(),
            algorithms: Algorithms::HMAC,
            leeway: seconds(5),
            max_lifetime: Some(seconds(86_400)),
            require_jti: true,
            scope_claims: [].into(),
            accept_sender_constrained: false,
        },
        keys: KeyRing::fixed(KeySet::of(vec![key])),
        revocations: [Arc::clone(&known)].into(),
        in_process: Arc::new(InProcess::new(rules())),
        life: None,
    };
    (Judge::new(Directory::new([Arc::new(issuer)], Box::default()), Verdicts::new(1 << 20)), known)
}

fn headers(jti: u64) -> HeaderMap {
    let header = Header { typ: Some("at+jwt".to_owned()), ..Header::default() };
    let claims = json!({"iss":"https://as.example/","aud":"api","sub":"u","client_id":"c","jti":jti.to_string(),
        "iat":NOW,"exp":NOW + 3600});
    let token = encode(&header, &claims, &EncodingKey::from_secret(SECRET)).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, format!("Bearer {token}").parse().unwrap())])
}

fn entry(jti: u64) -> Entry {
    let text = json!({"jti":jti.to_string(),"exp":NOW + 3600,"at":NOW}).to_string();
    Entry::read(&Object::parse(text.into(), 8, 64).unwrap(), &rules(), UnixTime::from_secs(NOW)).unwrap()
}

/// Token `n` is revoked in second `n`, and at its end an answer is complete that says so. Whoever is admitted at a moment
/// is admitted on news that are not stale then: nobody is in whose revocation those tell of, or was in force before.
fn check(rounds: usize) {
    let headers: Vec<_> = (0..=TOKENS).map(headers).collect();
    for _ in 0..rounds {
        let (judge, known) = judge();
        let policy = policy::any_token();
        known.freshness.confirm(seconds(0), true);
        let admitted: Vec<_> =
            headers.iter().map(|headers| judge.judge(headers, &policy, at(0)).unwrap()).collect();
        let (in_force, done) = (AtomicU64::new(0), AtomicBool::new(false));
        let read = |ahead: u64| {
            loop {
                let last = done.load(Ordering::Acquire);
                let before = in_force.load(Ordering::Acquire);
                let uptime = before + ahead;
                // The token that is being revoked, and some that have been.
                for n in (before.saturating_sub(2)..=before + ahead + 1).filter(|n| (1..=TOKENS).contains(n))
                {
                    let verdict = judge.judge_again(&admitted[n as usize], &policy, at(uptime));
                    match verdict.map_err(|rejection| rejection.kind()) {
                        Ok(()) => {
                            assert!(n > before && n + STALE > uptime, "{n} at {uptime}, {before} in force")
                        }
                        Err(RejectionKind::Revoked | RejectionKind::RevocationsStale) => {}
                        Err(kind) => panic!("{n} at {uptime}: {kind:?}"),
                    }
                }
                if last {
                    return;
                }
            }
        };
        std::thread::scope(|scope| {
            for ahead in 0..3 {
                scope.spawn(move || read(ahead));
            }
            for n in 1..=TOKENS {
                known.apply(&[entry(n)], UnixTime::from_secs(NOW), at(n)).unwrap();
                in_force.store(n, Ordering::Release);
                known.freshness.confirm(seconds(n), false);
            }
            done.store(true, Ordering::Release);
        });
        let verdict = |n: usize, uptime| {
            judge.judge_again(&admitted[n], &policy, at(uptime)).map_err(|rejection| rejection.kind())
        };
        assert_eq!(verdict(0, TOKENS), Ok(()));
        assert_eq!(verdict(0, TOKENS + STALE + 1), Err(RejectionKind::RevocationsStale));
        assert_eq!(verdict(TOKENS as usize, TOKENS), Err(RejectionKind::Revoked));
    }
}

#[test]
fn nobody_is_admitted_on_news_that_tell_of_a_revocation() {
    check(20);
}

/// `cargo test --release --lib request::tests -- --ignored`
#[test]
#[ignore = "takes a while"]
fn nobody_is_admitted_on_news_that_tell_of_a_revocation_for_long() {
    check(20_000);
}
