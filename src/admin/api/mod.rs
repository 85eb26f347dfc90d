//! `/api/v1`: the operations of the commands, as JSON over HTTP. [`document`] describes the API, and is served by it.
//!
//! Reads are GET. Changes are POST with `Content-Type: application/json`: a page of another site cannot send that
//! without a CORS preflight, which is never allowed. A new operation needs a handler and a row in [`reads()`] or
//! [`changes()`], from which both its route and its part of the document are made. A test sends documented requests to
//! every route.

mod changes;
mod document;
pub mod params;
mod reads;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::IntoResponse;
use schemars::json_schema;

use self::changes::{ChangeBody, EraseBody, Erasure, ExplainQuery, ReplayBody};
use self::document::{Operation, inline, named};
use self::params::{LimitQuery, Listed};
use self::reads::{Blocked, EventPath};
use super::Admin;
use crate::operator::{Change, ChangedJson, DeadGroups, EventJson, Explanation, Page, Replay, StatusJson};
use crate::outbox::Audit;

pub(super) use reads::status;

static OPENAPI: LazyLock<String> = LazyLock::new(|| document::describe(&operations()).to_string());

/// The API's OpenAPI document.
pub fn openapi() -> &'static str {
    &OPENAPI
}

/// The routes below `/api/v1`.
pub(super) fn routes() -> Router<Arc<Admin>> {
    let add = |router: Router<_>, operation: Operation| router.route(operation.path, operation.route);
    operations().into_iter().fold(Router::new(), add)
}

fn operations() -> Vec<Operation> {
    reads().into_iter().chain(changes()).collect()
}

/// The operations that read.
fn reads() -> [Operation; 7] {
    let object = |_: &mut _| json_schema!({"type": "object"});
    [
        Operation::get("/openapi.json", served, object)
            .id("document")
            .about("This document.", ""),
        Operation::get("/status", status, named::<StatusJson<'_>>).about(
            "Where everything stands, as `status --json`.",
            "Counts every event: not for every second.",
        ),
        Operation::get("/audit", reads::audit, named::<Audit>).about(
            "Proves the counts: from the rows, against the counters, and by the rules that rows must meet.",
            "As `audit --json`. Reads every event.",
        ),
        Operation::get("/events", reads::events, named::<Page>)
            .about(
                "Events, the newest first, page by page.",
                "A page looks through 100,000 events at most, so that it is answered fast whatever is asked for: it \
                 may hold fewer events than `limit`, or none, while `next_before` says where to go on and \
                 `looked_back_to` how far it came. With `id`, `order_id`, `profile`, or a `status` that few events \
                 have, it looks at those events alone.",
            )
            .takes("query", inline::<Listed>)
            .refused(&[404]),
        Operation::get("/events/{number}", reads::event, named::<EventJson<'_>>)
            .id("event")
            .about(
                "One event with all that happened to it.",
                "As `show --json` prints it, without who waits for it and without its rules. Another word than a \
                 number is a search: `/events?find=`.",
            )
            .takes("path", inline::<EventPath>)
            .refused(&[404]),
        Operation::get("/dead", reads::dead, named::<DeadGroups>)
            .about("Dead events by the code of their reason, the largest groups first.", "")
            .takes("query", inline::<LimitQuery>),
        Operation::get("/blocked", reads::blocked, named::<Blocked>)
            .about(
                "Events that later events of the same person wait for, the longest first.",
                "",
            )
            .takes("query", inline::<LimitQuery>),
    ]
}

/// The operations that change something, and `explain`.
fn changes() -> [Operation; 6] {
    let changed = named::<ChangedJson<'_>>;
    let plain = |path, change, summary| {
        let handler = move |State(admin), request: Request| changes::plain(change, admin, request);
        Operation::post(path, handler, changed, inline::<ChangeBody>).changes(change, summary)
    };
    let call = |_: &mut _| {
        json_schema!({
            "description": "One Segment call with its `type`. What is no call is explained as refused.",
        })
    };
    [
        Operation::post("/replay", changes::replay, changed, inline::<ReplayBody>)
            .changes(Change::Replay(Replay::default()), "Send finished events again."),
        plain("/hold", Change::Hold, "Stop waiting events."),
        plain("/release", Change::Release, "Let held events go."),
        plain("/discard", Change::Discard, "Give events up for good."),
        Operation::post("/forget", changes::forget, named::<Erasure>, inline::<EraseBody>)
            .about(
                "Erase a person from the outbox for good.",
                "As the command `forget`: what waits is discarded, what is in flight is waited for, ten seconds at \
                 most. When something is `left`, nothing is erased yet: ask again. Klaviyo is not asked to delete \
                 anybody.",
            )
            .refused(document::CHANGE),
        Operation::post("/explain", changes::explain, named::<Explanation>, call)
            .about(
                "What a call becomes, and which rule gave each field; as `explain --json`.",
                "Changes and sends nothing.",
            )
            .takes("query", inline::<ExplainQuery>),
    ]
}

async fn served() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}
