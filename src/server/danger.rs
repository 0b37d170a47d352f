//! Settings that weaken a resource server, behind one door: whoever reviews a program looks for `danger`.

use super::builder::{Builder, HasIssuer};

/// Made by [`Builder::danger`]; each method goes back to the builder.
#[derive(Debug)]
#[must_use = "it changes nothing by itself"]
pub struct Danger<State> {
    builder: Builder<State>,
}

impl<State: HasIssuer> Danger<State> {
    pub(super) fn new(builder: Builder<State>) -> Self {
        Self { builder }
    }

    /// [`Builder::shared_secret`] with a secret that is shorter than RFC 7518 §3.2 demands: whoever sees one token can
    /// search for it offline, and then sign tokens.
    pub fn short_shared_secret(self, secret: impl Into<Vec<u8>>) -> Builder<State> {
        self.builder.weak_secret(secret.into())
    }

    /// Accepts tokens that are bound to a key (`cnf`, RFC 7800) as if they were plain bearer tokens. Whoever steals such
    /// a token can then use it, unless something in front of this service has checked the proof (mutual TLS, DPoP).
    pub fn accept_sender_constrained(self) -> Builder<State> {
        self.builder.sender_constrained()
    }
}
