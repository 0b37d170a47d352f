//! Which tokens clients have received and what they came from, so that the end of access can name them.

use std::collections::VecDeque;

use super::entry::Parties;
use crate::clock::UnixTime;
use crate::limits;

/// That a client received a token, or was seen to have the means to.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    /// None where the token has no name.
    pub(super) jti: Option<String>,
    pub(super) parties: Parties,
    /// The refresh token and session that it came from, by all their names.
    pub(super) origins: Box<[String]>,
    pub(super) at: UnixTime,
}

/// The latest of them. Without the others a cut-off still covers their tokens.
#[derive(Debug, Default)]
pub(super) struct Exchanges(VecDeque<Exchange>);

impl Exchanges {
    pub(super) fn add(&mut self, exchange: Exchange) {
        if self.0.len() >= limits::AUTH0_EXCHANGES {
            self.0.pop_front();
        }
        self.0.push_back(exchange);
    }

    /// Tokens from before have expired.
    pub(super) fn forget_before(&mut self, time: UnixTime) {
        self.0.retain(|exchange| exchange.at >= time);
    }

    /// Takes out the names of the tokens that an ending covers: those up to `at`, since of what was received later it ends
    /// nothing. An exchange that does not say its audience may have been for any.
    pub(super) fn name<'a>(
        &'a mut self,
        ended: &'a Parties,
        at: UnixTime,
    ) -> impl Iterator<Item = String> + 'a {
        let Parties { user, client, audience } = ended;
        let covered = self.0.iter_mut().filter(move |Exchange { parties, at: received, .. }| {
            (user.is_none() || *user == parties.user)
                && (client.is_none() || *client == parties.client)
                && (audience.is_none() || parties.audience.is_none() || *audience == parties.audience)
                && *received <= at
        });
        covered.filter_map(|exchange| exchange.jti.take())
    }

    /// Takes out the names of those up to `at` that came from a refresh token or session, with whose they are.
    pub(super) fn name_from(
        &mut self,
        origin: &str,
        at: UnixTime,
    ) -> impl Iterator<Item = (Option<String>, &Parties)> {
        let came = move |exchange: &&mut Exchange| exchange.origins.iter().any(|own| own == origin);
        let covered = self.0.iter_mut().filter(came).filter(move |exchange| exchange.at <= at);
        covered.map(|exchange| (exchange.jti.take(), &exchange.parties))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange(jti: usize, at: i64) -> Exchange {
        let parties = Parties { client: Some("c".to_owned()), ..Parties::default() };
        Exchange { jti: Some(jti.to_string()), parties, origins: Box::default(), at: UnixTime::from_secs(at) }
    }

    #[test]
    fn they_are_bounded_and_the_oldest_go_first() {
        let mut exchanges = Exchanges::default();
        for number in 0..limits::AUTH0_EXCHANGES + 2 {
            exchanges.add(exchange(number, 7));
        }
        let all = Parties { client: Some("c".to_owned()), ..Parties::default() };
        let named = |exchanges: &mut Exchanges, at| -> Vec<_> {
            exchanges.name(&all, UnixTime::from_secs(at)).collect()
        };
        assert!(named(&mut exchanges, 6).is_empty(), "received after the end");
        let names = named(&mut exchanges, 7);
        assert_eq!((names.len(), names[0].as_str()), (limits::AUTH0_EXCHANGES, "2"));
        assert!(named(&mut exchanges, 7).is_empty(), "named once");
        exchanges.add(exchange(0, 8));
        exchanges.add(exchange(1, 9));
        exchanges.forget_before(UnixTime::from_secs(9));
        assert_eq!(named(&mut exchanges, 9), ["1"]);
    }
}
