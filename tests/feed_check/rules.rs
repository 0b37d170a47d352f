//! Each rule is found broken where it is broken, and nothing else is.

use std::sync::Arc;
use std::time::Duration;

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::clock::Clock;
use tower_bearer::testing::AuthorizationServer;
use url::Url;

use super::ask::{Credentials, SIGNED};
use super::check::{News, Options, check};
use super::page::Known;
use super::report::Outcome::{Fail, Ok as Holds, Skip, Warn};
use super::report::{Outcome, RULES, Report};
use super::server::{Feed, ISSUER, Response, TOKEN, Twist};
use super::{Leaping, NOW};

const DOCUMENT: &str = include_str!("../../docs/revocation-feed.md");

fn options(url: Url, issuer: &str, clock: Leaping) -> Options {
    Options {
        url,
        issuer: issuer.to_owned(),
        credentials: Some(Credentials::Bearer(TOKEN.to_owned())),
        ca: None,
        loopback_http: true,
        known: Known::default(),
        wait: 5,
        grace: Duration::from_secs(2),
        patience: Duration::from_secs(60),
        news: News::Chance,
        clock: Arc::new(clock),
    }
}

async fn report_on(twist: Twist) -> Report {
    let (feed, url) = Feed::start(twist).await;
    let mut options = options(url, ISSUER, feed.clock.clone());
    options.news = News::Made(Box::new(move || feed.revoke()));
    check(options).await.unwrap()
}

/// What is not right, each rule once.
fn complaints(report: &Report) -> Vec<(Outcome, &'static str)> {
    let lines = report.lines().iter().map(|line| (line.outcome, line.rule));
    let mut found: Vec<_> = lines.filter(|(outcome, _)| matches!(outcome, Fail | Warn)).collect();
    found.dedup();
    found
}

fn with(outcome: Outcome, report: &Report) -> Vec<&'static str> {
    report.lines().iter().filter(|line| line.outcome == outcome).map(|line| line.rule).collect()
}

#[tokio::test]
async fn our_own_server_conforms() {
    let clock = Leaping::new();
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).clock(clock.clone());
    let server = builder.feed_bearer(TOKEN).feed_page_size(3).start().await.unwrap();
    for number in 0..7 {
        server.revoke_token(&format!("t-{number}"));
    }
    server.withdraw(&server.revoke_client("app"));
    let mut options = options(Url::parse(&server.feed_url()).unwrap(), server.issuer(), clock);
    options.news = News::Made(Box::new(move || {
        server.revoke_everything();
    }));
    let report = check(options).await.unwrap();
    assert_eq!(complaints(&report), [], "{report}");
    let skipped = with(Skip, &report);
    assert!(skipped.iter().all(|rule| ["https", "gzip", "signed"].contains(rule)), "{report}");
}

/// Nothing is revoked by the check itself: somebody does in the time that they are given.
#[tokio::test]
async fn our_own_server_conforms_with_a_password_too() {
    let clock = Leaping::new();
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).clock(clock.clone());
    let server = builder.feed_basic("reader", TOKEN).start().await.unwrap();
    let mut options = options(Url::parse(&server.feed_url()).unwrap(), server.issuer(), clock.clone());
    options.credentials = Some(Credentials::Basic { user: "reader".to_owned(), password: TOKEN.to_owned() });
    options.news = News::Within(Duration::from_secs(1000));
    let report = check(options).await.unwrap();
    assert_eq!(complaints(&report), [], "{report}");
    assert!(clock.uptime() >= Duration::from_secs(1000), "nobody had time to revoke anything");
}

/// Puts an entry into each full state.
fn add(response: &mut Response, entry: Value) {
    response.edit(|page| {
        if page["full"] == true {
            page["revocations"].as_array_mut().unwrap().push(entry);
        }
    });
}

fn html(response: &mut Response) {
    *response = Response::new(200).with("text/html", "<html>please log in</html>");
}

fn jws(header: &Value, page: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode_to_string(bytes);
    format!("{}.{}.c2ln", encode(header.to_string().as_bytes()), encode(page))
}

const EXP: i64 = NOW + 3600;

