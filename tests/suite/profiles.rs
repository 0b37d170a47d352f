//! Access tokens of real issuers, in synthetic copies, and what must not pass for one. The shapes are those of
//! docs/profiles.md.

use serde_json::{Value, json};
use tower_bearer::clock::{ManualClock, UnixTime};
use tower_bearer::testing::{AuthorizationServer, Token};
use tower_bearer::{AccessToken, Profile, RejectionKind as Kind, ResourceServer, any_token, scope};

use super::world::{AUDIENCE, NOW, ask, builder, clock, issuer, request};

/// A token with nothing but what is given; `iss`, `iat` and `exp` come from the server.
fn bare(typ: Option<&str>, claims: &Value) -> Token {
    let mut token = Token::new(AUDIENCE);
    for name in ["sub", "client_id", "jti", "scope", "grant_id"] {
        token = token.without(name);
    }
    for (name, value) in claims.as_object().unwrap() {
        token = token.claim(name.as_str(), value.clone());
    }
    match typ {
        Some(typ) => token.header("typ", typ),
        None => token.without_header("typ"),
    }
}

struct Vendor {
    profile: Profile,
    typ: Option<&'static str>,
    claims: Value,
    /// Required by the profile besides `iss`, `aud`, `exp`.
    required: &'static [&'static str],
    client: &'static str,
    scope: &'static str,
    /// What the same issuer's ID token looks like, for this very audience.
    id_token: (Option<&'static str>, Value),
    for_client: bool,
}

fn vendors() -> Vec<Vendor> {
    vec![
        Vendor {
            profile: Profile::Auth0,
            typ: Some("JWT"),
            claims: json!({"sub": "auth0|u1", "aud": [AUDIENCE, "https://t.auth0.com/userinfo"], "azp": "app",
                "scope": "openid read:events", "permissions": ["read:events"]}),
            required: &["sub", "iat", "azp"],
            client: "app",
            scope: "read:events",
            id_token: (Some("JWT"), json!({"sub": "auth0|u1", "nonce": "n", "azp": "app", "sid": "s"})),
            for_client: false,
        },
        Vendor {
            profile: Profile::Auth0,
            typ: Some("at+jwt"),
            claims: json!({"sub": "app@clients", "client_id": "app", "jti": "j", "gty": "client-credentials",
                "scope": "read:events"}),
            required: &["sub", "iat", "client_id"],
            client: "app",
            scope: "read:events",
            id_token: (Some("JWT"), json!({"sub": "auth0|u1", "at_hash": "h", "azp": "app"})),
            for_client: true,
        },
        Vendor {
            profile: Profile::Okta,
            typ: None,
            claims: json!({"ver": 1, "jti": "AT.x.oar1", "cid": "app", "uid": "00u1", "sub": "u@example.com",
                "scp": ["read:events", "offline_access"]}),
            required: &["sub", "iat", "cid", "jti"],
            client: "app",
            scope: "read:events",
            id_token: (
                None,
                json!({"ver": 1, "jti": "ID.x", "sub": "00u1", "auth_time": NOW, "amr": ["pwd"]}),
            ),
            for_client: false,
        },
        Vendor {
            profile: Profile::EntraV2,
            typ: Some("JWT"),
            claims: json!({"ver": "2.0", "azp": "app", "azpacr": "1", "oid": "o", "tid": "t", "sub": "p", "uti": "u",
                "scp": "read:events Files.Read"}),
            required: &["iat", "tid", "azp", "scp"],
            client: "app",
            scope: "read:events",
            id_token: (
                Some("JWT"),
                json!({"ver": "2.0", "oid": "o", "tid": "t", "sub": "p", "uti": "u", "name": "N"}),
            ),
            for_client: false,
        },
        Vendor {
            profile: Profile::EntraV1,
            typ: Some("JWT"),
            claims: json!({"ver": "1.0", "appid": "app", "appidacr": "1", "idtyp": "app", "oid": "o", "tid": "t",
                "sub": "o", "uti": "u", "roles": ["read:events"]}),
            required: &["iat", "tid", "appid", "roles"],
            client: "app",
            scope: "read:events",
            id_token: (
                Some("JWT"),
                json!({"ver": "1.0", "oid": "o", "tid": "t", "sub": "p", "upn": "u@example.com"}),
            ),
            for_client: true,
        },
        Vendor {
            profile: Profile::Keycloak,
            typ: Some("JWT"),
            claims: json!({"jti": "onrtac:1", "typ": "Bearer", "azp": "app", "sid": "s", "sub": "u",
                "realm_access": {"roles": ["r"]}, "scope": "email read:events"}),
            required: &["iat", "jti", "azp", "typ"],
            client: "app",
            scope: "read:events",
            id_token: (Some("JWT"), json!({"jti": "i", "typ": "ID", "azp": "app", "sid": "s", "sub": "u"})),
            for_client: false,
        },
        Vendor {
            profile: Profile::Cognito,
            typ: None,
            claims: json!({"sub": "u", "aud": null, "client_id": AUDIENCE, "origin_jti": "o", "event_id": "e",
                "token_use": "access", "auth_time": NOW, "jti": "j", "username": "u", "scope": "openid read:events"}),
            required: &["sub", "iat", "jti", "client_id", "token_use"],
            client: AUDIENCE,
            scope: "read:events",
            id_token: (
                None,
                json!({"sub": "u", "aud": AUDIENCE, "token_use": "id", "jti": "j", "origin_jti": "o"}),
            ),
            for_client: false,
        },
        Vendor {
            profile: Profile::OidcProvider,
            typ: Some("at+jwt"),
            claims: json!({"jti": "j", "sub": "u", "client_id": "app", "scope": "read:events", "grant_id": "g"}),
            required: &["jti", "sub", "client_id", "iat"],
            client: "app",
            scope: "read:events",
            id_token: (Some("JWT"), json!({"sub": "u", "nonce": "n", "at_hash": "h"})),
            for_client: false,
        },
    ]
}

