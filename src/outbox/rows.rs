//! The input rows of statements; written as JSON objects, whose fields the statements read by name.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::model::{EventId, EventType, Family, Identifier, IdentifierKind, ImportJobId, NewEvent, Reason, Timestamp};
use crate::outbox::intake::fingerprint::{fingerprint, other_id};
use crate::outbox::queue::transition::{Import, PlannedDelivery, Settlement, Start};
use crate::outbox::transaction::{Ticket, Transaction};

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
    reason: Option<Cow<'a, str>>,
    reason_code: Option<&'a str>,
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
            reason: event.dead.as_ref().map(|reason| storable(&reason.text)),
            reason_code: event.dead.as_ref().map(|reason| &*reason.code),
            traceparent: event.traceparent.as_deref(),
            identifiers: event.identifiers.iter().map(stored).collect(),
            generation: import.map(|_| IMPORTED_GENERATION),
            consent: import.map(|import| i32::from(import.consent)),
            backfill: import.map(|import| i32::from(import.backfill)),
        }
    }

    /// Gives the event an id of its own, because another call has its id. It is then dead; a reason
    /// that it already has stays.
    pub(super) fn becomes_another(&mut self, code: &'a str, reason: &'a str) {
        self.message_id = Cow::Owned(other_id(&self.message_id, self.fingerprint));
        self.reason.get_or_insert(Cow::Borrowed(reason));
        self.reason_code.get_or_insert(code);
    }
}

/// Queues statements over rows; does nothing where there are none.
pub(super) fn queue<T: Serialize>(
    transaction: &mut Transaction<'_>,
    sql: &str,
    rows: &[T],
) -> Result<Option<Ticket>, sqlx::Error> {
    if rows.is_empty() {
        return Ok(None);
    }
    let piece = transaction.queue(sql).bind(json_of(rows)?)?;
    Ok(Some(piece.ticket()))
}

/// Rows as the text of a JSON array.
pub(super) fn json_of<T: Serialize>(rows: &[T]) -> Result<String, sqlx::Error> {
    serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(Box::new(error)))
}

/// Texts that are bound as one value, so that SQLite copies them and does not have to parse them: a row names its text
/// as `[first byte, from 1; bytes]`, and the statement reads it with `CAST(substr(…) AS TEXT)`.
#[derive(Default)]
pub(super) struct Texts(Vec<u8>);

/// The place of a text in [`Texts`].
pub(super) type Place = (usize, usize);

impl Texts {
    pub(super) fn add(&mut self, text: &str) -> Place {
        let first = self.0.len() + 1;
        self.0.extend_from_slice(text.as_bytes());
        (first, text.len())
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// The bodies of events: their payloads, each with the position of its envelope, from 1; and the envelopes, if any. The
/// calls of one batch share one envelope in memory. It is recognized by its address, because comparing the texts would
/// cost more.
pub(super) struct Bodies {
    pub(super) texts: Vec<u8>,
    pub(super) places: String,
    pub(super) envelopes: Option<String>,
}

impl Bodies {
    pub(super) fn of<'a>(events: impl Iterator<Item = &'a NewEvent>) -> Result<Self, sqlx::Error> {
        let mut envelopes: Vec<&Arc<str>> = Vec::new();
        let (mut texts, mut places) = (Texts::default(), Vec::new());
        for event in events {
            let envelope = event.envelope.as_ref().map(|envelope| {
                // The events of one batch are adjacent.
                if !envelopes.last().is_some_and(|last| Arc::ptr_eq(last, envelope)) {
                    envelopes.push(envelope);
                }
                envelopes.len()
            });
            let (first, bytes) = texts.add(&event.payload);
            places.push((first, bytes, envelope));
        }
        let envelopes: Vec<&str> = envelopes.into_iter().map(AsRef::as_ref).collect();
        let any = !envelopes.is_empty();
        Ok(Self {
            texts: texts.into_bytes(),
            places: json_of(&places)?,
            envelopes: any.then(|| json_of(&envelopes)).transpose()?,
        })
    }
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

/// A delivery of an event, as planned.
#[derive(Serialize)]
pub(super) struct PlanRow<'a> {
    event_id: i64,
    position: usize,
    kind: &'static str,
    metric: Option<&'a str>,
    event_key: Option<&'a str>,
    list_id: Option<&'a str>,
    /// Among the texts that are bound with the rows.
    request: Option<Place>,
    reason: Option<&'a str>,
    reason_code: Option<&'a str>,
    warnings: Option<String>,
}

impl<'a> PlanRow<'a> {
    /// Adds the deliveries of an event, one row each, and their requests to the texts.
    pub(super) fn add(
        rows: &mut Vec<Self>,
        texts: &mut Texts,
        (event, deliveries): &'a (EventId, Vec<PlannedDelivery>),
    ) {
        rows.extend(deliveries.iter().enumerate().map(|(position, delivery)| Self {
            event_id: event.0,
            position,
            kind: delivery.kind.word(),
            metric: delivery.metric.as_deref(),
            event_key: delivery.event_key.as_deref(),
            list_id: delivery.list_id.as_deref(),
            request: delivery.request.as_deref().map(|request| texts.add(request)),
            reason: delivery.rejected.as_ref().map(|reason| reason.text.as_str()),
            reason_code: delivery.rejected.as_ref().map(|reason| reason.code.as_ref()),
            warnings: (!delivery.warnings.is_empty()).then(|| delivery.warnings.join("\n")),
        }));
    }
}

/// An attempt that starts.
#[derive(Serialize)]
pub(super) struct StartRow<'a> {
    delivery_id: i64,
    sent_to: &'a str,
    request: Option<&'a str>,
    now_ms: i64,
    /// The import job, and the place of the request in it.
    import_job: Option<i64>,
    import_item: Option<usize>,
}

