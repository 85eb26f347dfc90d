//! One event with its history: its requests, their attempts, and the events that wait for each other.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;

use crate::model::{DeliveryKind, DeliveryStatus, EventId, EventStatus, EventType, OutcomeKind, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// How many events are listed before and behind an event.
const LISTED: i64 = 20;

/// The unfinished events that an event waits for. ?1: the event; ?2: how many.
const WAITS_FOR: &str = "
    SELECT DISTINCT p.event_id FROM queue_entry AS t
    JOIN queue_entry AS p ON p.identifier = t.identifier AND p.queue_pos < t.queue_pos
    WHERE t.event_id = ?1 ORDER BY p.queue_pos LIMIT ?2";

/// One event: the columns of the view `events` and more. The JSON of `operator` adds
/// the call, the deliveries and their requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct EventReport {
    /// Its number.
    pub id: EventId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Its source.
    pub source: String,
    /// The message id of the call.
    pub message_id: String,
    /// The type of the call, if it has a known one.
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    pub kind: Option<EventType>,
    /// The name of a track, page or screen.
    pub name: Option<String>,
    /// The person it is about.
    pub profile: Option<String>,
    /// Its state.
    pub status: EventStatus,
    /// The reason for its state.
    pub reason: Option<String>,
    /// The code of that reason.
    pub reason_code: Option<String>,
    /// How many of its requests were delivered.
    pub delivered: i64,
    /// How many attempts were made.
    pub attempts: i64,
    /// When it may be sent; null if it waits for other events, is active or is not pending.
    pub next_attempt_at: Option<Timestamp>,
    /// When it was finished.
    pub finished_at: Option<Timestamp>,
    /// The order that the call names.
    pub order_id: Option<String>,
    /// The event that it is a copy of.
    pub copy_of: Option<EventId>,
    /// All identifiers of the people it may be about.
    #[sqlx(skip)]
    pub identifiers: Vec<String>,
    /// The unfinished events it waits for.
    #[sqlx(skip)]
    pub waits_for: Vec<EventId>,
    /// The unfinished events that wait for it.
    #[serde(skip)]
    #[sqlx(skip)]
    pub waited_for_by: WaitingEvents,
    /// The call as received.
    #[serde(skip)]
    pub payload: Option<String>,
    /// Its deliveries of all generations.
    #[serde(skip)]
    #[sqlx(skip)]
    pub deliveries: Vec<DeliveryReport>,
}

/// Events that wait for another one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WaitingEvents {
    /// How many.
    pub count: i64,
    /// The first of them.
    pub first: Vec<EventId>,
}

/// One delivery of an event: the columns of the view `deliveries` and more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct DeliveryReport {
    /// Its number.
    pub id: i64,
    /// Its event.
    pub event_id: EventId,
    /// Its place among the event's requests, from 0.
    pub position: i64,
    /// The kind of request.
    pub kind: DeliveryKind,
    /// For an event: its name at Klaviyo.
    pub metric: Option<String>,
    /// The `$event_id` of an event.
    pub event_id_key: Option<String>,
    /// Its state.
    pub status: DeliveryStatus,
    /// The reason for its state.
    pub reason: Option<String>,
    /// The code of that reason.
    pub reason_code: Option<String>,
    /// The status of the last answer.
    pub http_status: Option<i64>,
    /// When it was delivered.
    pub delivered_at: Option<Timestamp>,
    /// The destination.
    pub sent_to: Option<String>,
    /// The event whose delivery this one is a copy of.
    pub copy_of: Option<EventId>,
    /// The mapper's warnings, one in each line.
    pub warnings: Option<String>,
    /// In which sending of the event it is made, from 1.
    #[schemars(range(min = 1))]
    pub generation: i64,
    /// The list that it changes.
    pub list_id: Option<String>,
    /// The body sent.
    #[serde(skip)]
    pub request: Option<String>,
    /// Its attempts.
    #[sqlx(skip)]
    pub attempts: Vec<AttemptReport>,
}

/// One attempt: the columns of the view `attempts`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
#[schemars(rename = "Attempt")]
pub struct AttemptReport {
    /// The delivery.
    pub delivery_id: i64,
    /// Its number, from 1.
    #[schemars(range(min = 1))]
    pub number: i64,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; null while there is no answer.
    pub ended_at: Option<Timestamp>,
    /// How long it took, by the machine's clock.
    #[schemars(range(min = i64::MIN))]
    pub duration_ms: Option<i64>,
    /// The status of the answer.
    pub http_status: Option<i64>,
    /// Its result; null while there is no answer.
    pub outcome: Option<OutcomeKind>,
    /// What went wrong.
    pub error: Option<String>,
    /// Klaviyo's id of the request.
    pub klaviyo_request_id: Option<String>,
    /// The import job that it was sent in.
    pub import_job: Option<i64>,
    /// Klaviyo's id of that job.
    pub klaviyo_job_id: Option<String>,
}

impl Reader {
    /// One event with all that is stored of it.
    pub async fn report(&self, id: EventId) -> Result<Option<EventReport>, ReadError> {
        let failed = || ReadError::of("the event");
        let event = sqlx::query_as("SELECT * FROM events WHERE id = ?1").bind(id.0);
        let event: Option<EventReport> = self.store.first("the event", event).await?;
        let Some(mut event) = event else { return Ok(None) };
        let identifiers =
            sqlx::query_scalar("SELECT identifier FROM event_identifier WHERE event_id = ?1 ORDER BY identifier")
                .bind(id.0);
        event.identifiers = self.store.values("the event", identifiers).await?;
        let waits_for = sqlx::query_scalar(WAITS_FOR).bind(id.0).bind(LISTED);
        event.waits_for = self.store.values("the event", waits_for).await?;
        event.waited_for_by = self.waiting_for(id).await.map_err(failed())?;
        event.deliveries = self.delivery_reports(id).await.map_err(failed())?;
        Ok(Some(event))
    }

    async fn waiting_for(&self, id: EventId) -> Result<WaitingEvents, sqlx::Error> {
        let rows: Vec<(i64, EventId)> = sqlx::query_as(
            "SELECT count(*) OVER (), event_id FROM (
                 SELECT w.event_id, w.queue_pos FROM queue_entry AS t
                 JOIN queue_entry AS w ON w.identifier = t.identifier AND w.queue_pos > t.queue_pos
                 WHERE t.event_id = ?1 GROUP BY w.event_id)
             ORDER BY queue_pos LIMIT ?2",
        )
        .bind(id.0)
        .bind(LISTED)
        .fetch_all(&self.store.readers)
        .await?;
        Ok(WaitingEvents {
            count: rows.first().map_or(0, |(count, _)| *count),
            first: rows.into_iter().map(|(_, event)| event).collect(),
        })
    }

    async fn delivery_reports(&self, id: EventId) -> Result<Vec<DeliveryReport>, sqlx::Error> {
        let mut deliveries: Vec<DeliveryReport> = sqlx::query_as(
            "SELECT v.*, d.warnings, d.generation, d.list_id FROM deliveries AS v JOIN delivery AS d ON d.id = v.id
             WHERE v.event_id = ?1 ORDER BY v.id",
        )
        .bind(id.0)
        .fetch_all(&self.store.readers)
        .await?;
        for delivery in &mut deliveries {
            delivery.attempts = sqlx::query_as("SELECT * FROM attempts WHERE delivery_id = ?1 ORDER BY number")
                .bind(delivery.id)
                .fetch_all(&self.store.readers)
                .await?;
        }
        Ok(deliveries)
    }
}
