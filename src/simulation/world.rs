//! One world: the real layer, bell, ring and keeper under a simulated clock, in front of a simulated network.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::ready;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER};
use http::{Request, Response};
use tokio::sync::watch;
use tower::{Layer as _, Service as _, service_fn};
use url::Url;

use super::oracle::Oracle;
use super::plan::{Deed, Plan};
use super::rng::Rng;
use super::scheduler::{Scheduler, SimulatedClock};
use super::server::{KEYS_PATH, Server};
use super::tokens::{AUDIENCE, ISSUER, START, Tokens};
use super::trace::Tally;
use crate::algorithm::Algorithms;
use crate::background::fetch::{Fetcher, Shared};
use crate::background::jwks::{KeyKeeper, KeySource};
use crate::background::transport::Transport;
use crate::background::{Background, Surroundings, simulated};
use crate::clock::{Clock, UnixTime};
use crate::issuer::TrustedIssuer;
use crate::issuer::directory::Directory;
use crate::keys::KeyRing;
use crate::middleware::{Gate, Protect, Realm};
use crate::names::{Audience, ClaimName, Issuer};
use crate::policy::any_token;
use crate::policy::profile::{Profile, Rules};
use crate::request::{Judge, Verdicts};
use crate::revocation::entry::EntryRules;
use crate::revocation::in_process::InProcess;

/// What a world came to.
pub(super) struct History {
    pub(super) lived: Duration,
    pub(super) tally: Tally,
    pub(super) violation: Option<String>,
    pub(super) fingerprint: u64,
    pub(super) shown: String,
}

/// The keeper's task; requests are counted from the next one on.
const KEEPER: usize = 0;

/// The world that a seed draws.
pub(super) fn live(seed: u64) -> History {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng.fork());
    follow(plan, &mut rng)
}

/// The same world, in which good times are none.
pub(super) fn live_with_liar(seed: u64) -> History {
    let mut rng = Rng::new(seed);
    let mut plan = Plan::draw(&mut rng.fork());
    plan.nature.liar = true;
    follow(plan, &mut rng)
}

