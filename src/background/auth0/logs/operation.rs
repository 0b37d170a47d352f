//! Operations of the Management API that end access, by method and path.

use serde_json::Value;
use url::form_urlencoded;

use super::entry::{Ending, Entry, Parties, name};
use crate::limits;

const ROOT: &str = "/api/v2/";

/// Whoever made the call is in the entry too, and of no interest: only what was called tells whose access it ended.
pub(super) fn endings(entry: &Entry) -> Vec<Ending> {
    let unclear = || vec![Ending::Unclear];
    let (method, path) = (entry.text("/details/request/method"), entry.text("/details/request/path"));
    let (Some(method), Some(path)) = (method, path) else { return unclear() };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.find(ROOT).and_then(|at| path.get(at + ROOT.len()..)).unwrap_or(path);
    let segments: Option<Vec<_>> =
        path.split('/').filter(|segment| !segment.is_empty()).map(decoded).collect();
    let Some(segments) = segments else { return unclear() };
    let segments: Vec<_> = segments.iter().map(String::as_str).collect();
    let body = entry.value("/details/request/body");
    let ending = match (method.to_ascii_lowercase().as_str(), segments.as_slice()) {
        ("delete", ["client-grants", id]) => Ending::ClientGrant((*id).to_owned()),
        ("delete", ["grants", id]) => Ending::UserGrant((*id).to_owned()),
        ("delete", ["grants"]) => {
            user_in(entry, query).map_or(Ending::Unclear, |user| Ending::of_user(&user))
        }
        ("delete", ["users", user])
        | ("delete" | "post", ["users", user, "sessions" | "refresh-tokens" | "revoke-access"]) => {
            Ending::of_user(user)
        }
        // All of them.
        ("delete", ["users"]) => Ending::Unclear,
        ("patch", ["users", user]) if may_block(body) => Ending::of_user(user),
        ("delete", ["clients", client]) => Ending::of_client(client),
        ("delete", ["sessions" | "refresh-tokens" | "device-credentials", id])
        | ("post", ["sessions", id, "revoke"]) => Ending::Origin((*id).to_owned()),
        ("post", ["refresh-tokens", "revoke"]) => return refresh_tokens(body),
        ("post", ["blacklists", "tokens"]) => body
            .and_then(|body| name(body.get("jti")?))
            .map_or(Ending::Unclear, |jti| Ending::Token(jti.to_owned())),
        _ => return Vec::new(),
    };
    vec![ending]
}

fn user_in(entry: &Entry, query: &str) -> Option<String> {
    let written = form_urlencoded::parse(query.as_bytes()).find(|(own, _)| own == "user_id");
    let written = written.map(|(_, user)| user.into_owned()).filter(|user| !user.is_empty());
    let pointers = ["/details/request/query/user_id", "/details/request/queryParams/user_id"];
    let read = || pointers.iter().find_map(|pointer| entry.text(pointer)).map(str::to_owned);
    written.or_else(read)
}

/// What cannot be read may have blocked the user.
fn may_block(body: Option<&Value>) -> bool {
    let Some(Value::Object(members)) = body else { return true };
    !matches!(members.get("blocked"), None | Some(Value::Null | Value::Bool(false)))
}

/// By ids, or all of a user, of one of their clients, for one of its audiences.
fn refresh_tokens(body: Option<&Value>) -> Vec<Ending> {
    let member = |key: &str| body.and_then(|body| body.get(key));
    let owned = |key| member(key).and_then(name).map(str::to_owned);
    let parties = Parties { user: owned("user_id"), client: owned("client_id"), audience: owned("audience") };
    let ids = member("ids").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if ids.len() > limits::AUTH0_PAGE {
        return vec![Ending::Unclear];
    }
    let mut endings: Vec<_> =
        ids.iter().map(|id| name(id).map_or(Ending::Unclear, |id| Ending::Origin(id.to_owned()))).collect();
    if parties.user.is_some() || parties.client.is_some() {
        endings.push(Ending::Of(parties));
    }
    if endings.is_empty() {
        endings.push(Ending::Unclear);
    }
    endings
}

/// A segment of a path (RFC 3986 §2.1); none where that is no text.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, others)) = rest.split_first() {
        rest = others;
        let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        match (first, others) {
            (b'%', [high, low, others @ ..]) if digit(high).is_some() && digit(low).is_some() => {
                bytes.push(digit(high)? * 16 + digit(low)?);
                rest = others;
            }
            _ => bytes.push(*first),
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::clock::UnixTime;

    #[test]
    fn segments_are_decoded() {
        let table = [
            ("auth0%7Cu1", Some("auth0|u1")),
            ("auth0|u1", Some("auth0|u1")),
            ("a+b%2Bc", Some("a+b+c")),
            ("%C3%A9", Some("é")),
            ("100%", Some("100%")),
            ("%zz", Some("%zz")),
            ("%2", Some("%2")),
            ("%FF", None),
        ];
        for (segment, expected) in table {
            assert_eq!(decoded(segment).as_deref(), expected, "{segment}");
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            "\\PC{0,12}",
            Just("delete".to_owned()),
            Just("/api/v2/users/%7C?user_id=".to_owned()),
            Just("/api/v2/grants/x".to_owned()),
            Just("/api/v2/refresh-tokens/revoke".to_owned()),
            Just("2026-11-21T12:00:00.000Z".to_owned()),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            texts.prop_map(Value::from),
        ];
        let names = prop_oneof![
            Just("details"),
            Just("request"),
            Just("method"),
            Just("path"),
            Just("query"),
            Just("body"),
            Just("user_id"),
            Just("client_id"),
            Just("audience"),
            Just("date"),
            Just("ids"),
            Just("jti"),
            Just("access_token_jti"),
            Just("blocked"),
            Just("refresh_token"),
            Just("session_id"),
        ];
        leaf.prop_recursive(5, 64, 8, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(names.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_entry_is_read_or_refused(
            mut value in any_json(),
            kind in prop::sample::select(vec!["sapi", "srrt", "ferrt", "sdu", "seacft", "sertft", "x"]),
            millis in any::<i64>(),
        ) {
            let made = UnixTime::from_millis(millis);
            if let Some(members) = value.as_object_mut() {
                members.insert("type".to_owned(), kind.into());
                members.insert("log_id".to_owned(), "1".into());
            }
            if let Some(entry) = Entry::check(value) {
                let _ = (entry.endings(), entry.exchange(made), entry.cut_off(made));
            }
        }
    }

    #[test]
    fn entries_without_id_or_type_are_none() {
        let table = [
            json!({ "type": "sapi" }),
            json!({ "log_id": "1" }),
            json!({ "log_id": "", "type": "sapi" }),
            json!({ "log_id": 1, "type": "sapi" }),
            json!({ "log_id": "1", "type": null }),
            json!([]),
            json!("sapi"),
        ];
        for value in table {
            assert!(Entry::check(value.clone()).is_none(), "{value}");
        }
        assert_eq!(Entry::check(json!({ "_id": "1", "type": "sapi" })).unwrap().id(), "1");
    }
}
