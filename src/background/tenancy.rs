//! Taking tenants in when their first token comes, and letting go of those that nobody asks for.

use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::runtime::Handle;

use super::Background;
use crate::clock::Clock;
use crate::issuer::TrustedIssuer;
use crate::issuer::directory::TenantMap;
use crate::issuer::kept::Kept;
use crate::issuer::life::Life;
use crate::keys::bell::Seat;
use crate::limits;
use crate::rejection::{Rejection, RejectionKind};

/// Makes a tenant of this name, with what it had revoked when it was here last, and starts its tasks. None if it cannot
/// be an issuer.
pub(crate) type Make =
    dyn Fn(&str, Life, Option<Kept>) -> Option<(Arc<TrustedIssuer>, Background)> + Send + Sync;

/// The tenants under one pattern or list, and their tasks.
pub(crate) struct Tenancy {
    /// The pattern or list, in words.
    pub(crate) name: String,
    pub(crate) map: Arc<TenantMap>,
    pub(crate) max: usize,
    idle_after: Duration,
    clock: Arc<dyn Clock>,
    runtime: Handle,
    make: Box<Make>,
    waiting: AtomicUsize,
    state: Mutex<State>,
    /// Names that turned out to have no keys, and until which uptime nobody asks again. Losing one costs a question.
    absent: Cache<Box<str>, Duration>,
}

#[derive(Default)]
struct State {
    tasks: HashMap<Arc<str>, Background>,
    /// Those that have yet to show that they exist: a name that is made up must not cost a look at all tenants.
    newcomers: Vec<Arc<TrustedIssuer>>,
    /// What tenants had revoked that have been let go of.
    dormant: HashMap<Arc<str>, Dormant>,
    trouble: Option<String>,
}

impl State {
    /// How many tenants have yet to show that they exist.
    fn on_probation(&mut self) -> usize {
        self.newcomers.retain(|tenant| tenant.is_on_probation() && !tenant.has_ended());
        self.newcomers.len()
    }
}

/// What is left of a tenant, and since which uptime.
struct Dormant {
    kept: Kept,
    since: Duration,
}

/// How many there are.
pub(crate) struct Count {
    pub(crate) known: usize,
    pub(crate) on_probation: usize,
    pub(crate) dormant: usize,
    /// Why the last one that was not taken in was not.
    pub(crate) trouble: Option<String>,
}