/// What is wrong, how it is made so, and what must be complained about.
type Row = (&'static str, Twist, &'static [(Outcome, &'static str)]);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    ("nothing", |_, _, _| {}, &[]),
    ("a server error", |_, _, r| *r = Response::new(500), &[(Fail, "answers")]),
    ("a redirect", |_, q, r| if q.authorized { *r = Response::new(302) }, &[(Fail, "answers")]),
    ("HTML", |_, q, r| if q.authorized { html(r) }, &[(Fail, "content-type")]),
    ("HTML that calls itself JSON", |_, q, r| if q.authorized { *r = Response::new(200).with("application/json", "<html>") }, &[(Fail, "json")]),
    ("a page that calls itself text", |_, _, r| if r.status == 200 { r.without("content-type"); r.headers.push(("content-type", "text/plain".into())) }, &[(Fail, "content-type")]),
    ("an array", |_, _, r| if r.status == 200 { r.body = b"[]".into() }, &[(Fail, "json")]),
    ("a duplicate member", |_, _, r| if r.status == 200 { r.body.splice(..1, *b"{\"more\":false,") ; }, &[(Fail, "json")]),
    ("a duplicate member of an entry, spelt otherwise", |_, _, r| r.body = String::from_utf8_lossy(&r.body).replace("\"jti\":", "\"\\u006ati\":\"t-3\",\"jti\":").into_bytes(), &[(Fail, "json")]),
    ("`full` as a number", |_, q, r| if q.cursor.is_none() { r.edit(|p| p["full"] = json!(1)) }, &[(Fail, "page"), (Fail, "full")]),
    ("no list", |_, q, r| if q.cursor.as_deref().is_some_and(|c| c.starts_with('c')) { r.edit(|p| p["revocations"] = json!({})) }, &[(Fail, "page"), (Fail, "delta-complete")]),
    ("another issuer", |_, _, r| r.edit(|p| p["iss"] = json!("https://as.example")), &[(Fail, "iss")]),
    ("`as_of` in milliseconds", |_, _, r| r.edit(|p| p["as_of"] = json!(NOW * 1000)), &[(Fail, "as-of")]),
    ("a clock that is wrong", |_, _, r| r.edit(|p| p["as_of"] = json!(p["as_of"].as_i64().unwrap() + 9000)), &[(Warn, "as-of")]),
    ("`as_of` that goes back", |_, q, r| if q.number % 2 == 1 { r.edit(|p| p["as_of"] = json!(p["as_of"].as_i64().unwrap() - 100)) }, &[(Fail, "as-of-order")]),
    ("`as_of` that stands still", |_, _, r| r.edit(|p| p["as_of"] = json!(NOW)), &[(Fail, "heartbeat")]),
    ("a full state that does not say so", |_, _, r| r.edit(|p| p["full"] = json!(false)), &[(Fail, "full")]),
    ("`full` on the first page only", |_, q, r| if q.cursor.is_some() { r.edit(|p| p["full"] = json!(false)) }, &[(Fail, "full")]),
    ("`resync` for the full state", |_, q, r| if q.cursor.is_none() && q.authorized { *r = Response::new(200).with("application/json", r#"{"resync":true}"#) }, &[(Fail, "full")]),
    ("a page that leads to itself", |_, q, r| if let Some(c) = q.cursor.clone() { r.edit(|p| { p["more"] = json!(true); p["cursor"] = json!(c) }) }, &[(Fail, "paging")]),
    ("two pages that lead to each other", |_, q, r| r.edit(|p| { p["more"] = json!(true); p["cursor"] = json!(if q.cursor.as_deref() == Some("f2") { "f4" } else { "f2" }) }), &[(Fail, "paging")]),
    ("`more` without a cursor", |_, _, r| r.edit(|p| { p["more"] = json!(true); p.as_object_mut().unwrap().remove("cursor"); }), &[(Fail, "paging")]),
    ("an entry that is none", |_, _, r| add(r, json!("t-3")), &[(Fail, "entry-object")]),
    ("an unknown member", |_, _, r| add(r, json!({"jti": "t", "exp": EXP, "revoked_by": "admin"})), &[(Fail, "entry-members")]),
    ("a claim that is a number", |_, _, r| add(r, json!({"jti": 7, "exp": EXP})), &[(Fail, "entry-values")]),
    ("nothing that identifies", |_, _, r| add(r, json!({"sub": "u", "exp": EXP})), &[(Fail, "entry-match")]),
    ("a cut-off in milliseconds", |_, _, r| add(r, json!({"sub": "u", "issued_before": NOW * 1000, "exp": EXP})), &[(Fail, "entry-dates")]),
    ("a cut-off in two days", |_, _, r| add(r, json!({"sub": "u", "issued_before": NOW + 2 * 86_400, "exp": EXP})), &[(Fail, "entry-dates")]),
    ("an `exp` in words", |_, _, r| add(r, json!({"jti": "t", "exp": "tomorrow"})), &[(Fail, "entry-dates")]),
    ("said in an hour", |_, _, r| add(r, json!({"jti": "t", "exp": EXP, "at": EXP})), &[(Fail, "entry-dates")]),
    ("withdrawn without `at`", |_, _, r| add(r, json!({"jti": "t", "exp": EXP, "withdrawn": true})), &[(Fail, "entry-withdrawn")]),
    ("without an end", |_, _, r| add(r, json!({"jti": "t"})), &[(Warn, "entry-exp")]),
    ("nine claims", |_, _, r| add(r, json!({"jti": "", "sid": "", "sub": "", "aud": "", "tid": "", "oid": "", "org_id": "", "client_id": "", "grant_id": "", "exp": EXP})), &[(Fail, "limits")]),
    ("a long value", |_, _, r| add(r, json!({"jti": "t".repeat(5000), "exp": EXP})), &[(Fail, "limits"), (Warn, "gzip")]),
    ("nested deep", |_, _, r| add(r, json!({"jti": "t", "exp": EXP, "reason": [[[[[[0]]]]]]})), &[(Fail, "limits")]),
    ("too many sets of claims", |_, _, r| for set in 0..32 {
        let names = ["sub", "aud", "tid", "oid", "org_id"];
        let mut entry = json!({"sid": "s", "exp": EXP});
        for (bit, name) in names.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1) { entry[*name] = json!(bit.to_string()) }
        add(r, entry);
    }, &[(Fail, "limits"), (Warn, "gzip")]),
    ("no cursor", |_, q, r| if q.cursor.is_none() { r.edit(|p| { p["more"] = json!(false); p.as_object_mut().unwrap().remove("cursor"); }) }, &[(Warn, "cursor")]),
    ("cursors that are never known", |_, q, r| if q.cursor.as_deref().is_some_and(|c| c.starts_with('c')) { *r = Response::new(410) }, &[(Fail, "delta")]),
    ("news for the first who asks only", |f, q, r| if q.cursor.as_deref() == Some("c5") && f.deltas() == 1 { r.edit(|p| p["revocations"] = json!([{"jti": "t-3", "exp": EXP}])) }, &[(Fail, "delta-again")]),
    ("deltas that never hold anything", |_, q, r| if q.cursor.as_deref().is_some_and(|c| c.starts_with('c')) { r.edit(|p| p["revocations"] = json!([])) }, &[(Fail, "delta-complete")]),
    ("a delta for a made-up cursor", |f, _, r| if r.status == 410 { *r = f.page(Some("c5")); r.edit(|p| p["revocations"] = json!([])) }, &[(Fail, "unknown-cursor")]),
    ("a delta for a cursor far ahead", |f, q, r| if q.cursor.as_deref().is_some_and(|c| c.len() > 5 && c.starts_with('c')) { *r = f.page(Some("c5")) }, &[(Fail, "unknown-cursor")]),
    ("the full state for a made-up cursor", |f, _, r| if r.status == 410 { *r = f.page(None) }, &[(Warn, "unknown-cursor")]),
    ("404 for a made-up cursor", |_, _, r| if r.status == 410 { *r = Response::new(404) }, &[(Warn, "unknown-cursor")]),
    ("500 for a made-up cursor", |_, _, r| if r.status == 410 { *r = Response::new(500) }, &[(Fail, "unknown-cursor")]),
    ("HTML for a made-up cursor", |_, _, r| if r.status == 410 { html(r) }, &[(Fail, "errors")]),
    ("`resync` for a made-up cursor", |_, _, r| if r.status == 410 { *r = Response::new(200).with("application/json", r#"{"resync":true}"#) }, &[]),
    ("no wait", |_, _, r| r.hold = Duration::ZERO, &[(Warn, "wait")]),
    ("a wait that is too long", |_, q, r| if q.wait > 0 { r.hold = Duration::from_secs(60) }, &[(Fail, "wait")]),
    ("400 for a wait", |_, q, r| if q.wait > 0 { *r = Response::new(400) }, &[(Fail, "wait")]),
    ("a feed for everybody", |f, q, r| if !q.authorized { *r = f.page(None) }, &[(Warn, "auth")]),
    ("a login page", |_, q, r| if !q.authorized { html(r) }, &[(Fail, "errors")]),
    ("304 without a date", |_, _, r| if r.status == 304 { r.without("date") }, &[(Fail, "etag")]),
    ("412 for a known tag", |_, _, r| if r.status == 304 { r.status = 412 }, &[(Fail, "etag")]),
    ("a body that is worth compressing", |_, _, r| for n in 0..50 { add(r, json!({"jti": format!("many-{n}"), "exp": EXP})) }, &[(Warn, "gzip")]),
    ("answers that may be stored", |_, _, r| r.without("cache-control"), &[(Warn, "caching")]),
    ("answers out of a cache", |_, _, r| r.headers.push(("age", "7".into())), &[(Warn, "caching")]),
    ("signed pages", |_, q, r| if q.accept == SIGNED { sign(r, json!({"typ": "revocation-feed+jwt", "alg": "ES256"})) }, &[]),
    ("signed pages of another type", |_, q, r| if q.accept == SIGNED { sign(r, json!({"typ": "at+jwt", "alg": "ES256"})) }, &[(Fail, "signed")]),
    ("pages signed by nobody", |_, q, r| if q.accept == SIGNED { sign(r, json!({"typ": "revocation-feed+jwt", "alg": "none"})) }, &[(Fail, "signed")]),
    ("signed pages of another issuer", |_, q, r| if q.accept == SIGNED { r.edit(|p| p["iss"] = json!("https://other/")); sign(r, json!({"typ": "revocation-feed+jwt", "alg": "ES256"})) }, &[(Fail, "iss")]),
];

#[expect(clippy::needless_pass_by_value, reason = "keeps the table short")]
fn sign(response: &mut Response, header: Value) {
    let body = jws(&header, &response.body);
    *response = Response::new(200).with(SIGNED, body);
}

#[tokio::test]
async fn what_is_wrong_is_named_by_its_rule_and_nothing_else_is() {
    let mut wrong = String::new();
    for (name, twist, expected) in TABLE {
        let report = report_on(*twist).await;
        if complaints(&report) != *expected {
            wrong += &format!("{name}: {expected:?} was expected\n{report}\n");
        }
        let text = format!("{report}{}", report.to_json());
        assert!(!text.contains(TOKEN), "{name}: credentials are shown");
        for rule in RULES {
            assert!(report.lines().iter().any(|line| line.rule == rule), "{name}: no word on {rule}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A rule that no server could break would be no check at all.
#[test]
fn each_rule_has_a_server_that_breaks_it() {
    for rule in RULES.iter().filter(|rule| **rule != "https") {
        let broken = TABLE.iter().any(|(_, _, expected)| expected.iter().any(|(_, found)| found == rule));
        assert!(broken, "{rule}");
    }
}

#[test]
fn the_document_lists_the_rules() {
    let section = DOCUMENT.split("## Rules").nth(1).expect("the document has a list of rules");
    let section = section.split("\n## ").next().unwrap();
    let listed: Vec<_> =
        section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(listed, RULES);
}

#[tokio::test]
async fn plain_http_is_not_asked_at_all() {
    let (feed, url) = Feed::start(|_, _, _| {}).await;
    for (url, allowed) in [(url.as_str(), false), ("http://as.example/feed", true)] {
        let options = Options {
            loopback_http: allowed,
            ..options(Url::parse(url).unwrap(), ISSUER, feed.clock.clone())
        };
        let report = check(options).await.unwrap();
        assert_eq!(complaints(&report), [(Fail, "https")], "{report}");
    }
    assert_eq!(feed.requests(), 0);
}

#[tokio::test]
async fn signed_pages_and_news_are_seen() {
    let report = report_on(|_, request, response| {
        if request.accept == SIGNED {
            sign(response, json!({"typ": "application/Revocation-Feed+JWT", "alg": "EdDSA"}));
        }
    })
    .await;
    let held = with(Holds, &report);
    assert!(held.contains(&"signed") && held.contains(&"delta-complete"), "{report}");

    let (feed, url) = Feed::start(|_, _, _| {}).await;
    let report = check(options(url, ISSUER, feed.clock.clone())).await.unwrap();
    assert!(with(Skip, &report).contains(&"delta-complete"), "nothing was revoked\n{report}");
}

/// What a configured resource server would know.
#[tokio::test]
async fn own_claims_are_known_where_they_are_named() {
    let (feed, url) =
        Feed::start(|_, _, response| add(response, json!({"device_id": "d", "tenant": "t", "exp": EXP})))
            .await;
    let mut known = options(url.clone(), ISSUER, feed.clock.clone());
    known.known = Known { claims: vec!["tenant".to_owned()], identifiers: vec!["device_id".to_owned()] };
    assert_eq!(complaints(&check(known).await.unwrap()), []);
    let report = check(options(url, ISSUER, feed.clock.clone())).await.unwrap();
    assert_eq!(complaints(&report), [(Fail, "entry-members"), (Fail, "entry-match")], "{report}");
    assert!(report.to_string().contains("full state, page 3, entry 1: `device_id`"), "{report}");
}
