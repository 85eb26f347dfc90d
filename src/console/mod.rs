//! The web pages of the operator's port.
//!
//! It promises that every page is complete without script, and that the script only saves reloading; that nothing is
//! loaded from other hosts; that event data is always text and never markup ([`maud`] escapes it, and the
//! Content-Security-Policy allows only our script); that GET changes nothing, and POST only from a page of this port;
//! that the address of a page is its complete state; and that lists mask e-mail addresses and phone numbers unless
//! `admin.show_personal_data` is set.
//!
//! A page is a function in a file of its own that takes a [`request::PageRequest`] and passes markup to
//! [`request::PageRequest::page`]. May use `admin` (its state, access control and refusals), `operator` (also for the
//! read models of the outbox), `sandbox`, `metrics`, `model`, `config`, `listener` and `json`.

mod assets;
mod blocked;
mod change;
mod dead;
mod drawing;
mod event;
mod events;
mod export;
pub mod filter;
mod format;
mod frame;
mod login;
mod overview;
mod request;
mod sandbox;
mod try_event;
mod urls;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::admin::Admin;
use crate::admin::refusal::Refusal;

/// The answer for an unknown path: a page to a browser, JSON to other clients.
async fn not_found(State(admin): State<Arc<Admin>>, head: Parts) -> Response {
    let accept = head.headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    let is_browser = accept.is_some_and(|accept| accept.contains("text/html"));
    match admin.auth.check_page(&head, &*admin.clock) {
        Err(refusal) if is_browser => request::reject(&head, &refusal),
        Err(refusal) => refusal.into_response(),
        Ok(()) if is_browser => request::no_page(&admin, &head),
        Ok(()) => Refusal::NOT_FOUND.into_response(),
    }
}

/// The pages, their assets, and the answer for an unknown path.
pub fn routes(admin: &Arc<Admin>) -> Router<Arc<Admin>> {
    let guard = middleware::from_fn_with_state(Arc::clone(admin), request::guard);
    Router::new()
        .route("/", get(overview::page))
        .route("/events", get(events::page))
        .route("/change", get(change::preview).post(change::confirm))
        .route("/export", get(export::file))
        .route("/dead", get(dead::page))
        .route("/blocked", get(blocked::page))
        .route("/sandbox", get(sandbox::page))
        .route("/events/{number}", get(event::page))
        .route("/try", get(try_event::form).post(try_event::explain_call))
        .route("/try/send", axum::routing::post(try_event::send))
        .route("/logout", axum::routing::post(login::log_out))
        .route("/live", get(overview::live))
        .layer(Extension(Arc::new(overview::OverviewCache::default())))
        .route_layer(guard)
        // These are needed before the login.
        .route("/login", get(login::form).post(login::log_in))
        .route("/assets/{name}", get(assets::serve))
        .fallback(not_found)
}
