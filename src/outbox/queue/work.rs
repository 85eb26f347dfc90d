//! What the relay reads about an event it has claimed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::transition::{PlannedDelivery, Replay};
use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventType, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::{EventId, Outbox, rows};

/// A claimed event, with what it owes so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedEvent {
    /// Its number.
    pub id: EventId,
    /// The name of its source.
    pub source: String,
    /// Its message id.
    pub message_id: String,
    /// Which call it is; `None` when it never said.
    pub kind: Option<EventType>,
    /// The event's name, of a track.
    pub name: Option<String>,
    /// When it happened, corrected for the client's clock.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// 1 the first time, one more at each replay. What was imported begins with 2: the first was elsewhere.
    pub generation: i64,
    /// When this generation began.
    pub generation_began: Timestamp,
    /// What the operator asked of this replay or import; nothing the first time.
    pub replay: Replay,
    /// The call as received.
    pub payload: String,
    /// What its batch said around it; one text for all of its calls that stand behind each other.
    pub envelope: Option<Arc<str>>,
    /// The span that stored it, where its request was traced.
    pub traceparent: Option<String>,
    /// What it owes, in order; empty when it was not mapped yet in this generation.
    pub deliveries: Vec<StoredDelivery>,
}

/// A delivery as the relay needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDelivery {
    /// Its number.
    pub id: DeliveryId,
    /// What it asks of Klaviyo.
    pub kind: DeliveryKind,
    /// The list, of a subscription or a list change.
    pub list_id: Option<String>,
    /// Where it stands.
    pub status: DeliveryStatus,
    /// Why, when it is not delivered.
    pub reason: Option<String>,
    /// Attempts that count against `max_attempts`.
    pub tries: u32,
    /// Attempts that failed, counted or not.
    pub failures: u32,
    /// The frozen body; `None` where it is made at the first attempt, and behind the next [`BODIES`] that are owed.
    pub request: Option<String>,
    /// The profile's id at Klaviyo, where this delivery's answer named it.
    pub profile_id: Option<String>,
    /// The event that it was delivered for before, of a duplicate.
    pub copy_of: Option<EventId>,
}

/// Of the requests that an event owes, the bodies of so many are read at once: an order may owe hundreds.
pub const BODIES: usize = 8;

pub(in crate::outbox) const EVENTS: &str = "
    SELECT e.id, e.source, e.message_id, e.type, e.name, e.at_ms, e.received_ms, e.generation, e.generation_ms,
           e.consent, e.backfill, e.as_sent, e.again, e.traceparent, p.body, v.body AS envelope
    FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value JOIN payload AS p ON p.event_id = e.id
    LEFT JOIN envelope AS v ON v.id = p.envelope_id
    ORDER BY j.key";

pub(in crate::outbox) const DELIVERIES: &str = "
    SELECT d.event_id, d.id, d.kind, d.list_id, d.status, d.reason, d.tries, d.failures, d.profile_id, d.copy_of,
           iif(sum(d.status IN ('pending', 'unknown')) OVER (PARTITION BY d.event_id ORDER BY d.position) <= ?2,
               d.request, NULL) AS request
    FROM json_each(?1) AS j JOIN event AS e ON e.id = j.value
    JOIN delivery AS d ON d.event_id = e.id AND d.generation = e.generation
    ORDER BY d.event_id, d.position";

const FORMER: &str = "
    SELECT d.kind, d.metric, d.event_key, d.list_id, d.request, d.warnings,
           iif(d.status = 'rejected' AND NOT EXISTS (SELECT 1 FROM attempt AS a WHERE a.delivery_id = d.id),
               d.reason, NULL) AS refused
    FROM event AS e JOIN delivery AS d ON d.event_id = e.id
     AND d.generation = (SELECT max(f.generation) FROM delivery AS f WHERE f.event_id = e.id AND f.generation < e.generation)
    WHERE e.id = ?1 ORDER BY d.position";

/// When the next events may go whose turn has come; a time may lie in the past.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NextDue {
    /// Of those that never were replayed.
    pub live: Option<Timestamp>,
    /// Of the replayed ones.
    pub replayed: Option<Timestamp>,
}

impl NextDue {
    /// Both at this time.
    pub const fn at(at: Timestamp) -> Self {
        Self {
            live: Some(at),
            replayed: Some(at),
        }
    }

    /// Both so much earlier.
    #[must_use]
    pub fn earlier_by(self, span: Duration) -> Self {
        let earlier = |at: Option<Timestamp>| at.map(|at| at.minus(span));
        Self {
            live: earlier(self.live),
            replayed: earlier(self.replayed),
        }
    }

    /// The first that lies ahead.
    pub fn ahead(self, now: Timestamp) -> Option<Timestamp> {
        let times = self.live.into_iter().chain(self.replayed);
        times.filter(|at| *at > now).min()
    }
}

impl Outbox {
    /// Everything about claimed events but the bodies that are not needed soon, in the order asked for; one whose
    /// payload has been erased is left out.
    pub async fn claimed(&self, ids: &[EventId]) -> Result<Vec<ClaimedEvent>, ReadError> {
        let failed = || ReadError::of("the claimed events");
        let list = rows::ids(ids);
        let rows = sqlx::query(EVENTS)
            .bind(&list)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        let mut events: Vec<ClaimedEvent> = rows.iter().map(event_of).collect::<Result<_, _>>().map_err(failed())?;
        let rows = sqlx::query(DELIVERIES)
            .bind(&list)
            .bind(i64::try_from(BODIES).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
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

    /// What an event owed in its last generation, for a replay as sent. What was refused before it was ever sent still
    /// is.
    pub async fn formerly_owed(&self, id: EventId) -> Result<Vec<PlannedDelivery>, ReadError> {
        let failed = || ReadError::of("what the event owed before");
        let rows = sqlx::query(FORMER)
            .bind(id.0)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        rows.iter().map(planned_of).collect::<Result<_, _>>().map_err(failed())
    }

    /// When the next events may go.
    pub async fn next_due(&self) -> Result<NextDue, ReadError> {
        let failed = || ReadError::of("the next due time");
        let (live, replayed): (Option<i64>, Option<i64>) = sqlx::query_as(include_str!("sql/next_due.sql"))
            .fetch_one(&self.readers)
            .await
            .map_err(failed())?;
        let time = |millis: Option<i64>| millis.map(Timestamp::from_millis);
        Ok(NextDue {
            live: time(live),
            replayed: time(replayed),
        })
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

/// Makes one text of equal ones behind each other.
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
        refused: row.try_get("refused")?,
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
        reason: row.try_get("reason")?,
        tries: row.try_get("tries")?,
        failures: row.try_get("failures")?,
        request: row.try_get("request")?,
        profile_id: row.try_get("profile_id")?,
        copy_of: row.try_get::<Option<i64>, _>("copy_of")?.map(EventId),
    })
}

/// Reads a word the schema's CHECK allows; another is a located error, not a panic.
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
