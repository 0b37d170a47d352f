//! Who gets in.

use std::time::Duration;

use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Token};

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::setup::{AUDIENCE, ROUTES, Setup, authorization_server, issuer, listeners, token, until};
use crate::upstream::Upstream;

const DEMANDS: &str = r#"
    [[route]]
    path = "/all"
    require = { all = ["a", "b"] }

    [[route]]
    path = "/any"
    require = { any = ["a", "b"] }

    [[route]]
    path = "/valid"
    require = { none = true }
"#;

#[tokio::test]
async fn demands_of_routes() {
    let setup = Setup::start(DEMANDS).await;
    let tokens = ["a b", "b", "c"].map(|scope| setup.token(scope));
    let table = [("/all", [200, 403, 403]), ("/any", [200, 200, 403]), ("/valid", [200, 200, 200])];
    for (path, statuses) in table {
        for (token, status) in tokens.iter().zip(statuses) {
            assert_eq!(setup.get(path, token).await.status, status, "{path}");
        }
    }
    let refused = setup.get("/all", &tokens[1]).await;
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(
        challenge.contains(r#"error="insufficient_scope""#) && challenge.contains(r#"scope="a b""#),
        "{challenge}"
    );
}

#[tokio::test]
async fn refusals_do_not_reach_the_upstream() {
    let setup = Setup::start(ROUTES).await;
    let good = setup.token("read:events");
    let expired = setup.server.mint(token("read:events").issued_at(1_000_000_000));
    let other = setup.server.mint(Token::new("https://other.example/").scope("read:events"));
    let unknown = setup.server.mint(token("read:events").signed_by_unknown_key());
    let table = [
        (Ask::get("/events"), 401, None),
        (Ask::get("/events").line("Authorization: Basic dTpw"), 401, None),
        (Ask::get("/events").bearer("nonsense"), 401, Some("invalid_token")),
        (Ask::get("/events").bearer(&expired), 401, Some("invalid_token")),
        (Ask::get("/events").bearer(&other), 401, Some("invalid_token")),
        (Ask::get("/events").bearer(&unknown), 401, Some("invalid_token")),
        (Ask::get("/events").bearer(&good).bearer(&good), 400, Some("invalid_request")),
        // What a client names in `Connection` is gone before anybody looks.
        (Ask::get("/events").bearer(&good).connection("close, Authorization"), 401, None),
    ];
    for (ask, status, code) in table {
        let answer = setup.ask(ask).await;
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(answer.status, status, "{challenge}");
        match code {
            Some(code) => assert!(challenge.contains(&format!("error=\"{code}\"")), "{challenge}"),
            None => assert!(!challenge.contains("error="), "{challenge}"),
        }
        assert!(answer.body.is_empty() && answer.header("cache-control") == Some("no-store"));
    }
    assert_eq!(setup.upstream.requests(), 0);
    assert_eq!(setup.get("/events", &good).await.status, 200);
    assert_eq!(setup.upstream.requests(), 1);
}

#[tokio::test]
async fn revoked_tokens_are_refused_soon_and_for_good() {
    let setup = Setup::start(ROUTES).await;
    let one = setup.token("read:events");
    let granted = setup.server.mint(token("read:events").grant("g-1"));
    let bystander = setup.token("read:events");
    for token in [&one, &granted, &bystander] {
        assert_eq!(setup.get("/events", token).await.status, 200);
    }
    setup.server.revoke_jwt(&one).unwrap();
    setup.server.delete_grant("g-1");
    let polls = || setup.server.requests(&setup.server.feed_url());
    // The one that comes next brings it, and is in force before the one after it is asked.
    let revoked = polls();
    until("two polls", async || polls() >= revoked + 2).await;
    for token in [&one, &granted] {
        let refused = setup.get("/events", token).await;
        assert_eq!(refused.status, 401);
        assert!(refused.header("www-authenticate").unwrap().contains("invalid_token"));
    }
    assert_eq!(setup.get("/events", &bystander).await.status, 200);

    setup.server.stop().await;
    assert_eq!(setup.get("/events", &one).await.status, 401);
    assert_eq!(setup.get("/events", &bystander).await.status, 200);
}

#[tokio::test]
async fn a_stale_feed_means_what_feed_and_route_say() {
    for (of_feed, of_route) in [("refuse", "admit"), ("admit", "refuse")] {
        let (server, upstream) = (authorization_server().await, Upstream::start().await);
        let issuer = format!("{}max_staleness = '300ms'\nwhen_stale = '{of_feed}'\n", issuer(&server));
        let route =
            format!("[[route]]\npath = '/other'\nrequire = {{ none = true }}\nwhen_stale = '{of_route}'");
        let config = format!("{}{issuer}{ROUTES}{route}", listeners(upstream.port));
        let setup = Setup { gateway: Gateway::start(&config).await, server, upstream };
        setup.ready().await;
        let (refusing, admitting) =
            if of_feed == "refuse" { ("/events", "/other") } else { ("/other", "/events") };

        let token = setup.token("read:events");
        setup.break_feed().await;
        until("staleness", async || setup.get(refusing, &token).await.status == 503).await;
        let refused = setup.get(refusing, &token).await;
        assert!(refused.header("retry-after").is_some() && refused.all("www-authenticate").is_empty());
        assert_eq!(setup.get(admitting, &token).await.status, 200);

        setup.server.clear_reply(&setup.server.feed_url());
        until("freshness", async || setup.get(refusing, &token).await.status == 200).await;
    }
}

/// Two issuers, each with keys and rules of its own.
#[tokio::test]
async fn settings_of_issuers_are_honoured() {
    let secret = "a shared secret of forty characters here";
    let builder = AuthorizationServer::builder().algorithms([]).shared_secret(AUDIENCE, secret);
    let (symmetric, upstream) = (builder.start().await.unwrap(), Upstream::start().await);
    let strict = authorization_server().await;
    let dir = Dir::new();
    dir.write("secret", format!("{secret}\n").as_bytes());
    let config = format!(
        "{}[[issuer]]\nurl = '{}'\naudience = ['other', '{AUDIENCE}']\nshared_secret_file = 'secret'\n\
         profile = 'generic'\nleeway = '0s'\nmax_token_lifetime = '1h'\nrequire_jti = true\n[issuer.revocation]\nsource = 'none'\n\
         [[issuer]]\nurl = '{}'\naudience = ['{AUDIENCE}']\njwks_url = '{}'\nalgorithms = ['ES256']\n\
         allow_loopback_http = true\nleeway = '5m'\n[issuer.revocation]\nsource = 'none'\n{ROUTES}",
        listeners(upstream.port),
        symmetric.issuer(),
        strict.issuer(),
        strict.jwks_url(),
    );
    let setup = Setup { gateway: Gateway::start_in(dir, &config).await, upstream, server: strict };
    setup.ready().await;
    let now = u64::try_from(SystemClock::new().wall().as_secs()).unwrap();
    let plain = || token("read:events").without_header("typ");
    let long = Duration::from_secs(3601);
    let table = [
        (symmetric.mint(plain()), 200, "generic"),
        (symmetric.mint(plain().without("jti")), 401, "require_jti"),
        (symmetric.mint(plain().lifetime(long)), 401, "longer than max_token_lifetime"),
        (
            symmetric.mint(plain().issued_at(now - 3601).lifetime(long - Duration::from_secs(1))),
            401,
            "no leeway",
        ),
        (setup.server.mint(token("read:events")), 200, "rfc9068"),
        (setup.server.mint(token("read:events").lifetime(long)), 200, "no max_token_lifetime"),
        (
            setup.server.mint(token("read:events").issued_at(now - 60).lifetime(Duration::from_secs(1))),
            200,
            "leeway",
        ),
        (setup.server.mint(plain()), 401, "typ missing"),
    ];
    for (token, status, case) in table {
        assert_eq!(setup.get("/events", &token).await.status, status, "{case}");
    }
    assert_eq!(setup.server.requests(&setup.server.metadata_url()), 0);
}

/// As seen from the configuration, and nobody is asked.
#[tokio::test]
async fn keys_come_from_a_file() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let port = server.issuer().rsplit_once(':').unwrap().1.parse().unwrap();
    let dir = Dir::new();
    dir.write("keys.json", &Ask::get("/jwks.json").of(port).await.body);
    let config = format!(
        "{}[[issuer]]\nurl = '{}'\naudience = ['{AUDIENCE}']\nkeys_file = 'keys.json'\n\
         [issuer.revocation]\nsource = 'none'\n{ROUTES}",
        listeners(upstream.port),
        server.issuer(),
    );
    let setup = Setup { gateway: Gateway::start_in(dir, &config).await, upstream, server };
    setup.ready().await;
    assert_eq!(setup.get("/events", &setup.token("read:events")).await.status, 200);
    let forged = setup.server.mint(token("read:events").signed_by_unknown_key());
    assert_eq!(setup.get("/events", &forged).await.status, 401);
    assert_eq!(setup.server.requests(&setup.server.metadata_url()), 0);
}

/// What is listed is refused; on trial it is only counted.
#[tokio::test]
async fn a_list_is_read_from_a_file_beside_the_configuration() {
    for (trial, status) in [("", 401), ("dry_run = true\n", 200)] {
        let (server, upstream) = (authorization_server().await, Upstream::start().await);
        let dir = Dir::new();
        dir.write("revoked.txt", b"# sessions\ns-1\n");
        let of_feed = issuer(&server);
        let (own, _) = of_feed.split_once("source = ").unwrap();
        let list = format!("source = 'list'\nfile = 'revoked.txt'\nclaim = 'sid'\n{trial}");
        let config = format!("{}{own}{list}{ROUTES}", listeners(upstream.port));
        let gateway = Gateway::start_in(dir, &config).await;
        let setup = Setup { server, upstream, gateway };
        setup.ready().await;
        let with = |sid: &str| setup.server.mint(token("read:events").claim("sid", sid));
        assert_eq!(setup.get("/events", &with("s-1")).await.status, status);
        assert_eq!(setup.get("/events", &with("s-2")).await.status, 200);
    }
}
