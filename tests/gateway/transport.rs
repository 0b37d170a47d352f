//! `[issuer.transport]`: each setting by what it does, over real TLS, and by what is said where it is wrong.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::TcpListener;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::testing::{AuthorizationServer, Token};

use crate::client::Ask;
use crate::private_tls::{Ca, METADATA, Server, connect_proxy};
use crate::process::{Dir, Gateway};
use crate::settings::{ISSUER, NO_FEED, ROUTE, TOP, complains};
use crate::setup::{AUDIENCE, ROUTES, authorization_server, listeners, token, until};
use crate::tenants::key_set;
use crate::upstream::Upstream;

/// Issuers over https, whose tokens a server without TLS mints.
struct World {
    minter: AuthorizationServer,
    upstream: Upstream,
    ca: Ca,
    another: Ca,
    clients: Ca,
}

impl World {
    async fn new() -> Self {
        let [ca, another, clients] = ["ours", "another", "clients"].map(Ca::new);
        Self { minter: authorization_server().await, upstream: Upstream::start().await, ca, another, clients }
    }

    async fn server(&self, clients: Option<&Ca>) -> Server {
        let server = Server::start(self.ca.acceptor(2090, clients)).await;
        server.keys.lock().unwrap().1 = key_set(&self.minter).await.to_string();
        server
    }

    fn dir(&self) -> Dir {
        let dir = Dir::new();
        for (name, pem) in [
            ("ours.pem", self.ca.pem()),
            ("another.pem", self.another.pem()),
            ("both.pem", self.another.pem() + &self.ca.pem()),
            ("client.pem", self.clients.client()),
            ("stranger.pem", self.another.client()),
            ("secret", "hunter2\n".to_owned()),
        ] {
            dir.write(name, pem.as_bytes());
        }
        dir
    }

    async fn gateway(&self, url: &str, settings: &str, system_roots: Option<&str>) -> Gateway {
        let dir = self.dir();
        let config = format!(
            "{}[[issuer]]\nurl = '{url}'\naudience = ['{AUDIENCE}']\n[issuer.transport]\n{settings}\n\
             [issuer.revocation]\nsource = 'feed'\nurl = '{url}/feed'\npoll_interval = '50ms'\n{ROUTES}",
            listeners(self.upstream.port)
        );
        let roots = system_roots.map(|name| ("SSL_CERT_FILE", dir.path(name)));
        Gateway::start_under(roots, dir, &config).await
    }

    /// A token of its issuer is let through; or the keys are not had, in these words.
    async fn judges(&self, gateway: &Gateway, url: &str, expected: Result<(), &str>, settings: &str) {
        match expected {
            Ok(()) => {
                until(format!("readiness: {settings}"), async || {
                    Ask::get("/readyz").of(gateway.admin).await.status == 200
                })
                .await;
                let token: Token = token("read:events").claim("iss", url);
                let answer = Ask::get("/events").bearer(&self.minter.mint(token)).of(gateway.port).await;
                assert_eq!(answer.status, 200, "{settings}");
            }
            Err(words) => {
                let keys = async || {
                    let status = Ask::get("/status").of(gateway.admin).await.json();
                    status["issuers"][0]["keys"]["last_error"].as_str().map(str::to_owned)
                };
                until(format!("a failure: {settings}"), async || keys().await.is_some()).await;
                let error = keys().await.unwrap();
                assert!(error.contains(words), "{settings}: {words}: {error}");
                assert_eq!(Ask::get("/readyz").of(gateway.admin).await.status, 503, "{settings}");
            }
        }
        assert!(!gateway.log().contains("hunter2"), "a secret in the log: {settings}");
    }
}

