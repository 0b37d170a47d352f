//! An event that is too long to be kept, without what says nothing of access. Users write megabytes into their own profiles:
//! that must neither fill memory nor hide whose access has ended.

use memchr::memchr2;

use super::meaning::MEMBERS;

/// A name of a member beyond this, in bytes as they are written, is none of those: each character takes six at most.
const NAME_BYTES: usize = 128;

/// Reads one JSON object as it comes, and hands on what is left of it: an object with the members that events are asked for,
/// and without arrays. What is left out is not looked at but for its end.
#[derive(Debug)]
pub(super) struct Skim {
    at: At,
    /// How much may be handed on, in bytes.
    room: usize,
    /// Objects that were handed on and have not ended.
    depth: usize,
    /// Brackets that have not ended of what is left out.
    open: usize,
    escaped: bool,
    name: Vec<u8>,
    /// The member that is being read is handed on.
    wanted: bool,
    /// The object that is being read has a member already.
    has_members: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Start,
    FirstName,
    NextName,
    Name,
    Colon,
    Value,
    Text,
    Literal,
    LeftOut,
    AfterValue,
    End,
    Broken,
}

impl Skim {
    pub(super) fn new(room: usize) -> Self {
        Self {
            at: At::Start,
            room,
            depth: 0,
            open: 0,
            escaped: false,
            name: Vec::new(),
            wanted: false,
            has_members: false,
        }
    }

    /// Whether there was one object, and all that is wanted of it has been handed on.
    pub(super) fn is_whole(&self) -> bool {
        self.at == At::End
    }

    /// Adds what is left of `bytes` to `kept`.
    pub(super) fn read(&mut self, mut bytes: &[u8], kept: &mut Vec<u8>) {
        while let Some((byte, rest)) = bytes.split_first() {
            if self.at == At::Text && !self.escaped {
                let (text, end) = bytes.split_at(memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len()));
                if !text.is_empty() {
                    self.keep(text, kept);
                    bytes = end;
                    continue;
                }
            }
            if self.at == At::Broken {
                return;
            }
            // What ends a literal is no part of it.
            if self.at == At::Literal && (byte.is_ascii_whitespace() || b",]}".contains(byte)) {
                self.at = At::AfterValue;
            }
            bytes = rest;
            self.at = self.after(*byte, kept);
            if kept.len() > self.room {
                self.at = At::Broken;
            }
        }
    }

    fn after(&mut self, byte: u8, kept: &mut Vec<u8>) -> At {
        match (self.at, byte) {
            (At::Text, _) => {
                self.keep(&[byte], kept);
                match (self.ends_text(byte), self.open) {
                    (false, _) => At::Text,
                    (true, 0) => At::AfterValue,
                    (true, _) => At::LeftOut,
                }
            }
            (At::Name, _) if self.ends_text(byte) => {
                self.begin_member(kept);
                At::Colon
            }
            (At::Name, _) => {
                if self.name.len() <= NAME_BYTES {
                    self.name.push(byte);
                }
                At::Name
            }
            (At::Literal, _) => {
                self.keep(&[byte], kept);
                At::Literal
            }
            (At::LeftOut, b'"') => At::Text,
            (At::LeftOut, b'{' | b'[') => {
                self.open += 1;
                At::LeftOut
            }
            (At::LeftOut, b'}' | b']') => {
                self.open -= 1;
                if self.open == 0 { At::AfterValue } else { At::LeftOut }
            }
            (At::LeftOut, _) => At::LeftOut,
            (at, b' ' | b'\t' | b'\n' | b'\r') => at,
            (At::Start, b'{') => self.enter(kept),
            (At::FirstName | At::NextName, b'"') => {
                self.name.clear();
                At::Name
            }
            (At::FirstName | At::AfterValue, b'}') => {
                kept.push(b'}');
                self.depth -= 1;
                self.has_members = true;
                if self.depth == 0 { At::End } else { At::AfterValue }
            }
            (At::AfterValue, b',') => At::NextName,
            (At::Colon, b':') => At::Value,
            (At::Value, b'{') if self.wanted => self.enter(kept),
            (At::Value, b'{' | b'[') => {
                // Nothing that could be taken for a value of its own.
                self.keep(b"[]", kept);
                self.open = 1;
                At::LeftOut
            }
            (At::Value, b'"') => {
                self.keep(b"\"", kept);
                At::Text
            }
            (At::Value, byte) if byte.is_ascii_alphanumeric() || byte == b'-' => {
                self.keep(&[byte], kept);
                At::Literal
            }
            _ => At::Broken,
        }
    }

    fn keep(&self, bytes: &[u8], kept: &mut Vec<u8>) {
        if self.wanted && self.open == 0 {
            let room = self.room.saturating_add(1).saturating_sub(kept.len());
            kept.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        }
    }

    fn ends_text(&mut self, byte: u8) -> bool {
        let was_escaped = self.escaped;
        self.escaped = byte == b'\\' && !was_escaped;
        byte == b'"' && !was_escaped
    }

    fn enter(&mut self, kept: &mut Vec<u8>) -> At {
        kept.push(b'{');
        self.depth += 1;
        self.has_members = false;
        At::FirstName
    }

    fn begin_member(&mut self, kept: &mut Vec<u8>) {
        self.wanted = self.name.len() <= NAME_BYTES && is_member(&self.name);
        if self.wanted {
            if std::mem::replace(&mut self.has_members, true) {
                kept.push(b',');
            }
            kept.push(b'"');
            kept.extend_from_slice(&self.name);
            kept.extend_from_slice(b"\":");
        }
    }
}

