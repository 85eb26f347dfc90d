//! The sandbox's own paths, `/sandbox/*`: to read what it holds, to set faults, to clear it.
//!
//! Promises that wrong input gets a 400 with what is wrong, as `{"error": "…"}`; and that no web page elsewhere reads
//! or changes anything here, as on the admin port. Requests here are not logged.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Query, Request, State as Shared};
use axum::http::header::CACHE_CONTROL;
use axum::http::{Method, Response, StatusCode, Uri};
use axum::middleware::{self, Next};
use axum::response::IntoResponse as _;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::faults::FaultRule;
use super::{Inner, snapshot};
use crate::listener::browser::{self, Site};

/// Entries of one answer, unless more are requested.
const USUAL_LIMIT: usize = 1_000;
const MOST_ENTRIES: usize = 100_000;
const MOST_FAULTS: usize = 1_000;
const MOST_FAULTS_BYTES: usize = 1024 * 1024;

type Inside = Shared<Arc<Inner>>;

/// The routes below `/sandbox`.
pub(super) fn routes() -> Router<Arc<Inner>> {
    let faults = get(list_faults).post(add_faults).delete(clear_faults);
    Router::new()
        .route("/", get(counts).delete(reset))
        .route("/requests", get(requests))
        .route("/profiles", get(profiles))
        .route("/events", get(events))
        .route("/lists", get(lists))
        .route("/faults", faults)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MOST_FAULTS_BYTES))
        .layer(middleware::from_fn(guard))
}

/// Lets a request pass that no web page elsewhere sent: people's data are held here, and a fault stops delivery.
async fn guard(request: Request, next: Next) -> Response<Body> {
    let (head, body) = request.into_parts();
    let refused = |status, detail: &str| json_answer(status, &json!({ "error": detail }));
    if !browser::is_for_this_machine(&head) {
        let detail = "the Host is no name of this machine; ask by an address or by localhost";
        return refused(StatusCode::MISDIRECTED_REQUEST, detail);
    }
    let changes = head.method != Method::GET && head.method != Method::HEAD;
    if changes && browser::site(&head) == Site::Elsewhere {
        let detail = "a web page elsewhere sent this; nothing was changed";
        return refused(StatusCode::FORBIDDEN, detail);
    }
    if head.method == Method::POST && !browser::is_json(&head.headers) {
        let detail = "send JSON with Content-Type: application/json";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail);
    }
    next.run(Request::from_parts(head, body)).await
}

async fn counts(Shared(inner): Inside) -> Response<Body> {
    json_answer(StatusCode::OK, &snapshot::counts(&inner.lock()))
}

async fn reset(Shared(inner): Inside) -> Response<Body> {
    inner.reset();
    json_answer(StatusCode::OK, &json!({ "reset": true }))
}

async fn requests(Shared(inner): Inside, uri: Uri) -> Response<Body> {
    part(&uri, |Part { after, limit }| {
        let state = inner.lock();
        Shown::from([
            ("requests", shown(state.log.after(after), limit)),
            ("total", raw(&state.log.total())),
            ("dropped", raw(&state.log.dropped)),
        ])
    })
}

async fn profiles(Shared(inner): Inside, uri: Uri) -> Response<Body> {
    part(&uri, |Part { after, limit }| {
        let state = inner.lock();
        let profiles = state.profiles.iter().skip(count(after));
        Shown::from([
            ("profiles", shown(profiles, limit)),
            ("total", raw(&state.profiles.len())),
            ("forgotten", raw(&state.profiles.forgotten)),
        ])
    })
}

async fn events(Shared(inner): Inside, uri: Uri) -> Response<Body> {
    part(&uri, |Part { after, limit }| {
        let state = inner.lock();
        Shown::from([
            ("events", shown(state.events.after(after), limit)),
            ("total", raw(&state.events.len())),
            ("duplicates", raw(&state.events.duplicates)),
            ("forgotten", raw(&state.events.forgotten)),
        ])
    })
}