pub(super) fn follow(plan: Plan, rng: &mut Rng) -> History {
    let Plan { nature, bounds, end, deeds, .. } = plan;
    let clock = SimulatedClock::new(UnixTime::from_secs(START));
    let oracle = Arc::new(Mutex::new(Oracle::new(bounds)));
    let mut scheduler = Scheduler::new(rng.fork());
    let pinned = nature.metadata_at.is_none();
    let server = Server::new(clock.clone(), rng.fork(), nature, Arc::clone(&oracle));
    let server = Rc::new(RefCell::new(server));
    let _installed = {
        let (server, mut chance) = (Rc::clone(&server), rng.fork());
        simulated::install(move |question| server.borrow_mut().ask(question), move || chance.fraction())
    };

    let (issuer, keeper) = resource_server(pinned, bounds.stale_after, &clock);
    let gate = Gate {
        judge: Judge::new(Directory::new([issuer], Box::default()), Verdicts::new(1 << 20)),
        clock: Arc::new(clock.clone()),
        realm: Realm::new(AUDIENCE, None),
        tenancies: Box::default(),
        _background: Background::default(),
    };
    let inner = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(()))));
    let mut service = Protect::new(Arc::new(gate), any_token()).layer(inner);

    let mut choices = rng.fork();
    let mut keeper = Some(keeper);
    let mut deeds = deeds.into_iter().peekable();
    let mut leaving: Vec<(Duration, usize)> = Vec::new();
    let mut requests = KEEPER;
    loop {
        let deed = deeds.peek().map(|((at, _), _)| *at);
        let leave = leaving.iter().map(|(at, _)| *at).min();
        let Some(now) = [deed, leave, clock.next()].into_iter().flatten().min() else { break };
        if now >= end || oracle.lock().unwrap().violation.is_some() {
            break;
        }
        clock.advance_to(now);
        // What happens at the same time happens in any order.
        if choices.chance(50) {
            scheduler.run();
        }
        leaving.retain(|(at, number)| {
            let over = *at <= now;
            if over && scheduler.cancel(*number) {
                oracle.lock().unwrap().dropped(now, *number);
            }
            !over
        });
        while let Some((_, deed)) = deeds.next_if(|((at, _), _)| *at <= now) {
            match deed {
                Deed::Publish(set) => server.borrow_mut().publish(set),
                Deed::Times(times) => server.borrow_mut().times(times),
                Deed::StepWall(millis) => clock.step_wall(millis),
                Deed::Request(token, patience) => {
                    requests += 1;
                    let number = requests;
                    oracle.lock().unwrap().arrived(now, number, token);
                    let mut request = Request::new(());
                    request.headers_mut().insert(AUTHORIZATION, Tokens::get().header(token));
                    let answer = service.call(request);
                    let (clock, ears) = (clock.clone(), Arc::clone(&oracle));
                    let ended = scheduler.start(number, async move {
                        let Ok(answer) = answer.await;
                        let retry = answer.headers().contains_key(RETRY_AFTER);
                        ears.lock().unwrap().told(clock.uptime(), number, answer.status().as_u16(), retry);
                    });
                    if !ended {
                        oracle.lock().unwrap().waits(now, number);
                        leaving.extend(patience.map(|patience| (now + patience, number)));
                    }
                }
            }
        }
        if let Some(keeper) = keeper.take() {
            scheduler.start(KEEPER, keeper.run(None));
        }
        scheduler.run();
    }
    drop((scheduler, service));
    let (lived, oracle) = (clock.uptime(), oracle.lock().unwrap());
    let (tally, violation) = (oracle.tally.clone(), oracle.violation.clone());
    let (fingerprint, shown) = (oracle.trace.fingerprint(), oracle.trace.shown());
    History { lived, tally, violation, fingerprint, shown }
}

/// One issuer and the task that keeps its keys, as the door would make them.
fn resource_server(
    pinned: bool,
    stale_after: Duration,
    clock: &SimulatedClock,
) -> (Arc<TrustedIssuer>, KeyKeeper) {
    let rules = Rules {
        profile: Profile::Rfc9068,
        audiences: [Audience::try_from(AUDIENCE).unwrap()].into(),
        algorithms: Algorithms::ASYMMETRIC,
        leeway: Duration::from_secs(5),
        max_lifetime: None,
        require_jti: true,
        scope_claims: [ClaimName::try_from("scope").unwrap()].into(),
        accept_sender_constrained: false,
    };
    let name = Issuer::try_from(ISSUER).unwrap();
    let keys = KeyRing::awaiting(stale_after);
    let in_process = EntryRules {
        identifiers: Box::default(),
        claims: Box::default(),
        max_token_lifetime: Duration::MAX,
        leeway: Duration::ZERO,
    };
    let in_process = Arc::new(InProcess::new(in_process));
    let revocations = Box::default();
    let issuer = Arc::new(TrustedIssuer { name, rules, keys, revocations, in_process, life: None });
    let source = match pinned {
        true => KeySource::Url(Url::parse(&format!("{ISSUER}{KEYS_PATH}")).unwrap()),
        false => KeySource::Discovery,
    };
    let (clock, news) = (Arc::new(clock.clone()), watch::Sender::new(()));
    let around = Surroundings { clock, fetcher: fetcher(), news };
    let keeper = KeyKeeper::new(Arc::clone(&issuer), source, around);
    (issuer, keeper)
}

/// One for all worlds of a thread: its real connections, which nothing here uses, take long to make.
fn fetcher() -> Fetcher {
    thread_local! {
        static FETCHER: Fetcher =
            Fetcher::of(&Transport::new(), ISSUER, [], false, &mut Shared::default()).unwrap();
    }
    FETCHER.with(Fetcher::clone)
}
