//! The accept loop under every port of the program: ingest, admin and sandbox serve their routes through it.
//!
//! It promises that a slow or silent client costs a bounded time and place (header and handshake time-outs, connection
//! limit), that a failing `accept` never ends the loop, and that a shutdown lets answers in progress finish within a
//! deadline. With a [`Tls`] a port speaks TLS alone, and its certificate can be replaced while it serves. Reads the
//! certificate's files; uses no other module.

mod certificate;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use certificate::{CertificateError, Files};
pub use tls::Tls;

use tls::Opened;

/// How long a client may take to send a request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take over the TLS handshake.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections served at once, in their handshake or after it; further ones wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 1024;
/// The pause after a failed `accept` (out of file descriptors, mostly), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whom a request came from: its connection's other end, which may be a proxy. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address}; is another program, or another klaviyo-relay, using it?")]
pub struct ListenError {
    /// The address asked for.
    pub address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Opens a port. With port 0 the system chooses one; `local_addr` of the result tells which.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}

/// Serves `routes` over plain HTTP until `stop`, then lets requests in progress finish for at most `drain`.
pub async fn serve(
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
    drain: Duration,
) {
    serve_over(listener, None, routes, stop, drain).await;
}

/// As [`serve`], by TLS when there is a certificate.
pub async fn serve_over(
    listener: TcpListener,
    tls: Option<Tls>,
    routes: Router,
    stop: CancellationToken,
    drain: Duration,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let cut = CancellationToken::new();
    let server = Arc::new(Server {
        http: http(),
        tls,
        routes,
    });
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let Some((stream, place)) = accepted else {
            continue;
        };
        let connection = Arc::clone(&server).connection(stream, graceful.watcher(), stop.clone());
        // A connection that is dropped ends at once, and with it whatever its routes hold.
        let cut = cut.child_token();
        tokio::spawn(async move {
            cut.run_until_cancelled(connection).await;
            drop(place);
        });
    }
    drop(listener);
    let drained = tokio::time::timeout(drain, graceful.shutdown()).await;
    cut.cancel();
    if drained.is_err() {
        tracing::warn!(
            drain_s = drain.as_secs(),
            "connections were cut at the shutdown deadline"
        );
    }
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30));
    http
}

/// What every connection of a port is served with.
struct Server {
    http: auto::Builder<TokioExecutor>,
    tls: Option<Tls>,
    routes: Router,
}

impl Server {
    /// Serves one connection to its end. A handshake is dropped at `stop`: no request is in it yet.
    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        watcher: Watcher,
        stop: CancellationToken,
    ) {
        // A connection without an other end is over already.
        let Ok(peer) = stream.peer_addr() else { return };
        let routes = self.routes.clone().layer(Extension(Peer(peer)));
        let Some(tls) = &self.tls else {
            return self.answer(stream, routes, watcher).await;
        };
        let opened = tokio::select! {
            () = stop.cancelled() => return,
            opened = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.open(stream)) => opened,
        };
        match opened {
            Ok(Ok(Opened::Tls(stream))) => self.answer(*stream, routes, watcher).await,
            Ok(Ok(Opened::Plain(stream))) => {
                tracing::debug!("plain HTTP on a port with TLS; answered 400");
                self.answer(stream, tls::https_only(), watcher).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        routes: Router,
        watcher: Watcher,
    ) {
        let service = TowerToHyperService::new(routes);
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = watcher.watch(connection.into_owned()).await {
            tracing::debug!(%error, "connection ended early");
        }
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "connection keeps Nagle's delay");
            }
            Some((stream, place))
        }
        Err(error) => {
            tracing::warn!(%error, "failed to accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
