//! From what an entry has ended to revocations.

use std::collections::BTreeSet;

use super::super::grants::Of;
use super::super::known::Grant;
use super::super::told::everybody;
use super::super::{Round, State};
use super::Trouble;
use super::entry::{Ending, Entry, Parties};
use crate::clock::UnixTime;
use crate::revocation::stated::Revocation;

impl State {
    /// Tells what an entry has ended.
    pub(super) fn resolve(
        &mut self,
        entry: &Entry,
        made: UnixTime,
        news: &mut Vec<Revocation>,
        round: &Round<'_>,
    ) {
        let endings = entry.endings();
        if endings.is_empty() {
            return;
        }
        let at = entry.cut_off(made);
        if entry.date().is_none() || endings.contains(&Ending::Unclear) {
            self.note_trouble(Trouble::Unreadable, entry, round);
        }
        // Ids beside whose access it was only add to that.
        let is_named = endings.iter().any(|ending| matches!(ending, Ending::Of(_)));
        let mut unnamed = 0;
        for ending in endings {
            match ending {
                Ending::Of(parties) => self.end(&parties, at, news),
                Ending::Token(jti) => self.tell(Revocation::identifier("jti", jti), at, news),
                Ending::Unclear => self.cut_off_audiences(at, news),
                Ending::Origin(id) => unnamed += u64::from(!self.end_origin(&id, at, news) && !is_named),
                Ending::ClientGrant(id) => {
                    unnamed += u64::from(!self.end_grant(Of::Clients, &id, at, news));
                }
                Ending::UserGrant(id) => {
                    unnamed += u64::from(!self.end_grant(Of::Users, &id, at, news));
                }
            }
        }
        if unnamed > 0 {
            self.memory.unnamed = self.memory.unnamed.saturating_add(unnamed);
            self.note_trouble(Trouble::Unnamed, entry, round);
        }
    }

    /// Ends the tokens of a grant, if it is known whose it was. Says whether it was, or need not be: where grants are listed,
    /// one that is not there is for other audiences, or was made since.
    fn end_grant(&mut self, of: Of, id: &str, at: UnixTime, news: &mut Vec<Revocation>) -> bool {
        if let Some(parties) = self.known.find(of, id).map(Parties::from) {
            self.end(&parties, at, news);
            return true;
        }
        self.end_origin(id, at, news) || self.plan.parts.lists(of)
    }

    /// Ends all tokens of these up to `at`, and by name what they are known to have received.
    fn end(&mut self, ended: &Parties, at: UnixTime, news: &mut Vec<Revocation>) {
        self.tell(cut_off(ended, at), at, news);
        let names: Vec<_> = self.memory.exchanges.name(ended, at).collect();
        for jti in names {
            self.tell(Revocation::identifier("jti", jti), at, news);
        }
    }

    /// Ends what is known to have come from a refresh token, session or grant. Says whether anything is.
    fn end_origin(&mut self, id: &str, at: UnixTime, news: &mut Vec<Revocation>) -> bool {
        let before = news.len();
        let (mut names, mut holders) = (Vec::new(), BTreeSet::new());
        for (jti, parties) in self.memory.exchanges.name_from(id, at) {
            names.extend(jti);
            if parties.user.is_some() {
                holders.insert(parties.clone());
            }
        }
        for jti in names {
            self.tell(Revocation::identifier("jti", jti), at, news);
        }
        for parties in holders {
            self.tell(cut_off(&parties, at), at, news);
        }
        news.len() > before
    }

    /// Where nothing narrower can be named.
    pub(super) fn cut_off_audiences(&mut self, at: UnixTime, news: &mut Vec<Revocation>) {
        let all: Vec<_> = everybody(&self.plan.audiences, at).collect();
        for (ended, at) in all {
            self.tell(ended, at, news);
        }
    }
}

fn cut_off(Parties { user, client, audience }: &Parties, at: UnixTime) -> Revocation {
    let named = [("sub", user), ("client_id", client), ("aud", audience)];
    let said = named.into_iter().filter_map(|(claim, value)| Some((claim, value.as_ref()?)));
    said.fold(Revocation::cut_off(at), |ended, (claim, value)| ended.claim(claim, value))
}

impl From<&Grant> for Parties {
    fn from(Grant { client_id, audience, user }: &Grant) -> Self {
        Self { user: user.clone(), client: Some(client_id.clone()), audience: Some(audience.clone()) }
    }
}
