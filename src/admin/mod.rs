//! The operator's port: the page for a browser, health, readiness, metrics for Prometheus, and the API that can do what
//! the commands do.
//!
//! It promises to ask for the token where one is set, and for a name of this machine where none is; to change nothing
//! for a web page elsewhere; to answer every error with what to do, in JSON to programs; and that `/healthz`,
//! `/readyz` and `/metrics` tell nothing of a person: at most, masked, an identifier that many share. The API and the
//! page are the operator's and tell all.
//!
//! May use `operator`, `outbox`, `sandbox`, `metrics`, `model`, `config`, `clock` and the listener.

mod api;
mod arrival;
mod auth;
mod guesses;
mod health;
mod metrics;
mod page;
mod refusal;
mod session;

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
use crate::outbox::{Outbox, WriteError};
use crate::sandbox::Sandbox;

pub use api::asked;
pub use auth::Access;
pub use health::is_alive;
pub use metrics::count_blocked;
pub use page::filter;
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
    /// The sandbox in the program, where requests go to that.
    pub sandbox: Option<Sandbox>,
    /// What decides what a call becomes, as the daemon is configured now.
    pub explain: watch::Receiver<ExplainSettings>,
    /// Who may ask.
    pub access: Access,
    /// How many requests are answered at once, beside those for `/healthz` and `/readyz`.
    pub at_once: usize,
    /// Cancelled when the daemon stops: whoever is told things as they change is told no more.
    pub stop: CancellationToken,
    /// Whether the page's lists show e-mail addresses and phone numbers whole.
    pub show_personal_data: bool,
}

impl Admin {
    /// What decides what a call becomes, as it is now.
    fn settings(&self) -> ExplainSettings {
        self.explain.borrow().clone()
    }

    /// Whether nothing reaches Klaviyo, as far as that is known: requests go to the sandbox in the program, or to one at a
    /// URL.
    fn goes_to_sandbox(&self) -> bool {
        self.sandbox.is_some() || self.instruments.metrics.is_sandbox()
    }
}

/// The routes of the port. Whatever happens inside, a caller gets an answer.
pub fn routes(admin: Admin) -> Router {
    let admin = Arc::new(admin);
    let crowd = Arc::new(Semaphore::new(admin.at_once));
    // Asked by supervisors, which are not to wait behind anybody.
    let probes = Router::new()
        .route("/readyz", get(health::ready))
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), auth::check))
        // Without a token: it tells no more than that the process works.
        .route("/healthz", get(health::alive));
    Router::new()
        .route("/metrics", get(metrics::scrape))
        .route("/status", get(api::status))
        .nest("/api/v1", api::routes())
        .layer(middleware::from_fn_with_state(Arc::clone(&admin), auth::check))
        .merge(page::routes(&admin))
        .fallback(page::nowhere)
        .layer(middleware::from_fn_with_state(crowd, arrival::admit))
        .merge(probes)
        .method_not_allowed_fallback(|| async { Refusal::WRONG_METHOD.into_response() })
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(with_headers))
        .with_state(admin)
}

/// The port while there is no outbox, and why there is none: `/healthz` and `/readyz` answer, all else is refused.
pub fn closed(why: &WriteError) -> Router {
    health::closed(why).layer(middleware::from_fn(with_headers))
}

/// What a page of this port may do: load what this port serves, and send forms to it. No script and no style but the two
/// files, nothing of elsewhere, and in no other page's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Every answer is of the moment, unless it says otherwise, and what its type says. There are no CORS headers at all: no
/// page elsewhere may read what is here.
async fn with_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        // A path holds what was searched for. With less, a form of ours would not say that it comes from here.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        let headers = response.headers_mut();
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The panic's text is not repeated: it may hold what was asked.
fn panicked(_: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request made the admin port panic; this is a mistake, please report it");
    Refusal::INTERNAL.into_response()
}
