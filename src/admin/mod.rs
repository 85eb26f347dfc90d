//! The operator's port: health, readiness, metrics for Prometheus, and the API that can do what the commands do.
//!
//! It promises to ask for the token where one is set, and for a name of this machine where none is; to change nothing
//! for a web page elsewhere; to answer every error in JSON with what to do; and that `/healthz`, `/readyz` and
//! `/metrics` tell nothing of a person. The API is the operator's and tells all.
//!
//! May use `operator`, `outbox`, `metrics`, `model`, `config`, `clock` and the listener.

mod api;
mod auth;
mod health;
mod metrics;
mod refusal;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::watch;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::metrics::Instruments;
use crate::operator::ExplainSettings;
use crate::outbox::Outbox;

pub use auth::Access;
pub use metrics::count_blocked;
use refusal::Refusal;

/// What the port knows.
#[derive(Clone)]
pub struct Admin {
    /// Where everything stands.
    pub outbox: Outbox,
    /// What the running parts tell of themselves.
    pub instruments: Instruments,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether requests go to a sandbox, so that nothing reaches Klaviyo.
    pub sandbox: bool,
    /// What decides what a call becomes, as the daemon is configured now.
    pub explain: watch::Receiver<ExplainSettings>,
    /// Who may ask.
    pub access: Access,
}

/// The routes of the port. Whatever happens inside, a caller gets an answer.
pub fn routes(admin: Admin) -> Router {
    let admin = Arc::new(admin);
    Router::new()
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::scrape))
        .route("/status", get(api::status))
        .nest("/api/v1", api::routes())
        .fallback(|| async { Refusal::NOT_FOUND.into_response() })
        .layer(middleware::from_fn_with_state(
            Arc::clone(&admin),
            auth::check,
        ))
        // Asked by supervisors, which have no token; it tells no more than that the process works.
        .route("/healthz", get(health::alive))
        .method_not_allowed_fallback(|| async { Refusal::WRONG_METHOD.into_response() })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(with_headers))
        .with_state(admin)
}

/// Every answer is of the moment, and what its type says. There are no CORS headers at all: no page elsewhere may read
/// what is here.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        let headers = response.headers_mut();
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// The panic's text is not repeated: it may hold what was asked.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request made the admin port panic; this is a mistake, please report it");
    Refusal::INTERNAL.into_response()
}
