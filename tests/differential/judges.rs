//! The two judges: ours, in process and without a network, and jsonwebtoken as strict as it can be made.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderValue, Request, Response};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use tower::util::ServiceFn;
use tower::{Layer, Service, service_fn};
use tower_bearer::clock::{ManualClock, UnixTime};
use tower_bearer::{AccessToken, Profile, Protected, Rejection, RejectionKind, ResourceServer, any_token};

use crate::keys::{SECRET, keys};

pub(crate) const ISSUER: &str = "https://as.example/";
pub(crate) const AUDIENCE: &str = "https://api.example.com/";
/// Seconds: the default.
pub(crate) const LEEWAY: u64 = 5;
/// Seconds: set for [`Profile::Rfc9068`] only.
pub(crate) const LONGEST_LIFE: u64 = 86_400;
pub(crate) const PROFILES: [Profile; 2] = [Profile::Rfc9068, Profile::Generic];

/// How tokens are verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    KeySet,
    SharedSecret,
}

pub(crate) const TRUSTS: [Trust; 2] = [Trust::KeySet, Trust::SharedSecret];

pub(crate) enum Verdict {
    Admitted(AccessToken),
    Refused(RejectionKind),
    /// No header can carry these bytes.
    Unsendable,
}

impl Verdict {
    pub(crate) fn kind(&self) -> Option<RejectionKind> {
        if let Self::Refused(kind) = self { Some(*kind) } else { None }
    }

    pub(crate) fn admits(&self) -> bool {
        matches!(self, Self::Admitted(_))
    }
}

type Inner = ServiceFn<fn(Request<()>) -> Ready<Result<Response<()>, Infallible>>>;

/// Answers with the token that the layer let through.
fn echo(mut request: Request<()>) -> Ready<Result<Response<()>, Infallible>> {
    let mut response = Response::new(());
    response.extensions_mut().insert(request.extensions_mut().remove::<AccessToken>().unwrap());
    ready(Ok(response))
}

/// One service for each way to verify and each profile.
pub(crate) struct Ours {
    clock: ManualClock,
    services: Vec<Protected<Inner>>,
}

impl Ours {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new(UnixTime::from_secs(0));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let mut services = Vec::new();
        for trust in TRUSTS {
            for profile in PROFILES {
                let builder = ResourceServer::builder()
                    .clock(clock.clone())
                    .issuer(ISSUER)
                    .audience(AUDIENCE)
                    .profile(profile)
                    .leeway(Duration::from_secs(LEEWAY));
                let builder = match profile {
                    Profile::Rfc9068 => builder.max_token_lifetime(Duration::from_secs(LONGEST_LIFE)),
                    _ => builder.require_jti(false),
                };
                let builder = match trust {
                    Trust::KeySet => builder.keys(json!({ "keys": keys().published() }).to_string()),
                    Trust::SharedSecret => builder.shared_secret(SECRET.as_slice()),
                };
                let server = runtime.block_on(builder.without_revocation().start()).unwrap();
                services.push(server.protect(any_token()).layer(service_fn(echo as fn(_) -> _)));
            }
        }
        Self { clock, services }
    }

    pub(crate) fn set_time(&self, millis: u64) {
        self.clock.step_wall(UnixTime::from_millis(millis as i64));
    }

    pub(crate) fn judge(&self, trust: Trust, profile: Profile, token: &[u8]) -> Verdict {
        let at = usize::from(trust == Trust::SharedSecret) * 2 + usize::from(profile == Profile::Generic);
        let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", token].concat()) else {
            return Verdict::Unsendable;
        };
        let mut request = Request::new(());
        request.headers_mut().insert("authorization", value);
        let mut service = self.services[at].clone();
        let answer = pin!(service.call(request)).as_mut().poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(mut response)) = answer else { panic!("given keys leave nothing to wait for") };
        match response.extensions_mut().remove::<AccessToken>() {
            Some(token) => Verdict::Admitted(token),
            None => {
                let rejection = response.extensions().get::<Rejection>().expect("a refusal says why");
                assert!(matches!(rejection.status().as_u16(), 400 | 401), "{rejection:?}");
                assert_eq!(response.status(), rejection.status());
                Verdict::Refused(rejection.kind())
            }
        }
    }
}

/// jsonwebtoken with everything demanded that it can demand, over every key that it can use.
pub(crate) struct Oracle {
    of_set: Vec<(DecodingKey, Validation)>,
    of_secret: Vec<(DecodingKey, Validation)>,
}

fn strictest(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.set_required_spec_claims(&["iss", "aud", "exp"]);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.validate_nbf = true;
    validation.leeway = LEEWAY;
    validation
}

impl Oracle {
    pub(crate) fn new() -> Self {
        let usable = keys().published().into_iter().filter(|jwk| jwk["crv"] != "P-521");
        let of_set = usable.map(|jwk| {
            let algorithm = if jwk["kty"] == "OKP" { Algorithm::EdDSA } else { Algorithm::ES256 };
            let jwk: Jwk = serde_json::from_value(jwk).unwrap();
            (DecodingKey::from_jwk(&jwk).unwrap(), strictest(algorithm))
        });
        let secret = (DecodingKey::from_secret(SECRET), strictest(Algorithm::HS256));
        Self { of_set: of_set.collect(), of_secret: vec![secret] }
    }

    /// The claims, or why each key refused.
    #[expect(clippy::disallowed_methods, reason = "the oracle that our own law is compared with")]
    pub(crate) fn judge(&self, trust: Trust, token: &[u8]) -> Result<Value, Vec<String>> {
        let keys = match trust {
            Trust::KeySet => &self.of_set,
            Trust::SharedSecret => &self.of_secret,
        };
        let mut refusals = Vec::new();
        for (key, validation) in keys {
            match jsonwebtoken::decode::<Value>(token, key, validation) {
                Ok(data) => return Ok(data.claims),
                Err(error) => refusals.push(error.to_string()),
            }
        }
        Err(refusals)
    }
}
