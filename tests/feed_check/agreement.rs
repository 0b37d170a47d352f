//! The document's examples, its schema, the checker and the crate's own reader say the same about a page.

use serde_json::{Value, json};
use tower_bearer::testing::{AuthorizationServer, Reply};
use tower_bearer::{Algorithm, Feed, ResourceServer};

use super::page::{Known, Page};
use super::schema::{is_valid, schema};
use super::{Leaping, NOW};

const DOCUMENT: &str = include_str!("../../docs/revocation-feed.md");

fn by_schema(page: &Value) -> bool {
    let schema = schema();
    is_valid(&schema, &schema, page)
}

fn by_checker(page: &Value) -> bool {
    let mut flaws = Vec::new();
    let read = Page::read(page.to_string().as_bytes(), &mut flaws);
    flaws.is_empty() && read.is_some_and(|page| page.entry_flaws(&Known::default()).is_empty())
}

/// The JSON texts of a block: each begins with a line that begins with a brace.
fn texts(block: &str) -> Vec<Value> {
    let starts = block.match_indices('{').map(|(at, _)| at);
    starts
        .filter(|at| *at == 0 || block[..*at].ends_with('\n'))
        .map(|at| {
            let mut values = serde_json::Deserializer::from_str(&block[at..]).into_iter::<Value>();
            values.next().unwrap().unwrap_or_else(|error| panic!("{error}: {}", &block[at..]))
        })
        .collect()
}

#[test]
fn the_examples_of_the_document_are_pages() {
    let mut found = 0;
    for block in DOCUMENT.split("```").skip(1).step_by(2) {
        let Some(("json" | "http", block)) = block.split_once('\n') else { continue };
        for text in texts(block) {
            let is_page = text.get("iss").is_some() || text.get("resync").is_some();
            let page = if is_page {
                text
            } else {
                json!({"iss": "https://tenant.example/", "as_of": 1_732_200_000, "revocations": [text]})
            };
            assert!(by_schema(&page), "by its schema this is no page: {page:#}");
            assert!(by_checker(&page), "the checker complains: {page:#}");
            found += 1;
        }
    }
    assert!(found >= 8, "{found} examples were found");
}

/// Whether a resource server starts with this as the full state: it does only with a complete answer.
async fn by_reader(server: &AuthorizationServer, clock: &Leaping, page: &Value) -> bool {
    server.set_reply(&server.feed_url(), Reply::json(page));
    let builder = ResourceServer::builder().clock(clock.clone()).issuer(server.issuer());
    let builder = builder.audience("https://api.example.com/").allow_loopback_http();
    builder.revocation(Feed::new(server.feed_url())).start().await.is_ok()
}

#[tokio::test]
async fn schema_checker_and_reader_agree() {
    let clock = Leaping::new();
    let builder = AuthorizationServer::builder().algorithms([Algorithm::ES256]).clock(clock.clone());
    let server = builder.start().await.unwrap();
    let iss = server.issuer();
    let exp = NOW + 3600;
    let pages = [
        (json!({"iss": iss, "as_of": NOW, "full": true, "revocations": []}), true),
        (
            json!({"iss": iss, "as_of": NOW as f64 + 0.5, "full": true, "cursor": "c", "more": false, "revocations": []}),
            true,
        ),
        (
            json!({"iss": iss, "as_of": NOW, "full": true, "cursor": null, "later": {"a": 1}, "revocations": []}),
            true,
        ),
        (json!({"as_of": NOW, "full": true, "revocations": []}), false),
        (json!({"iss": 7, "as_of": NOW, "full": true, "revocations": []}), false),
        (json!({"iss": iss, "full": true, "revocations": []}), false),
        (json!({"iss": iss, "as_of": NOW * 1000, "full": true, "revocations": []}), false),
        (json!({"iss": iss, "as_of": NOW.to_string(), "full": true, "revocations": []}), false),
        (json!({"iss": iss, "as_of": -1, "full": true, "revocations": []}), false),
        (json!({"iss": iss, "as_of": NOW, "full": true}), false),
        (json!({"iss": iss, "as_of": NOW, "full": true, "revocations": {}}), false),
        (json!({"iss": iss, "as_of": NOW, "full": 1, "revocations": []}), false),
        (json!({"iss": iss, "as_of": NOW, "full": true, "more": "no", "revocations": []}), false),
        (json!({"iss": iss, "as_of": NOW, "full": true, "cursor": 42, "revocations": []}), false),
        (json!({"iss": iss, "as_of": NOW, "full": true, "resync": "yes", "revocations": []}), false),
        (json!([]), false),
    ];
    let entries = [
        (json!({"jti": "t", "exp": exp}), true),
        (json!({"jti": "t"}), true),
        (json!({"uti": "t", "azp": "app", "exp": exp, "reason": {"by": "admin"}, "x_ticket": [1]}), true),
        (json!({"sid": "s", "exp": exp + 1, "at": NOW, "withdrawn": true}), true),
        (json!({"jti": "t", "exp": exp, "withdrawn": false}), true),
        (
            json!({"sub": "u", "client_id": "a", "aud": "https://api/", "issued_before": NOW, "exp": exp}),
            true,
        ),
        (json!({"issued_before": NOW as f64 - 0.5, "exp": exp}), true),
        (json!({"exp": exp}), false),
        (json!({"sub": "u", "exp": exp}), false),
        (json!({"jti": 5, "exp": exp}), false),
        (json!({"jti": null, "exp": exp}), false),
        (json!({"aud": ["a", "b"], "jti": "t", "exp": exp}), false),
        (json!({"jti": "t".repeat(5000), "exp": exp}), false),
        (json!({"jti": "t", "exp": exp, "revoked_by": "admin"}), false),
        (json!({"jti": "t", "exp": exp.to_string()}), false),
        (json!({"jti": "t", "exp": exp * 1000}), false),
        (json!({"jti": "t", "exp": null}), false),
        (json!({"sub": "u", "issued_before": NOW * 1000, "exp": exp}), false),
        (json!({"jti": "t", "exp": exp, "withdrawn": true}), false),
        (json!({"jti": "t", "exp": exp, "withdrawn": 1, "at": NOW}), false),
        (json!("t"), false),
        (json!(null), false),
    ];
    let in_page = |(entry, good): (Value, bool)| {
        (json!({"iss": iss, "as_of": NOW, "full": true, "revocations": [entry]}), good)
    };
    for (page, good) in pages.into_iter().chain(entries.into_iter().map(in_page)) {
        assert_eq!(by_schema(&page), good, "schema: {page}");
        assert_eq!(by_checker(&page), good, "checker: {page}");
        assert_eq!(by_reader(&server, &clock, &page).await, good, "reader: {page}");
    }

    // What the schema cannot say, the other two do.
    for entry in [
        json!({"sub": "u", "issued_before": NOW + 2 * 86_400, "exp": exp}),
        json!({"jti": "t", "exp": exp, "at": NOW + 301}),
    ] {
        let (page, _) = in_page((entry, false));
        assert!(!by_checker(&page) && !by_reader(&server, &clock, &page).await, "{page}");
    }
    // A page that leads on needs a place to go on from.
    let page = json!({"iss": iss, "as_of": NOW, "full": true, "more": true, "revocations": []});
    assert!(!by_schema(&page) && !by_reader(&server, &clock, &page).await);
    assert!(by_schema(&json!({"resync": true})) && by_checker(&json!({"resync": true})));
}
