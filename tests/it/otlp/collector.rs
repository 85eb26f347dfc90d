//! A small OpenTelemetry collector: takes OTLP over HTTP, and keeps the spans.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;

/// A listening collector; it stops with the test.
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    bodies: Bodies,
}

type Bodies = Arc<Mutex<Vec<Bytes>>>;

impl Collector {
    pub(super) async fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = port.local_addr().unwrap();
        let bodies = Bodies::default();
        let routes = Router::new()
            .route("/v1/traces", post(take))
            .with_state(Arc::clone(&bodies));
        tokio::spawn(async { axum_serve(port, routes).await });
        Self { address, bodies }
    }

    /// Every body, as it came.
    pub(super) fn bodies(&self) -> Vec<Bytes> {
        self.bodies.lock().unwrap().clone()
    }

    /// Every span, in the order in which they ended.
    pub(super) fn spans(&self) -> Vec<Span> {
        let requests = self.bodies().into_iter();
        let requests = requests.map(|body| ExportTraceServiceRequest::decode(body).unwrap());
        let resources = requests.flat_map(|request| request.resource_spans);
        let scopes = resources.flat_map(|resource| resource.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }
}

async fn axum_serve(port: TcpListener, routes: Router) {
    let stop = tokio_util::sync::CancellationToken::new();
    klaviyo_relay::listener::serve(port, routes, stop, std::time::Duration::ZERO).await;
}

async fn take(State(bodies): State<Bodies>, headers: HeaderMap, body: Bytes) {
    assert_eq!(headers["content-type"], "application/x-protobuf");
    bodies.lock().unwrap().push(body);
}
