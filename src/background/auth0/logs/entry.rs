//! One entry of the log: what it says of tokens. Only that is looked at, and nothing of it is taken for granted.

use serde_json::Value;

use super::super::date;
use super::exchanges::Exchange;
use super::operation;
use crate::clock::UnixTime;
use crate::limits;

/// Exchanges that gave a client an access token.
const EXCHANGES: [&str; 7] = ["seccft", "seacft", "sertft", "sepft", "secte", "sede", "sdeleacft"];

/// Where entries say what a token came from: a refresh token, by any of its names, or a session.
const ORIGINS: [&str; 5] = [
    "/details/credential_id",
    "/details/familyId",
    "/details/session_id",
    "/details/refresh_token/session_id",
    "/details/grant_id",
];

/// An entry that has an id and a type.
#[derive(Debug)]
pub(super) struct Entry(Value);

/// Whose tokens. At least one is said.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parties {
    pub(super) user: Option<String>,
    pub(super) client: Option<String>,
    pub(super) audience: Option<String>,
}

/// What an entry has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// All tokens of these.
    Of(Parties),
    /// One token, by its `jti`.
    Token(String),
    ClientGrant(String),
    UserGrant(String),
    /// A refresh token or session.
    Origin(String),
    /// Something that cannot be told.
    Unclear,
}

impl Ending {
    pub(super) fn of_user(user: &str) -> Self {
        Self::Of(Parties { user: Some(user.to_owned()), ..Parties::default() })
    }

    pub(super) fn of_client(client: &str) -> Self {
        Self::Of(Parties { client: Some(client.to_owned()), ..Parties::default() })
    }
}

impl Entry {
    pub(super) fn check(value: Value) -> Option<Self> {
        let entry = Self(value);
        (entry.text("/type").is_some() && !entry.id().is_empty()).then_some(entry)
    }

    /// Its checkpoint.
    pub(super) fn id(&self) -> &str {
        self.text("/log_id").or_else(|| self.text("/_id")).unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &str {
        self.text("/type").unwrap_or_default()
    }

    /// When it happened, rounded up to seconds.
    pub(super) fn date(&self) -> Option<UnixTime> {
        date::parse(self.text("/date")?)
    }

    /// The last second of tokens that it ends, in an answer that was made at `made`. What is no date, or lies ahead of that,
    /// is not believed.
    pub(super) fn cut_off(&self, made: UnixTime) -> UnixTime {
        super::after(self.date().unwrap_or(made).min(made.plus(limits::SAID_AHEAD)))
    }

    pub(super) fn value(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// A member that can name something.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.value(pointer).and_then(name)
    }

    fn origins(&self) -> impl Iterator<Item = &str> {
        ORIGINS.iter().filter_map(|pointer| self.text(pointer))
    }

    /// The token that a client received, or to whom a refresh token belonged.
    pub(super) fn exchange(&self, made: UnixTime) -> Option<Exchange> {
        let owned = |pointer| self.text(pointer).map(str::to_owned);
        let jti = match self.kind() {
            "srrt" | "ferrt" => None,
            kind if EXCHANGES.contains(&kind) => owned("/details/access_token_jti"),
            _ => return None,
        };
        let origins: Box<[String]> = self.origins().map(str::to_owned).collect();
        let parties = Parties {
            user: owned("/user_id"),
            client: owned("/client_id"),
            audience: owned("/details/audience").or_else(|| owned("/audience")),
        };
        let at = self.date().unwrap_or(made).min(made);
        (jti.is_some() || !origins.is_empty()).then_some(Exchange { jti, parties, origins, at })
    }

    /// Nothing for entries that end no access.
    pub(super) fn endings(&self) -> Vec<Ending> {
        match self.kind() {
            "srrt" | "ferrt" => self.refresh_token(),
            "sdu" | "universal_logout_succeeded" => {
                vec![self.text("/user_id").map_or(Ending::Unclear, Ending::of_user)]
            }
            "sapi" => operation::endings(self),
            _ => Vec::new(),
        }
    }

    fn refresh_token(&self) -> Vec<Ending> {
        let owned = |pointer| self.text(pointer).map(str::to_owned);
        let (user, client) = (owned("/user_id"), owned("/client_id"));
        // Anybody can make an exchange fail, for any application: that is no end of others' access.
        if user.is_none() && self.kind() == "ferrt" {
            return self.origins().map(|id| Ending::Origin(id.to_owned())).collect();
        }
        if user.is_none() && client.is_none() {
            return vec![Ending::Unclear];
        }
        let audience = owned("/details/audience");
        // Where an audience is said, tokens for others may have come from the same refresh token.
        // A grant outlives its refresh tokens.
        let grant = self.text("/details/grant_id");
        let origins = self.origins().filter(|id| audience.is_some() && Some(*id) != grant);
        let origins: Vec<_> = origins.map(|id| Ending::Origin(id.to_owned())).collect();
        let mut endings = vec![Ending::Of(Parties { user, client, audience })];
        endings.extend(origins);
        endings
    }
}

/// A text that may be the value of a claim.
pub(super) fn name(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && text.len() <= limits::ENTRY_VALUE_BYTES)
}