impl<'a> StartRow<'a> {
    pub(super) fn of(start: &'a Start, import: Option<(ImportJobId, usize)>) -> Self {
        Self {
            delivery_id: start.delivery.0,
            sent_to: &start.sent_to,
            request: start.request.as_deref(),
            now_ms: start.now.as_millis(),
            import_job: import.map(|(job, _)| job.0),
            import_item: import.map(|(_, item)| item),
        }
    }
}

/// An event whose open attempts have an unknown result.
#[derive(Serialize)]
pub(super) struct LostRow {
    pub(super) event_id: i64,
    pub(super) now_ms: i64,
}

/// The result of an attempt, and the new state of its delivery.
#[derive(Serialize)]
pub(super) struct SettlementRow<'a> {
    delivery_id: i64,
    pub(super) number: i64,
    now_ms: i64,
    outcome: &'static str,
    http_status: Option<u16>,
    error: Option<&'a str>,
    request_id: Option<&'a str>,
    profile_id: Option<&'a str>,
    status: &'static str,
    reason: Option<&'a str>,
    reason_code: Option<&'a str>,
    request: Option<&'a str>,
    note: Option<&'a str>,
    counts: i32,
    failed: i32,
}

impl<'a> SettlementRow<'a> {
    pub(super) fn of(settlement: &'a Settlement) -> Self {
        let outcome = &settlement.outcome;
        Self {
            delivery_id: settlement.delivery.0,
            number: settlement.attempt,
            now_ms: settlement.now.as_millis(),
            outcome: outcome.kind.word(),
            http_status: outcome.http_status,
            error: outcome.error.as_deref(),
            request_id: outcome.request_id.as_deref(),
            profile_id: outcome.profile_id.as_deref(),
            status: settlement.status.word(),
            reason: settlement.reason.as_ref().map(|reason| reason.text.as_str()),
            reason_code: settlement.reason.as_ref().map(|reason| reason.code.as_ref()),
            request: settlement.request.as_deref(),
            note: outcome.note.as_deref(),
            counts: i32::from(settlement.counts),
            failed: i32::from(settlement.failed),
        }
    }
}

/// An event that is pending again.
#[derive(Serialize)]
pub(super) struct RequeueRow {
    event_id: i64,
    run_after_ms: i64,
    parked: Option<&'static str>,
}

impl RequeueRow {
    pub(super) fn of(event: EventId, due: Timestamp, parked: Option<Family>) -> Self {
        Self {
            event_id: event.0,
            run_after_ms: due.as_millis(),
            parked: parked.map(Family::word),
        }
    }
}

/// An event that is finished.
#[derive(Serialize)]
pub(super) struct FinishRow<'a> {
    pub(super) event_id: i64,
    pub(super) status: &'static str,
    pub(super) reason: Option<&'a str>,
    pub(super) reason_code: Option<&'a str>,
    pub(super) copy_of: Option<i64>,
    pub(super) hold: i32,
    pub(super) now_ms: i64,
}

/// The reason in two columns of a row: its text and its code.
pub(super) fn reason(row: &SqliteRow, text: &str, code: &str) -> Result<Option<Reason>, sqlx::Error> {
    let (text, code): (Option<String>, Option<String>) = (row.try_get(text)?, row.try_get(code)?);
    Ok(text.zip(code).map(|(text, code)| Reason::new(code, text)))
}

/// Event numbers as a JSON array.
pub(super) fn ids(events: &[EventId]) -> String {
    json!(events).to_string()
}
