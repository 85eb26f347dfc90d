//! The input rows of statements, as JSON objects; the statements read their fields by name.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::model::{EventId, EventStatus, EventType, Family, Identifier, IdentifierKind, NewEvent, Outcome, Timestamp};
use crate::outbox::intake::fingerprint::{fingerprint, other_id};
use crate::outbox::queue::transition::{Import, PlannedDelivery, Settlement, Start};

/// The first generation of an imported event: its previous generation is not in this outbox.
const IMPORTED_GENERATION: i64 = 2;

/// The columns of an event, without its texts. It is serialized directly: as a tree of values, a batch of small events
/// would take a hundred times its length in memory.
#[derive(Serialize)]
pub(super) struct EventRow<'a> {
    source: &'a str,
    message_id: Cow<'a, str>,
    fingerprint: i64,
    r#type: Option<&'static str>,
    name: Option<Cow<'a, str>>,
    profile: Option<String>,
    order_id: Option<Cow<'a, str>>,
    at_ms: i64,
    received_ms: i64,
    refused: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traceparent: Option<&'a str>,
    identifiers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consent: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backfill: Option<i32>,
}

impl<'a> EventRow<'a> {
    pub(super) fn of(event: &'a NewEvent, import: Option<Import>) -> Self {
        let stored = |id: &Identifier| storable(&id.to_string()).into_owned();
        let optional = |text: &'a Option<String>| text.as_deref().map(storable);
        Self {
            source: &event.source,
            message_id: storable(&event.message_id),
            fingerprint: fingerprint(event),
            r#type: event.kind.map(EventType::word),
            name: optional(&event.name),
            profile: profile_label(&event.identifiers).map(|label| storable(&label).into_owned()),
            order_id: optional(&event.order_id),
            at_ms: event.at.as_millis(),
            received_ms: event.received_at.as_millis(),
            refused: optional(&event.refused),
            traceparent: event.traceparent.as_deref(),
            identifiers: event.identifiers.iter().map(stored).collect(),
            generation: import.map(|_| IMPORTED_GENERATION),
            consent: import.map(|import| i32::from(import.consent)),
            backfill: import.map(|import| i32::from(import.backfill)),
        }
    }

    /// Gives the event an id of its own, because another call has its id. This makes it dead, unless it is refused for
    /// another reason already.
    pub(super) fn becomes_another(&mut self, reason: &'a str) {
        self.message_id = Cow::Owned(other_id(&self.message_id, self.fingerprint));
        self.refused.get_or_insert(Cow::Borrowed(reason));
    }
}

/// Runs a statement over rows; does nothing where there are none.
pub(super) async fn execute(
    connection: &mut SqliteConnection,
    sql: &'static str,
    rows: &[Value],
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query(sql)
        .bind(Value::from(rows.to_vec()).to_string())
        .fetch_all(connection)
        .await
}

/// Rows as the text of a JSON array.
pub(super) fn json_of<T: Serialize>(rows: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// The texts of events: their payloads, each with the position of its envelope, from 1; and the envelopes, if any. The
/// calls of one batch share one envelope in memory. It is recognized by its address, because comparing the texts would
/// cost more.
pub(super) fn texts<'a>(events: impl Iterator<Item = &'a NewEvent>) -> Result<(String, Option<String>), sqlx::Error> {
    let mut envelopes: Vec<&Arc<str>> = Vec::new();
    let mut texts = Vec::new();
    for event in events {
        let place = event.envelope.as_ref().map(|envelope| {
            // The events of one batch are adjacent.
            if !envelopes.last().is_some_and(|last| Arc::ptr_eq(last, envelope)) {
                envelopes.push(envelope);
            }
            envelopes.len()
        });
        texts.push((event.payload.as_str(), place));
    }
    let envelopes: Vec<&str> = envelopes.into_iter().map(AsRef::as_ref).collect();
    let any = !envelopes.is_empty();
    let envelopes = any.then(|| json_of(&envelopes)).transpose()?;
    Ok((json_of(&texts)?, envelopes))
}

/// The identifier of highest priority, for the `profile` column.
fn profile_label(identifiers: &[Identifier]) -> Option<String> {
    use IdentifierKind::{AnonymousId, Email, Phone, UserId};
    [UserId, Email, Phone, AnonymousId]
        .iter()
        .find_map(|kind| identifiers.iter().find(|identifier| identifier.kind() == *kind))
        .map(ToString::to_string)
}

/// Many functions of SQLite end a text at a NUL: in texts to be looked up, a NUL becomes U+FFFD. (The payload itself
/// contains none: in JSON it is an escape sequence.)
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// The deliveries of an event, one row each.
pub(super) fn plan(planned: &(EventId, Vec<PlannedDelivery>)) -> impl Iterator<Item = Value> {
    let (event, deliveries) = planned;
    deliveries.iter().enumerate().map(|(position, delivery)| {
        let PlannedDelivery {
            kind,
            metric,
            event_key,
            list_id,
            request,
            refused,
            warnings,
        } = delivery;
        let warnings = (!warnings.is_empty()).then(|| warnings.join("\n"));
        json!({
            "event_id": event.0, "position": position, "kind": kind.word(), "metric": metric,
            "event_key": event_key, "list_id": list_id, "request": request, "refused": refused,
            "warnings": warnings,
        })
    })
}

pub(super) fn start(start: &Start) -> Value {
    json!({
        "delivery_id": start.delivery.0, "sent_to": start.sent_to, "request": start.request,
        "now_ms": start.now.as_millis(),
    })
}

pub(super) fn lost(event: EventId, now: Timestamp) -> Value {
    json!({"event_id": event.0, "now_ms": now.as_millis()})
}

pub(super) fn settlement(settlement: &Settlement) -> Value {
    let Outcome {
        kind,
        http_status,
        error,
        pointer: _,
        foreign: _,
        retry_after: _,
        rate: _,
        request_id,
        profile_id,
        note,
    } = &settlement.outcome;
    json!({
        "delivery_id": settlement.delivery.0, "number": settlement.attempt,
        "now_ms": settlement.now.as_millis(), "outcome": kind.word(), "http_status": http_status,
        "error": error, "request_id": request_id, "profile_id": profile_id,
        "status": settlement.status.word(), "reason": settlement.reason,
        "request": settlement.request, "note": note, "counts": i32::from(settlement.counts),
        "failed": i32::from(settlement.failed),
    })
}

pub(super) fn requeue(event: EventId, due: Timestamp, parked: Option<Family>) -> Value {
    json!({"event_id": event.0, "run_after_ms": due.as_millis(), "parked": parked.map(Family::word)})
}

pub(super) fn finish(
    event: EventId,
    status: EventStatus,
    reason: Option<&str>,
    copy_of: Option<EventId>,
    hold: bool,
    now: Timestamp,
) -> Value {
    json!({
        "event_id": event.0, "status": status.word(), "reason": reason, "copy_of": copy_of.map(|of| of.0),
        "hold": i32::from(hold), "now_ms": now.as_millis(),
    })
}

/// Event numbers as a JSON array.
pub(super) fn ids(events: &[EventId]) -> String {
    let ids: Vec<i64> = events.iter().map(|event| event.0).collect();
    json!(ids).to_string()
}
