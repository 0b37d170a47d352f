//! Revocation: what a test publishes in the feed, takes back or makes the server forget.

use serde_json::Value;

use super::AuthorizationServer;
use super::encoding::from_base64url;

/// Revocation. Every entry made here is kept for as long as the longest-lived token that this server
/// ever made could live, and five minutes more, for the leeway of those who read it. It answers every
/// poll that is being held.
impl AuthorizationServer {
    /// Revokes one token by its `jti`. Answers with the feed's entry, as the other methods do.
    pub fn revoke_token(&self, jti: &str) -> Value {
        self.revoke([("jti", jti.into())])
    }

    /// Revokes one token by its `jti` until its own `exp`; nothing happens to one without a `jti`.
    pub fn revoke_jwt(&self, jwt: &str) -> Option<Value> {
        let payload = from_base64url(jwt.split('.').nth(1)?)?;
        let claims: Value = serde_json::from_slice(&payload).ok()?;
        let jti = ("jti", claims.get("jti")?.clone());
        Some(match claims.get("exp").filter(|exp| exp.is_u64()) {
            Some(exp) => self.revoke([jti, ("exp", exp.clone())]),
            None => self.revoke([jti]),
        })
    }

    /// Deletes a grant: no new tokens, and the ones issued in its context are revoked, by `grant_id` where they carry it
    /// and otherwise by client and audience, as `DELETE /api/v2/client-grants/{id}` does.
    pub fn delete_grant(&self, grant_id: &str) -> Value {
        let mut state = self.shared.lock();
        let now = self.shared.wall();
        let grants = &mut state.tenant.client_grants;
        let grant = grants.iter().find(|grant| grant.id == grant_id).cloned();
        let of_api = grant.is_some_and(|grant| state.tenant.api(&grant.audience).is_some());
        let by_audience = if of_api { state.delete_client_grant(grant_id, now) } else { None };
        state.tenant.client_grants.retain(|grant| grant.id != grant_id);
        let entry = by_audience.unwrap_or_else(|| state.revoke([("grant_id", grant_id.into())], now));
        drop(state);
        self.shared.wake();
        entry
    }

    /// Cuts off a client: its tokens issued up to and including this second are revoked.
    pub fn revoke_client(&self, client_id: &str) -> Value {
        self.cut_off(&[("client_id", client_id)])
    }

    /// Cuts off a user: their tokens issued up to and including this second are revoked.
    pub fn revoke_subject(&self, subject: &str) -> Value {
        self.cut_off(&[("sub", subject)])
    }

    /// Cuts off everyone: all tokens issued up to and including this second are revoked.
    pub fn revoke_everything(&self) -> Value {
        self.cut_off(&[])
    }

    /// Takes a revocation back: publishes it again with `withdrawn` and a later `at`, and answers
    /// with that. A deleted grant does not come back by this, only its tokens do.
    pub fn withdraw(&self, entry: &Value) -> Value {
        let entry = entry.as_object().cloned().unwrap_or_default();
        let mut state = self.shared.lock();
        let withdrawn = state.withdraw(entry, self.shared.wall());
        drop(state);
        self.shared.wake();
        withdrawn
    }

    /// Publishes any entry as it is, also one that no one should accept. One whose `exp` is not a whole
    /// number stays for ever.
    pub fn publish(&self, entry: Value) {
        self.publish_all([entry]);
    }

    /// Publishes many entries at once, as they are.
    pub fn publish_all(&self, entries: impl IntoIterator<Item = Value>) {
        // The caller's iterator may ask this server for tokens, so it comes before the lock.
        let entries: Vec<_> = entries.into_iter().collect();
        let mut state = self.shared.lock();
        for entry in entries {
            state.feed.publish(entry);
        }
        drop(state);
        self.shared.wake();
    }

    /// Answers 410 to every cursor given out so far.
    pub fn forget_cursors(&self) {
        self.shared.lock().feed.forget_cursors();
        self.shared.wake();
    }

    /// Empties the feed without a word, as a restore from an old backup would; cursors go too.
    pub fn forget_revocations(&self) {
        self.shared.lock().feed.forget_entries();
        self.shared.wake();
    }

    /// Signs the feed's pages from now on, or no longer.
    pub fn sign_feed(&self, signed: bool) {
        self.shared.lock().feed_is_signed = signed;
        self.shared.wake();
    }

    /// Accepts none of the tokens at the feed that the token endpoint has given out so far.
    pub fn forget_client_tokens(&self) {
        self.shared.lock().client_tokens.clear();
    }

    fn revoke<const N: usize>(&self, members: [(&str, Value); N]) -> Value {
        let mut state = self.shared.lock();
        let published = state.revoke(members, self.shared.wall());
        drop(state);
        self.shared.wake();
        published
    }

    fn cut_off(&self, claims: &[(&'static str, &str)]) -> Value {
        let mut state = self.shared.lock();
        let published = state.cut_off(claims, self.shared.wall());
        drop(state);
        self.shared.wake();
        published
    }
}
