//! Tokens whose keys are known to the world.

use std::sync::LazyLock;

use base64_simd::URL_SAFE_NO_PAD as BASE64;
use tower_bearer::Algorithm;

/// Tokens of the keys in RFC 7515 appendices A.2 and A.3 and RFC 8037 appendix A.4.
pub struct Known {
    pub algorithm: Algorithm,
    pub message: &'static str,
    pub signature: Vec<u8>,
    /// The member of the JWK that is the key.
    pub material: (&'static str, &'static str),
}

pub static KNOWN: LazyLock<[Known; 3]> = LazyLock::new(|| {
    let known = |algorithm, token: &'static str, material| {
        let (message, signature) = token.trim().rsplit_once('.').expect("it is a JWS");
        let signature = BASE64.decode_to_vec(signature).expect("it is base64url");
        Known { algorithm, message, signature, material }
    };
    [
        known(Algorithm::ES256, include_str!("known/es256.jws"), ("x", include_str!("known/es256.x").trim())),
        known(Algorithm::RS256, include_str!("known/rs256.jws"), ("n", include_str!("known/rs256.n").trim())),
        known(Algorithm::EdDSA, include_str!("known/eddsa.jws"), ("x", include_str!("known/eddsa.x").trim())),
    ]
});
