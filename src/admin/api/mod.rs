//! `/api/v1`: the operations of the commands, as JSON over HTTP. [`document`] describes the API, and is served by it.
//!
//! Reads are GET. Changes are POST with `Content-Type: application/json`: a page of another site cannot send that
//! without a CORS preflight, which is never allowed. A new route needs a handler, a line in [`routes`], a path in
//! `openapi.json`, and a line in [`document`] with its answer. One test compares routes and document; another sends the
//! documented requests to every route.

mod changes;
mod document;
pub mod params;
mod reads;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::Admin;

pub use document::openapi;
pub(super) use reads::status;

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/openapi.json", get(served))
        .route("/status", get(status))
        .route("/audit", get(reads::audit))
        .route("/events", get(reads::events))
        .route("/events/{number}", get(reads::event))
        .route("/dead", get(reads::dead))
        .route("/blocked", get(reads::blocked))
        .route("/replay", post(changes::replay))
        .route("/hold", post(changes::hold))
        .route("/release", post(changes::release))
        .route("/discard", post(changes::discard))
        .route("/forget", post(changes::forget))
        .route("/explain", post(changes::explain))
}

async fn served() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
