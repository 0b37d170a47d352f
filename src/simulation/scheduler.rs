//! An executor of one thread and its clock: time passes when nobody has anything left to do, and which of the tasks that
//! could go on goes on is the seed's choice.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::rng::Rng;
use crate::clock::{Clock, UnixTime};

/// Clones share their time.
#[derive(Clone, Debug)]
pub(super) struct SimulatedClock(Arc<Mutex<Time>>);

#[derive(Debug)]
struct Time {
    uptime: Duration,
    /// Wall time minus uptime, in milliseconds.
    offset: i64,
    timers: BTreeMap<(Duration, u64), Waker>,
    made: u64,
}

impl SimulatedClock {
    pub(super) fn new(wall: UnixTime) -> Self {
        let (uptime, offset) = (Duration::ZERO, wall.as_millis());
        Self(Arc::new(Mutex::new(Time { uptime, offset, timers: BTreeMap::new(), made: 0 })))
    }

    pub(super) fn step_wall(&self, millis: i64) {
        self.0.lock().unwrap().offset += millis;
    }

    /// When the next sleeper wakes.
    pub(super) fn next(&self) -> Option<Duration> {
        self.0.lock().unwrap().timers.keys().next().map(|(deadline, _)| *deadline)
    }

    /// Moves uptime, and wakes who has slept until then.
    pub(super) fn advance_to(&self, uptime: Duration) {
        let due = {
            let mut time = self.0.lock().unwrap();
            time.uptime = uptime;
            let later = time.timers.split_off(&(uptime, u64::MAX));
            mem::replace(&mut time.timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

impl Clock for SimulatedClock {
    fn wall(&self) -> UnixTime {
        let time = self.0.lock().unwrap();
        UnixTime::from_millis(time.offset + time.uptime.as_millis() as i64)
    }

    fn uptime(&self) -> Duration {
        self.0.lock().unwrap().uptime
    }

    /// Up to the next whole millisecond, as tokio's timer does: things then happen at the same time more often.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let millis = (self.uptime() + duration).as_micros().div_ceil(1000);
        let deadline = Duration::from_millis(millis as u64);
        Box::pin(Sleep { clock: self.clone(), deadline, timer: None })
    }
}

struct Sleep {
    clock: SimulatedClock,
    deadline: Duration,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut time = clock.0.lock().unwrap();
        if time.uptime >= self.deadline {
            return Poll::Ready(());
        }
        time.made += 1;
        let timer = *self.timer.get_or_insert(time.made);
        time.timers.insert((self.deadline, timer), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.clock.0.lock().unwrap().timers.remove(&(self.deadline, timer));
        }
    }
}

/// Runs tasks by their number.
pub(super) struct Scheduler {
    rng: Rng,
    tasks: BTreeMap<usize, Pin<Box<dyn Future<Output = ()>>>>,
    ready: Arc<Mutex<BTreeSet<usize>>>,
}

struct Task {
    number: usize,
    ready: Arc<Mutex<BTreeSet<usize>>>,
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().insert(self.number);
    }
}

impl Scheduler {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, tasks: BTreeMap::new(), ready: Arc::default() }
    }

    /// Starts a task and polls it once. Says whether it has ended with that.
    pub(super) fn start(&mut self, number: usize, task: impl Future<Output = ()> + 'static) -> bool {
        self.tasks.insert(number, Box::pin(task));
        self.poll(number);
        !self.tasks.contains_key(&number)
    }

    /// Drops a task where it stands. Says whether it was still there.
    pub(super) fn cancel(&mut self, number: usize) -> bool {
        self.tasks.remove(&number).is_some()
    }

    /// Runs until every task waits. The order in which they were woken does not count.
    pub(super) fn run(&mut self) {
        loop {
            let ready: Vec<usize> = self.ready.lock().unwrap().iter().copied().collect();
            if ready.is_empty() {
                return;
            }
            let number = self.rng.pick(&ready);
            self.ready.lock().unwrap().remove(&number);
            self.poll(number);
        }
    }

    fn poll(&mut self, number: usize) {
        let Some(task) = self.tasks.get_mut(&number) else { return };
        let waker = Waker::from(Arc::new(Task { number, ready: Arc::clone(&self.ready) }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
            self.tasks.remove(&number);
        }
    }
}
