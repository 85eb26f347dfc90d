//! `analytics.js` for Segment's snippet, as the operator provides it, and the parts it fetches when it needs them.
//!
//! What the script does with its address was read in the source of `@segment/analytics-next` 1.84.3: it takes settings
//! and parts from `analytics._cdn`, else from where an https script element says it came from. May use `config`.

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::config::AnalyticsJs;

/// After an upgrade of the script, browsers ask for its new parts within this time.
const SCRIPT_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// A part has the hash of its content in its name.
const PART_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The answer that is the script.
pub(super) fn script(files: &AnalyticsJs) -> Response {
    javascript(files.script.clone(), SCRIPT_CACHE)
}

/// The answer that is a part, if there is one of this name.
pub(super) fn part(files: &AnalyticsJs, name: &str) -> Option<Response> {
    let part = files.parts.get(name)?;
    Some(javascript(part.clone(), PART_CACHE))
}

fn javascript(text: Bytes, cache: HeaderValue) -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    (headers, text).into_response()
}
