//! The wall clock of the API is stepped by an hour, forward or back, while no time passes: what must not change, and what
//! must. The authorization server's clock is its own, and stays.

use std::time::Duration;

use serde_json::json;
use tower_bearer::clock::{Clock, ManualClock, SystemClock, UnixTime};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{FreshnessState, RejectionKind as Kind, ResourceServer};

use super::world::{
    Answer, NOW, PATIENCE, POLL, at_once, builder, clock, feed, issuer, request, respond, token,
};

const HOUR: i64 = 3600;
const JUMPS: [i64; 2] = [HOUR, -HOUR];

struct Apart {
    issuer: AuthorizationServer,
    api: ResourceServer,
    here: ManualClock,
    there: ManualClock,
    /// The keeper of the keys, and where there is a feed, its puller.
    tasks: usize,
}

impl Apart {
    async fn new() -> Self {
        let (here, there) = (clock(), clock());
        let issuer = issuer(&there).await;
        let api = builder(&issuer, &here).revocation(feed(&issuer)).start().await.unwrap();
        let world = Self { issuer, api, here, there, tasks: 2 };
        world.asleep().await;
        world
    }

    async fn without_feed() -> Self {
        let (here, there) = (clock(), clock());
        let issuer = issuer(&there).await;
        let api = builder(&issuer, &here).without_revocation().start().await.unwrap();
        let world = Self { issuer, api, here, there, tasks: 1 };
        world.asleep().await;
        world
    }

    fn jump(&self, by: i64) {
        self.here.step_wall(UnixTime::from_secs(self.here.wall().as_secs() + by));
    }

    fn pass(&self, time: Duration) {
        self.there.advance(time);
        self.here.advance(time);
    }

    /// Waits until every task sleeps again.
    async fn asleep(&self) {
        self.until(|world| world.here.sleepers() == world.tasks).await;
    }

    /// Lets time pass, and the feed and what else is due be asked.
    async fn pass_and_ask(&self, time: Duration) {
        self.asleep().await;
        self.pass(time);
        self.until(|world| world.api.health().issuers[0].feeds[0].age == Some(0.0)).await;
        self.until(|world| world.api.health().issuers[0].keys.age.unwrap() < 60.0).await;
        self.asleep().await;
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let patience = SystemClock::new();
        while !condition(self) {
            assert!(patience.uptime() < PATIENCE, "waited in vain: {:?}", self.api.health());
            patience.sleep(Duration::from_millis(1)).await;
        }
    }

    fn verdict(&self, token: &str) -> Verdict {
        verdict(&at_once(&self.api, token))
    }

    /// Everything that health tells, and how often the issuer has been asked for its keys.
    fn picture(&self) -> (String, usize) {
        let health = serde_json::to_string(&self.api.health()).unwrap();
        (health, self.issuer.requests(&self.issuer.jwks_url()))
    }
}

type Verdict = Result<(), (u16, Kind)>;

fn verdict(answer: &Answer) -> Verdict {
    match &answer.rejection {
        None => Ok(()),
        Some(rejection) => Err((answer.status, rejection.kind())),
    }
}

const REVOKED: Verdict = Err((401, Kind::Revoked));

/// Valid before, during and after every jump.
fn lasting() -> Token {
    token().issued_at(past(2 * HOUR)).lifetime(Duration::from_secs(20 * 3600))
}

fn past(seconds: i64) -> u64 {
    u64::try_from(NOW - seconds).unwrap()
}

/// JW-17, JW-20, JW-21: `exp`, `nbf` and `iat` speak of the wall clock, wherever it stands.
#[tokio::test]
async fn dates_in_tokens_are_judged_by_the_wall_clock() {
    let world = Apart::new().await;
    let half = HOUR / 2;
    let table: [(&str, Token, [Verdict; 3]); 5] = [
        // Behind, now, ahead.
        ("lasting", lasting(), [Ok(()); 3]),
        ("ends soon", lasting().claim("exp", NOW + half), [Ok(()), Ok(()), Err((401, Kind::Expired))]),
        (
            "has ended",
            lasting().claim("exp", NOW - half),
            [Ok(()), Err((401, Kind::Expired)), Err((401, Kind::Expired))],
        ),
        (
            "begins soon",
            lasting().claim("nbf", NOW + half),
            [Err((401, Kind::NotYetValid)), Err((401, Kind::NotYetValid)), Ok(())],
        ),
        ("issued just now", lasting().claim("iat", NOW), [Err((401, Kind::IssuedInFuture)), Ok(()), Ok(())]),
    ];
    for (name, token, verdicts) in table {
        let token = world.issuer.mint(token);
        for (jump, expected) in [-HOUR, 0, HOUR].into_iter().zip(verdicts) {
            world.jump(jump);
            assert_eq!(world.verdict(&token), expected, "{name}, {jump} s");
            world.jump(-jump);
        }
    }
}

