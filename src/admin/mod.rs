//! The operator's port: health, readiness, Prometheus metrics, and the commands' operations as an API. The web pages of
//! this port are those of `console`, which `app` passes in.
//!
//! It promises to require the token where one is configured, and one of this machine's own names where none is; to
//! change nothing on behalf of a page of another site; to answer every error with advice, to programs as JSON; and that
//! `/healthz`, `/readyz` and `/metrics` reveal no personal data, except, masked, an identifier that many people share.
//! The API and the pages are for the operator and show everything.
//!
//! May use `operator`, `outbox`, `sandbox`, `metrics`, `model`, `config`, `clock`, `json`, `telemetry` and the listener.

mod api;
pub(crate) mod arrival;
pub(crate) mod auth;
mod health;
mod login_throttle;
mod metrics;
pub(crate) mod refusal;
pub(crate) mod session;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use crate::clock::Clock;
use crate::metrics::Instruments;
use crate::operator::ExplainSettings;
use crate::outbox::{Control, Intake, WriteError};
use crate::sandbox::Sandbox;

pub use api::{openapi, params};
pub use auth::Auth;
pub use health::is_alive;
pub use metrics::count_blocked;
use refusal::Refusal;

/// The dependencies of the port.
#[derive(Clone)]
pub struct Admin {
    /// What an operator may read and change.
    pub outbox: Control,
    /// Stores what an operator sends.
    pub intake: Intake,
    /// The metrics and heartbeats of the running parts.
    pub instruments: Instruments,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The sandbox of this process, if requests go there.
    pub sandbox: Option<Sandbox>,
    /// The settings that decide what a call becomes, as currently configured.
    pub explain: watch::Receiver<ExplainSettings>,
    /// Access control.
    pub auth: Auth,
    /// How many requests are answered at the same time, besides those for `/healthz` and `/readyz`.
    pub at_once: usize,
    /// Cancelled when the daemon stops; ends the live streams.
    pub stop: CancellationToken,
    /// Whether the lists of the pages show e-mail addresses and phone numbers unmasked.
    pub show_personal_data: bool,
}

impl Admin {
    /// The current settings that decide what a call becomes.
    pub(crate) fn settings(&self) -> ExplainSettings {
        self.explain.borrow().clone()
    }

    /// Whether, as far as is known, nothing reaches Klaviyo: requests go to this process's sandbox or one at a URL.
    pub(crate) fn goes_to_sandbox(&self) -> bool {
        self.sandbox.is_some() || self.instruments.metrics.is_sandbox()
    }
}

/// The routes of the port, with those and the fallback of `pages`. The client gets an answer even after a panic.
pub fn routes(admin: Arc<Admin>, pages: Router<Arc<Admin>>) -> Router {
    let permits = Arc::new(Semaphore::new(admin.at_once));
    // For supervisors: not subject to the limit on concurrent requests.
    let probes = Router::new()
        .route("/readyz", get(health::ready))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), auth::check))
        // Needs no token: it reveals only that the process works.
        .route("/healthz", get(health::alive));
    Router::new()
        .route("/metrics", get(metrics::scrape))
        .route("/status", get(api::status))
        .nest("/api/v1", api::routes())
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), auth::check))
        .merge(pages)
        .layer(middleware::from_fn_with_state(permits, arrival::admit))
        .merge(probes)
        .method_not_allowed_fallback(|| async { Refusal::WRONG_METHOD.into_response() })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(with_headers))
        .with_state(admin)
}

/// The routes when the outbox cannot be opened: `/healthz` and `/readyz` report why, all other requests are rejected.
pub fn closed(why: &WriteError) -> Router {
    health::closed(why).layer(middleware::from_fn(with_headers))
}

/// The Content-Security-Policy of the pages: a page may load only what this port serves and send forms only to this
/// port. Only our one script and one style sheet are allowed, nothing from other hosts, and no framing.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Sets the headers of every answer: it is not cached unless it sets its own policy, and its type is not sniffed. There
/// are no CORS headers, so pages of other sites cannot read answers.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // A path contains the search term. A stricter policy would hide from us that a form comes from this port.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        let headers = response.headers_mut();
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The panic's text is not repeated in the answer: it may contain request data.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request made the admin port panic; this is a mistake, please report it");
    Refusal::INTERNAL.into_response()
}
