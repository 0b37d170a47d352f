//! A client that sends exactly what it is told, byte for byte.

use std::io;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::setup::within;

/// A request to be sent on a connection of its own.
#[derive(Clone)]
pub(crate) struct Ask {
    method: &'static str,
    target: String,
    host: &'static str,
    connection: &'static str,
    lines: Vec<String>,
    body: String,
}

impl Ask {
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self::new("GET", target)
    }

    pub(crate) fn new(method: &'static str, target: impl Into<String>) -> Self {
        let (target, lines, body) = (target.into(), Vec::new(), String::new());
        Self { method, target, host: "Host: api.example.test\r\n", connection: "close", lines, body }
    }

    /// Adds a header line as it is.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        self.lines.push(line.into());
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.line(format!("Authorization: Bearer {token}"))
    }

    /// The `Connection` header, which must say `close` among other things.
    pub(crate) fn connection(mut self, value: &'static str) -> Self {
        self.connection = value;
        self
    }

    pub(crate) fn without_host(mut self) -> Self {
        self.host = "";
        self
    }

    /// The bytes after the head. The lines must say how long they are.
    pub(crate) fn body(mut self, body: impl Into<String>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) async fn of(self, port: u16) -> Answer {
        let shown = format!("{} {}", self.method, self.target);
        within(&shown, self.try_of(port)).await.unwrap_or_else(|error| panic!("{shown}: {error}"))
    }

    pub(crate) async fn try_of(self, port: u16) -> io::Result<Answer> {
        let Self { method, target, host, connection, lines, body } = self;
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let head = format!("{method} {target} HTTP/1.1\r\n{host}Connection: {connection}\r\n{lines}\r\n");
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let sent = stream.write_all((head + &body).as_bytes()).await;
        let mut answer = Vec::new();
        // Whoever answers before it has read everything may close so fast that the end is an error.
        let ended = stream.read_to_end(&mut answer).await;
        match Answer::parse(&answer) {
            Some(answer) => Ok(answer),
            None => sent.and(ended).and_then(|_| Err(io::Error::other("no HTTP answer"))),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header =
            |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
        let headers = lines.filter_map(header).collect();
        Some(Self { status, headers, body: bytes[end + 4..].to_vec() })
    }

    /// Every value of a header.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The only value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name}: {all:?}");
        all.first().copied()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let text = || String::from_utf8_lossy(&self.body);
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {:?}", self.status, text()))
    }

    /// What the upstream says it got, after an admitted request.
    #[track_caller]
    pub(crate) fn seen(&self) -> Seen {
        assert_eq!(self.status, 200, "{self:?}");
        Seen(self.json())
    }
}

/// The upstream's view of a request.
pub(crate) struct Seen(Value);

impl Seen {
    /// Every value of a header that the upstream got.
    pub(crate) fn all(&self, name: &str) -> Vec<&str> {
        let headers = self.0["headers"].as_array().unwrap().iter();
        headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
    }

    /// The names of all headers that it got, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        let headers = self.0["headers"].as_array().unwrap().iter();
        let mut names: Vec<_> = headers.map(|pair| pair[0].as_str().unwrap()).collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap()
    }

    pub(crate) fn trailers(&self) -> &Value {
        &self.0["trailers"]
    }
}
