//! Listings of Auth0's Management API: a complete one holds what its pages say, and nothing is concluded from any other. The
//! first byte says of what, and 0x1e parts the pages.

#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::fuzz::{self, AUDIENCE};

/// As a plain reading has it; none for what is no text.
fn text(value: &Value, name: &str) -> Option<String> {
    value.get(name)?.as_str().map(str::to_owned)
}

fn blacklist(body: &[u8]) {
    let read = fuzz::blacklist(body);
    let Ok(Value::Array(items)) = serde_json::from_slice::<Value>(body) else {
        // What is passed over need not be what a value can hold: numbers, halves of characters, depth.
        return;
    };
    if let Some(ids) = read {
        // An item may also be an array, in the order of its members.
        let plain = |item: &Value| text(item, "jti").or_else(|| item.get(0)?.as_str().map(str::to_owned));
        let plain: Option<Vec<_>> = items.iter().map(plain).collect();
        assert_eq!(plain, Some(ids), "every id, and no other");
    } else {
        let repeated =
            body.windows(3).filter(|part| part == b"jti").count() > items.len() || body.contains(&b'\\');
        assert!(
            repeated || items.iter().any(|item| text(item, "jti").is_none()),
            "nothing was wrong with it"
        );
    }
}

fn grants(of_users: bool, pages: &[&[u8]]) {
    let read = match fuzz::listing(of_users, pages) {
        Ok(Some(grants)) => grants,
        Ok(None) => return,
        Err(words) => {
            assert!(words.len() < 256 && !words.chars().any(char::is_control), "{words:?}");
            return;
        }
    };
    let (list, client) = if of_users { ("grants", "clientID") } else { ("client_grants", "client_id") };
    let mut plain = BTreeMap::new();
    let (mut count, mut last) = (0, Value::Null);
    for page in pages {
        // A page as an array, or with numbers that a value cannot hold, is left to the other reader.
        let Ok(page) = serde_json::from_slice::<Value>(page) else { return };
        let Some(items) = page.get(list).and_then(Value::as_array) else { return };
        if items.iter().any(Value::is_array) {
            return;
        }
        count += items.len();
        for item in items {
            let user = if of_users { Some(text(item, "user_id").expect("a user")) } else { None };
            let id = text(item, "id").expect("an id");
            plain.insert(id.clone(), [Some(id), text(item, client), text(item, "audience"), user]);
        }
        let is_last = if of_users {
            items.is_empty() || page["total"].as_u64() <= Some(count as u64)
        } else {
            page["next"].is_null()
        };
        last = page;
        if is_last {
            break;
        }
    }
    assert_eq!(plain.len(), count, "no id comes twice");
    assert!(read.iter().eq(plain.values()), "what the pages say");
    assert!(read.iter().all(|grant| grant[2].as_deref() == Some(AUDIENCE)), "of no other API");
    if of_users {
        assert_eq!(last["total"].as_u64(), Some(count as u64), "as many as there are");
    } else {
        assert!(last["next"].is_null(), "up to the end");
    }
    // A page more changes nothing, and a page less is no listing.
    for less in 0..pages.len() {
        match fuzz::listing(of_users, &pages[..less]) {
            Ok(None) => {}
            Ok(Some(grants)) => assert_eq!(grants, read),
            Err(words) => panic!("{words}"),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((of, body)) = bytes.split_first() else { return };
    let pages: Vec<_> = body.split(|byte| *byte == 0x1e).collect();
    match of % 4 {
        0 => blacklist(body),
        1 => grants(false, &pages),
        2 => grants(true, &pages),
        _ => {
            let Ok(text) = std::str::from_utf8(body) else { return };
            let written = fuzz::cursor(text);
            assert_eq!(fuzz::cursor(&written), written, "what is kept is read again");
        }
    }
});
