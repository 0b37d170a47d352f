use proptest::prelude::*;

use super::super::meaning;
use super::*;

fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Parser) {
    let (mut parser, mut told) = (Parser::default(), Vec::new());
    for chunk in chunks {
        parser.read(chunk, |message| told.push(message));
    }
    (told, parser)
}

/// Kind, data and id; `!` before the kind of what is damaged.
fn shown(text: &[u8]) -> Vec<String> {
    let show = |Message { kind, data, id, damaged }: Message| {
        format!("{}{kind}|{data}|{}", if damaged { "!" } else { "" }, id.unwrap_or_else(|| "-".to_owned()))
    };
    read([text]).0.into_iter().map(show).collect()
}

#[test]
fn streams_are_read_as_the_standard_says() {
    let table: &[(&[u8], &[&str])] = &[
        (b"", &[]),
        (b"data: a\n\n", &["|a|-"]),
        (b"data:a\n\n", &["|a|-"]),
        (b"data:  a\n\n", &["| a|-"]),
        (b"data\n\n", &["||-"]),
        (b"data\ndata\n\n", &["|\n|-"]),
        (b"data: a\ndata: b\n\n", &["|a\nb|-"]),
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", &["|a|-", "|b|-", "|c|-"]),
        (b"\xef\xbb\xbfdata: a\n\n", &["|a|-"]),
        (b"\n\xef\xbb\xbfdata: a\n\n", &[]),
        (b": hello\n\n:\n", &[]),
        (b"id: 1\nevent: x\ndata: a\n\nevent: y\ndata: b\n\n", &["x|a|1", "y|b|1"]),
        (b"id: 1\n\ndata: a\n\n", &["|a|1"]),
        (b"id: 1\ndata: a\nid\n\n", &["|a|"]),
        (b"id: 1\nid: 2\0\ndata: a\n\n", &["|a|1"]),
        (b"event: x\n\ndata: a\n\n", &["|a|-"]),
        (b"event: x\nevent: y\ndata: a\n\n", &["y|a|-"]),
        (b"DATA: a\n data: b\ndata : c\nother: d\n\n", &[]),
        (b"data: a\n", &[]),
        (b"data: a\n\ndata: b", &["|a|-"]),
        (b"event: x\ndata: \xff\n\n", &["!x||-"]),
        (b"event: \xff\ndata: a\n\n", &["!|a|-"]),
        (b"id: \xff\ndata: a\n\n", &["|a|-"]),
        (b"\xff: a\ndata: a\n\n", &["|a|-"]),
    ];
    for (text, expected) in table {
        assert_eq!(shown(text), *expected, "{:?}", String::from_utf8_lossy(text));
    }
}

#[test]
fn the_time_to_come_back_is_a_number() {
    for (text, expected) in [
        ("retry: 3000\n", Some(3000)),
        ("retry: 1\nretry: 2\nretry: x\n", Some(2)),
        ("retry: -1\n", None),
        ("retry: 1.5\n", None),
        ("retry\n", None),
        ("retry: 99999999999999999999999\n", None),
    ] {
        let (_, parser) = read([text.as_bytes()]);
        assert_eq!(parser.retry, expected.map(Duration::from_millis), "{text}");
    }
}

/// What is too long is not kept, and it is known that it was there.
#[test]
fn memory_is_bounded_and_what_is_left_out_is_told() {
    let long = vec![b'x'; limits::EVENT_BYTES];
    for (before, kind) in [("event: a\ndata: ", "a"), ("event: a\nevent: ", "")] {
        let (told, parser) = read([before.as_bytes(), &long, &long, b"\nid: 7\n\ndata: next\n\n"]);
        let expected =
            Message { kind: kind.to_owned(), damaged: true, id: Some("7".to_owned()), ..Message::default() };
        assert_eq!((told.len(), &told[0], told[1].data.as_str()), (2, &expected, "next"));
        assert!(parser.is_between());
    }
    let (mut parser, mut told) = (Parser::default(), Vec::new());
    for _ in 0..4 {
        parser.read(b"data: ", |message| told.push(message));
        parser.read(&long[..limits::EVENT_BYTES / 2], |message| told.push(message));
        parser.read(b"\n", |message| told.push(message));
        assert!(parser.next.data.len() <= limits::EVENT_BYTES);
    }
    parser.read(b"\n", |message| told.push(message));
    assert!(told.len() == 1 && told[0].damaged);
    for _ in 0..4 {
        parser.read(&long, |_| panic!("nothing ends"));
        assert!(parser.line.len() <= limits::EVENT_BYTES && !parser.is_between());
    }
    let comment = [b":".as_slice(), &long, b"\ndata: a\n\n"].concat();
    assert_eq!(shown(&comment), ["|a|-"], "a comment says nothing");
}

