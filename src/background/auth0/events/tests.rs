use std::pin::pin;

use super::super::super::source::{ClientCredentials, Parts};
use super::*;

const NOW: i64 = 1_795_000_000;
const DAY: Duration = Duration::from_secs(86_400);

fn follower() -> Follower {
    let url = |path: &str| Url::parse("https://tenant.example/").unwrap().join(path).unwrap();
    Follower::new(Plan {
        api: url("api/v2/"),
        client: ClientCredentials::new("id", "secret"),
        token_endpoint: url("oauth/token"),
        audiences: Box::new(["a".to_owned(), "b".to_owned()]),
        parts: Parts {
            blacklist: false,
            client_grants: false,
            user_grants: false,
            logs: false,
            events: true,
        },
        max_token_lifetime: DAY,
        max_staleness: Duration::from_secs(60),
        longest_wait: Duration::from_secs(30),
    })
}

fn heard(second: i64) -> Heard {
    let at = UnixTime::from_secs(second);
    let revocation = Revocation::cut_off(at).claim("sub", format!("u{second}"));
    Heard { revocations: vec![(revocation, at)], place: Some(Place::After(format!("o{second}"))) }
}

#[tokio::test]
async fn what_is_due_goes_before_whatever_is_said() {
    let mut ear = follower().ear().unwrap();
    for second in 0..i64::try_from(limits::EVENTS_UNTAKEN).unwrap() {
        ear.to.try_send(heard(NOW + second)).unwrap();
    }
    assert!(ear.to.try_send(heard(NOW)).is_err(), "whoever reads waits");
    assert!(ear.next_before(pin!(async { 7 })).await.is_ok_and(|seven| seven == 7));
    let News { pulled, .. } = ear.next_before(pin!(std::future::pending::<()>())).await.err().unwrap();
    assert_eq!(pulled.revocations.len(), limits::EVENTS_UNTAKEN, "all at once");
    assert_eq!(ear.events.place(), Some(Place::After(format!("o{}", NOW + 63))));
}

/// A sign of life counts for what was said before it, and that is taken with it.
#[tokio::test]
async fn a_sign_is_no_later_than_what_is_taken_with_it() {
    let mut ear = follower().ear().unwrap();
    assert_eq!(ear.rest().told, None);
    ear.to.try_send(heard(NOW)).unwrap();
    ear.signs.send_modify(|signs| signs.told = Some(Duration::from_secs(5)));
    let News { pulled, told } = ear.rest();
    assert_eq!((pulled.revocations.len(), told), (1, Some(Duration::from_secs(5))));
}

#[test]
fn what_was_said_is_told_again_unless_it_has_been_taken_in() {
    let ear = follower().ear().unwrap();
    ear.events.note(&[heard(NOW), heard(NOW + 1)]);
    for (again, expected) in [(true, 2), (true, 2), (false, 0), (true, 0)] {
        assert_eq!(ear.events.said(again).len(), expected);
    }
    ear.events.note(&[Heard::default()]);
    assert_eq!(ear.events.place(), Some(Place::After(format!("o{}", NOW + 1))), "silence moves nothing");
}
