//! `/api/v1`: what the commands do, as JSON over HTTP. `openapi.json` beside this file describes it, and is served.
//!
//! What reads is GET, what changes is POST with `Content-Type: application/json`, which a web page elsewhere cannot send
//! without asking first, and is not allowed to. A new route is a handler, a line in [`routes`] and a path in the
//! document; a test compares the two, and another sends every route what the document says.

pub mod asked;
mod changes;
mod reads;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::Admin;

pub(super) use reads::status;

/// The document of the API, OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<Arc<Admin>> {
    Router::new()
        .route("/openapi.json", get(document))
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

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}
