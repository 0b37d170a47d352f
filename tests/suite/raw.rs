//! HTTP by hand, for servers that answer as no library would.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A request's head, as it came; none where the connection ends before.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}
