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
use serde_json::{Value, json};

use super::Admin;
use crate::operator::schemas;

pub(super) use reads::status;

/// The API's OpenAPI 3.1 document: the paths and the schemas of `openapi.json`, and those that are derived from the
/// typed answers and the filters.
static OPENAPI: LazyLock<String> = LazyLock::new(|| {
    let text = include_str!("openapi.json");
    let mut document: Value = serde_json::from_str(text).expect("the document is JSON, as a test shows");
    let schemas = schemas();
    if let Some(parameters) = document["paths"]["/events"]["get"]["parameters"].as_array_mut() {
        parameters.splice(0..0, filter_parameters(&schemas["Filter"]));
    }
    if let Some(known) = document["components"]["schemas"].as_object_mut() {
        known.extend(schemas);
    }
    document.to_string()
});

/// The filters as parameters of a query: their members in a body, with the values of a list separated by commas.
fn filter_parameters(filter: &Value) -> Vec<Value> {
    let members = filter["properties"].as_object().into_iter().flatten();
    let parameter = |(name, member): (&String, &Value)| {
        let mut schema = member.clone();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        let words = schema["items"]["enum"].as_array();
        let words = words.map(|words| words.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|"));
        let is_list = schema["type"] == "array";
        let one = words.or_else(|| is_list.then(|| "[1-9][0-9]{0,14}".to_owned()));
        if let Some(one) = one {
            schema = json!({"type": "string", "pattern": format!("^({one})(,({one}))*$")});
        }
        json!({"name": name, "in": "query", "required": false, "schema": schema, "description": description})
    };
    members.map(parameter).collect()
}

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
