//! `/metrics`: read as strictly as a scraper may, and compared with what has happened.

use std::collections::{BTreeMap, BTreeSet};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::client::Ask;
use crate::process::{Dir, Gateway};
use crate::setup::{AUDIENCE, ROUTES, Setup, authorization_server, issuer, listeners, token, until};
use crate::upstream::Upstream;

/// A page that has been read: the value of each sample, by its name and labels as they are written there.
struct Scrape {
    samples: BTreeMap<String, f64>,
    text: String,
}

type Labels = BTreeMap<String, String>;

impl Scrape {
    async fn of(gateway: &Gateway) -> Self {
        let answer = Ask::get("/metrics").of(gateway.admin).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/plain; version=0.0.4")));
        Self::parse(String::from_utf8(answer.body).unwrap())
    }

    /// Panics where the text is not in the format, version 0.0.4.
    fn parse(text: String) -> Self {
        assert!(text.ends_with('\n') && !text.contains("\n\n") && !text.contains('\r'), "{text}");
        let (mut samples, mut families) = (BTreeMap::new(), BTreeMap::new());
        let mut histograms: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
        let (mut family, mut helped) = (String::new(), None);
        for line in text.lines() {
            if let Some(words) = line.strip_prefix("# HELP ") {
                let (name, help) = words.split_once(' ').expect(line);
                assert!(
                    is_name(name) && !help.is_empty() && !help.contains('\\') && helped.is_none(),
                    "{line}"
                );
                helped = Some(name.to_owned());
            } else if let Some(words) = line.strip_prefix("# TYPE ") {
                let (name, kind) = words.split_once(' ').expect(line);
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
                assert_eq!(helped.take().as_deref(), Some(name), "{line}");
                assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "twice: {line}");
                name.clone_into(&mut family);
            } else {
                let (name, labels, value) = sample(line);
                let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("not of {family}: {line}"));
                let histogram = families[&family] == "histogram";
                match suffix {
                    "_bucket" if histogram => {
                        let mut labels = labels.clone();
                        let bound = labels.remove("le").expect(line);
                        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                        histograms.entry(labels).or_default().push((bound, value));
                    }
                    "_count" if histogram => {
                        assert_eq!(histograms[&labels].last(), Some(&(f64::INFINITY, value)))
                    }
                    "_sum" if histogram => {}
                    suffix => assert!(suffix.is_empty() && !histogram, "{line}"),
                }
                let key = line.rsplit_once(' ').unwrap().0.to_owned();
                assert!(samples.insert(key, value).is_none(), "twice: {line}");
            }
        }
        for buckets in histograms.values() {
            assert!(buckets.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1), "{buckets:?}");
        }
        Self { samples, text }
    }

    #[track_caller]
    fn value(&self, sample: &str) -> f64 {
        *self.samples.get(sample).unwrap_or_else(|| panic!("no {sample} in:\n{}", self.text))
    }

    /// How many requests for a path had this outcome.
    #[track_caller]
    fn requests(&self, path: &str, outcome: &str) -> f64 {
        self.value(&format!(r#"gateway_requests_total{{path="{path}",outcome="{outcome}"}}"#))
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|character| character.is_ascii_lowercase() || character == '_')
}

/// `name{label="text",…} value`, where a text has no other escapes than those of a backslash, a quote and a newline.
fn sample(line: &str) -> (String, Labels, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    while let Some(label) = rest.strip_prefix(if labels.is_empty() { '{' } else { ',' }) {
        let (label, text) = label.split_once("=\"").expect(line);
        assert!(is_name(label), "{line}");
        let (mut value, mut characters) = (String::new(), text.char_indices());
        rest = loop {
            match characters.next().expect(line) {
                (at, '"') => break &text[at + 1..],
                (_, '\\') => value.push(match characters.next().expect(line).1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    other => panic!("\\{other} in {line}"),
                }),
                (_, plain) => value.push(plain),
            }
        };
        assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
    }
    let rest = if labels.is_empty() { rest } else { rest.strip_prefix('}').expect(line) };
    let value = rest.strip_prefix(' ').expect(line);
    (name.to_owned(), labels, value.parse().expect(line))
}

