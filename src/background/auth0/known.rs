//! Which grants there are, as text that a snapshot keeps.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::grants::Of;
use super::{events, logs};
use crate::limits;

/// Whose tokens a grant stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Grant {
    #[serde(rename = "c")]
    pub(super) client_id: String,
    #[serde(rename = "a")]
    pub(super) audience: String,
    /// None where the client acts in its own name.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
}

/// By their ids.
pub(super) type Grants = BTreeMap<String, Grant>;

/// By audience: the grants of its last complete listing. An audience that is not there has had none.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    clients: BTreeMap<String, Grants>,
    users: BTreeMap<String, Grants>,
    /// None where the log was never looked at.
    #[serde(default)]
    pub(super) logs: Option<logs::Place>,
    /// Up to where the stream of events was taken in.
    #[serde(default)]
    pub(super) events: Option<events::Place>,
}

/// What of it is written.
#[derive(Serialize)]
struct Kept<'a> {
    clients: BTreeMap<&'a String, &'a Grants>,
    users: BTreeMap<&'a String, &'a Grants>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logs: Option<&'a logs::Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    events: Option<&'a events::Place>,
}

impl Known {
    /// Whose a grant is.
    pub(super) fn find(&self, of: Of, id: &str) -> Option<&Grant> {
        self.of(of).values().find_map(|grants| grants.get(id))
    }

    pub(super) fn of(&self, of: Of) -> &BTreeMap<String, Grants> {
        match of {
            Of::Clients => &self.clients,
            Of::Users => &self.users,
        }
    }

    pub(super) fn of_mut(&mut self, of: Of) -> &mut BTreeMap<String, Grants> {
        match of {
            Of::Clients => &mut self.clients,
            Of::Users => &mut self.users,
        }
    }

    /// A text that another version has written stands for nothing known.
    pub(super) fn read(cursor: &str) -> Self {
        serde_json::from_str(cursor).unwrap_or_default()
    }

    /// Listings that would make it too large are left out: the next process then begins with them anew.
    pub(super) fn write(&self) -> String {
        let mut room = limits::AUTH0_KEPT_GRANTS;
        let mut fitting = |(_, grants): &(&String, &Grants)| {
            let left = room.checked_sub(grants.len());
            room = left.unwrap_or(room);
            left.is_some()
        };
        let clients = self.clients.iter().filter(&mut fitting).collect();
        let users = self.users.iter().filter(&mut fitting).collect();
        let (logs, events) = (self.logs.as_ref(), self.events.as_ref());
        serde_json::to_string(&Kept { clients, users, logs, events }).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(count: usize) -> Grants {
        let grant = |n: usize| Grant {
            client_id: format!("client-{n}"),
            audience: "a".to_owned(),
            user: n.is_multiple_of(2).then(|| "auth0|u".to_owned()),
        };
        (0..count).map(|n| (format!("cgr_{n}"), grant(n))).collect()
    }

    #[test]
    fn what_is_known_is_kept_while_it_is_small() {
        let mut known = Known::default();
        known.clients.insert("a".to_owned(), grants(limits::AUTH0_KEPT_GRANTS - 3));
        known.users.insert("a".to_owned(), grants(3));
        assert_eq!(Known::read(&known.write()), known);
        known.users.insert("b".to_owned(), grants(1));
        let read = Known::read(&known.write());
        assert_eq!((read.clients.len(), read.users.len()), (1, 1), "whole listings or none");
        assert!(!read.users.contains_key("b"));
    }

    #[test]
    fn places_are_kept_and_need_not_be_there() {
        let old = "{\"clients\":{\"a\":{}},\"users\":{}}";
        let known = Known::read(old);
        assert_eq!((known.clients.len(), &known.logs, &known.events), (1, &None, &None));
        assert_eq!(known.write(), old);
        for place in ["{\"seen\":7}", "{\"after\":\"900\",\"seen\":7}"] {
            let known = Known { logs: Some(serde_json::from_str(place).unwrap()), ..Known::default() };
            assert_eq!(Known::read(&known.write()), known);
        }
        for place in [events::Place::After("o".to_owned()), events::Place::Since(7)] {
            let known = Known { events: Some(place), ..Known::default() };
            assert_eq!(Known::read(&known.write()), known);
        }
    }

    #[test]
    fn what_cannot_be_read_is_nothing() {
        for text in
            ["", "c42", "[]", "{}", "{\"clients\":{}}", "{\"clients\":{\"a\":{\"i\":{}}},\"users\":{}}"]
        {
            assert_eq!(Known::read(text), Known::default(), "{text}");
        }
    }
}
