//! What people write by hand: a middleware around jsonwebtoken, its keys and its `Validation` made once, the claims in a
//! struct in the extensions.

#![allow(unreachable_pub, reason = "as in measure.rs")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::{HeaderValue, Request};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use tower::Service as _;

use super::auth0::Claims;
use super::poll::poll_once;
use super::world::{Inner, inner, request};

pub struct Service {
    keys: HashMap<String, DecodingKey>,
    secret: Option<DecodingKey>,
    validation: Validation,
    inner: Inner,
}

impl Service {
    pub fn new(
        algorithm: tower_bearer::Algorithm,
        keys: &str,
        secret: &[u8],
        issuer: &str,
        audience: &str,
    ) -> Self {
        let algorithm: Algorithm = algorithm.name().parse().unwrap();
        let set: JwkSet = serde_json::from_str(keys).unwrap();
        let key = |jwk: &jsonwebtoken::jwk::Jwk| {
            (jwk.common.key_id.clone().unwrap(), DecodingKey::from_jwk(jwk).unwrap())
        };
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.required_spec_claims = HashSet::from(["exp", "iss", "aud"].map(str::to_owned));
        let secret = (algorithm == Algorithm::HS256).then(|| DecodingKey::from_secret(secret));
        Self { keys: set.keys.iter().map(key).collect(), secret, validation, inner: inner() }
    }

    pub fn ask(&mut self, value: &HeaderValue) {
        let request = request(value);
        let admitted = self.admit(request);
        poll_once(self.inner.call(admitted));
    }

    #[allow(clippy::disallowed_methods, reason = "what others do")]
    fn admit(&self, mut request: Request<()>) -> Request<()> {
        let value = request.headers().get("authorization").unwrap().to_str().unwrap();
        let token = value.strip_prefix("Bearer ").unwrap();
        let key = match &self.secret {
            Some(secret) => secret,
            None => &self.keys[&decode_header(token).unwrap().kid.unwrap()],
        };
        let claims = decode::<Claims>(token, key, &self.validation).unwrap().claims;
        assert!(claims.allows());
        request.extensions_mut().insert(Arc::new(claims));
        request
    }
}