#[tokio::test]
async fn requests_are_counted_by_route_and_outcome() {
    let routes =
        format!("{ROUTES}[[route]]\npath = '/events'\nmethods = ['PUT']\nrequire = {{ none = true }}\n");
    let setup =
        Setup::start(&routes.replacen("path = \"/events\"", "path = \"/events\"\nmethods = [\"GET\"]", 1))
            .await;
    let before = Scrape::of(&setup.gateway).await;
    for outcome in ["admitted", "abandoned", "no_credentials", "wrong_signature", "revocations_stale"] {
        assert_eq!(before.requests("/events", outcome), 0.0, "{outcome}: rates need a beginning");
    }
    let marker = "marker-of-a-client";
    let good = setup.token("read:events");
    let elsewhere =
        setup.server.mint(token("read:events").claim("iss", format!("https://{marker}.example/")));
    let asks = [
        Ask::get(format!("/events/{marker}")).bearer(&good),
        Ask::new("PUT", "/events").bearer(&good),
        Ask::get("/events"),
        Ask::get("/events").bearer(&setup.token(marker)),
        Ask::get("/events").bearer(&elsewhere),
        Ask::get("/events").bearer(&elsewhere),
        Ask::get("/open").line(format!("X-Marker: {marker}")),
        Ask::get(format!("/{marker}")),
        Ask::get("/events/../open"),
        Ask::new("POST", "/events"),
        Ask::get("/events").line("Upgrade: websocket"),
    ];
    for ask in asks {
        setup.ask(ask).await;
    }
    let page = Scrape::of(&setup.gateway).await;
    for (path, outcome, count) in [
        ("/events", "admitted", 2.0),
        ("/events", "no_credentials", 1.0),
        ("/events", "insufficient_scope", 1.0),
        ("/events", "unknown_issuer", 2.0),
        ("/events", "abandoned", 0.0),
        ("/open", "admitted", 1.0),
    ] {
        assert_eq!(page.requests(path, outcome), count, "{path} {outcome}");
    }
    for reason in ["bad_request", "not_found", "method_not_allowed", "not_implemented"] {
        let sample = format!(r#"gateway_unrouted_requests_total{{reason="{reason}"}}"#);
        assert_eq!((before.value(&sample), page.value(&sample)), (0.0, 1.0), "{reason}");
    }
    assert_eq!(page.value(r#"gateway_request_duration_seconds_count{path="/events"}"#), 6.0);
    assert!(page.value(r#"gateway_request_duration_seconds_sum{path="/events"}"#) > 0.0);
    assert!(!page.text.contains(marker), "{}", page.text);
}

#[tokio::test]
async fn upstreams_that_fail_and_clients_that_leave_are_counted() {
    let setup = Setup::start(ROUTES).await;
    let mut client = TcpStream::connect(("127.0.0.1", setup.gateway.port)).await.unwrap();
    client.write_all(b"GET /open/slow HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    until("the slow request", async || setup.upstream.requests() == 1).await;
    drop(client);
    until("its end", async || Scrape::of(&setup.gateway).await.requests("/open", "abandoned") == 1.0).await;
    let Setup { upstream, gateway, server: _server } = setup;
    drop(upstream);
    until("an upstream that is away", async || Ask::get("/open").of(gateway.port).await.status == 502).await;
    let page = Scrape::of(&gateway).await;
    assert!(page.value(r#"gateway_upstream_errors_total{path="/open",reason="no_answer"}"#) > 0.0);
    assert!(page.requests("/open", "admitted") > 0.0, "it was not refused");
    assert_eq!(page.value(r#"gateway_upstream_errors_total{path="/events",reason="no_answer"}"#), 0.0);
}

#[tokio::test]
async fn what_is_known_is_shown() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let issuer = format!("{}max_staleness = '300ms'\nwhen_stale = 'admit'\n", issuer(&server));
    let config = format!("{}{issuer}{ROUTES}", listeners(upstream.port));
    let setup = Setup { gateway: Gateway::start(&config).await, server, upstream };
    setup.ready().await;
    let (issuer, source) = (setup.server.issuer(), setup.server.feed_url());
    let of = |name: &str| format!(r#"tower_bearer_{name}{{issuer="{issuer}",source="{source}"}}"#);
    let state = |state: &str| {
        format!(r#"tower_bearer_revocation_state{{issuer="{issuer}",source="{source}",state="{state}"}}"#)
    };
    setup.server.revoke_token("t-1");
    setup.server.revoke_token("t-2");
    setup.server.revoke_subject("somebody");
    let counted = async || {
        let page = Scrape::of(&setup.gateway).await;
        let counts = ["revocation_identifiers", "revocation_cut_offs"].map(|name| page.value(&of(name)));
        counts == [2.0, 1.0] && page.value(&state("fresh")) == 1.0
    };
    until("revocations", counted).await;
    let page = Scrape::of(&setup.gateway).await;
    let keys = |name: &str| page.value(&format!(r#"tower_bearer_{name}{{issuer="{issuer}"}}"#));
    assert_eq!(page.value("tower_bearer_ready"), 1.0);
    assert_eq!([keys("keys_usable"), keys("keys"), keys("keys_left_out")], [1.0, 1.0, 0.0]);
    assert!(keys("keys_age_seconds") >= 0.0 && keys("keys_next_refresh_seconds") > 0.0);
    assert!(page.value(&of("revocation_age_seconds")) >= 0.0);
    assert_eq!(page.value(&of("revocation_ignored")), 0.0);
    assert_eq!(page.value(&of("revocation_unnamed_total")), 0.0);
    assert_eq!(page.value(&of("revocation_usable")), 1.0);
    assert!(!page.text.contains("would_refuse_total{"), "nothing is on trial");

    setup.break_feed().await;
    until("staleness", async || Scrape::of(&setup.gateway).await.value(&state("stale")) == 1.0).await;
    let page = Scrape::of(&setup.gateway).await;
    assert_eq!(["unknown", "fresh", "expired"].map(|other| page.value(&state(other))), [0.0; 3]);
    assert!(page.value(&of("revocation_age_seconds")) > 0.3);
    assert_eq!(page.value(&of("revocation_usable")), 1.0, "it admits on stale news");
}

/// A token is new once, whatever it is asked for; what is refused is not remembered.
#[tokio::test]
async fn remembered_tokens_are_counted() {
    let setup = Setup::start(ROUTES).await;
    let told = async || {
        let page = Scrape::of(&setup.gateway).await;
        let of = |name: &str| page.value(&format!("tower_bearer_verdicts{name}"));
        ["", "_added_total", "_displaced_total", "_bytes", "_room_bytes"].map(of)
    };
    assert_eq!(told().await, [0.0, 0.0, 0.0, 0.0, f64::from(32 << 20)]);
    let tokens = ["first", "second"].map(|id| setup.server.mint(token("read:events").claim("jti", id)));
    let weak = setup.token("write:events");
    for (asked, expected) in [(&tokens[0], 1.0), (&tokens[0], 1.0), (&weak, 1.0), (&tokens[1], 2.0)] {
        setup.get("/events", asked).await;
        let [entries, added, displaced, bytes, _] = told().await;
        assert_eq!([entries, added, displaced], [expected, expected, 0.0]);
        assert!(bytes > expected * 300.0 && bytes < expected * 3000.0, "{bytes}");
    }
}

/// docs/gateway.md lists what there is, and nothing else.
#[tokio::test]
async fn the_page_lists_every_metric() {
    let setup = Setup::start(ROUTES).await;
    let page = Scrape::of(&setup.gateway).await;
    let there = page.text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let documented = include_str!("../../docs/gateway.md").lines();
    let listed = documented.filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let listed = listed.filter(|name| name.contains('_'));
    assert_eq!(there.collect::<BTreeSet<_>>(), listed.collect());
}

/// Names that have to be escaped, sources that look alike, and one on trial.
#[tokio::test]
async fn sources_are_told_apart_whatever_they_are_called() {
    let (server, upstream) = (authorization_server().await, Upstream::start().await);
    let dir = Dir::new();
    dir.write("re\"vo\\ked\n.txt", b"t-1\n");
    let (url, feed) = (server.issuer().to_owned(), server.feed_url());
    let config = format!(
        "{}[[issuer]]\nurl = '{url}'\naudience = ['{AUDIENCE}']\nallow_loopback_http = true\n\
         [[issuer.revocation]]\nsource = 'feed'\nurl = '{feed}?one'\n\
         [[issuer.revocation]]\nsource = 'feed'\nurl = '{feed}?two'\n\
         [[issuer.revocation]]\nsource = 'list'\nfile = \"re\\\"vo\\\\ked\\n.txt\"\ndry_run = true\n\
         [[route]]\npath = '/a\"b'\nrequire = {{ none = true }}\n{ROUTES}",
        listeners(upstream.port),
    );
    let setup = Setup { gateway: Gateway::start_in(dir, &config).await, server, upstream };
    setup.ready().await;
    // One on trial is not waited for.
    until("the list", async || {
        let fresh = |line: &str| {
            line.contains(r#"/re\"vo\\ked\n.txt"#) && line.contains("fresh") && line.ends_with(" 1")
        };
        Scrape::of(&setup.gateway).await.text.lines().any(fresh)
    })
    .await;
    let listed = setup.server.mint(token("read:events").claim("jti", "t-1"));
    assert_eq!(setup.get("/events", &listed).await.status, 200);

    let page = Scrape::of(&setup.gateway).await;
    for source in [feed.clone(), format!("{feed} #2")] {
        let labels = format!(r#"issuer="{url}",source="{source}""#);
        assert_eq!(page.value(&format!("tower_bearer_revocation_usable{{{labels}}}")), 1.0);
    }
    let would = |reason: &str| {
        let of_list = |sample: &&String| {
            sample.starts_with("tower_bearer_revocation_would_refuse_total{")
                && sample.contains(r#"/re\"vo\\ked\n.txt","#)
                && sample.contains(&format!("reason=\"{reason}\""))
        };
        page.samples.keys().find(of_list).map(|sample| page.value(sample))
    };
    assert_eq!((would("revoked"), would("stale")), (Some(1.0), Some(0.0)), "{}", page.text);
    assert_eq!(page.requests(r#"/a\"b"#, "admitted"), 0.0);
}
