//! The log without its connection.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;

use super::super::bare;
use super::super::{Round, State};
use super::{Entry, lenient};
use crate::background::Surroundings;
use crate::background::fetch::{Fetcher, Shared};
use crate::background::transport::Transport;
use crate::clock::{SystemClock, UnixTime};
use crate::names::Issuer;
use crate::revocation::stated::Revocation;

const ISSUER: &str = "https://tenant.example/";

static AROUND: LazyLock<Option<Surroundings>> = LazyLock::new(|| {
    let fetcher = Fetcher::of(&Transport::new(), ISSUER, [], false, &mut Shared::default()).ok()?;
    Some(Surroundings { clock: Arc::new(SystemClock::new()), fetcher, news: watch::Sender::default() })
});

/// A page; none where it is not taken in.
pub(crate) fn log(body: &[u8]) -> Option<Vec<Value>> {
    let values = lenient::list(body.to_vec())?;
    values.iter().all(|value| Entry::check(value.clone()).is_some()).then_some(values)
}

/// What a source that knows nothing yet tells of these entries, on a page that was made then, and how many it could not name.
pub(crate) fn taken(values: &[Value], made: UnixTime, audience: &str) -> Option<(Vec<Revocation>, u64)> {
    let issuer = Issuer::try_from(ISSUER).ok()?;
    let round = Round { issuer: &issuer, around: AROUND.as_ref()?, within: Duration::ZERO };
    let mut state: State = bare::state(audience)?;
    let mut news = Vec::new();
    for value in values {
        state.take(&Entry::check(value.clone())?, made, &mut news, &round);
    }
    Some((news, state.memory.unnamed))
}
