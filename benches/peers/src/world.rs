//! The token that all of them get, and the keys that it is signed with.

use http::HeaderValue;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::testing::{AuthorizationServer, Token};

use super::auth0::{self, ISSUER, SECRET};

const SECRET_ID: &str = "the-shared-secret-01";

pub(crate) struct World {
    pub(crate) server: AuthorizationServer,
    keys: Value,
}

impl World {
    pub(crate) async fn new() -> Self {
        let algorithms = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
        let server = AuthorizationServer::builder().algorithms(algorithms).start().await.unwrap();
        let keys = reqwest::get(server.jwks_url()).await.unwrap().bytes().await.unwrap();
        Self { keys: serde_json::from_slice(&keys).unwrap(), server }
    }

    /// A JWK set with the one key, so that nobody has to know the others' algorithms.
    pub(crate) fn keys(&self, algorithm: Algorithm) -> String {
        let key = match algorithm {
            Algorithm::HS256 => {
                let secret = base64_simd::URL_SAFE_NO_PAD.encode_to_string(SECRET);
                json!({ "kty": "oct", "k": secret, "alg": "HS256", "kid": SECRET_ID })
            }
            _ => {
                let kid = self.server.key_id(algorithm).unwrap();
                let keys = self.keys["keys"].as_array().unwrap();
                keys.iter().find(|key| key["kid"] == kid.as_str()).unwrap().clone()
            }
        };
        json!({ "keys": [key] }).to_string()
    }

    fn mint(&self, token: Token) -> HeaderValue {
        HeaderValue::try_from(format!("Bearer {}", self.server.mint(token))).unwrap()
    }

    fn token(algorithm: Algorithm, n: usize) -> Token {
        let token = auth0::token(algorithm, ISSUER, n);
        if algorithm == Algorithm::HS256 { token.header("kid", SECRET_ID) } else { token }
    }

    pub(crate) fn good(&self, algorithm: Algorithm, n: usize) -> HeaderValue {
        self.mint(Self::token(algorithm, n))
    }

    /// What every one of them must refuse.
    pub(crate) fn bad(&self, algorithm: Algorithm) -> Vec<(&'static str, HeaderValue)> {
        let good = self.good(algorithm, 0);
        let (start, signature) = good.to_str().unwrap().rsplit_once('.').unwrap();
        // In the middle, where every bit counts.
        let (before, after) = signature.split_at(signature.len() / 2);
        let other = if after.starts_with('A') { 'B' } else { 'A' };
        let tampered = format!("{start}.{before}{other}{}", &after[1..]);
        let another = self.good(algorithm, 1);
        let (_, foreign) = another.to_str().unwrap().rsplit_once('.').unwrap();
        let swapped = format!("{start}.{foreign}");
        let long_ago = 1_700_000_000;
        vec![
            ("tampered", HeaderValue::try_from(tampered).unwrap()),
            ("with another's signature", HeaderValue::try_from(swapped).unwrap()),
            ("expired", self.mint(Self::token(algorithm, 0).issued_at(long_ago))),
            ("of another issuer", self.mint(Self::token(algorithm, 0).claim("iss", "https://evil.example/"))),
            (
                "for another audience",
                self.mint(Self::token(algorithm, 0).claim("aud", "https://other.example/")),
            ),
        ]
    }
}