/// Names are what strangers sent.
impl std::fmt::Debug for Tenancy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tenancy").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tenancy {
    /// Must be called on a tokio runtime.
    pub(crate) fn new(
        name: String,
        map: TenantMap,
        (max, idle_after): (usize, Duration),
        clock: Arc<dyn Clock>,
        make: Box<Make>,
    ) -> Self {
        Self {
            name,
            map: Arc::new(map),
            max,
            idle_after,
            clock,
            runtime: Handle::current(),
            make,
            waiting: AtomicUsize::new(0),
            state: Mutex::default(),
            absent: Cache::builder()
                .max_capacity(limits::ABSENT_TENANTS)
                .eviction_policy(EvictionPolicy::lru())
                .build(),
        }
    }

    /// Waits until the first answers about a tenant are there, bounded; what they are worth is for the judge to say. Whoever
    /// stops waiting stops nothing.
    ///
    /// # Errors
    /// If it cannot be taken in now.
    pub(crate) async fn wait(&self, name: &str) -> Result<(), Rejection> {
        let Some(_seat) = Seat::take(&self.waiting) else { return Err(later(limits::BELL_COOLDOWN)) };
        let tenant = self.take_in(name)?;
        let Some(life) = &tenant.life else { return Ok(()) };
        let mut news = life.news.subscribe();
        let settled =
            async { while tenant.is_settling(self.clock.uptime()) && news.changed().await.is_ok() {} };
        tokio::select! {
            () = settled => {}
            () = self.clock.sleep(limits::BELL_WAIT) => {}
        }
        Ok(())
    }

    /// Does something to the tenant of this name, which is permitted and which the operator's own program has named: nobody
    /// made it up. It is not let go of meanwhile. None if there is no room for it.
    pub(crate) fn with<T>(&self, name: &str, act: impl FnOnce(&TrustedIssuer) -> T) -> Option<T> {
        let mut state = self.lock();
        let living = self.map.living().get(name).cloned();
        if let Some(tenant) = living {
            return Some(act(&tenant));
        }
        let kept = state.dormant.get(name).map(|dormant| dormant.kept.clone());
        if kept.is_none() && self.map.living().len() + state.dormant.len() >= self.max {
            return None;
        }
        self.begin(&mut state, name, kept).map(|tenant| act(&tenant))
    }

    /// The tenant of this name, which is permitted; made if it is not there.
    fn take_in(&self, name: &str) -> Result<Arc<TrustedIssuer>, Rejection> {
        let uptime = self.clock.uptime();
        let mut state = self.lock();
        let living = self.map.living();
        if let Some(tenant) = living.get(name) {
            return Ok(Arc::clone(tenant));
        }
        let kept = state.dormant.get(name).map(|dormant| dormant.kept.clone());
        let returns = kept.as_ref().is_some_and(|kept| !kept.is_empty());
        if !returns && let Some(left) = self.absent.get(name).and_then(|until| until.checked_sub(uptime)) {
            return Err(later(left.max(Duration::from_secs(1))));
        }
        if kept.is_none() && living.len() + state.dormant.len() >= self.max {
            let why = format!("max is reached: no tenant besides the {} is taken in", self.max);
            return Err(self.turn_away(&mut state, why));
        }
        let on_probation = state.on_probation();
        if !returns && on_probation >= limits::TENANTS_ON_PROBATION {
            let why = format!("{on_probation} tenants have yet to show that they exist");
            return Err(self.turn_away(&mut state, why));
        }
        let tenant = self.begin(&mut state, name, kept);
        if tenant.is_none() {
            self.note_absent(name, uptime);
        }
        tenant.ok_or_else(|| later(limits::TENANT_ABSENT))
    }

    /// A new life. None if no issuer can have this name.
    fn begin(&self, state: &mut State, name: &str, kept: Option<Kept>) -> Option<Arc<TrustedIssuer>> {
        let returns = kept.as_ref().is_some_and(|kept| !kept.is_empty());
        if let Some(kept) = &kept {
            kept.forget_trouble();
        }
        // Whoever polls this request need not do so on the runtime that the tasks run on.
        let _entered = self.runtime.enter();
        let (tenant, tasks) = (self.make)(name, Life::new(self.clock.uptime(), returns), kept)?;
        let name: Arc<str> = name.into();
        let mut living = self.map.living().as_ref().clone();
        living.insert(Arc::clone(&name), Arc::clone(&tenant));
        self.map.replace(living);
        state.dormant.remove(&name);
        state.tasks.insert(name, tasks);
        state.on_probation();
        state.newcomers.push(Arc::clone(&tenant));
        state.trouble = None;
        Some(tenant)
    }

    /// Said in the log once, until a tenant is taken in again.
    fn turn_away(&self, state: &mut State, why: String) -> Rejection {
        if state.trouble.is_none() {
            tracing::warn!(tenants = self.name, why, "new tenants are turned away");
        }
        state.trouble = Some(why);
        later(limits::TENANTS_SWEEP)
    }

    fn note_absent(&self, name: &str, uptime: Duration) {
        self.absent.insert(name.into(), uptime.saturating_add(limits::TENANT_ABSENT));
    }

    /// Lets go of tenants in time, until it is aborted.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            self.clock.sleep(limits::TENANTS_SWEEP).await;
            self.tidy();
            self.sweep();
        }
    }

    /// Lets go of revocations that have ended. None that is in force is ever among them.
    fn tidy(&self) {
        // It may take a while, in which tenants are taken in.
        let dormant: Vec<_> = self.lock().dormant.values().map(|dormant| dormant.kept.clone()).collect();
        dormant.iter().for_each(|kept| kept.tidy(self.clock.now()));
        let uptime = self.clock.uptime();
        // For a while the task of its last life may still be reading a page into them.
        let recent = |since: Duration| uptime.saturating_sub(since) < limits::TENANTS_SWEEP;
        self.lock().dormant.retain(|_, Dormant { kept, since }| !kept.is_empty() || recent(*since));
    }

    /// Lets go of tenants that have not been used, but keeps what those that were known have revoked.
    fn sweep(&self) {
        let uptime = self.clock.uptime();
        let mut state = self.lock();
        let living = self.map.living();
        let is_over = |tenant: &TrustedIssuer| {
            let over = |life: &Life| life.is_over(uptime, limits::TENANT_PROBATION, self.idle_after);
            tenant.life.as_ref().is_some_and(over)
        };
        if !living.values().any(|tenant| is_over(tenant)) {
            return;
        }
        let mut left = living.as_ref().clone();
        for (name, tenant) in left.extract_if(|_, tenant| is_over(tenant)) {
            // Before its tasks end: verdicts about its tokens stand no longer.
            if let Some(life) = &tenant.life {
                life.end();
            }
            state.tasks.remove(&name);
            let kept = Kept::of(&tenant);
            if tenant.is_on_probation() && !kept.has_own_words() {
                // Nobody was admitted by what it had revoked, and its next life asks for all of it before anybody is. Kept,
                // it would take a place that whoever guesses names of tenants could fill.
                if tenant.keys.age(uptime).is_none() {
                    self.note_absent(&name, uptime);
                }
            } else {
                state.dormant.insert(name, Dormant { kept, since: uptime });
            }
        }
        self.map.replace(left);
    }

    pub(crate) fn count(&self) -> Count {
        let mut state = self.lock();
        let living = self.map.living();
        let on_probation = state.on_probation();
        Count {
            known: living.len() - on_probation,
            on_probation,
            dormant: state.dormant.len(),
            trouble: state.trouble.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody can say yet whether the tenant exists.
fn later(after: Duration) -> Rejection {
    Rejection::new(RejectionKind::NoKeys).retry_after(after)
}
