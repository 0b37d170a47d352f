//! The stacks, each set up as its own documentation says: issuer, audience and expiry checked, and a scope where it can
//! check one. All are services over the same inner one, with its keys given or fetched before anything is measured.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::{FromRef, Request, State};
use axum::middleware::{Next, from_extractor_with_state, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode};
use jsonwebtoken::crypto::{CryptoProvider, aws_lc, rust_crypto};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use tower::{Layer, Service, service_fn};
use tower_bearer::{Algorithm, ResourceServer, scope};

use super::auth0::{AUDIENCE, Claims, ISSUER, SCOPE, SECRET};
use super::world::World;
use super::{inner, poll_once};

/// One of the things compared.
pub(crate) struct Stack {
    pub(crate) name: &'static str,
    pub(crate) ask: Box<dyn FnMut(&HeaderValue) -> StatusCode>,
}

/// The whole request: made, judged, answered by the inner service.
fn stack<S, B>(name: &'static str, mut service: S) -> Stack
where
    S: Service<Request, Response = Response<B>, Error = Infallible> + 'static,
{
    let ask = move |value: &HeaderValue| {
        poll_once(std::future::poll_fn(|cx| service.poll_ready(cx)));
        poll_once(service.call(request(value))).status()
    };
    Stack { name, ask: Box::new(ask) }
}

fn request(value: &HeaderValue) -> Request {
    let mut request = Request::new(Body::empty());
    request.headers_mut().insert("authorization", value.clone());
    request
}

pub(crate) fn bare() -> Stack {
    stack("bare inner service", inner())
}

pub(crate) async fn tower_bearer(
    name: &'static str,
    world: &World,
    algorithm: Algorithm,
    cache: usize,
) -> Stack {
    let builder = ResourceServer::builder().verdict_cache(cache).issuer(ISSUER).audience(AUDIENCE);
    let builder = match algorithm {
        Algorithm::HS256 => builder.shared_secret(SECRET),
        _ => builder.keys(world.keys(algorithm)),
    };
    let api = builder.without_revocation().start().await.unwrap();
    stack(name, api.protect(scope(SCOPE)).layer(inner()))
}

struct Keys {
    set: Vec<(String, DecodingKey)>,
    validation: Validation,
}

fn validation(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm.name().parse().unwrap());
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    validation.required_spec_claims = HashSet::from(["exp", "iss", "aud"].map(str::to_owned));
    validation
}

/// What people write: `axum::middleware::from_fn_with_state` around `jsonwebtoken::decode`, the keys made once
/// (docs.rs/jsonwebtoken/11, docs.rs/axum/0.8/axum/middleware).
pub(crate) fn by_hand(world: &World, algorithm: Algorithm) -> Stack {
    let set: JwkSet = serde_json::from_str(&world.keys(algorithm)).unwrap();
    let key = |jwk: &jsonwebtoken::jwk::Jwk| {
        (jwk.common.key_id.clone().unwrap(), DecodingKey::from_jwk(jwk).unwrap())
    };
    let keys = Keys { set: set.keys.iter().map(key).collect(), validation: validation(algorithm) };
    stack("jsonwebtoken by hand, aws-lc-rs", from_fn_with_state(Arc::new(keys), check).layer(inner()))
}

