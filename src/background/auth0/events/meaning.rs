//! What an event ends.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::date;
use super::sse::Message;
use crate::clock::UnixTime;
use crate::limits;

/// The types of events that may end access.
pub(super) const KINDS: [&str; 6] = [
    "user.deleted",
    "user.updated",
    "organization.deleted",
    "organization.member.deleted",
    "organization.member.role.deleted",
    "group.member.deleted",
];

/// The members that are looked at, on whatever level: of a message that is too long, the others are left out.
pub(super) const MEMBERS: [&str; 14] = [
    "event",
    "type",
    "time",
    "data",
    "object",
    "user_id",
    "blocked",
    "id",
    "organization",
    "user",
    "member",
    "member_type",
    "error",
    "code",
];

/// What a message means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It moves the offset, and no more.
    Nothing,
    /// Tokens with these claims that were given out up to then.
    Ends { claims: Vec<(&'static str, String)>, at: UnixTime },
    /// Somebody's tokens, and nobody knows whose; the time may be known.
    Unclear { kind: &'static str, at: Option<UnixTime> },
    /// The stream ends, and why.
    Over(String),
}

#[derive(Deserialize)]
struct Envelope<O> {
    event: CloudEvent<O>,
}

#[derive(Deserialize)]
struct CloudEvent<O> {
    #[serde(rename = "type")]
    kind: String,
    time: String,
    data: Data<O>,
}

#[derive(Deserialize)]
struct Data<O> {
    object: O,
}

#[derive(Deserialize)]
struct Dated {
    event: Date,
}

#[derive(Deserialize)]
struct Date {
    time: String,
}

#[derive(Deserialize)]
struct User {
    user_id: String,
    blocked: Option<bool>,
}

#[derive(Deserialize)]
struct Organization {
    id: String,
}

#[derive(Deserialize)]
struct OfOrganization {
    organization: Organization,
    user: User,
}

#[derive(Deserialize)]
struct OfGroup {
    member: Member,
}

/// A user, or everybody of a connection.
#[derive(Deserialize)]
struct Member {
    member_type: String,
    id: String,
}

#[derive(Deserialize)]
struct Failure {
    error: Code,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

/// Claims of the tokens that are over; none where nothing is over.
type Claims = Option<Vec<(&'static str, String)>>;

/// Nothing that may end access is passed over: what cannot be read is said to be unclear.
pub(super) fn of(message: &Message) -> Meaning {
    let Message { kind: said, data, damaged, .. } = message;
    if said == "error" {
        let code = serde_json::from_str(data).map(|Failure { error }| error.code);
        return Meaning::Over(code.unwrap_or_default());
    }
    let Some(kind) = KINDS.into_iter().find(|kind| kind == said) else {
        // Its kind may be what was lost.
        let lost = *damaged && said.is_empty();
        return if lost { Meaning::Unclear { kind: "an event", at: None } } else { Meaning::Nothing };
    };
    let read = match kind {
        "user.deleted" => object(kind, data, |user: User| Some(Some(vec![("sub", text(user.user_id)?)]))),
        "user.updated" => object(kind, data, |user: User| match user.blocked {
            Some(true) => Some(Some(vec![("sub", text(user.user_id)?)])),
            Some(false) | None => Some(None),
        }),
        "organization.deleted" => {
            object(kind, data, |gone: Organization| Some(Some(vec![("org_id", text(gone.id)?)])))
        }
        "group.member.deleted" => object(kind, data, |OfGroup { member }| {
            let is_user = member.member_type == "user";
            Some(Some(vec![("sub", text(member.id).filter(|_| is_user)?)]))
        }),
        _ => object(kind, data, |OfOrganization { organization, user }| {
            Some(Some(vec![("org_id", text(organization.id)?), ("sub", text(user.user_id)?)]))
        }),
    };
    match read.filter(|_| !damaged) {
        Some((None, _)) => Meaning::Nothing,
        Some((Some(claims), at)) => Meaning::Ends { claims, at },
        None => {
            let at = serde_json::from_str(data).ok().and_then(|Dated { event }| date::parse(&event.time));
            Meaning::Unclear { kind, at }
        }
    }
}

/// The event's object, read, and its time.
fn object<O: DeserializeOwned>(
    kind: &str,
    data: &str,
    read: impl FnOnce(O) -> Option<Claims>,
) -> Option<(Claims, UnixTime)> {
    let CloudEvent { kind: own, time, data } = serde_json::from_str::<Envelope<O>>(data).ok()?.event;
    Some((read(data.object).filter(|_| own == kind)?, date::parse(&time)?))
}

/// A value that a claim can have.
fn text(value: String) -> Option<String> {
    (!value.is_empty() && value.len() <= limits::ENTRY_VALUE_BYTES).then_some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TIME: &str = "2026-11-21T12:00:00.250Z";
    const SECOND: i64 = 1_795_262_401;

    /// An event, its object and the claims of what it ends.
    type Row = (&'static str, Value, &'static [(&'static str, &'static str)]);

    fn message(kind: &str, data: impl std::fmt::Display) -> Message {
        Message { kind: kind.to_owned(), data: format!("{data}"), ..Message::default() }
    }

    fn event(kind: &str, object: &Value) -> Message {
        let event = json!({ "specversion": "1.0", "type": kind, "time": TIME, "data": { "object": object } });
        message(kind, json!({ "offset": "o", "event": event }))
    }

    fn unclear(kind: &'static str, known: bool) -> Meaning {
        Meaning::Unclear { kind, at: known.then(|| UnixTime::from_secs(SECOND)) }
    }

    #[test]
    fn events_end_what_they_name() {
        let member =
            json!({ "organization": { "id": "o" }, "user": { "user_id": "u" }, "role": { "id": "r" } });
        let of_user = json!({ "group": { "id": "g" }, "member": { "member_type": "user", "id": "u" } });
        let table: &[Row] = &[
            ("user.deleted", json!({ "user_id": "u", "blocked": false, "x": [1] }), &[("sub", "u")]),
            ("user.updated", json!({ "user_id": "u", "blocked": true }), &[("sub", "u")]),
            ("organization.deleted", json!({ "id": "o", "name": "n" }), &[("org_id", "o")]),
            ("organization.member.deleted", member.clone(), &[("org_id", "o"), ("sub", "u")]),
            ("organization.member.role.deleted", member, &[("org_id", "o"), ("sub", "u")]),
            ("group.member.deleted", of_user, &[("sub", "u")]),
        ];
        for (kind, object, expected) in table {
            let claims = expected.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let at = UnixTime::from_secs(SECOND);
            assert_eq!(of(&event(kind, object)), Meaning::Ends { claims, at }, "{kind}");
        }
    }

    #[test]
    fn what_ends_nothing_means_nothing() {
        for (kind, object) in [
            ("user.updated", json!({ "user_id": "u" })),
            ("user.updated", json!({ "user_id": "u", "blocked": false })),
            ("user.updated", json!({ "user_id": "u", "blocked": null })),
            ("user.created", json!({ "user_id": "u" })),
            ("organization.member.added", json!({})),
            ("offset-only", json!({})),
            ("", json!({})),
        ] {
            assert_eq!(of(&event(kind, &object)), Meaning::Nothing, "{kind} {object}");
            assert_eq!(of(&message("user.created", "<html>")), Meaning::Nothing);
        }
        let damaged = Message { damaged: true, ..event("user.created", &json!({})) };
        assert_eq!(of(&damaged), Meaning::Nothing, "its kind is known");
    }

    #[test]
    fn what_cannot_be_read_is_not_passed_over() {
        let long = "x".repeat(limits::ENTRY_VALUE_BYTES + 1);
        let table = [
            ("user.deleted", json!({}), true),
            ("user.deleted", json!({ "user_id": 7 }), true),
            ("user.deleted", json!({ "user_id": "" }), true),
            ("user.deleted", json!({ "user_id": long }), true),
            ("user.deleted", json!("u"), true),
            ("user.updated", json!({ "user_id": "u", "blocked": "true" }), true),
            ("user.updated", json!({ "blocked": true }), true),
            ("organization.deleted", json!({ "name": "n" }), true),
            ("organization.member.deleted", json!({ "user": { "user_id": "u" } }), true),
            ("organization.member.role.deleted", json!({ "organization": { "id": "o" } }), true),
            ("group.member.deleted", json!({ "member": { "member_type": "connection", "id": "c" } }), true),
            ("group.member.deleted", json!({ "member": { "id": "u" } }), true),
        ];
        for (kind, object, known) in table {
            let kind = KINDS.into_iter().find(|own| *own == kind).unwrap();
            assert_eq!(of(&event(kind, &object)), unclear(kind, known), "{kind} {object}");
        }
        let whole = event("user.deleted", &json!({ "user_id": "u" }));
        let damaged = Message { damaged: true, ..event("user.deleted", &json!({ "user_id": "u" })) };
        assert_eq!(of(&damaged), unclear("user.deleted", true));
        let another =
            Message { kind: "user.updated".to_owned(), ..event("user.deleted", &json!({ "user_id": "u" })) };
        assert_eq!(of(&another), unclear("user.updated", true), "the two types differ");
        let undated = Message { data: whole.data.replace(TIME, "yesterday"), ..whole };
        assert_eq!(of(&undated), unclear("user.deleted", false));
        let twice = json!({ "user_id": "u" }).to_string().replace('}', ",\"user_id\":\"v\"}");
        let twice = event("user.deleted", &json!("@")).data.replace("\"@\"", &twice);
        assert_eq!(
            of(&message("user.deleted", twice)),
            unclear("user.deleted", true),
            "two words on who it was"
        );
        for data in ["", "{", "[]", "null", "<html>"] {
            assert_eq!(of(&message("user.deleted", data)), unclear("user.deleted", false), "{data}");
        }
        let nameless = Message { damaged: true, ..Message::default() };
        assert_eq!(of(&nameless), unclear("an event", false), "its kind may be what was lost");
    }

    #[test]
    fn an_end_says_why() {
        let error = json!({ "error": { "code": "timeout", "message": "m" } });
        assert_eq!(of(&message("error", error)), Meaning::Over("timeout".to_owned()));
        assert_eq!(of(&message("error", "?")), Meaning::Over(String::new()));
    }
}
