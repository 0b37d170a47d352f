//! The readers of what a tenant says, without its connections, for fuzz targets.

use std::time::Duration;

use url::Url;

use super::super::source::{ClientCredentials, Parts};
pub(crate) use super::events::bare::{Read, stream};
use super::grants::{Of, Pages};
use super::known::{Grant, Known};
pub(crate) use super::logs::bare::{log, taken};
use super::{Follower, Plan, State, blacklist, date};
use crate::clock::UnixTime;

/// A date, in seconds.
pub(crate) fn read_date(text: &str) -> Option<i64> {
    date::parse(text).map(UnixTime::as_secs)
}

pub(crate) fn write_date(second: i64) -> String {
    date::write(second)
}

/// The ids on a blacklist.
pub(crate) fn blacklist(body: &[u8]) -> Option<Vec<Box<str>>> {
    blacklist::read(body)
}

/// The grants on these pages and whether there are more, by id: client, audience and user, which clients' grants lack.
pub(crate) fn listing(
    of_users: bool,
    audience: &str,
    bodies: &[&[u8]],
) -> Result<Option<Vec<[Option<String>; 4]>>, String> {
    let mut pages = Pages::new(if of_users { Of::Users } else { Of::Clients }, audience);
    for body in bodies {
        if let Some(grants) = pages.add(body).map_err(|error| error.to_string())? {
            let grant =
                |(id, Grant { client_id, audience, user })| [Some(id), Some(client_id), Some(audience), user];
            return Ok(Some(grants.into_iter().map(grant).collect()));
        }
    }
    Ok(None)
}

/// What a cursor becomes when it is written again.
pub(crate) fn cursor(text: &str) -> String {
    Known::read(text).write()
}

/// A source that has not asked anything yet.
pub(super) fn state(audience: &str) -> Option<State> {
    let url = |path: &str| Url::parse("https://tenant.example/").and_then(|base| base.join(path)).ok();
    let follower = Follower::new(Plan {
        api: url("api/v2/")?,
        client: ClientCredentials::new("id", "secret"),
        token_endpoint: url("oauth/token")?,
        audiences: Box::new([audience.to_owned()]),
        parts: Parts { blacklist: true, client_grants: true, user_grants: false, logs: true, events: false },
        max_token_lifetime: Duration::from_secs(86_400),
        max_staleness: Duration::from_secs(60),
        longest_wait: Duration::from_secs(30),
    });
    std::sync::Arc::into_inner(follower.state).map(tokio::sync::Mutex::into_inner)
}
