//! What the relay reads about an event it has claimed.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::ReadError;
use super::{EventId, Outbox};
use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventType, Timestamp};

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
    /// When it happened, corrected for the client's clock.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// 1 the first time, one more at each replay.
    pub cycle: i64,
    /// When this cycle began.
    pub cycle_began: Timestamp,
    /// Whether the operator asked this replay to send subscriptions of any age.
    pub consent: bool,
    /// The call as received.
    pub payload: String,
    /// What its batch said around it.
    pub envelope: Option<String>,
    /// What it owes, in order; empty when it was not mapped yet in this cycle.
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
    /// The frozen body; `None` where it is made at the first attempt.
    pub request: Option<String>,
    /// The profile's id at Klaviyo, where this delivery's answer named it.
    pub profile_id: Option<String>,
    /// How often Klaviyo answered that its identifiers belong to two profiles.
    pub conflicts: u32,
}

const EVENT: &str = "
    SELECT e.id, e.source, e.message_id, e.type, e.at_ms, e.received_ms, e.cycle, e.cycle_ms, e.consent,
           p.body, p.envelope
    FROM event AS e JOIN payload AS p ON p.event_id = e.id
    WHERE e.id = ?1";

const DELIVERIES: &str = "
    SELECT d.id, d.kind, d.list_id, d.status, d.reason, d.tries, d.request, d.profile_id,
           (SELECT count(*) FROM attempt AS a WHERE a.delivery_id = d.id AND a.outcome = 'conflict') AS conflicts
    FROM delivery AS d
    WHERE d.event_id = ?1 AND d.cycle = ?2
    ORDER BY d.position";

pub(super) const NEXT_DUE_SQL: &str = "
    SELECT due_ms FROM event
    WHERE status = 'pending' AND ahead = 0 AND in_air = 0
    ORDER BY due_ms, id LIMIT 1";

impl Outbox {
    /// Everything about a claimed event; `None` when its payload has been erased.
    pub async fn claimed(&self, id: EventId) -> Result<Option<ClaimedEvent>, ReadError> {
        let failed = || ReadError::of("a claimed event");
        let row = sqlx::query(EVENT)
            .bind(id.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(failed())?;
        let Some(row) = row else { return Ok(None) };
        let mut event = event_of(&row).map_err(failed())?;
        let rows = sqlx::query(DELIVERIES)
            .bind(id.0)
            .bind(event.cycle)
            .fetch_all(&self.readers)
            .await
            .map_err(failed())?;
        event.deliveries = rows
            .iter()
            .map(delivery_of)
            .collect::<Result<_, _>>()
            .map_err(failed())?;
        Ok(Some(event))
    }

    /// When the next event may go whose turn has come; `None` when none waits. It may lie in the past.
    pub async fn next_due(&self) -> Result<Option<Timestamp>, ReadError> {
        let due: Option<i64> = sqlx::query_scalar(NEXT_DUE_SQL)
            .fetch_optional(&self.readers)
            .await
            .map_err(ReadError::of("the next due time"))?;
        Ok(due.map(Timestamp::from_millis))
    }

    /// A fact kept by [`Outbox::remember`].
    pub async fn recall(&self, name: &str) -> Result<Option<String>, ReadError> {
        sqlx::query_scalar("SELECT value FROM fact WHERE name = ?1")
            .bind(name)
            .fetch_optional(&self.readers)
            .await
            .map_err(ReadError::of("a fact"))
    }
}

fn event_of(row: &SqliteRow) -> Result<ClaimedEvent, sqlx::Error> {
    let kind: Option<String> = row.try_get("type")?;
    Ok(ClaimedEvent {
        id: EventId(row.try_get("id")?),
        source: row.try_get("source")?,
        message_id: row.try_get("message_id")?,
        kind: kind.as_deref().and_then(EventType::from_word),
        at: Timestamp::from_millis(row.try_get("at_ms")?),
        received_at: Timestamp::from_millis(row.try_get("received_ms")?),
        cycle: row.try_get("cycle")?,
        cycle_began: Timestamp::from_millis(row.try_get("cycle_ms")?),
        consent: row.try_get("consent")?,
        payload: row.try_get("body")?,
        envelope: row.try_get("envelope")?,
        deliveries: Vec::new(),
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
        request: row.try_get("request")?,
        profile_id: row.try_get("profile_id")?,
        conflicts: row.try_get("conflicts")?,
    })
}

/// Reads a word the schema's CHECK allows; another is a located error, not a panic.
fn word<T>(
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
