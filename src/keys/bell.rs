//! The bell: how a token with an unknown `kid` gets one fetch of the keys, however many such tokens come.
//!
//! The request's way rings and waits; the background's way answers by fetching. A `kid` counts as absent only after
//! a fetch that *began* after the token came in found no such key: until then nobody can tell a forged token from one
//! that was signed with a key of a minute ago, and the answer is "ask again", not "invalid".

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::sync::{Notify, watch};

use crate::clock::Clock;
use crate::limits;

/// See the module docs.
pub(crate) struct Bell {
    rung: Notify,
    attempts: watch::Sender<Attempts>,
    waiting: AtomicUsize,
    /// Keys found absent, by `kid` or for want of one. Losing one costs a wait, nothing else.
    absent: Cache<Option<Box<str>>, Finding>,
}

/// What was found about an absent key, and at what uptime.
#[derive(Clone, Copy)]
struct Finding {
    taken_away: bool,
    at: Duration,
}

/// What is known about a key that is not in the set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absence {
    /// The issuer has removed it: tokens signed with it are over.
    TakenAway,
    /// It was not there a moment ago. That proves nothing about a token that came since, and the issuer is not asked
    /// again for a while.
    NotFound { for_another: Duration },
}

/// How many fetches began and ended.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    begun: u64,
    ended: u64,
    /// The last one that brought a key set.
    succeeded: u64,
}

/// What waiting came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The key is there now.
    Found,
    /// The issuer has no such key.
    Absent,
    /// No fetch could tell in time.
    Unanswered,
}

/// How long a key counts as taken away, unless it is published again.
const TAKEN_AWAY_FOR: Duration = limits::KEYS_REFRESH;

impl Bell {
    pub(crate) fn new() -> Self {
        Self {
            rung: Notify::new(),
            attempts: watch::Sender::new(Attempts::default()),
            waiting: AtomicUsize::new(0),
            absent: Cache::builder()
                .max_capacity(limits::ABSENT_KEY_IDS)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }

    /// Remembers a key that the issuer has removed from its set.
    pub(crate) fn note_taken_away(&self, kid: &str, at: Duration) {
        self.absent.insert(Some(kid.into()), Finding { taken_away: true, at });
    }

    /// Remembers that a fetch did not bring the key that a token needs.
    pub(crate) fn note_not_found(&self, kid: Option<&str>, at: Duration) {
        // The same fetch may have shown that it was taken away, which says more.
        if self.absence(kid, at) == Some(Absence::TakenAway) {
            return;
        }
        self.absent.insert(kid.map(Box::from), Finding { taken_away: false, at });
    }

    /// What is known about a key that is not in the set, or did not verify where the token names none.
    pub(crate) fn absence(&self, kid: Option<&str>, uptime: Duration) -> Option<Absence> {
        let finding = self.absent.get(&kid.map(Box::from))?;
        let age = uptime.saturating_sub(finding.at);
        if finding.taken_away {
            (age < TAKEN_AWAY_FOR).then_some(Absence::TakenAway)
        } else {
            let for_another = limits::BELL_COOLDOWN.checked_sub(age).filter(|left| !left.is_zero())?;
            Some(Absence::NotFound { for_another })
        }
    }

    /// Rings, and waits until `found` says yes, a fetch of its own says no, or time is up.
    pub(crate) async fn wait(
        &self,
        kid: Option<&str>,
        clock: &dyn Clock,
        found: impl Fn() -> bool,
    ) -> Answer {
        let Some(_seat) = Seat::take(&self.waiting) else { return Answer::Unanswered };
        tokio::select! {
            biased;
            answer = self.listen(&found) => {
                // Without a `kid` only the signature tells, once the new set is there.
                if answer == Answer::Absent && kid.is_some() {
                    self.note_not_found(kid, clock.uptime());
                }
                answer
            }
            () = clock.sleep(limits::BELL_WAIT) => Answer::Unanswered,
        }
    }

    async fn listen(&self, found: &impl Fn() -> bool) -> Answer {
        let mut attempts = self.attempts.subscribe();
        let begun_before = attempts.borrow_and_update().begun;
        loop {
            let now = *attempts.borrow_and_update();
            if found() {
                return Answer::Found;
            }
            if now.succeeded > begun_before {
                return Answer::Absent;
            }
            if now.begun == now.ended {
                self.rung.notify_one();
            }
            if attempts.changed().await.is_err() {
                return Answer::Unanswered;
            }
        }
    }

    /// Resolves when somebody rings. For the background's way.
    pub(crate) async fn rung(&self) {
        self.rung.notified().await;
    }

    /// Announces that a fetch begins: whoever rang before is answered by it, so that their ringing is over.
    pub(crate) fn begin(&self) {
        self.attempts.send_modify(|attempts| attempts.begun += 1);
        let mut rung = std::pin::pin!(self.rung.notified());
        rung.as_mut().enable();
    }

    /// Announces that the fetch ended, after the ring has been replaced.
    pub(crate) fn end(&self, succeeded: bool) {
        self.attempts.send_modify(|attempts| {
            attempts.ended = attempts.begun;
            if succeeded {
                attempts.succeeded = attempts.begun;
            }
        });
    }
}

/// Unknown `kid`s are what strangers sent: they are not shown.
impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bell").field("attempts", &*self.attempts.borrow()).finish_non_exhaustive()
    }
}

