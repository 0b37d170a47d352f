//! Auth0's stream of events: however it is cut apart and however little room there is, no event is lost, and none ends less
//! than a plain reading says. The first byte says where it is cut and how much room there is.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::fuzz::{Told, read_date, stream};

const ROOM: usize = 256 * 1024;

const KINDS: [&str; 6] = [
    "user.deleted",
    "user.updated",
    "organization.deleted",
    "organization.member.deleted",
    "organization.member.role.deleted",
    "group.member.deleted",
];

/// What an event of a sound form ends, and up to when; none for what is not of that form.
fn reading(kind: &str, data: &Value) -> Option<Option<(Vec<(String, String)>, i64)>> {
    let event = data.get("event")?;
    let object = event.get("data")?.get("object")?;
    let text = |pointer: &str| {
        object.pointer(pointer)?.as_str().filter(|text| !text.is_empty() && text.len() <= 4096)
    };
    let claim = |name: &str, pointer: &str| Some((name.to_owned(), text(pointer)?.to_owned()));
    if event.get("type")?.as_str()? != kind {
        return None;
    }
    let at = read_date(event.get("time")?.as_str()?)?;
    let claims = match kind {
        "user.updated" if matches!(object.get("blocked"), None | Some(Value::Null | Value::Bool(false))) => {
            object.get("user_id")?.as_str()?;
            return Some(None);
        }
        "user.updated" if object["blocked"] != true => return None,
        "user.deleted" | "user.updated" => vec![claim("sub", "/user_id")?],
        "organization.deleted" => vec![claim("org_id", "/id")?],
        "group.member.deleted" if object.pointer("/member/member_type")? == "user" => {
            vec![claim("sub", "/member/id")?]
        }
        "group.member.deleted" => return None,
        _ => vec![claim("org_id", "/organization/id")?, claim("sub", "/user/user_id")?],
    };
    Some(Some((claims, at)))
}

/// Whether an object has an array where it is asked for an object: some readers take that for its members in order.
fn has_arrays(data: &Value) -> bool {
    let place = ["", "/event", "/event/data", "/event/data/object", "/event/data/object/user"];
    let more = ["/event/data/object/organization", "/event/data/object/member"];
    place.iter().chain(&more).any(|pointer| data.pointer(pointer).is_some_and(Value::is_array))
}

fn check(told: &Told) {
    let Told { kind, data, damaged, meaning, .. } = told;
    if !KINDS.contains(&kind.as_str()) {
        assert!(kind == "error" || *meaning == Ok(None) || (*damaged && kind.is_empty()), "{told:?}");
        return;
    }
    if *damaged {
        assert!(meaning.is_err(), "part of it is missing");
        return;
    }
    match serde_json::from_str::<Value>(data).ok().filter(|data| !has_arrays(data)) {
        Some(data) => match (reading(kind, &data), meaning) {
            (plain, Ok(meaning)) => assert_eq!(plain.as_ref(), Some(meaning), "{told:?}"),
            // Members that stand there twice.
            (Some(_), Err(_)) => assert!(has_twice(&told.data), "{told:?}"),
            (None, Err(_)) => {}
        },
        // Whoever reads less of it may know more of it.
        None => {}
    }
}

/// Whether a name may stand twice in one object.
fn has_twice(data: &str) -> bool {
    let names = [
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
    ];
    data.contains('\\') || names.into_iter().any(|name| data.matches(&format!("\"{name}\"")).count() > 1)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((seed, bytes)) = bytes.split_first() else { return };
    let (whole, _) = stream([bytes], ROOM);
    // As an xorshift has it.
    let mut state = u32::from(*seed) + 1;
    let mut chance = |most: usize| {
        for (left, by) in [(true, 13), (false, 17), (true, 5)] {
            state ^= if left { state << by } else { state >> by };
        }
        state as usize % most + 1
    };
    let (mut pieces, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let (piece, others) = rest.split_at(chance(60).min(rest.len()));
        pieces.push(piece);
        rest = others;
    }
    assert_eq!(stream(pieces.iter().copied(), ROOM).0, whole, "in pieces");
    assert_eq!(stream(bytes.chunks(1), ROOM).0, whole, "byte by byte");
    whole.told.iter().for_each(check);

    let room = 64 + usize::from(*seed) * 4;
    let (little, most) = stream([bytes], room);
    assert_eq!(stream(pieces.iter().copied(), room).0, little, "in pieces, with little room");
    let (again, most_in_pieces) = stream(bytes.chunks(1), room);
    assert_eq!(again, little, "byte by byte, with little room");
    assert!(most.max(most_in_pieces) <= 6 * room + 1024, "{most} bytes for {room}");
    assert_eq!(little.lines, whole.lines);
    assert!(little.told.len() >= whole.told.len(), "no message is lost");
    if little.told.len() > whole.told.len() {
        // A name that is too long to be kept may have been that of an event, also where no data come after it.
        assert!(little.told.iter().any(|told| told.damaged && told.data.is_empty()));
        return;
    }
    for (less, more) in little.told.iter().zip(&whole.told) {
        if *less == *more {
            continue;
        }
        let is_json = serde_json::from_str::<Value>(&more.data).is_ok_and(|data| !has_arrays(&data));
        match (&less.meaning, &more.meaning) {
            (Ok(less), Ok(more)) => assert_eq!(less, more, "it means something else"),
            // Unclear ends more. That something else than an object was said is not known of what was too long.
            (Err(_), _) => {}
            (Ok(_), Err(_)) => {
                assert!(!is_json || less.kind != more.kind || more.kind == "error", "{less:?} {more:?}");
                assert!(less.kind == more.kind, "{less:?} {more:?}");
            }
        }
    }
});
