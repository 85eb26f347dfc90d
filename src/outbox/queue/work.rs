//! Reads the events that the scheduler has claimed, with their deliveries.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::transition::{PlannedDelivery, Replay};
use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventType, Reason, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::{Queue, Reader};
use crate::outbox::rows;

/// A claimed event, with its deliveries so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEvent {
    /// Its id.
    pub id: EventId,
    /// The name of its source.
    pub source: String,
    /// Its message id.
    pub message_id: String,
    /// The type of the call; `None` if it had none.
    pub kind: Option<EventType>,
    /// The event's name; only for a track.
    pub name: Option<String>,
    /// When it happened, corrected for the clock of the client.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// 1 at first, and 1 more with each replay. An imported event starts with 2: its first generation was processed
    /// elsewhere.
    pub generation: i64,
    /// When this generation began.
    pub generation_began: Timestamp,
    /// The options of this replay or import; the default in the first generation.
    pub replay: Replay,
    /// The call as received.
    pub payload: String,
    /// The fields of its batch outside the calls; consecutive calls of a batch share one text.
    pub envelope: Option<Arc<str>>,
    /// The trace context of the request that stored it, if that request was traced.
    pub traceparent: Option<String>,
    /// Its deliveries, in order; empty if it is not mapped yet in this generation.
    pub deliveries: Vec<StoredDelivery>,
}

/// A delivery, with what the scheduler needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Its id.
    pub id: DeliveryId,
    /// The kind of request.
    pub kind: DeliveryKind,
    /// The list; only for a subscription or a list change.
    pub list_id: Option<String>,
    /// Its status.
    pub status: DeliveryStatus,
    /// The reason, if it is not delivered.
    pub reason: Option<Reason>,
    /// The number of attempts that count against `max_attempts`.
    pub tries: u32,
    /// The number of failed attempts, also those that do not count.
    pub failures: u32,
    /// The frozen body; `None` if it is built at the first attempt, or if [`BODIES`] open deliveries of the event come
    /// before this one.
    pub request: Option<String>,
    /// Klaviyo's id of the profile, if the answer to this delivery contained it.
    pub profile_id: Option<String>,
    /// The event for which the same was delivered before; only for a duplicate.
    pub copy_of: Option<EventId>,
}

/// The number of open deliveries of an event whose bodies are read at once: an order can have hundreds of deliveries.
pub const BODIES: usize = 8;

pub(in crate::outbox) const EVENTS: &str = "
    SELECT e.id, e.source, e.message_id, e.type, e.name, e.at_ms, e.received_ms, e.generation, e.generation_ms,
           e.consent, e.backfill, e.as_sent, e.again, e.traceparent, p.body, v.body AS envelope
    FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value JOIN payload AS p ON p.event_id = e.id
    LEFT JOIN envelope AS v ON v.id = p.envelope_id
    ORDER BY j.key";

pub(in crate::outbox) const DELIVERIES: &str = "
    SELECT d.event_id, d.id, d.kind, d.list_id, d.status, d.reason, d.reason_code, d.tries, d.failures, d.profile_id, d.copy_of,
           iif(sum(d.status IN ('pending', 'unknown')) OVER (PARTITION BY d.event_id ORDER BY d.position) <= ?2,
               d.request, NULL) AS request
    FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value
    JOIN delivery AS d ON d.event_id = e.id AND d.generation = e.generation
    ORDER BY d.event_id, d.position";

const FORMER: &str = "
    SELECT d.kind, d.metric, d.event_key, d.list_id, d.request, d.warnings,
           iif(d.status = 'rejected' AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.delivery_id = d.id),
               d.reason, NULL) AS rejected, d.reason_code
    FROM event AS e JOIN delivery AS d ON d.event_id = e.id
     AND d.generation = (SELECT max(f.generation) FROM delivery AS f WHERE f.event_id = e.id AND f.generation < e.generation)
    WHERE e.id = ?1 ORDER BY d.position";

/// When the next events that nothing blocks are due; a time may be in the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NextDue {
    /// Of the events that were never replayed.
    pub live: Option<Timestamp>,
    /// Of the replayed events.
    pub replayed: Option<Timestamp>,
}

impl NextDue {
    /// Both times are `at`.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            live: Some(at),
            replayed: Some(at),
        }
    }

    /// Both times, earlier by `span`.
    #[must_use]
    pub fn earlier_by(self, span: Duration) -> Self {
        let earlier = |at: Option<Timestamp>| at.map(|at| at.minus(span));
        Self {
            live: earlier(self.live),
            replayed: earlier(self.replayed),
        }
    }

    /// The earliest time after `now`.
    pub fn ahead(self, now: Timestamp) -> Option<Timestamp> {
        let times = self.live.into_iter().chain(self.replayed);
        times.filter(|at| *at > now).min()
    }
}

