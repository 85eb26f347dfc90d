//! The accept loop under every port of the program: ingest, admin and sandbox serve their routes through it.
//!
//! Promises that a slow or silent client uses a bounded time and number of slots ([`Times`], `connection`), and does
//! not prevent the answers to others (`slots`); that a failing `accept` never ends the loop; and that a shutdown lets
//! answers in progress finish within a deadline. With a [`Tls`] a port speaks only TLS, and its certificate can be
//! replaced while it serves. Reads the certificate's files; may use the clock. [`browser`] reads what a request
//! contains about the web page that sent it.

pub mod browser;
mod certificate;
mod connection;
mod guarded_body;
mod lingering;
mod log_limit;
mod peer;
mod slots;
mod tls;
mod traffic;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use certificate::{CertificateError, Files};
pub use guarded_body::with_guard;
pub use peer::{Peer, Trusted, client_network};
pub use tls::Tls;

use crate::clock::{Clock, SystemClock};
use connection::Server;
use log_limit::LogLimit;
use slots::Slots;

/// Concurrent connections where no number is given: below the usual limit of 1,024 open files.
const SLOTS: usize = 768;
/// The delay after a failed `accept` (mostly because file descriptors are used up), to avoid a busy loop.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The time limits of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Times {
    /// From accepting it to the end of the first request's head, including the TLS handshake; from the first byte of a
    /// later request of HTTP/1.1 to the end of its head. 10 s.
    pub head: Duration,
    /// From an answer to the first byte of the next request, or to its whole head in HTTP/2. 150 s: longer than proxies
    /// keep an idle connection (nginx and AWS's load balancer 60 s, Caddy 120 s), since a request that they send while
    /// it is being closed is lost.
    pub idle: Duration,
    /// A write of which the client reads nothing. 30 s.
    pub write: Duration,
    /// Its age, plus or minus a tenth, so that connections that began together do not end together. 1 h.
    pub age: Duration,
    /// For requests in progress on a connection that must end. 1 min.
    pub closing: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            idle: Duration::from_secs(150),
            write: Duration::from_secs(30),
            age: Duration::from_hours(1),
            closing: Duration::from_mins(1),
        }
    }
}

/// The settings of the connections of a port.
#[derive(Clone)]
pub struct ServeOptions {
    /// The certificate it speaks TLS with; `None`: it speaks plain HTTP.
    pub tls: Option<Tls>,
    /// Concurrent connections, in their handshake or after it.
    pub slots: usize,
    /// The proxies that are trusted, and may have more than an eighth of the slots.
    pub trusted: Trusted,
    /// The time limits.
    pub times: Times,
    /// The source of time and jitter.
    pub clock: Arc<dyn Clock>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            tls: None,
            slots: SLOTS,
            trusted: Trusted::default(),
            times: Times::default(),
            clock: Arc::new(SystemClock),
        }
    }
}

impl ServeOptions {
    /// The age at which a connection ends.
    fn age(&self) -> Duration {
        self.times.age.mul_f64(0.9 + 0.2 * self.clock.chance())
    }
}

/// Why a port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address}; is another program, or another klaviyo-relay, using it?")]
pub struct ListenError {
    /// The configured address.
    pub address: SocketAddr,
    #[source]
    source: std::io::Error,
}

/// Opens a port. With port 0 the system chooses one; `local_addr` of the result returns it.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, ListenError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })
}

/// Serves `routes` over plain HTTP until `stop`, then lets requests in progress finish for at most `drain`.
pub async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken, drain: Duration) {
    serve_with(ServeOptions::default(), listener, routes, stop, drain).await;
}

/// As [`serve`], with these settings.
pub async fn serve_with(
    options: ServeOptions,
    listener: TcpListener,
    routes: Router,
    stop: CancellationToken,
    drain: Duration,
) {
    let clock = Arc::clone(&options.clock);
    let slots = Slots::new(options.slots, options.trusted.clone(), Arc::clone(&clock));
    let server = Arc::new(Server::new(options, routes));
    let (connections, cut) = (TaskTracker::new(), CancellationToken::new());
    let mut failures = LogLimit::default();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(count) = failures.count(clock.monotonic()) {
                    tracing::warn!(%error, count, "failed to accept connections");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let admitted = stop.run_until_cancelled(slots.admit(from.ip(), &stop));
        let Some(Some(slot)) = admitted.await else {
            continue;
        };
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "connection keeps Nagle's delay");
        }
        let connection = Arc::clone(&server).serve(stream, from, slot);
        // A connection that is dropped ends at once, together with everything its routes hold.
        let cut = cut.clone();
        connections.spawn(async move { cut.run_until_cancelled(connection).await });
    }
    drop(listener);
    connections.close();
    let drained = tokio::time::timeout(drain, connections.wait()).await;
    cut.cancel();
    if drained.is_err() {
        tracing::warn!(
            drain_s = drain.as_secs(),
            "connections were cut at the shutdown deadline"
        );
    }
}
