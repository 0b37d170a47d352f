//! Configurations that are refused, and with which words.

use std::fs;
use std::path::Path;

use crate::process::{Dir, Gateway, run, run_with};

pub(crate) const TOP: &str =
    "listen = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nupstream = 'http://127.0.0.1:9'\n";
pub(crate) const ISSUER: &str = "[[issuer]]\nurl = 'https://as.example'\naudience = ['api']\n";
pub(crate) const NO_FEED: &str = "[issuer.revocation]\nsource = 'none'\n";
const FEED: &str = "[issuer.revocation]\nsource = 'feed'\nurl = 'https://as.example/feed'\n";
const AUTH0: &str = "[issuer.revocation]\nsource = 'auth0'\ndomain = 't.example'\nclient_id = 'c'\nclient_secret_file = 'short'\n";
pub(crate) const ROUTE: &str = "[[route]]\npath = '/'\npublic = true\n";

/// Each has the words that the complaint must have. Lines are counted in the whole file.
#[tokio::test]
async fn each_complaint_names_the_setting_and_the_remedy() {
    let rest = format!("{NO_FEED}{ROUTE}");
    let top = |from: &str, to: &str| format!("{TOP}{ISSUER}{rest}").replace(from, to);
    let issuer = |line: &str| format!("{TOP}{ISSUER}{line}\n{rest}");
    let feed = |line: &str| format!("{TOP}{ISSUER}{FEED}{line}\n{ROUTE}");
    let tenants = |lines: &str| top("url = 'https://as.example'", lines);
    let several = |tables: &str| {
        format!("{TOP}{ISSUER}{tables}{ROUTE}")
            .replace("[issuer.rev", "[[issuer.rev")
            .replace("ion]", "ion]]")
    };
    let list = |line: &str| top("'none'", &format!("'list'\nurl = 'https://x'\n{line}"));
    // With another line in place of that setting's, or one more.
    let auth0 = |key: &str, line: &str| {
        let kept = AUTH0.lines().filter(|own| own.split(' ').next() != Some(key)).collect::<Vec<_>>();
        format!("{TOP}{ISSUER}{}\n{line}\n{ROUTE}", kept.join("\n"))
    };
    let route = |lines: &str| format!("{TOP}{ISSUER}{NO_FEED}[[route]]\npath = '/a'\n{lines}\n");
    let path = |path: &str| format!("{TOP}{ISSUER}{NO_FEED}[[route]]\npath = '{path}'\npublic = true\n");
    let forward = |line: &str| format!("{TOP}{ISSUER}{rest}[forward]\n{line}\n");

    let table: Vec<(String, &[&str])> = vec![
        // The file itself.
        (String::new(), &["missing field `listen`"]),
        ("listen = ".to_owned(), &["line 1"]),
        (TOP.to_owned(), &["missing field `issuer`"]),
        (top("listen", "lissen"), &["line 1", "unknown field `lissen`", "`listen`"]),
        (top("listen = '127.0.0.1:0'", "listen = 'localhost'"), &["line 1", "`localhost`", "127.0.0.1:8080"]),
        (top("listen = '127.0.0.1:0'", "listen = 8080"), &["line 1", "listen", "8080"]),
        (top("listen = '127.0.0.1:0'", "listen = '192.0.2.1:1'"), &["listen `192.0.2.1:1`", "free port"]),
        (top("http://127.0.0.1:9", "https://up"), &["line 3", "`https://up`", "http://host:port"]),
        (top("http://127.0.0.1:9", "http://up/x"), &["line 3", "has a path"]),
        (top("http://127.0.0.1:9", "up"), &["line 3", "upstream"]),
        // Issuers.
        (issuer("jwks_uri = 'x'"), &["line 7", "unknown field `jwks_uri`", "`jwks_url`"]),
        (top("url = 'https://as.example'", ""), &["line 4", "either `url`", "or `tenants`"]),
        (issuer("tenants = ['https://a.example']"), &["line 4", "`https://as.example`", "not both"]),
        (issuer("max_tenants = 5"), &["line 4", "`max_tenants` and `idle_after`", "leave them out"]),
        (issuer("idle_after = '5m'"), &["line 4", "`max_tenants` and `idle_after`", "leave them out"]),
        (tenants("tenants = 5"), &["line 5", "tenants", "https://{tenant}.example.com/", "list of issuers"]),
        (tenants("tenants = ['https://a.example', 5]"), &["line 5", "expected a string"]),
        (tenants("tenants = []"), &["tenants ``", "no issuer is listed"]),
        (
            tenants("tenants = 'https://{tenant}.com/'"),
            &["tenants `https://{tenant}.com/`", "choose the domain"],
        ),
        (tenants("tenants = 'https://as.example/'"), &["exactly one {tenant}"]),
        (
            tenants("tenants = ['https://a.example', 'http://b.example']"),
            &["line 4", "`tenants`", "`http://b"],
        ),
        (tenants("tenants = 'http://127.0.0.1/{tenant}'"), &["line 4", "`tenants`", "allow_loopback_http"]),
        (tenants("max_tenants = 0"), &["line 5", "max_tenants", "nonzero"]),
        (
            tenants("max_tenants = 5\nidle_after = '59s'\ntenants = ['https://a.example']"),
            &["shorter than a minute"],
        ),
        (
            tenants("tenants = 'https://{tenant}.as.example/'").replace(NO_FEED, FEED),
            &["revocation `https://as.example/feed`", "the same for all tenants"],
        ),
        (issuer("leeway = '5 parsecs'"), &["line 7", "leeway", "`5 parsecs`", "500ms"]),
        (issuer("leeway = 5"), &["line 7", "leeway", "invalid type"]),
        (issuer("leeway = '99999999999999999999d'"), &["line 7", "is no duration"]),
        (issuer("leeway = '10m'"), &["leeway `600s`", "300 s at most"]),
        (issuer("algorithms = ['RS257']"), &["line 7", "algorithms", "`RS257`", "\"RS256\""]),
        (issuer("algorithms = ['none']"), &["line 7", "`none` is no signature algorithm"]),
        (issuer("algorithms = ['HS256']"), &["algorithms `[HS256]`", "shared_secret"]),
        (issuer("algorithms = []"), &["algorithms `[]`", "it is empty"]),
        (issuer("profile = 'okta2'"), &["line 7", "`okta2` is no profile", "rfc9068", "entra-v2"]),
        (issuer("scope_claims = ['a b']"), &["scope_claims", "byte 1"]),
        (issuer("shared_secret_file = 'gone'"), &["shared_secret_file `gone`", "No such file"]),
        (issuer("shared_secret_file = 'short'"), &["shared_secret `[5 bytes]`", "32 bytes"]),
        (issuer("shared_secret_file = 'x'\njwks_url = 'https://x'"), &["line 4", "leave one out"]),
        (
            issuer("keys_file = 'x'\njwks_url = 'https://x'"),
            &["line 4", "`jwks_url` and `keys_file`", "leave one out"],
        ),
        (
            issuer("keys_file = 'x'\nshared_secret_file = 'x'"),
            &["line 4", "`keys_file` and `shared_secret_file`"],
        ),
        (issuer("keys_file = 5"), &["line 7", "keys_file"]),
        (issuer("jwks_url = 'http://127.0.0.1/'"), &["line 4", "`jwks_url`", "allow_loopback_http"]),
        (
            issuer("allow_loopback_http = true\njwks_url = 'http://as.example/'"),
            &["jwks_url `http://as.example/`", "https"],
        ),
        (top("https://as.example", "http://127.0.0.1:1"), &["line 4", "`url`", "allow_loopback_http"]),
        (top("['api']", "[]"), &["line 4", "`audience` is empty"]),
        (top("['api']", "'api'"), &["line 6", "audience"]),
        (top("['api']", "['a b']"), &["audience `a b`"]),
        (
            format!("{TOP}{ISSUER}{NO_FEED}{ISSUER}{NO_FEED}{ROUTE}"),
            &["issuer `https://as.example`", "named twice"],
        ),
        // Revocation must be spoken of.
        (format!("{TOP}{ISSUER}{ROUTE}"), &["line 4", "[issuer.revocation] is missing", "source = \"none\""]),
        (top("'none'", "'list'"), &["line 4", "either `url` or `file`"]),
        (top("'none'", "'list'\nurl = 'https://x'\nfile = 'x'"), &["line 4", "either `url` or `file`"]),
        (top("'none'", "'list'\nfile = 'x'\nlong_poll = '25s'"), &["line 4", "`long_poll`", "feed"]),
        (top("'none'", "'none'\ndry_run = true"), &["line 4", "leave them out"]),
        (feed("claim = 'sid'"), &["line 4", "`claim`", "list"]),
        (feed("file = 'x'"), &["line 4", "`file`", "list"]),
        (list("signed = true"), &["line 4", "`signed`", "feed"]),
        (list("identifiers = ['x']"), &["line 4", "`identifiers`", "feed"]),
        (list("claims = ['x']"), &["line 4", "`claims`", "feed"]),
        (list("ignore_unknown_entries = true"), &["line 4", "`ignore_unknown_entries`", "feed"]),
        (top("'none'", "'list'\nfile = 'x'\nbearer_file = 'x'"), &["line 4", "`bearer_file`", "a `url`"]),
        (feed("identifiers = ['a b']"), &["identifier `a b`"]),
        (feed("claims = ['']"), &["claim ``"]),
        (feed("claims = 'x'"), &["line 10", "claims"]),
        (feed("expires_after = 5"), &["line 10", "expires_after"]),
        (feed("signed = 'yes'"), &["line 10", "signed", "boolean"]),
        // With what sources are asked.
        (feed("bearer = 'x'"), &["line 10", "unknown field `bearer`", "`bearer_file`"]),
        (feed("bearer_file = 'gone'"), &["bearer_file `gone`", "No such file"]),
        (feed("bearer_file = 'blank'"), &["bearer_file `blank`", "it is empty"]),
        (feed("bearer_file = 'binary'"), &["bearer_file `binary`", "no text"]),
        (feed("bearer_file = 'lines'"), &["bearer `[secret]`", "cannot stand in a header"]),
        (
            feed("bearer_file = 'short'\nbasic = { user = 'u', password_file = 'short' }"),
            &["line 4", "leave one out"],
        ),
        (feed("basic = { user = 'u', password_file = 'gone' }"), &["password_file `gone`", "No such file"]),
        (
            feed("basic = { user = 'u:v', password_file = 'short' }"),
            &["line 4", "`basic.user` is `u:v`", "colon"],
        ),
        (
            feed("basic = { user = 'u', password = 'p' }"),
            &["line 10", "unknown field `password`", "`password_file`"],
        ),
        (feed("basic = { user = 'u' }"), &["line 10", "missing field `password_file`"]),
        (feed("client_credentials = { client_id = 'c' }"), &["line 10", "missing field `secret_file`"]),
        (
            feed("client_credentials = { client_id = 'c', secret_file = 'short', audiences = [] }"),
            &["line 10", "unknown field `audiences`", "`audience`"],
        ),
        (
            feed(
                "client_credentials = { client_id = 'c', secret_file = 'short', token_endpoint = 'http://x/' }",
            ),
            &["line 4", "`revocation.client_credentials.token_endpoint`", "allow_loopback_http"],
        ),
        (
            feed("client_credentials = { client_id = 'c', secret_file = 'short', token_endpoint = 'x' }"),
            &["token_endpoint `x`", "absolute https URL"],
        ),
        // Several of them.
        (several(&format!("{FEED}{NO_FEED}")), &["line 4", "`source = \"none\"` beside another"]),
        (several(&format!("{FEED}{FEED}file = 'x'\n")), &["line 4", "[[issuer.revocation]] 2", "`file`"]),
        (several(&format!("{FEED}{FEED}fil = 'x'\n")), &["line 13", "unknown field `fil`"]),
        (several("[issuer.revocation]\n"), &["line 7", "missing field `source`"]),
        (issuer("revocation = []").replace(NO_FEED, ""), &["line 4", "[issuer.revocation] is missing"]),
        (issuer("revocation = 5").replace(NO_FEED, ""), &["line 7", "[[issuer.revocation]]"]),
        (
            top("'none'", "'webhook'"),
            &["line 8", "`webhook` is not in this version", "\"feed\", \"list\", \"auth0\" or \"none\""],
        ),
        (top("'none'", "'feed'"), &["line 4", "`revocation.url` is missing"]),
        (top("source = 'none'", "url = 'https://x'"), &["line 7", "missing field `source`"]),
        (top("source = 'none'", "source = 'none'\nurl = 'https://x'"), &["line 4", "leave them out"]),
        (feed("long_poll = '40s'"), &["long_poll `40s`", "max_staleness of 30s"]),
        (feed("long_poll = '250ms'"), &["long_poll `250ms`", "Whole seconds"]),
        (feed("snapshot = '..'"), &["snapshot", "it names no file"]),
        (feed("snapshot = 5"), &["line 10", "snapshot", "expected a string"]),
        (feed("when_stale = 'maybe'"), &["line 10", "when_stale", "`maybe`", "`refuse`"]),
        (feed("poll_interval = '1ms'"), &["poll_interval `1ms`", "10 ms"]),
        (feed("max_staleness = '1s'"), &["max_staleness `1s`", "Three poll intervals"]),
        (
            feed("").replace("https://as.example/feed", "http://127.0.0.1/"),
            &["line 4", "`revocation.url`", "allow_loopback_http"],
        ),
        // An Auth0 tenant.
        (auth0("domain", ""), &["line 4", "`revocation.domain` is missing", "\"tenant.eu.auth0.com\""]),
        (auth0("domain", "domain = ''"), &["line 4", "`revocation.domain` is missing"]),
        (auth0("domain", "domain = 'a b'"), &["revocation `https://a b/api/v2/`", "absolute https URL"]),
        (
            auth0("domain", "domain = 'http://127.0.0.1:1'"),
            &["line 4", "`revocation.domain` is `http://127.0.0.1:1`", "allow_loopback_http"],
        ),
        (auth0("client_id", ""), &["line 4", "`revocation.client_id` is missing", "Management API"]),
        (
            auth0("client_secret_file", ""),
            &["line 4", "`revocation.client_secret_file` is missing", "secret"],
        ),
        (
            auth0("client_secret_file", "client_secret_file = 'gone'"),
            &["client_secret_file `gone`", "No such file"],
        ),
        (
            auth0("client_secret_file", "client_secret_file = 'blank'"),
            &["client_secret_file `blank`", "it is empty"],
        ),
        (auth0("", "client_authentication = 'jwt'"), &["line 12", "`jwt`", "`basic`", "`post`"]),
        (
            auth0("", "client_secret = 'x'"),
            &["line 12", "unknown field `client_secret`", "client_secret_file"],
        ),
        (auth0("", "audience = []"), &["line 4", "`revocation.audience` is empty", "leave it out"]),
        (auth0("", "audience = ['a b']"), &["revocation `a b`", "it is no audience"]),
        (auth0("", "user_grants = 'yes'"), &["line 12", "user_grants", "boolean"]),
        (auth0("", "logs = 'yes'"), &["line 12", "logs", "boolean"]),
        (auth0("", "events = 1"), &["line 12", "events", "boolean"]),
        (
            auth0("", "events = true\nmax_staleness = '14s'\npoll_interval = '1s'"),
            &["max_staleness `14s`", "15 s"],
        ),
        (
            auth0("", "blacklist = false\nclient_grants = false"),
            &["revocation `https://t.example`", "nothing of it is asked for"],
        ),
        (auth0("", "url = 'https://x'"), &["line 4", "`url`", "a feed or a list"]),
        (auth0("", "bearer_file = 'short'"), &["line 4", "`bearer_file`", "a feed or a list"]),
        (auth0("", "long_poll = '25s'"), &["line 4", "`long_poll`", "feed"]),
        (auth0("", "claim = 'sid'"), &["line 4", "`claim`", "list"]),
        (auth0("", "max_staleness = '5s'"), &["max_staleness `5s`", "Three poll intervals"]),
        (feed("user_grants = true"), &["line 4", "`user_grants`", "`source = \"auth0\"`"]),
        (feed("logs = true"), &["line 4", "`logs`", "`source = \"auth0\"`"]),
        (list("events = false"), &["line 4", "`events`", "`source = \"auth0\"`"]),
        (list("domain = 'x'"), &["line 4", "`domain`", "`source = \"auth0\"`"]),
        (top("source = 'none'", "source = 'none'\nblacklist = false"), &["line 4", "leave them out"]),
        (
            feed("client_credentials = { client_id = 'c', secret_file = 'short', authentication = 'jwt' }"),
            &["line 10", "`jwt`", "`basic`", "`post`"],
        ),
        // What one management API tells is of one issuer.
        (
            auth0("", "").replace("url = 'https://as.example'", "tenants = 'https://{tenant}.as.example/'"),
            &["revocation `https://t.example`", "the same for all tenants", "Name the issuers one by one"],
        ),
        (
            auth0("", "").replace("url = 'https://as.example'", "tenants = ['https://a.example/']"),
            &["revocation `https://t.example`", "the same for all tenants", "Name the issuers one by one"],
        ),
        // Routes.
        (route(""), &["line 9", "`/a`", "`require` or `public = true`"]),
        (route("public = false"), &["line 9", "`require` or `public = true`"]),
        (route("public = true\nrequire = { none = true }"), &["line 9", "not both"]),
        (route("public = true\nwhen_stale = 'admit'"), &["line 9", "when_stale"]),
        (route("require = {}"), &["line 11", "exactly one of"]),
        (route("require = { all = [] }"), &["line 11", "at least one scope"]),
        (route("require = { any = [] }"), &["line 11", "at least one scope"]),
        (route("require = { none = false }"), &["line 11", "none = true"]),
        (route("require = { all = ['a'], any = ['b'] }"), &["line 11", "exactly one of"]),
        (route("require = { all = ['a b'] }"), &["line 11", "`a b`", "one scope a string"]),
        (route("require = 'none'"), &["line 11", "{ none = true }"]),
        (route("require = { al = ['a'] }"), &["line 11", "unknown field `al`"]),
        (route("public = true\nmethods = []"), &["line 9", "`methods` is empty"]),
        (route("public = true\nmethods = ['get']"), &["line 12", "\"GET\""]),
        (route("public = true\nmethods = ['G T']"), &["line 12", "`G T` is no method"]),
        (route("public = true\n[[route]]\npath = '/a'\npublic = true"), &["line 12", "same path"]),
        (path("events"), &["line 10", "`events`", "slash"]),
        (path("/events/"), &["line 10", "`/events/`", "ends in a slash"]),
        (path("/a//b"), &["line 10", "empty segment"]),
        (path("/a/../b"), &["line 10", "dot segment"]),
        (path("/a%2fb"), &["line 10", "decoded path"]),
        (path("/a/*"), &["line 10", "wildcards"]),
        (path("/a;b"), &["line 10", "character"]),
        // What is passed on.
        (forward("authorization = 'maybe'"), &["line 13", "`maybe`", "`drop`"]),
        (forward("headers = { 'x y' = 'sub' }"), &["line 13", "`x y` is no header name"]),
        (
            forward("headers = { 'Content-Length' = 'sub' }"),
            &["line 13", "`Content-Length`", "x-auth-subject"],
        ),
        (forward("headers = { 'x_forwarded_for' = 'sub' }"), &["line 13", "`x_forwarded_for`"]),
        (forward("headers = { 'Via' = 'sub' }"), &["line 13", "`Via`", "the gateway"]),
        (forward("header = {}"), &["line 13", "unknown field `header`"]),
    ];
    let dir = Dir::new();
    dir.write("short", b"short\n");
    dir.write("blank", b"\n");
    dir.write("binary", b"\xff");
    dir.write("lines", b"one\ntwo\n");
    for (config, words) in table {
        complains(&dir, &config, words).await;
    }
}

