//! The tenant's records: clients, APIs, users, what they granted, and what was given out for it.

use std::collections::HashMap;

use super::api::Api;
use super::events::Events;
use super::logs::Logs;
use crate::clock::UnixTime;

/// Where a client shows its id and secret (`token_endpoint_auth_method`, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `client_secret_basic`: HTTP Basic.
    Basic,
    /// `client_secret_post`: the request's body.
    Post,
}

/// An application.
#[derive(Default)]
pub(super) struct Client {
    /// None: a public client, whose authentication method is `none`.
    pub(super) secret: Option<String>,
    /// None: whichever it likes.
    pub(super) authentication: Option<ClientAuthentication>,
    pub(super) redirect_uris: Vec<String>,
}

pub(super) struct User {
    pub(super) id: String,
    pub(super) blocked: bool,
    /// Audience and permission.
    pub(super) permissions: Vec<(String, String)>,
}

/// That a client may get tokens for an audience in its own name.
#[derive(Clone)]
pub(super) struct ClientGrant {
    pub(super) id: String,
    /// Its place in the order of creation, for checkpoints.
    pub(super) number: u64,
    pub(super) client_id: String,
    pub(super) audience: String,
    pub(super) scopes: Vec<String>,
}

/// User, client and audience: what a user's grant is about.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parties {
    pub(super) user: String,
    pub(super) client_id: String,
    pub(super) audience: String,
}

/// That a client may act for a user.
pub(super) struct UserGrant {
    pub(super) id: String,
    pub(super) parties: Parties,
    pub(super) scopes: Vec<String>,
}

/// An authorization code, kept after its use so that a second use is seen.
#[derive(Clone)]
pub(super) struct Code {
    pub(super) parties: Parties,
    pub(super) scope: String,
    pub(super) redirect_uri: String,
    /// By S256 (RFC 7636 §4.2).
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) issued: UnixTime,
    pub(super) used: bool,
}

/// A device that waits for its user.
pub(super) struct Device {
    pub(super) user_code: String,
    pub(super) client_id: String,
    pub(super) audience: String,
    /// What was asked for; what was granted from the user's yes on.
    pub(super) scope: String,
    pub(super) issued: UnixTime,
    /// When it last asked.
    pub(super) asked: Option<UnixTime>,
    pub(super) decision: Decision,
}

/// A user's word on a device.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Decision {
    Pending,
    Denied,
    Approved(Parties),
}

impl Device {
    /// The user who approved it.
    pub(super) fn user(&self) -> Option<&Parties> {
        if let Decision::Approved(parties) = &self.decision { Some(parties) } else { None }
    }
}

/// The refresh tokens that came one out of another: a device credential.
pub(super) struct Family {
    pub(super) id: String,
    /// Its place in the order of creation, for checkpoints.
    pub(super) number: u64,
    pub(super) credential_id: String,
    pub(super) session_id: String,
    pub(super) parties: Parties,
    pub(super) scope: String,
    pub(super) rotates: bool,
    /// Only the last one is good; using another is a theft noticed.
    pub(super) tokens: Vec<String>,
    /// `jti` and `exp` of the access tokens that came with them.
    pub(super) access_tokens: Vec<(String, u64)>,
}

/// A cut-off that was published: claims, and the last second that it covers.
pub(super) struct CutOff {
    pub(super) claims: Vec<(String, String)>,
    pub(super) issued_before: u64,
}

#[derive(Default)]
pub(super) struct Tenant {
    pub(super) clients: HashMap<String, Client>,
    pub(super) apis: Vec<Api>,
    pub(super) users: Vec<User>,
    pub(super) client_grants: Vec<ClientGrant>,
    pub(super) client_grants_made: u64,
    pub(super) user_grants: Vec<UserGrant>,
    pub(super) codes: HashMap<String, Code>,
    /// By device code.
    pub(super) devices: HashMap<String, Device>,
    pub(super) families: Vec<Family>,
    pub(super) families_made: u64,
    /// `aud` and `jti`.
    pub(super) blacklist: Vec<(Option<String>, String)>,
    pub(super) cut_offs: Vec<CutOff>,
    pub(super) logs: Logs,
    pub(super) events: Events,
}

impl Tenant {
    pub(super) fn api(&self, audience: &str) -> Option<&Api> {
        self.apis.iter().find(|api| api.identifier == audience)
    }

    pub(super) fn user(&self, id: &str) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }

    pub(super) fn user_mut(&mut self, id: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.id == id)
    }

    pub(super) fn client_grant(&self, client_id: &str, audience: &str) -> Option<&ClientGrant> {
        self.client_grants.iter().find(|grant| grant.client_id == client_id && grant.audience == audience)
    }

    pub(super) fn user_grant(&self, parties: &Parties) -> Option<&UserGrant> {
        self.user_grants.iter().find(|grant| grant.parties == *parties)
    }

    /// Makes a grant and answers with its id. It takes the place of the one for the same two.
    pub(super) fn grant(
        &mut self,
        id: String,
        client_id: &str,
        audience: &str,
        scopes: Vec<String>,
    ) -> String {
        self.client_grants.retain(|it| it.client_id != client_id || it.audience != audience);
        self.client_grants_made += 1;
        let grant = ClientGrant {
            id: id.clone(),
            number: self.client_grants_made,
            client_id: client_id.to_owned(),
            audience: audience.to_owned(),
            scopes,
        };
        self.client_grants.push(grant);
        id
    }

    /// The permissions that a user has at an API.
    pub(super) fn permissions(&self, user: &str, audience: &str) -> Vec<String> {
        let Some(user) = self.user(user) else { return Vec::new() };
        let own = user.permissions.iter().filter(|(at, _)| at == audience);
        own.map(|(_, permission)| permission.clone()).collect()
    }

    /// Whether a token with these claims would be refused from its first second on.
    pub(super) fn dead_at_once(&mut self, claims: &[(&str, &str)], now: u64) -> bool {
        self.cut_offs.retain(|cut_off| cut_off.issued_before >= now);
        let carried = |(name, value): &(String, String)| claims.contains(&(name.as_str(), value.as_str()));
        self.cut_offs.iter().any(|cut_off| cut_off.claims.iter().all(carried))
    }
}
