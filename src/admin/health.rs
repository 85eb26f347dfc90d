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
use crate::model::PauseKind;
use crate::operator::{
    SHARED_CODE, clock_code, clock_message, damage_message, disk_message, masked_text, shared_advice, shared_message,
    wal_advice, wal_code, wal_message,
};
use crate::outbox::{AppendError, FailingAlone, Pause, Reader, SharedIdentifier, WriteError};

/// The consequence of an unset clock.
const CLOCK_UNSET: &str = "the machine's clock shows a time before this version was written, so it is wrong: calls keep the \
    times that they say, and nothing is removed for its age; set the clock";

/// How long the readiness check waits for the writer: typical clients time out soon after.
const READY_BOUND: Duration = Duration::from_secs(3);

/// The configuration file and the running process differ.
pub(super) const CONFIG_NOT_TAKEN: &str = "the configuration has mistakes and was not taken when it was read again: the one \
    before stays in effect; the log has every mistake, and so has `klaviyo-relay check`";

/// Alive: a restart would fix nothing. The process is alive with a full disk, with paused delivery and without traffic.
pub(super) async fn alive(State(admin): State<Arc<Admin>>) -> Response {
    let mut reasons = deaths(&admin.outbox, &admin.instruments.heartbeats);
    if matches!(admin.outbox.refuses(), Some(WriteError::FileGone)) {
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
    let mut notes = Vec::new();
    if !clock::is_set(admin.clock.now()) {
        notes.push(reason("clock_unset", CLOCK_UNSET));
    }
    if let Ok(troubles) = admin.outbox.clock_troubles().await {
        let of_clock = |trouble| reason(clock_code(trouble), &clock_message(trouble));
        notes.extend(troubles.into_iter().map(of_clock));
    }
    // An empty append opens a write transaction and writes nothing.
    let accepting = tokio::time::timeout(READY_BOUND, admin.intake.append(Vec::new())).await;
    let ready = matches!(accepting, Ok(Ok(_)));
    match accepting {
        Ok(Ok(_)) => {}
        Ok(Err(AppendError { source, .. })) => {
            let bound = {
                let disk = admin.outbox.disk();
                disk_message(disk.free_bytes, disk.min_free_bytes)
            };
            let words = match (&source, bound) {
                (WriteError::DiskFull, Some(words)) => words,
                (source, _) => format!("not accepting: {source}"),
            };
            notes.push(reason(code(&source), &words));
        }
        Err(_) => notes.push(reason("slow", "not accepting: the outbox does not answer in time")),
    }
    match admin.outbox.hindered().await {
        Ok((pauses, failing)) => {
            notes.extend(pauses.iter().map(of_pause));
            notes.extend(failing.iter().map(of_failing));
        }
        Err(error) => {
            admin.outbox.judge(&error);
            notes.push(reason("unreadable", &error.to_string()));
        }
    }
    if let Ok(Some(damage)) = admin.outbox.damage().await {
        notes.push(reason("file_damaged", &damage_message(damage)));
    }
    if admin.instruments.heartbeats.vitals().head_is_overdue() {
        let words =
            "the oldest event that is due has been the same for minutes, although nothing is paused; others go on";
        notes.push(reason("head_waits", words));
    }
    if let Ok(shared) = admin.outbox.shared_identifiers().await {
        notes.extend(shared.iter().map(of_shared));
    }
    if let Ok(Some(trouble)) = admin.outbox.log_trouble().await {
        let words = format!("{}; {}", wal_message(&trouble), wal_advice(&trouble));
        notes.push(reason(wal_code(&trouble), &words));
    }
    if !admin.instruments.metrics.is_config_applied() {
        notes.push(reason("config_not_taken", CONFIG_NOT_TAKEN));
    }
    if admin.goes_to_sandbox() {
        notes.push(reason("sandbox", "requests go to the sandbox: NOTHING REACHES KLAVIYO"));
    }
    answer(ready, json!({ "ready": ready, "notes": notes }))
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

/// A pause: what is paused, why and until when, with its endpoint family; `account` means everything.
fn of_pause(pause: &Pause) -> Value {
    let code = match pause.kind {
        PauseKind::Refused => "paused_refused",
        PauseKind::Unreachable => "paused_unreachable",
        PauseKind::RateLimited => "paused_rate_limited",
    };
    let what = match pause.family {
        None => "delivery is paused".to_owned(),
        Some(family) => format!("delivery to the endpoint `{family}` is paused"),
    };
    let words = format!("{what} since {}: {}", pause.since, pause.reason);
    let mut note = reason(code, &words);
    note["scope"] = json!(pause.scope());
    note["next_probe_at"] = json!(pause.probe_at.to_string());
    note
}

/// An event that fails although its endpoint works for other events.
fn of_failing(failing: &FailingAlone) -> Value {
    let last = failing.reason.as_deref().unwrap_or("no answer");
    let words = format!(
        "the {} of event {} has failed {} times for its own sake; its person's later events wait behind it; the last: \
         {last}",
        failing.kind, failing.event, failing.failures
    );
    let mut note = reason("event_failing", &words);
    note["event"] = json!(failing.event.0);
    note
}

/// An identifier in whose queue many people wait.
fn of_shared(shared: &SharedIdentifier) -> Value {
    let name = masked_text(&shared.identifier);
    let words = format!("{}; {}", shared_message(shared, &name), shared_advice(&name));
    let mut note = reason(SHARED_CODE, &words);
    note["identifier"] = json!(name);
    note
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