/// It cannot start, and says why with these words among others. What it says.
pub(crate) async fn complains(dir: &Dir, config: &str, words: &[&str]) -> String {
    let output = run(dir, config).await;
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{config}\n{complaint}");
    assert!(output.stdout.is_empty(), "{config}");
    for word in ["gateway.toml"].iter().chain(words) {
        assert!(complaint.contains(word), "{word:?} is missing in:\n{complaint}\nof:\n{config}");
    }
    assert!(!complaint.contains("panicked") && !complaint.contains("RUST_BACKTRACE"), "{complaint}");
    complaint
}

#[tokio::test]
async fn the_sample_works() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway/gateway.toml");
    let sample = fs::read_to_string(sample).unwrap();
    let config = sample.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:8081", "127.0.0.1:0");
    let gateway = Gateway::start(&config).await;
    assert_ne!(gateway.port, gateway.admin);
}

/// The words that complain of an unknown key name all that there are.
#[tokio::test]
async fn the_sample_shows_every_setting() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway/gateway.toml");
    let sample = fs::read_to_string(sample).unwrap();
    let dir = Dir::new();
    let tables = [
        "",
        "[[issuer]]",
        "[resource]",
        "[[issuer]]\n[issuer.transport]",
        "[[issuer]]\n[issuer.revocation]",
        "[[issuer]]\n[issuer.revocation.basic]",
        "[[issuer]]\n[issuer.revocation.client_credentials]",
        "[[route]]",
        "[forward]",
    ];
    for table in tables {
        let output = run(&dir, &format!("{table}\nno-such-key = 1\n")).await;
        let complaint = String::from_utf8(output.stderr).unwrap();
        let (_, known) = complaint.split_once("unknown field `no-such-key`, expected ").expect(&complaint);
        let names = known.lines().next().unwrap().split('`').skip(1).step_by(2);
        let missing = names.filter(|name| {
            let written = |line: &str| {
                line.contains(&format!("[{name}]"))
                    || line.contains(&format!("[issuer.{name}]"))
                    || line.split(['#', '{', ',', ' ']).any(|word| word == *name) && line.contains(" = ")
            };
            !sample.lines().any(written)
        });
        assert_eq!(missing.collect::<Vec<_>>(), Vec::<&str>::new(), "{table}");
    }
}

