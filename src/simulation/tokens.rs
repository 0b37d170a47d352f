//! Keys and the tokens signed with them: made once, since signing costs more than everything else here.

use std::sync::OnceLock;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64_simd::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::json;

pub(super) const ISSUER: &str = "https://as.example";
pub(super) const AUDIENCE: &str = "https://api.example.com/";
/// What the wall clock says at the start, in seconds since the epoch.
pub(super) const START: i64 = 1_795_000_000;
/// Keys that an authorization server has at most, in a world's whole life.
pub(super) const KEYS: usize = 24;
/// Different unknown `kid`s: fewer than a bell remembers, whose evictions go by the machine's own clock.
pub(super) const STRANGERS: usize = 100;

/// A set of keys, one bit each.
pub(super) type Set = u32;

/// What a client sends.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
pub(super) enum Token {
    /// Signed with a key of the authorization server.
    Genuine { key: usize, kid: bool },
    /// Signed by somebody else, who names a key of the authorization server.
    Forged { key: usize },
    /// Signed by somebody else, who names a key that was never there.
    Strange(usize),
    /// Signed by somebody else, without a `kid`.
    Bare,
}

impl Token {
    /// The key whose id it carries.
    pub(super) fn named(self) -> Option<usize> {
        match self {
            Self::Genuine { key, kid: true } | Self::Forged { key } => Some(key),
            Self::Genuine { kid: false, .. } | Self::Strange(_) | Self::Bare => None,
        }
    }

    /// The key that has signed it, if the authorization server did.
    pub(super) fn signed_with(self) -> Option<usize> {
        match self {
            Self::Genuine { key, .. } => Some(key),
            Self::Forged { .. } | Self::Strange(_) | Self::Bare => None,
        }
    }

    /// The key that it names or, without a `kid`, that has signed it.
    pub(super) fn key(self) -> Option<usize> {
        self.named().or_else(|| self.signed_with())
    }

    /// Whether it names any key, known or not.
    pub(super) fn has_kid(self) -> bool {
        !matches!(self, Self::Genuine { kid: false, .. } | Self::Bare)
    }
}

/// The same for all worlds.
pub(super) struct Tokens {
    jwks: Vec<String>,
    genuine: Vec<[HeaderValue; 2]>,
    forged: Vec<HeaderValue>,
    strange: Vec<HeaderValue>,
    bare: HeaderValue,
}

impl Tokens {
    pub(super) fn get() -> &'static Self {
        static TOKENS: OnceLock<Tokens> = OnceLock::new();
        TOKENS.get_or_init(Self::make)
    }

    fn make() -> Self {
        let pair = |number: usize| Ed25519KeyPair::from_seed_unchecked(&[number as u8; 32]).unwrap();
        let stranger = pair(KEYS);
        let name = |key: usize| format!("k{key}");
        let jwk = |key: usize| {
            let x = URL_SAFE_NO_PAD.encode_to_string(pair(key).public_key());
            json!({"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","kid":name(key),"x":x}).to_string()
        };
        let genuine = |key| [header(&pair(key), None), header(&pair(key), Some(&name(key)))];
        Self {
            jwks: (0..KEYS).map(jwk).collect(),
            genuine: (0..KEYS).map(genuine).collect(),
            forged: (0..KEYS).map(|key| header(&stranger, Some(&name(key)))).collect(),
            strange: (0..STRANGERS).map(|s| header(&stranger, Some(&format!("s{s}")))).collect(),
            bare: header(&stranger, None),
        }
    }

    /// The `Authorization` header.
    pub(super) fn header(&self, token: Token) -> HeaderValue {
        match token {
            Token::Genuine { key, kid } => self.genuine[key][usize::from(kid)].clone(),
            Token::Forged { key } => self.forged[key].clone(),
            Token::Strange(stranger) => self.strange[stranger].clone(),
            Token::Bare => self.bare.clone(),
        }
    }

    /// The JWK set, with a member that nobody understands where `odd`.
    pub(super) fn set(&self, set: Set, odd: bool) -> String {
        let published = (0..KEYS).filter(|key| set & (1 << key) != 0).map(|key| self.jwks[key].as_str());
        let members: Vec<&str> = published.chain(odd.then_some(r#"{"kty":"AKP","kid":"pq"}"#)).collect();
        format!(r#"{{"keys":[{}]}}"#, members.join(","))
    }
}

/// Valid for longer than any world exists, by any clock it has.
fn header(pair: &Ed25519KeyPair, kid: Option<&str>) -> HeaderValue {
    let mut jose = json!({"typ":"at+jwt","alg":"EdDSA"});
    if let Some(kid) = kid {
        jose["kid"] = json!(kid);
    }
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u", "client_id": "c", "jti": "t",
        "iat": START - 30 * 86_400, "exp": START + 30 * 86_400,
    });
    let encode = |value: String| URL_SAFE_NO_PAD.encode_to_string(value);
    let input = format!("{}.{}", encode(jose.to_string()), encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode_to_string(pair.sign(input.as_bytes()));
    HeaderValue::from_str(&format!("Bearer {input}.{signature}")).unwrap()
}