impl Reader {
    /// Claimed events with their deliveries, in the order of `ids`, without the bodies that are not needed soon. An
    /// event whose payload is erased is left out.
    pub async fn claimed(&self, ids: &[EventId]) -> Result<Vec<ClaimedEvent>, ReadError> {
        let failed = || ReadError::of("the claimed events");
        let list = rows::ids(ids);
        let rows = sqlx::query(EVENTS)
            .bind(&list)
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        let mut events: Vec<ClaimedEvent> = rows.iter().map(event_of).collect::<Result<_, _>>().map_err(failed())?;
        let rows = sqlx::query(DELIVERIES)
            .bind(&list)
            .bind(i64::try_from(BODIES).unwrap_or(i64::MAX))
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        let mut owed: HashMap<EventId, Vec<StoredDelivery>> = HashMap::new();
        for row in &rows {
            let event = EventId(row.try_get("event_id").map_err(failed())?);
            owed.entry(event).or_default().push(delivery_of(row).map_err(failed())?);
        }
        share_envelopes(&mut events);
        for event in &mut events {
            event.deliveries = owed.remove(&event.id).unwrap_or_default();
        }
        Ok(events)
    }
}

impl Queue {
    /// The deliveries of an event's previous generation, for a replay with `as_sent`. A delivery that was rejected
    /// without an attempt stays rejected.
    pub async fn formerly_owed(&self, id: EventId) -> Result<Vec<PlannedDelivery>, ReadError> {
        let failed = || ReadError::of("what the event owed before");
        let rows = sqlx::query(FORMER)
            .bind(id.0)
            .fetch_all(&self.store.readers)
            .await
            .map_err(failed())?;
        rows.iter().map(planned_of).collect::<Result<_, _>>().map_err(failed())
    }

    /// When the next events are due.
    pub async fn next_due(&self) -> Result<NextDue, ReadError> {
        let due = sqlx::query_as(include_str!("sql/next_due.sql"));
        let (live, replayed) = self.store.one("the next due time", due).await?;
        Ok(NextDue { live, replayed })
    }
}

fn event_of(row: &SqliteRow) -> Result<ClaimedEvent, sqlx::Error> {
    let kind: Option<String> = row.try_get("type")?;
    Ok(ClaimedEvent {
        id: EventId(row.try_get("id")?),
        source: row.try_get("source")?,
        message_id: row.try_get("message_id")?,
        kind: kind.as_deref().and_then(EventType::from_word),
        name: row.try_get("name")?,
        at: Timestamp::from_millis(row.try_get("at_ms")?),
        received_at: Timestamp::from_millis(row.try_get("received_ms")?),
        generation: row.try_get("generation")?,
        generation_began: Timestamp::from_millis(row.try_get("generation_ms")?),
        traceparent: row.try_get("traceparent")?,
        replay: Replay {
            consent: row.try_get("consent")?,
            backfill: row.try_get("backfill")?,
            as_sent: row.try_get("as_sent")?,
            again: row.try_get("again")?,
        },
        payload: row.try_get("body")?,
        envelope: row.try_get::<Option<&str>, _>("envelope")?.map(Arc::from),
        deliveries: Vec::new(),
    })
}

/// Replaces equal texts of consecutive events by one shared text.
fn share_envelopes(events: &mut [ClaimedEvent]) {
    let mut last: Option<Arc<str>> = None;
    for event in events {
        match (&mut event.envelope, &last) {
            (Some(own), Some(last)) if own == last => *own = Arc::clone(last),
            (Some(own), _) => last = Some(Arc::clone(own)),
            (None, _) => {}
        }
    }
}

fn planned_of(row: &SqliteRow) -> Result<PlannedDelivery, sqlx::Error> {
    let warnings: Option<String> = row.try_get("warnings")?;
    Ok(PlannedDelivery {
        kind: word(row, "kind", DeliveryKind::from_word)?,
        metric: row.try_get("metric")?,
        event_key: row.try_get("event_key")?,
        list_id: row.try_get("list_id")?,
        request: row.try_get("request")?,
        rejected: rows::reason(row, "rejected", "reason_code")?,
        warnings: warnings
            .map(|lines| lines.lines().map(str::to_owned).collect())
            .unwrap_or_default(),
    })
}

fn delivery_of(row: &SqliteRow) -> Result<StoredDelivery, sqlx::Error> {
    Ok(StoredDelivery {
        id: DeliveryId(row.try_get("id")?),
        kind: word(row, "kind", DeliveryKind::from_word)?,
        list_id: row.try_get("list_id")?,
        status: word(row, "status", DeliveryStatus::from_word)?,
        reason: rows::reason(row, "reason", "reason_code")?,
        tries: row.try_get("tries")?,
        failures: row.try_get("failures")?,
        request: row.try_get("request")?,
        profile_id: row.try_get("profile_id")?,
        copy_of: row.try_get::<Option<i64>, _>("copy_of")?.map(EventId),
    })
}

/// Reads a value that the CHECK of the schema allows; any other value is an error with its column, not a panic.
pub(in crate::outbox) fn word<T>(
    row: &SqliteRow,
    column: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, sqlx::Error> {
    let text: String = row.try_get(column)?;
    read(&text).ok_or_else(|| sqlx::Error::ColumnDecode {
        index: column.to_owned(),
        source: format!("`{text}` is none of its words").into(),
    })
}
