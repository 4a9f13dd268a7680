//! Accepting connections: limits on how long a client may take over its headers and may leave unread what it asked for, and on how many
//! connections one client holds; no delay for small answers; and an end that lets what is under way finish within a grace period.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use futures::future::select_all;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

mod places;
mod stall;

use places::Places;
use stall::Stalling;

/// A client that has not sent its headers by then is cut.
const HEADER_TIMEOUT: Duration = Duration::from_secs(20);
/// A client that takes nothing of what is written to it for so long is cut. Between two writes that succeed a third of what the kernel
/// buffers must have arrived: time enough for the slowest line.
const STALLED: Duration = Duration::from_secs(60);
/// Bytes that one connection buffers at most: what a client that reads slowly costs.
const BUFFER: usize = 128 * 1024;
/// Connections at the same time; file descriptors are left for everything else.
const CONNECTIONS: usize = 8192;
/// Of them of one client, behind whose address a whole office may be; connections from this machine, where a proxy may be, have no such limit.
const OF_ONE: usize = 1024;
/// After a failed accept (too many open files), a pause instead of a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop`, then lets connections finish for at most `grace`.
pub async fn serve(listeners: Vec<TcpListener>, router: Router, stop: CancellationToken, grace: Duration) {
    let graceful = GracefulShutdown::new();
    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(BUFFER);
    http.http2().timer(TokioTimer::new()).keep_alive_interval(Some(Duration::from_secs(30)));
    let places = Places::new(CONNECTIONS, OF_ONE);
    loop {
        let accepted = select_all(listeners.iter().map(|listener| Box::pin(listener.accept())));
        let (stream, address) = tokio::select! {
            () = stop.cancelled() => break,
            (accepted, _, _) = accepted => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let place = match places.take(address.ip()) {
            Ok(place) => place,
            Err(why) => {
                tracing::warn!(client.address = %address, "a connection was refused: {why}");
                continue;
            }
        };
        let (http, watcher, service) = (http.clone(), graceful.watcher(), service(router.clone(), address));
        tokio::spawn(async move {
            let _place = place;
            // What says nothing at all would otherwise be kept for ever: the header timeout begins with the first byte.
            if !matches!(tokio::time::timeout(HEADER_TIMEOUT, stream.peek(&mut [0])).await, Ok(Ok(1))) {
                return;
            }
            let connection = http.serve_connection_with_upgrades(io(stream), service).into_owned();
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(%error, client.address = %address, "a connection ended early");
            }
        });
    }
    drop(listeners);
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("connections were cut after the grace period");
    }
}

fn io(stream: TcpStream) -> TokioIo<Stalling<TcpStream>> {
    // An answer of two small writes would otherwise wait for the client's acknowledgement in between.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    TokioIo::new(Stalling::new(stream, STALLED))
}

fn service(
    router: Router,
    address: SocketAddr,
) -> impl hyper::service::Service<
    hyper::Request<hyper::body::Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future = impl Future<Output = Result<axum::response::Response, std::convert::Infallible>> + Send,
> + Send
+ 'static {
    let router = router.map_request(move |mut request: hyper::Request<hyper::body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        request.map(axum::body::Body::new)
    });
    TowerToHyperService::new(router)
}
