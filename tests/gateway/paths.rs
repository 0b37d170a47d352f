//! Which route a request takes, and that no spelling leads around one.

use crate::client::Ask;
use crate::setup::Setup;

/// Nearly everything is public: the worst case for anything that slips.
const ROUTES: &str = r#"
    [[route]]
    path = "/"
    public = true

    [[route]]
    path = "/events"
    require = { none = true }

    [[route]]
    path = "/events/public"
    public = true

    [[route]]
    path = "/events/public/private"
    require = { none = true }

    [[route]]
    path = "/münchen"
    require = { none = true }
"#;

#[tokio::test]
async fn the_longest_prefix_of_whole_segments_wins() {
    let setup = Setup::start(ROUTES).await;
    let table = [
        ("/", 200),
        ("/?/events", 200),
        ("/eventsx", 200),
        ("/event", 200),
        ("/x/events", 200),
        ("/events.json", 200),
        ("/a%20b/c%25/%C3%A9", 200),
        ("/a;v=1/b", 200),
        ("/.well-known/x", 200),
        ("/a..b/...c", 200),
        ("/events", 401),
        ("/events/", 401),
        ("/events?x=1", 401),
        ("/events/1", 401),
        ("/events/1/2/", 401),
        ("/events/publicx", 401),
        ("/events/1;v=2", 401),
        ("/events/public", 200),
        ("/events/public/1", 200),
        ("/events/public/private", 401),
        ("/events/public/private/1", 401),
        // The same path in other letters.
        ("/%65vents", 401),
        ("/%65%76%65%6E%74%73/1", 401),
        ("/m%C3%BCnchen/1", 401),
    ];
    for (path, status) in table {
        let answer = setup.ask(Ask::get(path)).await;
        assert_eq!(answer.status, status, "{path}");
        if status == 200 {
            assert_eq!(answer.seen().text("target"), path, "passed on as it came");
        }
    }
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_refused() {
    let setup = Setup::start(ROUTES).await;
    let table = [
        // Dot segments, plain and disguised.
        "/public/../events",
        "/./events",
        "/events/..",
        "/events/.",
        "/events/public/../1",
        "/x/..;/events",
        "/x/..;v=1/events",
        "/x/..%3bv=1/events",
        "/x/%2e%2e/events",
        "/x/.%2E/events",
        "/x/%2e/events",
        "/x/..%20/events",
        "/x/.../events",
        "/events%2ejson",
        // Slashes.
        "//events",
        "/x//events",
        "/events//1",
        "/x/%2fevents",
        "/x%2Fevents",
        "/events%2f1",
        "/x\\events",
        "/..\\events",
        "/x%5cevents",
        "/x%5C..%5Cevents",
        "/;/events",
        "/;v=1/events",
        // Encoded twice, broken, overlong, cut short.
        "/%2565vents",
        "/x/%252e%252e/events",
        "/x%252fevents",
        "/%25%36%35vents",
        "/events%",
        "/events%4",
        "/events%zz",
        "/%u0065vents",
        "/x/%c0%ae%c0%ae/events",
        "/x%c0%afevents",
        "/%ff",
        "/events%00",
        "/events%0a",
        "/events%0d%0aX-Auth-Subject:root",
        "/events%7f",
        // Another route where case, parameters and endings do not count.
        "/EVENTS",
        "/Events/1",
        "/%45vents",
        "/events;v=1",
        "/events;/1",
        "/events%3bv=1",
        "/events.",
        "/events%20",
        "/events%3Fx",
        "/events%23x",
        "/events/public/PRIVATE/1",
        "/events/public/private;x",
        "/M%C3%9Cnchen",
        // Not a path at all.
        "*",
    ];
    for path in table {
        let answer = setup.ask(Ask::get(path)).await;
        assert_eq!(answer.status, 400, "{path}: {:?}", String::from_utf8_lossy(&answer.body));
    }
    assert_eq!(setup.upstream.requests(), 0);
}

#[tokio::test]
async fn unknown_paths_and_methods() {
    let routes = r#"
        [[route]]
        path = "/events"
        methods = ["GET"]
        require = { all = ["read:events"] }

        [[route]]
        path = "/events"
        methods = ["POST", "PUT"]
        require = { all = ["write:events"] }

        [[route]]
        path = "/events/open"
        methods = ["GET"]
        public = true
    "#;
    let setup = Setup::start(routes).await;
    let reader = setup.token("read:events");
    let table = [
        ("GET", "/events", 200, None),
        ("POST", "/events", 403, None),
        ("PUT", "/events/1", 403, None),
        ("DELETE", "/events", 405, Some("GET, POST, PUT")),
        ("HEAD", "/events", 405, Some("GET, POST, PUT")),
        ("get", "/events", 405, Some("GET, POST, PUT")),
        ("GET", "/events/open", 200, None),
        // The shorter route has nothing to say here.
        ("POST", "/events/open/1", 405, Some("GET")),
        ("GET", "/", 404, None),
        ("GET", "/eventsx", 404, None),
        ("GET", "/Events", 404, None),
        ("DELETE", "/nowhere", 404, None),
    ];
    for (method, path, status, allow) in table {
        let answer = setup.ask(Ask::new(method, path).bearer(&reader)).await;
        assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}");
    }
}
