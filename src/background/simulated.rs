//! What a simulation puts in the place of the network and of chance, for one thread and its tests alone.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::fetch::{Answer, FetchError, Question};

/// What comes of a question.
pub(crate) type Reply = Pin<Box<dyn Future<Output = Result<Answer, FetchError>> + Send>>;

type Network = Rc<dyn Fn(&Question<'_>) -> Reply>;
type Chance = Box<dyn FnMut() -> f64>;

thread_local! {
    static NETWORK: RefCell<Option<Network>> = const { RefCell::new(None) };
    static CHANCE: RefCell<Option<Chance>> = const { RefCell::new(None) };
}

/// Until this is dropped, every fetcher of this thread asks the simulated network.
pub(crate) struct Installed(());

pub(crate) fn install(
    network: impl Fn(&Question<'_>) -> Reply + 'static,
    chance: impl FnMut() -> f64 + 'static,
) -> Installed {
    NETWORK.set(Some(Rc::new(network)));
    CHANCE.set(Some(Box::new(chance)));
    Installed(())
}

impl Drop for Installed {
    fn drop(&mut self) {
        NETWORK.take();
        CHANCE.take();
    }
}

/// The simulated answer, where there is a simulation.
pub(super) async fn answer(question: &Question<'_>) -> Option<Result<Answer, FetchError>> {
    let network = NETWORK.with_borrow(Clone::clone);
    let reply = network.map(|network| network(question));
    match reply {
        Some(reply) => Some(reply.await),
        None => None,
    }
}

/// Uniform in `0..1`, where there is a simulation.
pub(super) fn fraction() -> Option<f64> {
    CHANCE.with_borrow_mut(|chance| chance.as_mut().map(|chance| chance()))
}
