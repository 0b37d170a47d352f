//! HTTP by hand, for servers that answer as no library would.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tower_bearer::clock::{Clock as _, SystemClock};

/// A request's head, as it came; none where the connection ends before.
pub(crate) async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// A socket of this machine whose connections hold little that nobody reads. Port 0 is a free one; another may still be
/// open beside it, so that nobody else takes the port in between.
pub(crate) fn socket(port: u16) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    #[cfg(target_os = "linux")]
    socket.set_reuseport(true).unwrap();
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind(([127, 0, 0, 1], port).into()).unwrap();
    socket
}

/// Whether the operating system took them all; `written` counts them.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    bytes: &[u8],
    written: &AtomicUsize,
) -> bool {
    let outcome = stream.write_all(bytes).await.and(stream.flush().await);
    written.fetch_add(bytes.len(), Ordering::SeqCst);
    outcome.is_ok()
}

/// What never ends, once its head has been sent.
#[derive(Clone, Copy)]
pub(crate) enum Endless {
    /// A byte of a chunked body now and then.
    Drips,
    /// A byte of a header now and then.
    DripsHeaders,
    /// Chunks, as fast as they are taken.
    Chunks,
    /// Bytes without a frame, as fast as they are taken.
    Bytes,
}

impl Endless {
    /// For as long as they are taken.
    pub(crate) async fn go_on(self, stream: &mut (impl AsyncWrite + Unpin), written: &AtomicUsize) {
        let piece = match self {
            Self::Drips => b"1\r\n \r\n".to_vec(),
            Self::DripsHeaders => b"x".to_vec(),
            Self::Chunks => format!("4000\r\n{}\r\n", " ".repeat(0x4000)).into_bytes(),
            Self::Bytes => vec![b' '; 0x4000],
        };
        let slow = matches!(self, Self::Drips | Self::DripsHeaders);
        while write(stream, &piece, written).await {
            if slow {
                SystemClock::new().sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