#[tokio::test]
async fn who_is_trusted_and_shown_what() {
    let world = World::new().await;
    let (open, closed) = (world.server(None).await, world.server(Some(&world.clients)).await);
    const OURS: &str = "root_certificates_file = 'ours.pem'";
    let unknown = Err("certificate: UnknownIssuer");
    let table = [
        (&open, "", None, unknown),
        (&open, OURS, None, Ok(())),
        (&open, "root_certificates_file = 'both.pem'", None, Ok(())),
        (&open, "root_certificates_file = 'another.pem'", None, unknown),
        (&open, "root_certificates_file = 'both.pem'\nonly_these_roots = true", None, Ok(())),
        // Where the system knows the CA.
        (&open, "", Some("ours.pem"), Ok(())),
        (&open, "root_certificates_file = 'another.pem'", Some("ours.pem"), Ok(())),
        (&open, "root_certificates_file = 'another.pem'\nonly_these_roots = true", Some("ours.pem"), unknown),
        (&closed, OURS, None, Err("CertificateRequired")),
        (&closed, &format!("{OURS}\nclient_certificate_file = 'client.pem'"), None, Ok(())),
        (&closed, &format!("{OURS}\nclient_certificate_file = 'stranger.pem'"), None, Err("fatal alert")),
    ];
    for (server, settings, system_roots, expected) in table {
        let gateway = world.gateway(&server.url, settings, system_roots).await;
        world.judges(&gateway, &server.url, expected, &format!("{settings} {system_roots:?}")).await;
    }
}

#[tokio::test]
async fn which_way_and_with_which_headers() {
    let world = World::new().await;
    let (proxy, tunnels, heads) = connect_proxy().await;
    let ours = "root_certificates_file = 'ours.pem'\n";
    let server = world.server(None).await;
    let gateway = world.gateway(&server.url, &format!("{ours}proxy = '{proxy}'"), None).await;
    world.judges(&gateway, &server.url, Ok(()), "proxy").await;
    assert!(tunnels.load(Ordering::SeqCst) >= 3, "metadata, keys and feed");
    drop(gateway);

    let dir = world.dir();
    dir.write("proxy", proxy.replace("http://", "http://user:hunter2@").as_bytes());
    let config = format!(
        "{}[[issuer]]\nurl = '{}'\naudience = ['{AUDIENCE}']\n[issuer.transport]\n{ours}proxy_file = 'proxy'\n\
         [issuer.revocation]\nsource = 'none'\n{ROUTES}",
        listeners(world.upstream.port),
        server.url,
    );
    let gateway = Gateway::start_in(dir, &config).await;
    world.judges(&gateway, &server.url, Ok(()), "proxy_file").await;
    let last = heads.lock().unwrap().last().unwrap().to_lowercase();
    assert!(last.contains("proxy-authorization: basic dxnlcjpodw50zxiy\r\n"), "{last}");

    let server = world.server(None).await;
    let settings =
        format!("{ours}headers = {{ 'X-Team' = 'events' }}\nheader_files = {{ 'x-api-key' = 'secret' }}");
    let gateway = world.gateway(&server.url, &settings, None).await;
    world.judges(&gateway, &server.url, Ok(()), &settings).await;
    for path in [METADATA, "/jwks", "/feed"] {
        let heard = server.heard();
        let head = heard.iter().find(|head| head.contains(path)).expect(path);
        assert!(head.contains("x-team: events\r\n") && head.contains("x-api-key: hunter2\r\n"), "{head}");
    }
}

#[tokio::test]
async fn where_the_keys_may_be() {
    let world = World::new().await;
    let (server, elsewhere) = (world.server(None).await, world.server(None).await);
    server.keys.lock().unwrap().0 = format!("{}/jwks", elsewhere.url);
    let there = format!("keys_origins = ['https://keys.example', '{}']", elsewhere.url);
    let table = [
        ("", Ok(())),
        ("same_origin_keys = true", Err("are not allowed by same_origin_keys")),
        ("keys_origins = ['https://keys.example']", Err("are not allowed by same_origin_keys")),
        (&there, Ok(())),
        (&format!("same_origin_keys = true\n{there}"), Ok(())),
    ];
    for (settings, expected) in table {
        let settings = format!("root_certificates_file = 'ours.pem'\n{settings}");
        let gateway = world.gateway(&server.url, &settings, None).await;
        world.judges(&gateway, &server.url, expected, &settings).await;
    }
}

#[tokio::test]
async fn how_long_is_waited() {
    let world = World::new().await;
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", silent.local_addr().unwrap().port());
    // The defaults are 3 s and 10 s.
    for (settings, less_than) in [
        ("connect_timeout = '100ms'\ntotal_timeout = '5m'", 3),
        ("connect_timeout = '5m'\ntotal_timeout = '100ms'", 10),
    ] {
        let gateway = world.gateway(&url, settings, None).await;
        let clock = SystemClock::new();
        world.judges(&gateway, &url, Err("no answer in time"), settings).await;
        assert!(clock.uptime() < Duration::from_secs(less_than), "{settings}: {:?}", clock.uptime());
    }
}

