//! A request as it came, read to its end: what every check and every operation looks at.
//!
//! Promises to keep at most Klaviyo's 5 MB of a body, and to read a longer one to its end (within a bound) so that
//! the client gets its 413 instead of a broken connection.

use axum::body::{Body, Bytes};
use axum::extract::{Query, Request};
use axum::http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::Value;

use crate::json;
use crate::model::Timestamp;

/// Any payload of Klaviyo's API.
const MOST_BODY_BYTES: usize = 5_000_000;
/// A body beyond this is not read on.
const MOST_DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// One request.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Path and query, for the log.
    pub(crate) target: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    /// The body; empty when it was too large.
    pub(crate) body: Bytes,
    /// The body as JSON; null when it is none.
    pub(crate) document: Value,
    /// Why the body is no JSON.
    pub(crate) no_json: Option<String>,
    pub(crate) too_large: bool,
    pub(crate) at: Timestamp,
}

impl Call {
    /// Reads a request; none when the client broke it off.
    pub(crate) async fn read(request: Request, at: Timestamp) -> Option<Self> {
        let (head, body) = request.into_parts();
        let (body, too_large) = collect(body).await?;
        let (document, no_json) = match json::from_slice(&body) {
            Ok(document) => (document, None),
            Err(error) => (Value::Null, Some(error.to_string())),
        };
        let query = Query::try_from_uri(&head.uri).map_or_else(|_| Vec::new(), |Query(query)| query);
        Some(Self {
            method: head.method,
            path: head.uri.path().to_owned(),
            target: head
                .uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
            query,
            headers: head.headers,
            body,
            document,
            no_json,
            too_large,
            at,
        })
    }

    /// A header's text; empty when it is absent or no text.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// The body's bytes and whether there were too many.
async fn collect(mut body: Body) -> Option<(Bytes, bool)> {
    let mut kept = Vec::new();
    let mut seen = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else {
            continue;
        };
        seen = seen.saturating_add(data.len());
        if seen <= MOST_BODY_BYTES {
            kept.extend_from_slice(&data);
        } else {
            kept = Vec::new();
        }
        if seen > MOST_DRAINED_BYTES {
            break;
        }
    }
    Some((Bytes::from(kept), seen > MOST_BODY_BYTES))
}
