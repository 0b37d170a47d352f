//! The handle's part for clients, APIs and users.

use serde_json::{Value, json};

use super::AuthorizationServer;
use super::api::Api;
use super::encoding::random_id;
use super::oauth::device;
use super::state::{Shared, path};
use super::tenant::{ClientAuthentication, User};

/// Clients and what they are granted.
impl AuthorizationServer {
    /// Registers a client, or gives it a new secret. It gets tokens only where it is [granted](Self::grant), or where
    /// a [user](Self::add_user) consents.
    pub fn add_client(&self, client_id: &str, secret: &str) {
        let mut state = self.shared.lock();
        let client = state.tenant.clients.entry(client_id.to_owned()).or_default();
        client.secret = Some(secret.to_owned());
    }

    /// Lets a client authenticate in one way only, as the application's setting in Auth0 does; in the other it gets
    /// `invalid_client`. Default: in either. Nothing happens for an unknown client.
    pub fn set_client_authentication(&self, client_id: &str, way: ClientAuthentication) {
        if let Some(client) = self.shared.lock().tenant.clients.get_mut(client_id) {
            client.authentication = Some(way);
        }
    }

    /// Registers a client that has no secret: its token endpoint authentication method is `none`, and its
    /// authorization requests need PKCE.
    pub fn add_public_client(&self, client_id: &str) {
        let mut state = self.shared.lock();
        state.tenant.clients.entry(client_id.to_owned()).or_default().secret = None;
    }

    /// Lets authorization requests of a client be answered there. Nothing happens for an unknown client.
    pub fn allow_redirect(&self, client_id: &str, redirect_uri: &str) {
        if let Some(client) = self.shared.lock().tenant.clients.get_mut(client_id) {
            client.redirect_uris.push(redirect_uri.to_owned());
        }
    }

    /// Lets a client get tokens for an audience with these scopes, and answers with the grant's id.
    /// It takes the place of the grant for the same two, whose tokens stay valid.
    pub fn grant<S: Into<String>>(
        &self,
        client_id: &str,
        audience: &str,
        scopes: impl IntoIterator<Item = S>,
    ) -> String {
        let scopes = scopes.into_iter().map(Into::into).collect();
        self.shared.lock().tenant.grant(format!("cgr_{}", random_id()), client_id, audience, scopes)
    }

    /// Registers an API, or replaces the one with this identifier. Audiences that are not registered get tokens by
    /// RFC 9068 with `sub` = `client_id` and a `grant_id`, from `client_credentials` only.
    ///
    /// ```
    /// # use tower_bearer::testing::{Api, AuthorizationServer};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
    /// let server = AuthorizationServer::start().await?;
    /// server.add_api(Api::new("https://api.example.com/").rbac());
    /// server.add_client("partner", "secret");
    /// let grant = server.grant("partner", "https://api.example.com/", ["read:events"]);
    /// // … POST server.token_url(), then:
    /// server.delete_grant(&grant);
    /// # Ok(()) }
    /// ```
    pub fn add_api(&self, api: Api) {
        let mut state = self.shared.lock();
        state.tenant.apis.retain(|it| it.identifier != api.identifier);
        state.tenant.apis.push(api);
    }

    /// The audience of the Management API, `{issuer}/api/v2/`. A client with a [grant](Self::grant) for it gets tokens
    /// for the Management API as for any other.
    pub fn management_audience(&self) -> String {
        self.shared.settings.management_audience()
    }

    /// Where a path of the Management API is, such as `client-grants`.
    pub fn management_url(&self, path: &str) -> String {
        format!("{}{path}", self.management_audience())
    }

    /// The endpoint that clients send users to (RFC 6749 §3.1). Whoever comes is signed in as the user that
    /// `login_hint` names, else as the first one, and consents to everything.
    pub fn authorization_url(&self) -> String {
        self.url(path::AUTHORIZE)
    }

    /// The endpoint at which devices ask for a code to show (RFC 8628 §3.1).
    pub fn device_authorization_url(&self) -> String {
        self.url(path::DEVICE)
    }

    /// Says yes to the code that a device shows, as this user does in a browser, and consents to everything. Answers
    /// whether there is such a device and such a user.
    pub fn approve_device(&self, user_code: &str, user_id: &str) -> bool {
        device::decide(&self.shared, user_code, Some(user_id)).is_some()
    }

    /// Says no to the code that a device shows. Answers whether there is such a device.
    pub fn deny_device(&self, user_code: &str) -> bool {
        device::decide(&self.shared, user_code, None).is_some()
    }

    /// The endpoint at which clients revoke refresh tokens (RFC 7009).
    pub fn revocation_url(&self) -> String {
        self.url(path::REVOKE)
    }
}

/// Users.
impl AuthorizationServer {
    /// Registers a user, such as `auth0|u1`, and tells the stream of events; nothing happens for one that is known.
    pub fn add_user(&self, user_id: &str) {
        let mut state = self.shared.lock();
        if state.tenant.user(user_id).is_some() {
            return;
        }
        let user = User { id: user_id.to_owned(), blocked: false, permissions: Vec::new() };
        state.tenant.users.push(user);
        drop(state);
        self.emit_event("user.created", &json!({ "user_id": user_id }));
    }

    /// Says what a user may do at an API with [`Api::rbac`], in place of what was said before.
    pub fn set_permissions<S: Into<String>>(
        &self,
        user_id: &str,
        audience: &str,
        permissions: impl IntoIterator<Item = S>,
    ) {
        // The caller's iterator may ask this server, so it comes before the lock.
        let permissions: Vec<String> = permissions.into_iter().map(Into::into).collect();
        if let Some(user) = self.shared.lock().tenant.user_mut(user_id) {
            user.permissions.retain(|(at, _)| at != audience);
            user.permissions.extend(permissions.into_iter().map(|it| (audience.to_owned(), it)));
        }
    }

    /// Deletes a user with their grants and refresh tokens: a cut-off on `sub`, `sdu` in the log, `user.deleted` in the
    /// stream of events. Answers with the feed's entry.
    pub fn delete_user(&self, user_id: &str) -> Value {
        let mut state = self.shared.lock();
        let now = self.shared.wall();
        state.tenant.users.retain(|user| user.id != user_id);
        state.tenant.user_grants.retain(|grant| grant.parties.user != user_id);
        state.tenant.families.retain(|family| family.parties.user != user_id);
        let entry = state.end_user(user_id, now);
        state.tenant.logs.add("sdu", json!({ "user_id": user_id }), now);
        drop(state);
        self.emit_event("user.deleted", &json!({ "user_id": user_id }));
        entry
    }

    /// Blocks a user: a cut-off on `sub`, no new tokens, and `user.updated` in the stream of events. Answers with the
    /// feed's entry.
    pub fn block_user(&self, user_id: &str) -> Value {
        self.shared.set_blocked(user_id, true)
    }

    /// Lets a blocked user in again. What was cut off stays so.
    pub fn unblock_user(&self, user_id: &str) {
        self.shared.set_blocked(user_id, false);
    }
}

impl Shared {
    /// Answers with the feed's entry, if there is one.
    pub(super) fn set_blocked(&self, user_id: &str, blocked: bool) -> Value {
        let mut state = self.lock();
        let now = self.wall();
        if let Some(user) = state.tenant.user_mut(user_id) {
            user.blocked = blocked;
        }
        let entry = if blocked { state.end_user(user_id, now) } else { Value::Null };
        let object = json!({ "user_id": user_id, "blocked": blocked });
        state.tenant.events.add("user.updated", &object, &self.settings.issuer, now);
        drop(state);
        self.wake();
        entry
    }
}
