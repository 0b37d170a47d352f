//! Request paths, read once and only where everybody reads them alike.
//!
//! Which route a request takes decides who may make it, but the upstream reads the path again, in its own way. Where
//! two ways of reading could end up on two routes, the request is refused.

/// The decoded segments of a path. A slash at the end does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestPath {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Segment {
    exact: String,
    /// As the most lenient upstream might read it.
    folded: String,
}

impl RequestPath {
    /// # Errors
    /// In words, if the path could be read in more than one way.
    pub(crate) fn parse(raw: &str) -> Result<Self, &'static str> {
        let rest = raw.strip_prefix('/').ok_or("does not begin with a slash")?;
        if rest.contains('\\') {
            return Err("has a backslash");
        }
        let mut segments = Vec::new();
        let mut parts = rest.split('/').peekable();
        while let Some(part) = parts.next() {
            if !part.is_empty() {
                segments.push(Segment::parse(part)?);
            } else if parts.peek().is_some() {
                return Err("has an empty segment");
            }
        }
        Ok(Self { segments })
    }

    pub(crate) fn len(&self) -> usize {
        self.segments.len()
    }

    /// Whether this path lies at or below `prefix`.
    pub(crate) fn is_under(&self, prefix: &Self) -> bool {
        self.begins_with(prefix, |segment| &segment.exact)
    }

    /// Whether some upstream might think that this path lies at or below `prefix`.
    pub(crate) fn may_be_under(&self, prefix: &Self) -> bool {
        self.begins_with(prefix, |segment| &segment.folded)
    }

    fn begins_with(&self, prefix: &Self, text: impl Fn(&Segment) -> &String) -> bool {
        let pairs = self.segments.iter().zip(&prefix.segments);
        prefix.len() <= self.len() && pairs.into_iter().all(|(own, other)| text(own) == text(other))
    }
}

impl Segment {
    fn parse(raw: &str) -> Result<Self, &'static str> {
        let exact = decode(raw)?;
        if exact.chars().any(char::is_control) {
            return Err("has a control character");
        }
        if has_escape(exact.as_bytes()) {
            return Err("is encoded twice");
        }
        let folded = fold(&exact);
        // `.`, `..` and whatever is one of them without its parameters or trailing dots and spaces.
        if folded.is_empty() { Err("has a dot segment") } else { Ok(Self { exact, folded }) }
    }
}

/// Without parameters (`;v=1`), case, and the dots and spaces at the end that file systems drop.
fn fold(segment: &str) -> String {
    let end = segment.find([';', '?', '#']).unwrap_or(segment.len());
    let name = segment.get(..end).unwrap_or_default();
    name.trim_end_matches(|last: char| last == '.' || last.is_whitespace()).to_lowercase()
}

fn decode(raw: &str) -> Result<String, &'static str> {
    let mut bytes = raw.bytes();
    let mut decoded = Vec::with_capacity(raw.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
        let (high, low) = (digit(), digit());
        let byte = high.zip(low).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        match byte.ok_or("has a broken percent-encoding")? {
            b'/' | b'\\' | b'.' => return Err("has an encoded slash, backslash or dot"),
            byte => decoded.push(byte),
        }
    }
    String::from_utf8(decoded).map_err(|_| "is not UTF-8")
}

/// Whether decoding once more would change it.
fn has_escape(text: &[u8]) -> bool {
    text.windows(3).any(
        |three| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}
