//! One connection, from its handshake to its end.
//!
//! It promises that every connection ends: by a timer until its first whole request head, by one on each head after it,
//! by one on writes that nobody reads, and by its age. At its age, at `stop`, and when its place is asked for, what is in
//! progress is finished first, for a bounded time.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
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
use tokio::time::{Instant, sleep_until};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use super::peer::Peer;
use super::places::Place;
use super::sending::keeping;
use super::tls::{Opened, https_only};
use super::{Terms, Times};

/// Requests on one HTTP/2 connection at once.
const STREAMS: u32 = 100;
/// How often an HTTP/2 client is asked whether it is still there. It has 20 s to answer.
const PING_EVERY: Duration = Duration::from_secs(30);

/// What every connection of a port is served with.
pub(super) struct Server {
    http: auto::Builder<TokioExecutor>,
    terms: Terms,
    routes: Router,
}

impl Server {
    pub(super) fn new(terms: Terms, routes: Router) -> Self {
        Self {
            http: http(&terms.times),
            terms,
            routes,
        }
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(self: Arc<Self>, stream: TcpStream, from: SocketAddr, place: Place) {
        let head = Instant::now() + self.terms.times.head;
        let Some(tls) = &self.terms.tls else {
            return self
                .answer(stream, from, place, head, self.routes.clone())
                .await;
        };
        // No request is in a handshake yet: it is dropped at once.
        let opened = tokio::select! {
            () = place.close.cancelled() => return,
            () = place.cut.cancelled() => return,
            opened = tokio::time::timeout_at(head, tls.open(stream)) => opened,
        };
        match opened {
            Ok(Ok(Opened::Tls(stream))) => {
                self.answer(*stream, from, place, head, self.routes.clone())
                    .await;
            }
            Ok(Ok(Opened::Plain(stream))) => {
                tracing::debug!("plain HTTP on a port with TLS; answered 400");
                self.answer(stream, from, place, head, https_only()).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }

    /// Answers requests. The first one's head has to be whole at `head`.
    async fn answer(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        from: SocketAddr,
        place: Place,
        head: Instant,
        routes: Router,
    ) {
        let times = &self.terms.times;
        let place = Arc::new(place);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(times.write));
        let (peer, asked) = (
            Peer::new(from, self.terms.trusted.clone()),
            Arc::clone(&place),
        );
        let service = service_fn(move |request| respond(request, &routes, &peer, &asked));
        let connection = self
            .http
            .serve_connection(TokioIo::new(Box::pin(stream)), service);
        let mut connection = pin!(connection);
        let mut is_begun = false;
        let mut is_closing = false;
        let mut first = pin!(sleep_until(head));
        let mut end = pin!(sleep_until(Instant::now() + self.terms.age()));
        loop {
            tokio::select! {
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "connection ended early");
                    }
                    return;
                }
                () = &mut first, if !is_begun => {
                    if !place.has_asked() {
                        return tracing::debug!("connection closed: no whole request head came in time");
                    }
                    is_begun = true;
                    continue;
                }
                () = place.cut.cancelled() => return tracing::debug!("connection closed: its place was needed"),
                () = place.close.cancelled(), if !is_closing => {}
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

fn http(times: &Times) -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(times.head);
    http.http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(STREAMS);
    http
}

/// Answers one request. Its place is busy until the answer is sent.
fn respond(
    mut request: Request<Incoming>,
    routes: &Router,
    peer: &Peer,
    place: &Arc<Place>,
) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
    let asking = place.ask();
    let routes = names_one_host(&request).then(|| routes.clone());
    request.extensions_mut().insert(peer.clone());
    async move {
        let response = match routes {
            Some(routes) => routes.oneshot(request.map(Body::new)).await?,
            None => one_host_only(),
        };
        Ok(response.map(|body| keeping(body, asking)))
    }
}

/// HTTP/1.1 asks for one `Host`, whatever the server knows without it: two are read as one by this program and as the
/// other by a proxy (RFC 9112, 3.2).
fn names_one_host(request: &Request<Incoming>) -> bool {
    request.version() != Version::HTTP_11
        || request.headers().get_all(header::HOST).iter().count() == 1
}

fn one_host_only() -> Response<Body> {
    let plain = [(header::CONTENT_TYPE, "text/plain; charset=utf-8")];
    let words = "a request of HTTP/1.1 needs one Host header\n";
    (StatusCode::BAD_REQUEST, plain, words).into_response()
}
