//! `analytics.js` for Segment's snippet, as the operator provides it, and the parts that it fetches when it needs them.
//!
//! How the script uses its address was read in the source of `@segment/analytics-next` 1.84.3: it fetches settings and
//! parts from `analytics._cdn`, or else from the address of its https script element. May use `config`.

use axum::body::Bytes;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};

use crate::config::AnalyticsJs;

/// After an upgrade of the script, browsers request its new parts within this time.
const SCRIPT_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// A part has the hash of its content in its name.
const PART_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The answer with the script.
pub(super) fn script(files: &AnalyticsJs) -> Response {
    javascript(files.script.clone(), SCRIPT_CACHE)
}

/// The answer with a part, if there is one of this name.
pub(super) fn part(files: &AnalyticsJs, name: &str) -> Option<Response> {
    let part = files.parts.get(name)?;
    Some(javascript(part.clone(), PART_CACHE))
}

fn javascript(text: Bytes, cache: HeaderValue) -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)];
    (headers, text).into_response()
}