async fn check(State(keys): State<Arc<Keys>>, mut request: Request, next: Next) -> Response {
    match read(&keys, &request) {
        Some(claims) if claims.allows() => {
            request.extensions_mut().insert(Arc::new(claims));
            next.run(request).await
        }
        Some(_) => StatusCode::FORBIDDEN.into_response(),
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

fn read(keys: &Keys, request: &Request) -> Option<Claims> {
    let token = request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    let kid = decode_header(token).ok()?.kid?;
    let (_, key) = keys.set.iter().find(|(own, _)| *own == kid)?;
    Some(decode::<Claims>(token, key, &keys.validation).ok()?.claims)
}

/// README, "Usage Example", "Validation" and "ClaimsChecker". On jsonwebtoken 9 and ring.
pub(crate) async fn jwt_authorizer(world: &World, algorithm: Algorithm) -> Stack {
    use jwt_authorizer::{IntoLayer, JwtAuthorizer, Validation};
    let builder = match algorithm {
        Algorithm::HS256 => JwtAuthorizer::from_secret(std::str::from_utf8(SECRET).unwrap()),
        _ => JwtAuthorizer::from_jwks_text(&world.keys(algorithm)),
    };
    let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]);
    let authorizer = builder.validation(validation).check(Claims::allows).build().await.unwrap();
    // Refusals are of its own type, which the inner service's answer must be made from.
    let inner = inner();
    let converted = service_fn(move |request| {
        let answer = inner.clone().call(request);
        async { answer.await.map(Theirs) }
    });
    let mut service = authorizer.into_layer().layer(converted);
    let ask = move |value: &HeaderValue| {
        poll_once(std::future::poll_fn(|cx| Service::<Request>::poll_ready(&mut service, cx)));
        poll_once(service.call(request(value))).0.status()
    };
    Stack { name: "jwt-authorizer 0.15", ask: Box::new(ask) }
}

struct Theirs(Response);

impl From<jwt_authorizer::AuthError> for Theirs {
    fn from(_: jwt_authorizer::AuthError) -> Self {
        Self(StatusCode::UNAUTHORIZED.into_response())
    }
}

/// docs.rs/tower-oauth2-resource-server, `TenantConfiguration::static_builder`, with the issuer asked for by
/// `claims_validation`: a static tenant does not check it otherwise. Not its `recommended`, which refuses tokens without
/// `nbf`. It checks no scopes.
pub(crate) async fn tower_oauth2(world: &World, algorithm: Algorithm, with_rust_crypto: bool) -> Stack {
    use tower_oauth2_resource_server::server::OAuth2ResourceServer;
    use tower_oauth2_resource_server::tenant::TenantConfiguration;
    use tower_oauth2_resource_server::validation::ClaimsValidationSpec;
    let audiences = vec![AUDIENCE.to_owned()];
    let tenant = TenantConfiguration::static_builder(world.keys(algorithm))
        .audiences(&audiences)
        .claims_validation(ClaimsValidationSpec::new().iss(ISSUER).aud(&audiences).exp(true))
        .allowed_algorithms(&[algorithm.name().parse().unwrap()])
        .build()
        .unwrap();
    let server = OAuth2ResourceServer::<Claims>::builder().add_tenant(tenant).build().await.unwrap();
    let name = if with_rust_crypto {
        "tower-oauth2-resource-server 0.12, as it comes (rust_crypto)"
    } else {
        "tower-oauth2-resource-server 0.12, aws-lc-rs"
    };
    let mut stack = stack(name, server.into_layer().layer(inner()));
    if with_rust_crypto {
        let mut ask = stack.ask;
        stack.ask = Box::new(move |value| {
            RUST_CRYPTO.store(true, Ordering::Relaxed);
            let status = ask(value);
            RUST_CRYPTO.store(false, Ordering::Relaxed);
            status
        });
    }
    stack
}

/// jsonwebtoken 11 has one back-end for the whole process, and one chosen by features panics where both are on. Its docs
/// (`crypto::CryptoProvider`) say to install one: this one asks either, so that both can take turns in one run.
static EITHER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| (aws_lc::DEFAULT_PROVIDER.signer_factory)(algorithm, key),
    verifier_factory: |algorithm, key| {
        let provider = if RUST_CRYPTO.load(Ordering::Relaxed) {
            &rust_crypto::DEFAULT_PROVIDER
        } else {
            &aws_lc::DEFAULT_PROVIDER
        };
        (provider.verifier_factory)(algorithm, key)
    },
    key_utils: jsonwebtoken::crypto::KeyUtils::new_unimplemented(),
};
static RUST_CRYPTO: AtomicBool = AtomicBool::new(false);

pub(crate) fn install_back_ends() {
    EITHER.install_default().unwrap();
}