#[tokio::test]
async fn each_complaint_names_the_setting_and_the_remedy() {
    let dir = Dir::new();
    dir.write("short", b"hunter2\n");
    dir.write("blank", b"\n");
    dir.write("lines", b"hunter2\nhunter2\n");
    dir.write("ca.pem", Ca::new("ours").pem().as_bytes());
    let table: [(&str, &[&str]); 27] = [
        ("root_certificates_file = 'gone'", &["root_certificates_file `gone`", "No such file", "may read"]),
        (
            "root_certificates_file = 'short'",
            &["transport `[7 bytes]`", "root_certificates_file holds no certificate", "PEM bundle"],
        ),
        (
            "root_certificates = 'ca.pem'",
            &["line 8", "unknown field `root_certificates`", "`root_certificates_file`"],
        ),
        (
            "only_these_roots = true",
            &[
                "line 4",
                "`https://as.example`",
                "`transport.only_these_roots`",
                "`transport.root_certificates_file`",
            ],
        ),
        ("only_these_roots = 1", &["line 8", "only_these_roots", "boolean"]),
        ("client_certificate_file = 'gone'", &["client_certificate_file `gone`", "No such file"]),
        (
            "client_certificate_file = 'short'",
            &["transport `[7 bytes]`", "client_certificate_file cannot be used", "private key"],
        ),
        ("client_certificate_file = 'ca.pem'", &["client_certificate_file cannot be used", "private key"]),
        ("proxy = 'proxy.example:3128'", &["transport `[18 bytes]`", "http://proxy.internal:3128"]),
        (
            "proxy = 'http://u:hunter2@p'",
            &["line 4", "`transport.proxy` has a user", "`transport.proxy_file`"],
        ),
        ("proxy = 'http://p'\nproxy_file = 'short'", &["line 4", "two proxies", "leave one out"]),
        ("proxy_file = 'gone'", &["proxy_file `gone`", "No such file"]),
        ("proxy_file = 'blank'", &["proxy_file `blank`", "it is empty"]),
        ("proxy_file = 'short'", &["transport `[7 bytes]`", "http://proxy.internal:3128"]),
        ("headers = { 'x y' = 'v' }", &["line 8", "`x y` is no header name", "x-api-key"]),
        ("headers = { x = \"a\\nb\" }", &["headers `x`", "cannot stand in a header", "one line"]),
        ("headers = { Authorization = 'v' }", &["transport `authorization`", "bearer_file or basic"]),
        ("headers = { Host = 'v' }", &["transport `host`", "Leave it out"]),
        ("headers = { 'proxy-authorization' = 'v' }", &["transport `proxy-authorization`", "proxy_file"]),
        ("header_files = { 'x-api-key' = 'gone' }", &["header_files `gone`", "No such file"]),
        (
            "header_files = { 'x-api-key' = 'lines' }",
            &["header_files `x-api-key`", "cannot stand in a header"],
        ),
        (
            "headers = { X = 'v' }\nheader_files = { x = 'short' }",
            &["line 4", "`x` is in `transport.headers` and in `transport.header_files`", "leave one out"],
        ),
        ("connect_timeout = '0s'", &["transport `0ns`", "no usable timeout", "3 s"]),
        ("total_timeout = '6m'", &["transport `360s`", "no usable timeout", "300 s"]),
        ("total_timeout = 5", &["line 8", "total_timeout"]),
        (
            "keys_origins = ['keys.example']",
            &["transport `keys.example`", "keys_origins is no URL", "https://keys.example"],
        ),
        ("keys_origins = ['https://k.example/x']", &["keys_origins says something else than an origin"]),
    ];
    for (settings, words) in table {
        let config = format!("{TOP}{ISSUER}[issuer.transport]\n{settings}\n{NO_FEED}{ROUTE}");
        let complaint = complains(&dir, &config, words).await;
        assert!(!complaint.contains("hunter2"), "{complaint}");
    }
}
