//! Changes to the header before a token is signed.

use crate::case::{Members, quoted};
use crate::changes::{ANYTHING, large, remove, set, twice};
use crate::rng::Rng;

pub(crate) fn change_header(rng: &mut Rng, header: &mut Members) -> String {
    const TYPED: &[&str] = &["alg", "typ", "kid", "cty", "crit", "b64", "zip", "enc"];
    const IGNORED: &[&str] =
        &["jku", "jwk", "x5u", "x5c", "x5t", "x5t#S256", "url", "nonce", "foo", "exp", "iss", "p2c", "apu"];
    let text = |rng: &mut Rng, list: &[&str]| quoted(rng.pick(list));
    match rng.below(16) {
        0 => {
            let names = [
                "none",
                "None",
                "NONE",
                "nOnE",
                "",
                "es256",
                "ES256",
                "ES256 ",
                "HS256",
                "HS384",
                "RS256",
                "PS256",
                "ES384",
                "ES512",
                "ES256K",
                "EdDSA",
                "Ed25519",
                "Ed448",
                "ML-DSA-44",
                "dir",
            ];
            let value = text(rng, &names);
            set(header, "alg", value)
        }
        1 => {
            let edwards = header.iter().any(|(name, value)| name == "alg" && value.contains("EdDSA"));
            set(header, "alg", quoted(if edwards { "Ed25519" } else { "ES256" }))
        }
        2 | 3 => {
            let names = [
                "JWT",
                "jwt",
                "AT+JWT",
                "application/at+jwt",
                "Application/AT+jwt",
                "application/jwt",
                "at+jwt;x=y",
                "logout+jwt",
                "dpop+jwt",
                "secevent+jwt",
                "JOSE",
                "",
                "at+jwt ",
                "text/at+jwt",
                "statuslist+jwt",
                "application/application/at+jwt",
            ];
            let value = text(rng, &names);
            set(header, "typ", value)
        }
        4 | 5 => {
            let names =
                ["es", "ed", "enc", "ops", "es512", "ES", "es ", "unknown", "../../dev/null", "' OR 1=1", ""];
            let value = text(rng, &names);
            set(header, "kid", value)
        }
        6 => {
            let values =
                [r#"["exp"]"#, "[]", r#"["b64"]"#, r#"["x"]"#, r#"["exp","exp"]"#, "null", r#""exp""#, "[1]"];
            let value = rng.pick(&values).to_owned();
            set(header, "crit", value)
        }
        7 => {
            let value = rng.pick(&["true", "false", "null", "0"]).to_owned();
            set(header, "b64", value)
        }
        8 => {
            let (name, value) = rng.pick(&[("zip", "DEF"), ("zip", "GZ"), ("enc", "A128GCM"), ("enc", "x")]);
            set(header, name, quoted(value))
        }
        9 => {
            let value =
                text(rng, &["JWT", "jwt", "application/jwt", "application/JWT", "json", "x/jwt", "JWTs", ""]);
            set(header, "cty", value)
        }
        10 => {
            let name = rng.pick(TYPED);
            let value = if rng.chance(30) { "null" } else { rng.pick(ANYTHING) };
            set(header, name, value.to_owned())
        }
        11 | 12 => {
            let name = rng.pick(IGNORED);
            let value = rng.pick(ANYTHING).to_owned();
            set(header, name, value)
        }
        13 => {
            let name = if rng.chance(50) { rng.pick(TYPED) } else { rng.pick(IGNORED) };
            twice(rng, header, name)
        }
        14 => {
            let name = rng.pick(&["kid", "typ", "cty", "foo", "foo", "foo"]);
            let value = large(rng);
            set(header, name, value)
        }
        _ => {
            let name = rng.pick(&["alg", "typ", "kid", "kid"]);
            remove(header, name)
        }
    }
}
