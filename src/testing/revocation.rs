//! Revocation: what a test publishes in the feed, takes back or makes the server forget.

use serde_json::{Map, Value};

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

    /// Deletes a grant: no new tokens, and the ones issued in its context are revoked.
    pub fn delete_grant(&self, grant_id: &str) -> Value {
        let mut state = self.shared.lock();
        state.grants.retain(|grant| grant.id != grant_id);
        drop(state);
        self.revoke([("grant_id", grant_id.into())])
    }

    /// Cuts off a client: its tokens issued up to and including this second are revoked.
    pub fn revoke_client(&self, client_id: &str) -> Value {
        let issued_before = ("issued_before", self.shared.now().into());
        self.revoke([("client_id", client_id.into()), issued_before])
    }

    /// Cuts off a user: their tokens issued up to and including this second are revoked.
    pub fn revoke_subject(&self, subject: &str) -> Value {
        let issued_before = ("issued_before", self.shared.now().into());
        self.revoke([("sub", subject.into()), issued_before])
    }

    /// Cuts off everyone: all tokens issued up to and including this second are revoked.
    pub fn revoke_everything(&self) -> Value {
        self.revoke([("issued_before", self.shared.now().into())])
    }

    /// Takes a revocation back: publishes it again with `withdrawn` and a later `at`, and answers
    /// with that. A deleted grant does not come back by this, only its tokens do.
    pub fn withdraw(&self, entry: &Value) -> Value {
        let now = self.shared.now();
        let entry = entry.as_object().cloned().unwrap_or_default();
        let withdrawn = self.shared.lock().feed.withdraw(entry, now);
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
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let exp = now.saturating_add(state.longest_lifetime);
        let mut entry = Map::from_iter([("exp".to_owned(), exp.into())]);
        entry.extend(members.map(|(name, value)| (name.to_owned(), value)));
        let published = state.feed.revoke(entry, now);
        drop(state);
        self.shared.wake();
        published
    }
}