/// `null` stands for a claim that is not there.
fn mint(server: &AuthorizationServer, typ: Option<&str>, claims: &Value) -> String {
    let mut token = bare(typ, claims);
    for (name, value) in claims.as_object().unwrap() {
        if value.is_null() {
            token = token.without(name.as_str());
        }
    }
    server.mint(token)
}

async fn resource_server(
    server: &AuthorizationServer,
    clock: &ManualClock,
    profile: Profile,
) -> ResourceServer {
    builder(server, clock).profile(profile).without_revocation().start().await.unwrap()
}

#[tokio::test]
async fn tokens_of_real_issuers_are_read_and_their_id_tokens_refused() {
    let clock = clock();
    let server = issuer(&clock).await;
    for vendor in vendors() {
        let api = resource_server(&server, &clock, vendor.profile).await;
        let what = format!("{:?}", vendor.profile);
        let good = mint(&server, vendor.typ, &vendor.claims);
        let answer = ask(&api, scope(vendor.scope), request(&good)).await;
        assert_eq!(answer.rejection, None, "{what}");
        assert_eq!(ask(&api, scope("other"), request(&good)).await.status, 403, "{what}");
        let token = admitted(&api, &good).await;
        assert_eq!(token.client_id().as_deref(), Some(vendor.client), "{what}");
        assert_eq!(token.is_for_client(), vendor.for_client, "{what}");

        let id_token = mint(&server, vendor.id_token.0, &vendor.id_token.1);
        let refused = ask(&api, any_token(), request(&id_token)).await.rejection.unwrap().kind();
        assert!(matches!(refused, Kind::WrongType | Kind::MissingClaim), "{what}: {refused:?}");
        let elsewhere = if vendor.profile == Profile::Cognito { "client_id" } else { "aud" };
        let mut claims = vendor.claims.clone();
        claims[elsewhere] = json!("somebody else");
        let refused = ask(&api, any_token(), request(&mint(&server, vendor.typ, &claims))).await;
        assert_eq!(refused.rejection.unwrap().kind(), Kind::WrongAudience, "{what}");
        for name in vendor.required {
            let mut claims = vendor.claims.clone();
            claims[*name] = json!(null);
            let refused = ask(&api, any_token(), request(&mint(&server, vendor.typ, &claims))).await;
            let kind = refused.rejection.map(|rejection| rejection.kind());
            assert!(
                matches!(kind, Some(Kind::MissingClaim | Kind::WrongType)),
                "{what} without {name}: {kind:?}"
            );
        }
    }
}

async fn admitted(api: &ResourceServer, token: &str) -> AccessToken {
    use tower::{Layer, ServiceExt, service_fn};
    let inner = service_fn(async |request: http::Request<()>| {
        Ok::<_, std::convert::Infallible>(http::Response::new(
            request.extensions().get::<AccessToken>().cloned(),
        ))
    });
    api.protect(any_token()).layer(inner).oneshot(request(token)).await.unwrap().into_body().unwrap()
}

