//! What ends access: the one place where acts become entries of the feed and lines of the log.

use serde_json::{Map, Value, json};

use super::state::State;
use super::tenant::{CutOff, Family, Parties};
use crate::clock::UnixTime;

/// The claims by which the server's own cut-offs tell tokens apart.
const CUT_OFF_CLAIMS: [&str; 3] = ["sub", "client_id", "aud"];

/// Unix seconds.
pub(super) fn secs(time: UnixTime) -> u64 {
    u64::try_from(time.as_secs()).unwrap_or(0)
}

/// Whoever calls these holds the lock since before `now` was read: a token that was issued before is covered then.
impl State {
    /// Publishes an entry that outlives every token that was ever made.
    pub(super) fn revoke<'a>(
        &mut self,
        members: impl IntoIterator<Item = (&'a str, Value)>,
        now: UnixTime,
    ) -> Value {
        let now = secs(now);
        let exp = now.max(self.last_issued).saturating_add(self.longest_lifetime);
        let mut entry = Map::from_iter([("exp".to_owned(), exp.into())]);
        entry.extend(members.into_iter().map(|(name, value)| (name.to_owned(), value)));
        self.feed.revoke(entry, now)
    }

    /// Ends every token with these claims that was issued up to and including this second, or later by a clock that was
    /// set back since.
    pub(super) fn cut_off(&mut self, claims: &[(&'static str, &str)], now: UnixTime) -> Value {
        let owned = claims.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let issued_before = secs(now).max(self.last_issued);
        let cut_off = CutOff { claims: owned.collect(), issued_before };
        self.tenant.cut_offs.push(cut_off);
        let members = claims.iter().map(|(name, value)| (*name, Value::from(*value)));
        self.revoke(members.chain([("issued_before", issued_before.into())]), now)
    }

    /// Takes an entry back, so that tokens of this second are good again.
    pub(super) fn withdraw(&mut self, entry: Map<String, Value>, now: UnixTime) -> Value {
        let of_entry = |name| Some((name, entry.get(name)?.as_str()?));
        let claims: Vec<(&str, &str)> = CUT_OFF_CLAIMS.into_iter().filter_map(of_entry).collect();
        self.tenant.cut_offs.retain(|cut_off| {
            let own = cut_off.claims.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            own.clone().count() != claims.len() || !own.into_iter().all(|claim| claims.contains(&claim))
        });
        self.feed.withdraw(entry, secs(now))
    }

    /// Deletes a client's grant: its tokens for that audience end.
    pub(super) fn delete_client_grant(&mut self, id: &str, now: UnixTime) -> Option<Value> {
        let place = self.tenant.client_grants.iter().position(|grant| grant.id == id)?;
        let grant = self.tenant.client_grants.remove(place);
        Some(self.cut_off(&[("client_id", &grant.client_id), ("aud", &grant.audience)], now))
    }

    /// Deletes what a user granted to a client for an audience: all tokens of that grant end, codes and refresh tokens
    /// too.
    pub(super) fn delete_user_grant(&mut self, parties: &Parties, now: UnixTime) {
        self.tenant.user_grants.retain(|grant| grant.parties != *parties);
        self.tenant.families.retain(|family| family.parties != *parties);
        self.tenant.codes.retain(|_, code| code.parties != *parties);
        self.tenant.devices.retain(|_, device| device.user() != Some(parties));
        let Parties { user, client_id, audience } = parties;
        self.cut_off(&[("sub", user), ("client_id", client_id), ("aud", audience)], now);
    }

    /// Deletes a device's refresh tokens. The grant stays; of the access tokens, those of this device that can be named.
    pub(super) fn delete_family(&mut self, id: &str, now: UnixTime) {
        let Some(place) = self.tenant.families.iter().position(|family| family.id == id) else { return };
        let family = self.tenant.families.remove(place);
        self.note_revoked(&family, now);
        for (jti, exp) in family.access_tokens {
            if exp >= secs(now) {
                self.revoke([("jti", jti.into()), ("exp", exp.into())], now);
            }
        }
    }

    /// Writes down that a refresh token was revoked.
    pub(super) fn note_revoked(&mut self, family: &Family, now: UnixTime) {
        let Parties { user, client_id, audience } = &family.parties;
        let grant_id = self.tenant.user_grant(&family.parties).map(|grant| grant.id.clone());
        let members = json!({
            "client_id": client_id, "user_id": user,
            "details": {
                "grant_id": grant_id, "credential_id": family.credential_id,
                "session_id": family.session_id, "audience": audience,
            },
        });
        self.tenant.logs.add("srrt", members, now);
    }

    /// Lists a token's id; an end of the token is not known, so it is listed for as long as any token lives.
    pub(super) fn blacklist(&mut self, audience: Option<String>, jti: String, now: UnixTime) {
        self.revoke([("jti", jti.clone().into())], now);
        let entry = (audience, jti);
        if !self.tenant.blacklist.contains(&entry) {
            self.tenant.blacklist.push(entry);
        }
    }

    /// Ends everything of a user.
    pub(super) fn end_user(&mut self, user: &str, now: UnixTime) -> Value {
        self.tenant.codes.retain(|_, code| code.parties.user != user);
        self.tenant.devices.retain(|_, device| device.user().is_none_or(|parties| parties.user != user));
        self.cut_off(&[("sub", user)], now)
    }
}
