//! The running server: one thread with its own runtime, so that stopping ends everything at once.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use axum::Router;
use axum::serve::ListenerExt as _;
use tokio::net::TcpSocket;
use tokio::runtime;
use tokio::sync::oneshot::{self, Receiver, Sender};

const BACKLOG: u32 = 1024;

/// A socket bound to `port` of the loopback address; 0 means any.
///
/// While it does not listen, clients are refused and nobody else can take the port. On Linux there may be a second one
/// beside one that listens.
pub(super) fn bind(port: u16) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    #[cfg(target_os = "linux")]
    socket.set_reuseport(true)?;
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    Ok(socket)
}

/// A thread that serves. Its own runtime makes it independent of the runtime that started it,
/// which in tests often lives as short as the test, and takes every connection with it when it ends.
pub(super) struct Running {
    stop: Option<Sender<()>>,
    stopped: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Serves `app`; once this answers, connections are accepted.
    pub(super) async fn start(socket: TcpSocket, app: Router) -> io::Result<Self> {
        let (stop, stopping) = oneshot::channel();
        let (listening, ready) = oneshot::channel();
        let (ended, stopped) = oneshot::channel();
        let thread = thread::Builder::new().name("authorization-server".to_owned()).spawn(move || {
            serve(socket, app, listening, stopping);
            let _ = ended.send(());
        })?;
        let running = Self { stop: Some(stop), stopped, thread: Some(thread) };
        let started = ready.await;
        started.map_err(|_| io::Error::other("the server's thread ended before it listened"))??;
        Ok(running)
    }

    /// Closes the listener and every connection, and answers when they are closed.
    pub(super) async fn stop(mut self) {
        drop(self.stop.take());
        let _ = (&mut self.stopped).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Short: nothing on that thread blocks for longer than one signature.
            let _ = thread.join();
        }
    }
}

fn serve(socket: TcpSocket, app: Router, listening: Sender<io::Result<()>>, stopping: Receiver<()>) {
    let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = listening.send(Err(error));
            return;
        }
    };
    runtime.block_on(async {
        let listener = match socket.listen(BACKLOG) {
            Ok(listener) => listener.tap_io(|connection| {
                let _ = connection.set_nodelay(true);
            }),
            Err(error) => {
                let _ = listening.send(Err(error));
                return;
            }
        };
        let _ = listening.send(Ok(()));
        tokio::select! {
            _ = stopping => {}
            _ = axum::serve(listener, app) => {}
        }
    });
}
