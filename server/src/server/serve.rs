//! Connections: taken up to a limit, and ended where the other side says nothing or does not listen.

use super::settings::Patience;
use axum::Router;
use axum::serve::{Listener as _, ListenerExt as _};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_io_timeout::TimeoutWriter;

/// How many connections may be open that are no sockets; others wait to be taken.
const MAX_CONNECTIONS: usize = 10_000;

/// Serves until told to stop, and then takes no more. Who still runs holds on to `router`.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    mut stopping: watch::Receiver<bool>,
) {
    // Nudges are small and should not wait for company.
    let mut listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    let (places, told) = (Arc::new(Semaphore::new(MAX_CONNECTIONS)), stopping.clone());
    loop {
        let taken = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await.0)
        };
        tokio::select! {
            () = stopped(&mut stopping) => break,
            (place, stream) = taken => {
                let answered = answer(stream, router.clone(), patience, told.clone());
                tokio::spawn(async move {
                    answered.await;
                    drop(place);
                });
            }
        }
    }
}

/// Answers the requests of a connection until it ends, becomes a socket, or the server stops.
async fn answer(stream: TcpStream, router: Router, patience: Patience, mut stopping: watch::Receiver<bool>) {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(patience.deafness));
    let io = TokioIo::new(Box::pin(stream));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.silence);
    let mut connection = pin!(http.serve_connection(io, TowerToHyperService::new(router)).with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}

/// Waits until the server stops.
pub(super) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // An error means that the server was dropped, which is the same.
    let _ = stopping.wait_for(|stop| *stop).await;
}