async fn lists(Shared(inner): Inside, uri: Uri) -> Response<Body> {
    part(&uri, |Part { after, limit }| {
        let state = inner.lock();
        let lists = state.lists.iter().skip(count(after));
        Shown::from([
            ("lists", shown(lists, limit)),
            ("total", raw(&state.lists.iter().len())),
        ])
    })
}

async fn list_faults(Shared(inner): Inside) -> Response<Body> {
    json_answer(StatusCode::OK, &json!({ "faults": inner.lock().faults.list() }))
}

/// All of an array, or none of it.
async fn add_faults(Shared(inner): Inside, body: Bytes) -> Response<Body> {
    let given = match crate::json::from_slice(&body) {
        Ok(given) => given,
        Err(error) => return wrong(&format!("the body is no JSON: {error}")),
    };
    let orders = match given.as_array() {
        Some(orders) => orders.as_slice(),
        None => std::slice::from_ref(&given),
    };
    let rules: Result<Vec<FaultRule>, String> = orders.iter().map(FaultRule::read).collect();
    match rules {
        Err(detail) => wrong(&detail),
        Ok(rules) => {
            let mut state = inner.lock();
            if state.faults.len() + rules.len() > MOST_FAULTS {
                return wrong("too many faults stand; DELETE /sandbox/faults clears them");
            }
            for rule in rules {
                state.faults.add(rule);
            }
            let listed = json!({ "faults": state.faults.list() });
            json_answer(StatusCode::CREATED, &listed)
        }
    }
}

async fn clear_faults(Shared(inner): Inside) -> Response<Body> {
    let cleared = inner.lock().faults.clear();
    inner.release();
    json_answer(StatusCode::OK, &json!({ "cleared": cleared }))
}

async fn unknown(uri: Uri) -> Response<Body> {
    let detail = format!(
        "the sandbox has no {}; it has requests, profiles, events, lists and faults below /sandbox",
        uri.path()
    );
    json_answer(StatusCode::NOT_FOUND, &json!({ "error": detail }))
}

async fn wrong_method(method: Method, uri: Uri) -> Response<Body> {
    let detail = format!("{} does not take {method}", uri.path());
    json_answer(StatusCode::METHOD_NOT_ALLOWED, &json!({ "error": detail }))
}

/// Which entries are requested: those after a number, and how many.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Part {
    after: u64,
    limit: usize,
}

impl Default for Part {
    fn default() -> Self {
        let (after, limit) = (0, USUAL_LIMIT);
        Self { after, limit }
    }
}

/// Members of an answer, by name.
type Shown = BTreeMap<&'static str, Box<RawValue>>;

fn part(uri: &Uri, show: impl FnOnce(Part) -> Shown) -> Response<Body> {
    match read_part(uri) {
        Ok(part) => json_answer(StatusCode::OK, &show(part)),
        Err(detail) => wrong(&detail),
    }
}

fn read_part(uri: &Uri) -> Result<Part, String> {
    let query = Query::try_from_uri(uri).map_err(|error| format!("the query cannot be read: {}", error.body_text()))?;
    let Query(part): Query<Part> = query;
    if (1..=MOST_ENTRIES).contains(&part.limit) {
        Ok(part)
    } else {
        Err(format!("limit must be from 1 to {MOST_ENTRIES}"))
    }
}

fn wrong(detail: &str) -> Response<Body> {
    json_answer(StatusCode::BAD_REQUEST, &json!({ "error": detail }))
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The first entries.
fn shown(entries: impl Iterator<Item: Serialize>, limit: usize) -> Box<RawValue> {
    raw(&entries.take(limit).collect::<Vec<_>>())
}

/// As JSON text at once: a `Value` between would not keep bodies byte for byte.
fn raw(shown: &impl Serialize) -> Box<RawValue> {
    to_raw_value(shown).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn json_answer(status: StatusCode, shown: &impl Serialize) -> Response<Body> {
    (status, [(CACHE_CONTROL, "no-store")], Json(shown)).into_response()
}
