//! Accepting connections, and ending well.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower_bearer::clock::{Clock as _, SystemClock};

use crate::front::Front;

/// What is running after a signal may take this long.
const GRACE: Duration = Duration::from_secs(10);
/// Until the next try where a connection could not be accepted, as when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Tells the listeners and connections to end. Every one of them holds a receiver for as long as it lives.
pub(crate) type Stop = watch::Sender<bool>;
pub(crate) type Stopping = watch::Receiver<bool>;

pub(crate) async fn stopped(mut stopping: Stopping) {
    // An error means that the sender is gone, and with it the reason to go on.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Accepts until it is told to stop.
pub(crate) async fn serve(listener: TcpListener, front: Front, stopping: Stopping) {
    let front = Arc::new(front);
    let mut stop = pin!(stopped(stopping.clone()));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                tokio::spawn(connection(stream, peer, Arc::clone(&front), stopping.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                SystemClock::new().sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, front: Arc<Front>, stopping: Stopping) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(request, peer).await) }
    });
    // The timer bounds how long a client may take over its request's head.
    let connection =
        http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stopping.clone()) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %peer, "connection ended");
    }
}

/// Tells everybody to stop, and waits until they have.
pub(crate) async fn stop(stop: Stop) {
    stop.send_replace(true);
    tokio::select! {
        () = stop.closed() => tracing::info!("stopped"),
        () = SystemClock::new().sleep(GRACE) => tracing::warn!("stopped in the middle of requests"),
    }
}

/// Resolves at SIGTERM or ctrl-c. Both are caught from the moment this is called.
pub(crate) fn signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let mut interrupt = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::interrupt())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        let _ = tokio::signal::ctrl_c().await;
    })
}
