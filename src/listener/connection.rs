//! One connection, from its handshake to its end.
//!
//! Promises that every connection ends: by a timer until its first complete request head, by one on each later head, by
//! one while it is idle, by one on writes that the client does not read, and by its age. When it is idle for too long,
//! reaches its age, or must end because of `stop` or because its slot is needed, requests in progress are finished
//! first, for a bounded time. A request that arrived completely is answered even if its client sends no more, or has
//! left.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, Version, header};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use super::guarded_body::with_guard;
use super::lingering::Lingering;
use super::peer::Peer;
use super::slots::Slot;
use super::tls::{Opened, https_only};
use super::traffic::{Phase, State, Traffic};
use super::{ServeOptions, Times};

/// Concurrent requests on one HTTP/2 connection.
const STREAMS: u32 = 100;
/// The interval of pings to an HTTP/2 client, which has 20 s to answer.
const PING_EVERY: Duration = Duration::from_secs(30);

/// The settings that every connection of a port is served with.
pub(super) struct Server {
    http: auto::Builder<TokioExecutor>,
    options: ServeOptions,
    routes: Router,
}

impl Server {
    pub(super) fn new(options: ServeOptions, routes: Router) -> Self {
        Self {
            http: http(),
            options,
            routes,
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, from: SocketAddr, slot: Slot) {
        let head = Instant::now() + self.options.times.head;
        let Some(tls) = &self.options.tls else {
            return self.answer(stream, from, slot, head, self.routes.clone()).await;
        };
        // During a handshake there is no request yet: the connection is dropped at once.
        let opened = tokio::select! {
            () = slot.close.cancelled() => return,
            () = slot.cut.cancelled() => return,
            opened = tokio::time::timeout_at(head, tls.open(stream)) => opened,
        };
        match opened {
            Ok(Ok(Opened::Tls(stream))) => {
                self.answer(*stream, from, slot, head, self.routes.clone()).await;
            }
            Ok(Ok(Opened::Plain(stream))) => {
                tracing::debug!("plain HTTP on a port with TLS; answered 400");
                self.answer(stream, from, slot, head, https_only()).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    /// Answers requests. The head of the first one must be complete at `head`.
    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        from: SocketAddr,
        slot: Slot,
        head: Instant,
        routes: Router,
    ) {
        let times = &self.options.times;
        let slot = Arc::new(slot);
        let traffic = Traffic::new();
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(times.write));
        let stream = Lingering::new(Box::pin(stream), Arc::clone(&traffic));
        let mut changes = traffic.subscribe();
        let (peer, own_slot) = (Peer::new(from, self.options.trusted.clone()), Arc::clone(&slot));
        let service = service_fn(move |request| respond(request, &routes, &peer, &own_slot, &traffic));
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut is_closing = false;
        let mut wait = Wait::first(head);
        let mut end = pin!(sleep_until(Instant::now() + self.options.age()));
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended early");
                    }
                    return;
                }
                Ok(()) = changes.changed() => {
                    wait.update(*changes.borrow_and_update(), times);
                    continue;
                }
                () = &mut wait.until, if wait.is_timed(is_closing) => {
                    if wait.phase != Phase::Idle {
                        return tracing::debug!("connection closed: no whole request head came in time");
                    }
                }
                () = slot.cut.cancelled() => return tracing::debug!("connection closed: its place was needed"),
                () = slot.close.cancelled(), if !is_closing => {}
                () = &mut end => {
                    if is_closing {
                        return tracing::debug!("connection cut: what was in progress took too long");
                    }
                }
            }
            is_closing = true;
            connection.as_mut().graceful_shutdown();
            end.as_mut().reset(Instant::now() + times.closing);
        }
    }
}

/// How long to wait for a connection without a request.
struct Wait {
    phase: Phase,
    until: Pin<Box<Sleep>>,
}

impl Wait {
    fn first(head: Instant) -> Self {
        Self {
            phase: Phase::First,
            until: Box::pin(sleep_until(head)),
        }
    }

    fn update(&mut self, state: State, times: &Times) {
        self.phase = state.phase();
        let longest = match self.phase {
            Phase::Idle => times.idle,
            Phase::Head => times.head,
            Phase::First | Phase::Busy => return,
        };
        self.until.as_mut().reset(Instant::now() + longest);
    }

    fn is_timed(&self, is_closing: bool) -> bool {
        match self.phase {
            Phase::First | Phase::Head => true,
            Phase::Idle => !is_closing,
            Phase::Busy => false,
        }
    }
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // `Wait` measures the time for a head, because the library's timer begins with the idle time before it.
    http.http1().header_read_timeout(None).half_close(true);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(STREAMS);
    http
}

/// Answers one request. Its slot is busy until the answer is sent.
fn respond(
    mut request: Request<Incoming>,
    routes: &Router,
    peer: &Peer,
    slot: &Arc<Slot>,
    traffic: &Arc<Traffic>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let is_http_2 = request.version() == Version::HTTP_2;
    let in_progress = (slot.request_started(), traffic.begin(is_http_2));
    let routes = has_one_host(&request).then(|| routes.clone());
    request.extensions_mut().insert(peer.clone());
    async move {
        let response = match routes {
            Some(routes) => routes.oneshot(request.map(Body::new)).await?,
            None => one_host_required(),
        };
        Ok(response.map(|body| with_guard(body, in_progress)))
    }
}

/// HTTP/1.1 requires exactly one `Host`: of two, this program could use one and a proxy the other (RFC 9112, 3.2).
fn has_one_host(request: &Request<Incoming>) -> bool {
    request.version() != Version::HTTP_11 || request.headers().get_all(header::HOST).iter().count() == 1
}

fn one_host_required() -> Response<Body> {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let words = "a request of HTTP/1.1 needs one Host header\n";
    (StatusCode::BAD_REQUEST, plain, words).into_response()
}