/// Whoever fills a profile fills no memory, and hides nothing of what the event says.
#[test]
fn a_long_event_says_what_a_short_one_would() {
    let event = |metadata: &str, blocked: &str| {
        let object = format!(r#"{{"user_metadata":{metadata},"user_id":"u","blocked":{blocked}}}"#);
        let event = format!(
            r#"{{"type":"user.updated","time":"2026-11-21T12:00:00Z","data":{{"object":{object}}}}}"#
        );
        format!("id: 7\nevent: user.updated\ndata: {{\"event\":{event},\"offset\":\"7\"}}\n\n")
    };
    let size = 12 * limits::EVENT_BYTES;
    let many =
        format!("[{}{{}}]", r#"{"user_id":"v","blocked":true,"event":{"type":"\"}"}},"#.repeat(size / 56));
    let deep = format!("{}1{}", "[".repeat(size / 2), "]".repeat(size / 2));
    for metadata in [format!("\"{}\"", "x".repeat(size)), many, deep] {
        for blocked in ["true", "false", "null", "\"true\"", "true,\"user_id\":\"v\"", "}"] {
            let (mut parser, mut told, text) = (Parser::default(), Vec::new(), event(&metadata, blocked));
            for chunk in text.as_bytes().chunks(16 * 1024) {
                parser.read(chunk, |message| told.push(message));
                assert!(parser.kept() <= 3 * limits::EVENT_BYTES, "{}", parser.kept());
            }
            let short = &read([event("{}", blocked).as_bytes()]).0[0];
            assert_eq!((told.len(), &told[0].id), (1, &short.id));
            assert_eq!(
                (meaning::of(&told[0]), told[0].damaged),
                (meaning::of(short), blocked == "}"),
                "{blocked}"
            );
        }
    }
}

/// Where bytes are cut apart is chance.
fn assert_split(bytes: &[u8], cuts: &[usize]) -> Result<(), TestCaseError> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).chain([0, bytes.len()]).collect();
    places.sort_unstable();
    let whole = read([bytes]);
    let parts = read(places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]));
    let single = read(bytes.chunks(1));
    for other in [parts, single] {
        prop_assert_eq!(&whole.0, &other.0);
        prop_assert_eq!(whole.1.lines, other.1.lines);
        prop_assert_eq!(whole.1.retry, other.1.retry);
        prop_assert_eq!(whole.1.is_between(), other.1.is_between());
    }
    Ok(())
}

/// A reading that has all of it at once.
fn plain(text: &str) -> Vec<Message> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n").replace('\r', "\n");
    let (mut told, mut next, mut data) = (Vec::new(), Message::default(), Vec::new());
    // What comes after the last line feed is no line.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in complete.split('\n').take(if text.contains('\n') { usize::MAX } else { 0 }) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        match name {
            "" if line.is_empty() => {
                if !data.is_empty() {
                    told.push(Message {
                        data: data.join("\n"),
                        kind: next.kind,
                        id: next.id.clone(),
                        damaged: false,
                    });
                }
                data.clear();
                next.kind = String::new();
            }
            "data" => data.push(value),
            "event" => next.kind = value,
            "id" if !value.contains('\0') => next.id = Some(value),
            _ => {}
        }
    }
    told
}

proptest! {
    #[test]
    fn any_split_gives_the_same(bytes in any::<Vec<u8>>(), cuts in proptest::collection::vec(any::<usize>(), 0..8)) {
        assert_split(&bytes, &cuts)?;
    }

    #[test]
    fn streams_are_read_like_a_whole_text(
        pieces in proptest::collection::vec(
            prop_oneof![
                Just("data"), Just("event"), Just("id"), Just("retry"), Just(":"), Just(": "), Just("\n"), Just("\r"),
                Just("\r\n"), Just("\n\n"), Just("x"), Just("7"), Just("é"), Just("\u{feff}"), Just("\0"), Just(" "),
            ],
            0..60,
        ),
        cuts in proptest::collection::vec(any::<usize>(), 0..8),
    ) {
        let text = pieces.concat();
        assert_split(text.as_bytes(), &cuts)?;
        prop_assert_eq!(read([text.as_bytes()]).0, plain(&text));
    }
}
