//! A connection that is kept alive, on which requests are sent when it is time for them, answered or not.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use tower_bearer::clock::{Clock as _, SystemClock};

/// An answer that does not come within this time is lost.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers come in the order of the requests (RFC 9112 §9.3.2).
pub(crate) struct Line {
    socket: TcpStream,
    pub(crate) answers: Receiver<Answer>,
}

#[derive(Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The uptime at which its status line was read.
    pub(crate) at: Duration,
}

impl Line {
    pub(crate) fn open(address: SocketAddr, clock: SystemClock) -> io::Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut reader = BufReader::new(socket.try_clone()?);
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            while let Ok(answer) = read(&mut reader, clock) {
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        Ok(Self { socket, answers })
    }

    pub(crate) fn send(&mut self, request: &[u8]) -> io::Result<()> {
        self.socket.write_all(request)
    }

    /// Waits for the next answer.
    pub(crate) fn answer(&self) -> io::Result<Answer> {
        self.answers.recv_timeout(PATIENCE).map_err(|_| io::Error::other("a request was not answered"))
    }
}

/// Ends the thread that reads.
impl Drop for Line {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

fn read(reader: &mut BufReader<TcpStream>, clock: SystemClock) -> io::Result<Answer> {
    let broken = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let at = clock.uptime();
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(broken)?;
    let mut body = 0;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        if line == "\r\n" {
            break;
        }
        let (name, value) = line.split_once(':').ok_or_else(broken)?;
        if name.eq_ignore_ascii_case("content-length") {
            body = value.trim().parse().map_err(|_| broken())?;
        }
    }
    io::copy(&mut reader.take(body), &mut io::sink())?;
    Ok(Answer { status, at })
}

/// A thread sleeps to some fifty microseconds; tokio's timer only to milliseconds.
#[expect(clippy::disallowed_methods, reason = "a client beside the crate, not part of it")]
pub(crate) fn pause(duration: Duration) {
    thread::sleep(duration);
}

pub(crate) fn pause_until(clock: SystemClock, uptime: Duration) {
    if let Some(left) = uptime.checked_sub(clock.uptime()) {
        pause(left);
    }
}