/// Each line that is commented out is right by itself: it works in its place, but for what it is an alternative to.
#[tokio::test]
async fn what_the_sample_leaves_out_can_be_put_in() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gateway/gateway.toml");
    let sample = fs::read_to_string(sample).unwrap();
    // Where it cannot listen, it ends with that complaint, and no other.
    let sample = sample.replace("127.0.0.1:8080", "192.0.2.1:1");
    let is_key =
        |key: &str| !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let setting = |line: &str| {
        let line = line.strip_prefix("# ")?;
        line.split_once('=').is_some_and(|(key, _)| is_key(key.trim_end())).then(|| line.to_owned())
    };
    let alternatives =
        ["either `url`", "leave it out", "leave them out", "No such file", "https://…", "there are none"];
    let dir = Dir::new();
    let mut count = 0;
    for (place, line) in sample.lines().enumerate() {
        let Some(line) = setting(line) else { continue };
        let with = |(own, other): (usize, &str)| if own == place { line.clone() } else { other.to_owned() };
        let config: Vec<_> = sample.lines().enumerate().map(with).collect();
        let complaint = String::from_utf8(run(&dir, &config.join("\n")).await.stderr).unwrap();
        let fits =
            complaint.contains("free port") || alternatives.iter().any(|words| complaint.contains(words));
        assert!(fits, "{line}\n{complaint}");
        count += usize::from(complaint.contains("free port"));
    }
    assert!(count >= 23, "only {count} of them work in their places");
}

#[tokio::test]
async fn without_a_file_it_says_what_it_needs() {
    for (arguments, words) in [
        (&[][..], "gateway gateway.toml"),
        (&["a.toml", "b.toml"], "gateway gateway.toml"),
        (&["/nowhere/a.toml"], "/nowhere/a.toml: No such file"),
    ] {
        let output = run_with(arguments).await;
        let complaint = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{complaint}");
        assert!(complaint.contains(words), "{complaint}");
    }
}
