//! Tokens like those of Auth0, 439 bytes of claims, and what applications read of them. For benches here and in `peers`.

#![allow(dead_code, unreachable_pub, reason = "each bench uses what it needs")]

use serde::Deserialize;
use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::testing::Token;

pub const ISSUER: &str = "https://tenant.eu.auth0.com/";
pub const AUDIENCE: &str = "https://api.example.com/";
pub const SCOPE: &str = "read:events";
pub const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// The token of one of many users; with an algorithm of secrets, signed with [`SECRET`].
pub fn token(algorithm: Algorithm, issuer: &str, n: usize) -> Token {
    let token = Token::new(AUDIENCE)
        .subject(&format!("auth0|5f7c8ec7c33c6c004bbafe{n:04}"))
        .client("my_client_id_of_32_characters_xx")
        .claim("iss", issuer)
        .claim("aud", json!([AUDIENCE, "https://tenant.eu.auth0.com/userinfo"]))
        .claim("scope", "openid profile email read:events write:events delete:events offline_access")
        .claim("permissions", json!(["read:events", "write:events", "delete:events", "read:users"]))
        .algorithm(algorithm);
    if algorithm == Algorithm::HS256 { token.signed_with_secret(SECRET) } else { token }
}

#[derive(Clone, Debug, Deserialize)]
pub struct Claims {
    iss: String,
    sub: String,
    aud: Vec<String>,
    exp: u64,
    iat: u64,
    scope: String,
    permissions: Vec<String>,
    jti: String,
}

impl Claims {
    pub fn allows(&self) -> bool {
        self.scope.split(' ').any(|scope| scope == SCOPE)
    }
}
