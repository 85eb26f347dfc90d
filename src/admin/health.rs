//! `/healthz`: whether the process is alive, judged by the recent progress of the writer and the relay. `/readyz`:
//! whether events are accepted, and other problems an operator should know. Each reason has a stable code for machines
//! and a sentence that may change.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::Admin;
use super::refusal::code;
use crate::clock;
use crate::metrics::{Heartbeats, Stalled, stalled};
use crate::model::masked_text;
use crate::operator::Problem;
use crate::outbox::{AppendError, Reader, WriteError};

/// How long the readiness check waits for the writer: typical clients time out soon after.
const READY_BOUND: Duration = Duration::from_secs(3);

/// Alive: a restart would fix nothing. The process is alive with a full disk, with paused delivery and without traffic.
pub(super) async fn alive(State(admin): State<Arc<Admin>>) -> Response {
    let mut reasons = deaths(&admin.outbox, &admin.instruments.heartbeats);
    if matches!(admin.outbox.rejection_cause(), Some(WriteError::FileGone)) {
        let gone = WriteError::FileGone;
        reasons.push(reason(code(&gone), &gone.to_string()));
    }
    let alive = reasons.is_empty();
    answer(alive, json!({ "alive": alive, "reasons": reasons }))
}

/// Whether a supervisor should leave the process running: `/healthz` is 200, or the outbox file was deleted. In the
/// second case only this process still has the file open, and a restart would begin with an empty outbox.
pub fn is_alive(outbox: &Reader, pulse: &Heartbeats) -> bool {
    deaths(outbox, pulse).is_empty()
}

/// The reasons why a restart would help.
fn deaths(outbox: &Reader, pulse: &Heartbeats) -> Vec<Value> {
    let mut reasons: Vec<Value> = Vec::new();
    if outbox.fatal().is_cancelled() {
        let words = "the disk broke a promise, such as a sync; the process ends";
        reasons.push(reason("disk_failed", words));
    } else if outbox.has_ended() {
        reasons.push(reason("writer_ended", "the outbox's writer has ended"));
    }
    let found = stalled(&pulse.vitals());
    reasons.extend(found.into_iter().map(of_stuck));
    reasons
}

/// Ready: the writer accepts events. Delivery problems are reported too but do not make the process unready, because
/// accepted events are safe.
pub(super) async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let outbox = &admin.outbox;
    let mut notes = Vec::new();
    if !clock::is_set(admin.clock.now()) {
        notes.push(Problem::clock_unset().json());
    }
    if let Ok(Some(ahead)) = outbox.clock_ahead().await {
        notes.push(Problem::clock(ahead).json());
    }
    // An empty append opens a write transaction and writes nothing.
    let accepting = tokio::time::timeout(READY_BOUND, admin.intake.append(Vec::new())).await;
    let ready = matches!(accepting, Ok(Ok(_)));
    match accepting {
        Ok(Ok(_)) => {}
        Ok(Err(AppendError { source, .. })) => notes.push(not_accepting(outbox, &source)),
        Err(_) => notes.push(reason("slow", "not accepting: the outbox does not answer in time")),
    }
    match outbox.hindered().await {
        Ok((pauses, failing)) => {
            notes.extend(pauses.iter().map(|pause| Problem::pause(pause).json()));
            notes.extend(failing.iter().map(|failing| Problem::failing(failing).json()));
        }
        Err(error) => {
            outbox.judge(&error);
            notes.push(reason("unreadable", &error.to_string()));
        }
    }
    if let Ok(Some(damage)) = outbox.damage().await {
        notes.push(Problem::damage(damage).json());
    }
    if admin.instruments.heartbeats.vitals().head_is_overdue() {
        let words =
            "the oldest event that is due has been the same for minutes, although nothing is paused; others go on";
        notes.push(reason("head_waits", words));
    }
    if let Ok(shared) = outbox.shared_identifiers().await {
        let of_shared = |shared| Problem::shared(shared, &masked_text(&shared.identifier)).json();
        notes.extend(shared.iter().map(of_shared));
    }
    if let Ok(Some(trouble)) = outbox.wal_trouble().await {
        notes.push(Problem::wal(&trouble).json());
    }
    if !admin.instruments.metrics.is_config_applied() {
        notes.push(Problem::config_rejected(None).json());
    }
    if admin.goes_to_sandbox() {
        notes.push(Problem::sandbox().json());
    }
    answer(ready, json!({ "ready": ready, "notes": notes }))
}

/// Why events are not accepted. A full disk is described by its free space.
fn not_accepting(outbox: &Reader, why: &WriteError) -> Value {
    let disk = outbox.disk();
    match (why, Problem::disk(disk.free_bytes, disk.min_free_bytes)) {
        (WriteError::DiskFull, Some(problem)) => problem.json(),
        (why, _) => reason(code(why), &format!("not accepting: {why}")),
    }
}

/// The port's routes when the outbox cannot be opened: alive, not ready, and nothing else.
pub(super) fn closed(why: &WriteError) -> Router {
    let (code, words) = (code(why), format!("not accepting: {why}"));
    let ready = json!({ "ready": false, "notes": [reason(code, &words)] });
    let alive = json!({ "alive": true, "reasons": [] });
    let nothing = json!({ "code": code, "error": words });
    let always = |well, body: Value| move || std::future::ready(answer(well, body.clone()));
    Router::new()
        .route("/readyz", get(always(false, ready)))
        .route("/healthz", get(always(true, alive)))
        .fallback(always(false, nothing))
}

fn of_stuck(stuck: Stalled) -> Value {
    match stuck {
        Stalled::Writer => reason(
            "writer_stuck",
            "nothing could be written for a while: another process may hold the file's write lock, or the disk hangs",
        ),
        Stalled::Relay => reason("relay_stuck", "the relay has stopped looking for work"),
        Stalled::Intake => reason("intake_stuck", "the relay does not get at the events that are due"),
        Stalled::Reading => reason(
            "claims_unread",
            "what the relay takes from the outbox cannot be read, and goes back",
        ),
        Stalled::Settling => reason(
            "nothing_settled",
            "events are due and nothing hinders them, but nothing has come of any for a quarter of an hour",
        ),
    }
}

fn reason(code: &str, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

fn answer(well: bool, body: Value) -> Response {
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}