/// Ages are measured by uptime: nothing that health tells changes by a jump, and nobody is asked because of it.
#[tokio::test]
async fn no_age_changes_and_nobody_is_asked() {
    for jump in JUMPS {
        let world = Apart::new().await;
        let good = world.issuer.mint(lasting());
        // Fresh, and of some age.
        world.issuer.stop().await;
        world.pass(Duration::from_millis(500));
        let before = world.picture();
        world.jump(jump);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.picture(), before, "{jump}");
        assert_eq!(world.here.sleepers(), world.tasks, "no timer has rung");
        assert_eq!(world.verdict(&good), Ok(()), "{jump}");
        // The bounds are where they were.
        world.jump(-jump);
        world.pass(Duration::from_millis(29_500));
        for (state, expected) in
            [(FreshnessState::Fresh, Ok(())), (FreshnessState::Stale, Err((503, Kind::RevocationsStale)))]
        {
            let verdicts = [0, jump, -jump].map(|step| {
                world.jump(step);
                (world.api.health().issuers[0].feeds[0].state, world.verdict(&good))
            });
            assert_eq!(verdicts, [(state, expected); 3], "{jump}");
            world.pass(Duration::from_millis(1));
        }
        // Stale is what it stays until the feed answers.
        world.jump(jump);
        world.issuer.restart().await.unwrap();
        world.pass_and_ask(Duration::from_secs(30)).await;
        assert_eq!(world.verdict(&good), Ok(()), "{jump}");
    }
}

/// JK-10: how long keys are relied on is measured by uptime too.
#[tokio::test]
async fn keys_last_as_long_as_they_would_have() {
    for jump in JUMPS {
        let world = Apart::without_feed().await;
        let good = world.issuer.mint(lasting());
        world.issuer.stop().await;
        // The minute for which they hold, and an hour.
        world.pass(Duration::from_millis(3_660_000 - 1));
        assert_eq!(
            [0, jump, -jump].map(|step| {
                world.jump(step);
                world.verdict(&good)
            }),
            [Ok(()); 3],
            "{jump}"
        );
        world.pass(Duration::from_millis(1));
        let no_keys = Err((503, Kind::NoKeys));
        assert_eq!(
            [0, jump, -jump].map(|step| {
                world.jump(step);
                world.verdict(&good)
            }),
            [no_keys; 3],
            "{jump}"
        );
    }
}

/// JK-09: a jump neither ends the cooldown nor prolongs it, and what was found absent stays so for as long.
#[tokio::test]
async fn the_cooldown_is_the_same() {
    for jump in JUMPS {
        let world = Apart::without_feed().await;
        let jwks = world.issuer.jwks_url();
        let forged = world.issuer.mint(lasting().header("kid", "made-up"));
        let first = respond(&world.api, tower_bearer::any_token(), request(&forged)).await;
        assert_eq!(verdict(&first), Err((401, Kind::UnknownKey)));
        world.asleep().await;
        let fetched = world.issuer.requests(&jwks);
        world.pass(Duration::from_secs(4));
        for step in [0, jump, -jump, jump] {
            world.jump(step);
            let again = at_once(&world.api, &forged);
            assert_eq!(
                (verdict(&again), again.retry_after),
                (Err((503, Kind::KeysPending)), Some(1)),
                "{jump}"
            );
        }
        // Another one rings; the fetch comes when the cooldown ends.
        let other = world.issuer.mint(lasting().header("kid", "made-up too"));
        let api = world.api.clone();
        let waiting =
            tokio::spawn(
                async move { verdict(&respond(&api, tower_bearer::any_token(), request(&other)).await) },
            );
        world.until(|world| world.here.sleepers() == world.tasks + 1).await;
        world.jump(-jump);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert!(!waiting.is_finished() && world.issuer.requests(&jwks) == fetched, "{jump}");
        world.pass(Duration::from_secs(1));
        assert_eq!(waiting.await.unwrap(), Err((401, Kind::UnknownKey)), "{jump}");
        assert_eq!(world.issuer.requests(&jwks), fetched + 1, "{jump}");
    }
}

