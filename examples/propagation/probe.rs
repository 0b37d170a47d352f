//! Revoking tokens, and presenting each of them from that moment on until it is refused.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tower_bearer::clock::{Clock as _, SystemClock};

use super::api::Api;
use super::line::{Answer, Line, pause, pause_until};
use super::random::Random;
use super::{Plan, REVOCATIONS};

/// A token that is still admitted after this has not been revoked at all.
const LONGEST: Duration = Duration::from_secs(20);

#[derive(Default)]
pub(crate) struct Delays {
    /// From the return of the call that revokes to the first refusal as the client sees it.
    pub(crate) delays: Vec<Duration>,
    /// Answers that were neither 200 before the first refusal nor 401 from it on.
    pub(crate) errors: usize,
}

pub(crate) fn revoke_all(plan: &Plan, api: &Api, clock: SystemClock) -> io::Result<Delays> {
    let left = AtomicUsize::new(REVOCATIONS);
    let seed = clock.wall().as_millis().unsigned_abs();
    thread::scope(|scope| {
        let revoker = |place: usize| {
            let (left, random) = (&left, Random::new(seed ^ ((place as u64) << 48)));
            scope.spawn(move || Revoker { plan, api, clock, random }.run(left))
        };
        let revokers: Vec<_> = (0..plan.revokers).map(revoker).collect();
        let mut all = Delays::default();
        for revoker in revokers {
            let one = revoker.join().map_err(|_| io::Error::other("a revoker panicked"))??;
            all.delays.extend(one.delays);
            all.errors += one.errors;
        }
        Ok(all)
    })
}

struct Revoker<'a> {
    plan: &'a Plan,
    api: &'a Api,
    clock: SystemClock,
    random: Random,
}

impl Revoker<'_> {
    /// Until nothing is left to be revoked.
    fn run(mut self, left: &AtomicUsize) -> io::Result<Delays> {
        let mut line = Line::open(self.api.address, self.clock)?;
        let mut all = Delays::default();
        let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        while let Ok(number) = take() {
            let jti = format!("revoked-{number}");
            let request = self.api.request(&jti);
            pause(self.random.pause(self.plan.pause));
            line.send(&request)?;
            all.errors += usize::from(line.answer()?.status != 200);
            self.api.issuer.revoke_token(&jti);
            let revoked = self.clock.uptime();
            self.present(&mut line, &request, revoked, &mut all)?;
        }
        Ok(all)
    }

    /// Presents a revoked token at a constant rate until an answer says 401, and hears the rest of the answers.
    fn present(
        &self,
        line: &mut Line,
        request: &[u8],
        revoked: Duration,
        all: &mut Delays,
    ) -> io::Result<()> {
        let mut refused = None;
        let mut hear = |answer: Answer, refused: &mut Option<Duration>| {
            let right = answer.status == 401 || (answer.status == 200 && refused.is_none());
            all.errors += usize::from(!right);
            if answer.status == 401 && refused.is_none() {
                *refused = Some(answer.at.saturating_sub(revoked));
            }
        };
        let (mut due, mut unheard) = (revoked, 0_usize);
        while refused.is_none() {
            if due.saturating_sub(revoked) > LONGEST {
                return Err(io::Error::other("a revoked token was not refused"));
            }
            pause_until(self.clock, due);
            line.send(request)?;
            (due, unheard) = (due + self.plan.step, unheard + 1);
            for answer in line.answers.try_iter() {
                unheard -= 1;
                hear(answer, &mut refused);
            }
        }
        for _ in 0..unheard {
            hear(line.answer()?, &mut refused);
        }
        all.delays.extend(refused);
        Ok(())
    }
}
