//! `/api/v1`: the operations of the commands, as JSON over HTTP. `openapi.json` in this folder describes the API, with
//! the schemas of the typed answers derived, and is served by it.
//!
//! Reads are GET. Changes are POST with `Content-Type: application/json`: a page of another site cannot send that
//! without a CORS preflight, which is never allowed. A new route needs a handler, a line in [`routes`] and a path in
//! the document. One test compares routes and document; another sends the documented requests to every route.

mod changes;
pub mod params;
mod reads;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use serde_json::Value;

use super::Admin;
use crate::operator::schemas;

pub(super) use reads::status;

/// The API's OpenAPI 3.1 document: the paths and the schemas of `openapi.json`, and those that are derived from the
/// typed answers.
static OPENAPI: LazyLock<String> = LazyLock::new(|| {
    let text = include_str!("openapi.json");
    let mut document: Value = serde_json::from_str(text).expect("the document is JSON, as a test shows");
    if let Some(known) = document["components"]["schemas"].as_object_mut() {
        known.extend(schemas());
    }
    document.to_string()
});

/// The API's OpenAPI document.
pub fn openapi() -> &'static str {
    &OPENAPI
}

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
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