#[derive(Clone)]
struct App {
    decoder: axum_jwt_auth::Decoder<Claims>,
}

impl FromRef<App> for axum_jwt_auth::Decoder<Claims> {
    fn from_ref(app: &App) -> Self {
        Arc::clone(&app.decoder)
    }
}

/// README, "Quick Start", with an audience and an issuer. Its extractor, as a middleware in front of the same inner
/// service. jsonwebtoken 10 with rust_crypto, which its manifest turns on. It checks no scopes.
pub(crate) fn axum_jwt_auth(world: &World, algorithm: Algorithm) -> Stack {
    use jsonwebtoken_10::{DecodingKey, Validation, jwk::JwkSet};
    let set: JwkSet = serde_json::from_str(&world.keys(algorithm)).unwrap();
    let mut validation = Validation::new(algorithm.name().parse().unwrap());
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    let decoder = axum_jwt_auth::LocalDecoder::builder()
        .keys(set.keys.iter().map(|jwk| DecodingKey::from_jwk(jwk).unwrap()).collect())
        .validation(validation)
        .build()
        .unwrap();
    let app = App { decoder: Arc::new(decoder) };
    let layer = from_extractor_with_state::<axum_jwt_auth::Claims<Claims>, _>(app);
    stack("axum-jwt-auth 0.7 (rust_crypto)", layer.layer(inner()))
}

/// README, "Quickstart" for the configuration, and "A tower stack" for the layer. On jsonwebtoken 9 and ring. It takes no
/// HMAC, by design.
pub(crate) async fn oauth_resource_server(world: &World, algorithm: Algorithm) -> Stack {
    use oauth_resource_server::http_layer::HttpAuthLayer;
    use oauth_resource_server::{KeyNaming, OAuthConfig, OAuthValidator};
    let config = OAuthConfig {
        enabled: true,
        issuer: ISSUER.to_owned(),
        jwks_uri: Some(world.server.jwks_url()),
        audience: AUDIENCE.to_owned(),
        resource: AUDIENCE.to_owned(),
        required_scope: Some(SCOPE.to_owned()),
        algorithms: vec![algorithm.name().to_owned()],
        allow_insecure_http: true,
        ..OAuthConfig::default()
    };
    let resolved = config.resolve(KeyNaming::Dotted("oauth")).unwrap().unwrap();
    let validator = Arc::new(OAuthValidator::new(&resolved).unwrap());
    validator.refresh_now().await.unwrap();
    let layer = HttpAuthLayer::builder().oauth(validator).build().unwrap();
    stack("oauth-resource-server 0.4", layer.layer(inner()))
}

/// docs.rs/aliri_tower: an `Authority`, `jwt_layer` outside and `scope_layer` inside. EC by OpenSSL; it has no EdDSA.
pub(crate) fn aliri(world: &World, algorithm: Algorithm) -> Stack {
    use aliri::{jwa, jwt};
    use aliri_oauth2::{ScopePolicy, scope::BasicClaimsWithScope};
    let jwks: aliri::Jwks = serde_json::from_str(&world.keys(algorithm)).unwrap();
    let approved = match algorithm {
        Algorithm::RS256 => jwa::Algorithm::RS256,
        Algorithm::ES256 => jwa::Algorithm::ES256,
        _ => jwa::Algorithm::HS256,
    };
    let validator = jwt::CoreValidator::default()
        .add_approved_algorithm(approved)
        .add_allowed_audience(jwt::Audience::from_static(AUDIENCE))
        .check_expiration()
        .require_issuer(jwt::Issuer::from_static(ISSUER));
    let authority = aliri_oauth2::Authority::new(jwks, validator);
    let authorizer = aliri_tower::Oauth2Authorizer::new()
        .with_claims::<BasicClaimsWithScope>()
        .with_terse_error_handler::<Body>();
    let scoped = authorizer.scope_layer(ScopePolicy::allow_one_from_static(SCOPE)).layer(inner());
    stack("aliri_tower 0.6 (ring; EC by OpenSSL)", authorizer.jwt_layer(authority).layer(scoped))
}