/// One of a bounded number of places to wait in; given back when dropped.
pub(crate) struct Seat<'a>(&'a AtomicUsize);

impl<'a> Seat<'a> {
    pub(crate) fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let taken = waiting.fetch_add(1, Ordering::AcqRel);
        let seat = Self(waiting);
        (taken < limits::BELL_WAITERS).then_some(seat)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, UnixTime};
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    struct World {
        bell: Arc<Bell>,
        clock: ManualClock,
        key: Arc<AtomicBool>,
    }

    impl World {
        fn new() -> Self {
            Self {
                bell: Arc::new(Bell::new()),
                clock: ManualClock::new(UnixTime::from_secs(0)),
                key: Arc::default(),
            }
        }

        fn request(&self, kid: &'static str) -> tokio::task::JoinHandle<Answer> {
            let (bell, clock, key) = (self.bell.clone(), self.clock.clone(), self.key.clone());
            tokio::spawn(async move { bell.wait(Some(kid), &clock, || key.load(Ordering::SeqCst)).await })
        }

        async fn settled(&self, waiting: usize) {
            while self.clock.sleepers() < waiting {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn one_fetch_answers_everybody() {
        let world = World::new();
        let requests: Vec<_> = (0..100).map(|_| world.request("new")).collect();
        world.settled(100).await;
        world.bell.rung().await;
        world.bell.begin();
        world.key.store(true, Ordering::SeqCst);
        world.bell.end(true);
        for request in requests {
            assert_eq!(request.await.unwrap(), Answer::Found);
        }
        let quiet = tokio::select! { () = world.bell.rung() => false, () = tokio::task::yield_now() => true };
        assert!(quiet, "the bell was still ringing");
    }

    #[tokio::test]
    async fn a_fetch_that_began_before_the_token_came_does_not_prove_absence() {
        let world = World::new();
        world.bell.begin();
        let request = world.request("new");
        world.settled(1).await;
        world.bell.end(true);
        world.bell.rung().await;
        assert!(!request.is_finished());
        world.bell.begin();
        world.bell.end(true);
        assert_eq!(request.await.unwrap(), Answer::Absent);
        let absence = |uptime| world.bell.absence(Some("new"), uptime);
        let for_another = limits::BELL_COOLDOWN;
        assert_eq!(absence(Duration::ZERO), Some(Absence::NotFound { for_another }));
        assert_eq!(absence(limits::BELL_COOLDOWN), None, "time to ask again");
        world.bell.note_taken_away("old", Duration::ZERO);
        assert_eq!(world.bell.absence(Some("old"), Duration::from_secs(60)), Some(Absence::TakenAway));
        assert_eq!(world.bell.absence(Some("old"), TAKEN_AWAY_FOR), None);
    }

    #[tokio::test]
    async fn failed_fetches_prove_nothing() {
        let world = World::new();
        let request = world.request("new");
        world.settled(1).await;
        world.bell.rung().await;
        world.bell.begin();
        world.bell.end(false);
        world.bell.rung().await;
        assert!(!request.is_finished());
        world.clock.advance(limits::BELL_WAIT);
        assert_eq!(request.await.unwrap(), Answer::Unanswered);
        assert_eq!(world.bell.absence(Some("new"), world.clock.uptime()), None);
    }

    #[tokio::test]
    async fn waiting_places_are_bounded_and_given_back() {
        let world = World::new();
        let requests: Vec<_> = (0..limits::BELL_WAITERS).map(|_| world.request("x")).collect();
        world.settled(limits::BELL_WAITERS).await;
        assert_eq!(world.request("y").await.unwrap(), Answer::Unanswered);
        world.clock.advance(limits::BELL_WAIT);
        for request in requests {
            assert_eq!(request.await.unwrap(), Answer::Unanswered);
        }
        assert_eq!(world.bell.waiting.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn absent_keys_are_remembered_within_a_bound() {
        // What moka takes in before it looks at its capacity, in the worst case.
        const NOT_YET_COUNTED: u64 = 512;
        let bell = Bell::new();
        for n in 0..10_000 {
            bell.note_not_found(Some(&format!("made-up-{n}")), Duration::ZERO);
            if n % 97 == 0 {
                let remembered = bell.absent.iter().count() as u64;
                assert!(remembered <= limits::ABSENT_KEY_IDS + NOT_YET_COUNTED, "{remembered} after {n}");
            }
        }
        bell.absent.run_pending_tasks();
        assert_eq!(bell.absent.iter().count() as u64, limits::ABSENT_KEY_IDS);
    }
}
