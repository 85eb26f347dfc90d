//! Rows for the statements, as JSON objects; the names are those the statements read.

use serde_json::{Value, json};

use super::order::{Import, PlannedDelivery, Settlement, Start};
use crate::model::{
    EventId, EventStatus, EventType, Family, Identifier, IdentifierKind, NewEvent, Outcome,
    Timestamp,
};

/// The first cycle of an event from an archive: the one before was elsewhere.
const IMPORTED_CYCLE: i64 = 2;

/// What is known of an event, without its texts.
pub(super) fn event(event: &NewEvent, import: Option<Import>) -> Value {
    let identifiers: Vec<String> = event
        .identifiers
        .iter()
        .map(|id| storable(&id.to_string()))
        .collect();
    let mut row = json!({
        "source": event.source, "message_id": storable(&event.message_id),
        "type": event.kind.map(EventType::word),
        "name": event.name.as_deref().map(storable),
        "profile": profile_label(&event.identifiers).map(|label| storable(&label)),
        "order_id": event.order_id.as_deref().map(storable),
        "at_ms": event.at.as_millis(), "received_ms": event.received_at.as_millis(),
        "refused": event.refused.as_deref().map(storable), "identifiers": identifiers,
    });
    if let Some(import) = import {
        row["cycle"] = json!(IMPORTED_CYCLE);
        row["consent"] = json!(i32::from(import.consent));
        row["backfill"] = json!(i32::from(import.backfill));
    }
    row
}

/// The strongest name of the person, for the `profile` column.
fn profile_label(identifiers: &[Identifier]) -> Option<String> {
    use IdentifierKind::{AnonymousId, Email, Phone, UserId};
    [UserId, Email, Phone, AnonymousId]
        .iter()
        .find_map(|kind| {
            identifiers
                .iter()
                .find(|identifier| identifier.kind() == *kind)
        })
        .map(ToString::to_string)
}

/// SQLite ends a text at a NUL in many of its functions: in what is looked up, it becomes U+FFFD. (The payload
/// itself never holds one: in JSON it is an escape.)
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// What an event owes, one row for each.
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

pub(super) fn settlement(settlement: &Settlement) -> Value {
    let Outcome {
        kind,
        http_status,
        error,
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

pub(super) fn release(event: EventId, due: Timestamp, parked: Option<Family>) -> Value {
    json!({"event_id": event.0, "due_ms": due.as_millis(), "parked": parked.map(Family::word)})
}

pub(super) fn finish(
    event: EventId,
    status: EventStatus,
    reason: Option<&str>,
    hold: bool,
    now: Timestamp,
) -> Value {
    json!({
        "event_id": event.0, "status": status.word(), "reason": reason, "hold": i32::from(hold),
        "now_ms": now.as_millis(),
    })
}

/// Event numbers as a JSON array.
pub(super) fn ids(events: &[EventId]) -> String {
    let ids: Vec<i64> = events.iter().map(|event| event.0).collect();
    json!(ids).to_string()
}