/// Every kind of revocation, put in force before the jump or after it, stays in force: at once, through polls and
/// housekeeping, and when the clock is set right again. A token that no entry means is admitted all the while.
#[tokio::test]
async fn revocations_stay_in_force() {
    for jump in JUMPS {
        for jump_first in [false, true] {
            let world = Apart::new().await;
            let good = world.issuer.mint(lasting().subject("another").client("another").grant("g-0"));
            let mint = |token: Token| world.issuer.mint(token);
            let revoked = [
                mint(lasting().claim("jti", "t-1")),
                mint(lasting().grant("g-1")),
                mint(lasting().client("cut-off")),
                mint(lasting().subject("cut-off")),
                mint(lasting().subject("both").client("both")),
                mint(lasting().claim("jti", "no end")),
                mint(lasting().claim("jti", "soon")),
            ];
            if jump_first {
                world.jump(jump);
            }
            let end = NOW + 20 * HOUR;
            world.issuer.publish_all([
                json!({"jti": "t-1", "exp": end}),
                json!({"grant_id": "g-1", "exp": end}),
                json!({"client_id": "cut-off", "issued_before": NOW, "exp": end}),
                json!({"sub": "cut-off", "issued_before": NOW, "exp": end}),
                json!({"client_id": "both", "sub": "both", "issued_before": NOW, "exp": end}),
                json!({"jti": "no end"}),
                // Ends before the clock does that is an hour ahead, and before its token.
                json!({"jti": "soon", "exp": NOW + 300}),
            ]);
            world.pass_and_ask(POLL).await;
            let check = |when: &str| {
                let verdicts: Vec<_> = revoked.iter().map(|token| world.verdict(token)).collect();
                assert_eq!(verdicts, [REVOKED; 7], "{jump}, jump first: {jump_first}, {when}");
                assert_eq!(world.verdict(&good), Ok(()), "{jump}, {when}");
            };
            check("taken in");
            if !jump_first {
                world.jump(jump);
                check("the jump");
            }
            // Housekeeping is once a minute.
            for _ in 0..3 {
                world.pass_and_ask(Duration::from_secs(61)).await;
            }
            check("housekeeping");
            let (identifiers, cut_offs) = {
                let feed = &world.api.health().issuers[0].feeds[0];
                (feed.identifiers, feed.cut_offs)
            };
            assert_eq!((identifiers, cut_offs), (4, 3), "{jump}");
            world.jump(-jump);
            check("set right");
            world.pass_and_ask(Duration::from_secs(61)).await;
            check("housekeeping again");
            world.issuer.publish(json!({"issued_before": NOW, "exp": end}));
            world.jump(jump);
            world.pass_and_ask(POLL).await;
            assert_eq!(world.verdict(&good), REVOKED, "everybody");
        }
    }
}

/// An entry that is over, as its token is: where the clock then says that the token is valid again, it is still revoked.
#[tokio::test]
async fn a_revoked_token_does_not_come_back_with_the_hour() {
    let world = Apart::new().await;
    let short = |name: &str| {
        token().issued_at(past(2 * HOUR)).claim("exp", NOW + 600).claim("jti", name).client(name)
    };
    let [identified, cut_off, free] =
        ["identified", "cut-off", "free"].map(|name| world.issuer.mint(short(name)));
    world.issuer.revoke_jwt(&identified);
    world.issuer.publish(json!({"client_id": "cut-off", "issued_before": NOW, "exp": NOW + 600}));
    world.pass_and_ask(POLL).await;
    assert_eq!([&identified, &cut_off, &free].map(|token| world.verdict(token)), [REVOKED, REVOKED, Ok(())]);
    // Half an hour after its end, housekeeping done.
    for _ in 0..4 {
        world.pass_and_ask(Duration::from_secs(600)).await;
    }
    // Also if the clock was an hour ahead in between.
    world.jump(HOUR);
    world.pass_and_ask(Duration::from_secs(61)).await;
    world.jump(-HOUR);
    let over = Err((401, Kind::Expired));
    assert_eq!([&identified, &cut_off, &free].map(|token| world.verdict(token)), [over; 3]);
    world.jump(-HOUR);
    assert_eq!([&identified, &cut_off, &free].map(|token| world.verdict(token)), [REVOKED, REVOKED, Ok(())]);
}