/// Whether it is one of those, as it is written.
fn is_member(name: &[u8]) -> bool {
    if !name.contains(&b'\\') {
        return MEMBERS.iter().any(|member| member.as_bytes() == name);
    }
    let text = serde_json::from_slice::<String>(&[b"\"", name, b"\""].concat());
    // What is no text is for whoever reads what is left.
    text.map_or(true, |text| MEMBERS.contains(&&*text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn skimmed(text: &str) -> Option<String> {
        let (mut skim, mut kept) = (Skim::new(1000), Vec::new());
        skim.read(text.as_bytes(), &mut kept);
        let (mut single, mut same) = (Skim::new(1000), Vec::new());
        for byte in text.bytes() {
            single.read(&[byte], &mut same);
        }
        assert_eq!((&kept, skim.is_whole()), (&same, single.is_whole()), "{text}");
        skim.is_whole().then(|| String::from_utf8(kept).unwrap())
    }

    #[test]
    fn what_is_wanted_is_left() {
        let table = [
            ("{}", "{}"),
            (" {\n} ", "{}"),
            (r#"{"a":1}"#, "{}"),
            (
                r#"{"offset":"o","event":{"type":"t","x":{"id":"no"},"time":"u"},"y":null}"#,
                r#"{"event":{"type":"t","time":"u"}}"#,
            ),
            (
                r#"{ "user_id" : "u\"\\" , "blocked" : true , "z" : "\"}" }"#,
                r#"{"user_id":"u\"\\","blocked":true}"#,
            ),
            (r#"{"x":[[{"id":"]"}],"}"],"id":-1.5e3}"#, r#"{"id":-1.5e3}"#),
            (r#"{"user":[{"user_id":"u"}],"member":{}}"#, r#"{"user":[],"member":{}}"#),
            (r#"{"user":{"x":{},"id":"a"},"id":"b","id":"c"}"#, r#"{"user":{"id":"a"},"id":"b","id":"c"}"#),
            (r#"{"us\u0065r_id":"u","\ud800":"x"}"#, r#"{"us\u0065r_id":"u","\ud800":"x"}"#),
            // Not whatever somebody puts a quote into.
            (r#"{"a\"b":"x","\u0069d":"y","id\u0000":{"id":"z"}}"#, r#"{"\u0069d":"y"}"#),
            (r#"{"time":"é","é":"é"}"#, r#"{"time":"é"}"#),
        ];
        for (text, expected) in table {
            assert_eq!(skimmed(text).as_deref(), Some(expected), "{text}");
        }
        let long = "\\u0041".repeat(30);
        assert_eq!(skimmed(&format!(r#"{{"{long}":"x","id":"y"}}"#)).as_deref(), Some(r#"{"id":"y"}"#));
    }

    #[test]
    fn what_is_no_object_is_not_made_one() {
        for text in [
            "",
            "{",
            "[]",
            "\"id\"",
            "1",
            "{}{}",
            "{} x",
            "{\"id\"}",
            "{\"id\":}",
            "{\"id\":,}",
            "{\"id\":1,}",
            "{,}",
            "{\"id\":\"a\" \"user_id\":\"u\"}",
            "{\"x\":1 \"id\":2}",
            "{\"id\":\"a",
            "{\"x\":[}",
            "{id:1}",
            "{\"id\":1]}",
            "{\"id\"::1}",
            "{\"id\":'a'}",
            "<html>",
        ] {
            assert_eq!(skimmed(text), None, "{text}");
        }
        let many = format!("{{{}\"id\":1}}", "\"user_id\":\"0123456789\",".repeat(50));
        assert_eq!(skimmed(&many), None, "more than there is room for");
    }
}
