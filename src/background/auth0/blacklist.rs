//! Tokens on the blacklist, by `jti`: bare, without pages and without ends.

use serde::Deserialize;

use super::super::ask::off_thread;
use super::call::Call;
use super::{Auth0Error, Round, State};
use crate::limits;
use crate::revocation::stated::Revocation;

const NAME: &str = "blacklists/tokens";

#[derive(Deserialize)]
struct Listed {
    jti: Box<str>,
}

/// The ids on a list; none where it is not one throughout.
pub(super) fn read(body: &[u8]) -> Option<Vec<Box<str>>> {
    let listed: Vec<Listed> = serde_json::from_slice(body).ok()?;
    Some(listed.into_iter().map(|Listed { jti }| jti).collect())
}

impl State {
    /// Tells what is listed and was not told yet.
    pub(super) async fn read_blacklist(
        &mut self,
        news: &mut Vec<Revocation>,
        round: &Round<'_>,
    ) -> Result<(), Auth0Error> {
        let unreadable = || Auth0Error::Unreadable { call: NAME };
        for audience in &self.plan.audiences {
            let mut url = self.plan.api.join(NAME).map_err(|_| unreadable())?;
            url.query_pairs_mut().append_pair("aud", audience);
            let call = Call { url: &url, name: NAME, scope: "blacklist:tokens", limit: limits::LIST_BYTES };
            let body = self.caller.get(&call, round).await?.body;
            let weight = body.len();
            let read = off_thread(weight, move || read(&body)).await;
            for jti in read.ok().flatten().ok_or_else(unreadable)? {
                if !self.listed.contains(&jti) {
                    news.push(Revocation::identifier("jti", &jti));
                    self.listed.insert(jti);
                }
            }
        }
        Ok(())
    }
}