/// BCP-13, BCP-14: for every profile, whatever else its issuer signs for the same audience.
#[tokio::test]
async fn no_other_jwt_passes_for_an_access_token() {
    let clock = clock();
    let server = issuer(&clock).await;
    let others = [
        (
            "logout token",
            Some("logout+jwt"),
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        ),
        (
            "logout token without typ",
            None,
            json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        ),
        (
            "security event",
            Some("secevent+jwt"),
            json!({"events": {"https://schemas.openid.net/secevent/caep/event-type/session-revoked": {}}}),
        ),
        ("DPoP proof", Some("dpop+jwt"), json!({"htm": "GET", "htu": "https://api/"})),
        ("DPoP proof without typ", Some("JWT"), json!({"htm": "GET", "htu": "https://api/"})),
        (
            "introspection response",
            Some("token-introspection+jwt"),
            json!({"token_introspection": {"active": true}}),
        ),
        ("introspection response without typ", Some("JWT"), json!({"token_introspection": {"active": true}})),
        ("status list", Some("statuslist+jwt"), json!({"status_list": {"bits": 1, "lst": "x"}})),
        ("entity statement", Some("entity-statement+jwt"), json!({"jwks": {"keys": []}})),
        ("feed page", Some("revocation-feed+jwt"), json!({"revocations": []})),
        ("ID token", Some("JWT"), json!({"at_hash": "h", "nonce": "n"})),
    ];
    let profiles = vendors().into_iter().map(|vendor| (vendor.profile, vendor.claims)).chain([
        (Profile::Generic, json!({"sub": "u"})),
        (Profile::Rfc9068, json!({"sub": "u", "client_id": "c", "jti": "j"})),
    ]);
    for (profile, claims) in profiles {
        let api = resource_server(&server, &clock, profile).await;
        for (what, typ, marks) in &others {
            let mut claims = claims.clone();
            claims.as_object_mut().unwrap().extend(marks.as_object().unwrap().clone());
            let answer = ask(&api, any_token(), request(&mint(&server, *typ, &claims))).await;
            assert_eq!(answer.rejection.map(|r| r.kind()), Some(Kind::WrongType), "{what} as {profile:?}");
        }
    }
}

#[tokio::test]
async fn sender_constrained_tokens_need_the_door_of_dangers() {
    let clock = clock();
    let server = issuer(&clock).await;
    let bound = server.mint(super::world::token().claim("cnf", json!({"x5t#S256": "h"})));
    let strict = builder(&server, &clock).without_revocation().start().await.unwrap();
    let answer = ask(&strict, any_token(), request(&bound)).await;
    assert_eq!(answer.rejection.unwrap().kind(), Kind::SenderConstrained, "DP-15");
    let behind_a_proxy = builder(&server, &clock).danger().accept_sender_constrained().without_revocation();
    assert_eq!(ask(&behind_a_proxy.start().await.unwrap(), any_token(), request(&bound)).await.status, 200);
}

/// RFC 9068 §3, figures 1 to 3: the header and the claims as they are printed there.
#[tokio::test]
async fn the_token_of_rfc_9068_is_valid_in_its_day() {
    let clock = ManualClock::new(UnixTime::from_secs(1_618_354_100));
    let server = issuer(&clock).await;
    // The RFC's issuer and key are not ours: the key is given, and the issuer is the RFC's.
    let kid = server.key_id(tower_bearer::Algorithm::ES256).unwrap();
    let header = format!(r#"{{"typ":"at+JWT","alg":"ES256","kid":"{kid}"}}"#);
    let claims = r#"{"iss":"https://authorization-server.example.com/","sub":"5ba552d67","aud":"https://rs.example.com/","exp":1639528912,"iat":1618354090,"jti":"dbe39bf3a3ba4238a513f51d6e1691c4","client_id":"s6BhdRkqt3","scope":"openid profile reademail"}"#;
    let token = server.sign(tower_bearer::Algorithm::ES256, header.as_bytes(), claims.as_bytes());
    let api = ResourceServer::builder()
        .clock(clock.clone())
        .issuer("https://authorization-server.example.com/")
        .audience("https://rs.example.com/")
        .jwks_url(server.jwks_url())
        .allow_loopback_http()
        .without_revocation()
        .start()
        .await
        .unwrap();
    let answer = ask(&api, scope("reademail"), request(&token)).await;
    assert_eq!((answer.status, answer.subject.as_deref()), (200, Some("5ba552d67")));
    clock.step_wall(UnixTime::from_secs(1_639_528_912 + 5));
    assert_eq!(ask(&api, any_token(), request(&token)).await.rejection.unwrap().kind(), Kind::Expired);
}

/// RFC 7519 §6.1: an unsecured JWT, as it is printed there.
#[tokio::test]
async fn the_unsecured_token_of_rfc_7519_is_refused() {
    let unsecured = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    let clock = ManualClock::new(UnixTime::from_secs(1_300_819_000));
    let server = issuer(&clock).await;
    let api = resource_server(&server, &clock, Profile::Generic).await;
    assert_eq!(
        ask(&api, any_token(), request(unsecured)).await.rejection.unwrap().kind(),
        Kind::WrongAlgorithm
    );
}
