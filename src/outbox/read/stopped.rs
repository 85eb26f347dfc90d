//! Events that block others and need an operator to go on: held events, and dead events that keep their queue entries.
//! And the number of dead events.
//!
//! It promises to read a bounded number of rows: the events that died last, and the held events.

use schemars::JsonSchema;
use serde::Serialize;
use sqlx::FromRow;
use sqlx::sqlite::SqliteConnection;

use crate::model::{EventId, Timestamp};

/// How many held events, and how many dead events, are read.
const MOST: i64 = 5_000;
/// How many events are counted behind one event.
const MOST_BEHIND: i64 = 1_000;

const STOPPED: &str = "
    WITH head AS (
        SELECT id, status FROM (SELECT id, status FROM event WHERE status = 'dead' ORDER BY finished_ms DESC LIMIT ?1)
        UNION ALL
        SELECT id, status FROM (SELECT id, status FROM event WHERE finished_ms IS NULL AND status = 'held' LIMIT ?1)
    ),
    line AS (
        SELECT h.id, h.status,
               (SELECT count(*) FROM (SELECT DISTINCT w.event_id FROM queue_entry AS t
                                      JOIN queue_entry AS w ON w.identifier = t.identifier AND w.queue_pos > t.queue_pos
                                      WHERE t.event_id = h.id LIMIT ?2)) AS behind
        FROM head AS h WHERE h.id IN (SELECT event_id FROM queue_entry WHERE event_id = h.id)
    )
    SELECT status, count(*) AS heads, sum(behind) AS behind, max(id) AS sample FROM line WHERE behind > 0 GROUP BY status
    ORDER BY status";

/// Dead events that an operator has neither discarded nor erased.
pub(in crate::outbox) const DEAD_SINCE: &str = "
    SELECT count(*) FROM event
    WHERE status = 'dead' AND finished_ms >= ?1 AND reason_code NOT IN ('discarded', 'erased')";

/// Events of one state that block others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, FromRow)]
pub struct Stopped {
    /// `dead` or `held`.
    #[schemars(extend("enum" = ["dead", "held"]))]
    pub status: String,
    /// How many there are.
    #[serde(rename = "events")]
    pub heads: i64,
    /// How many events wait behind them, approximately.
    #[serde(rename = "waiting")]
    pub behind: i64,
    /// One of them.
    pub sample: EventId,
}

/// Events that block others and need an operator to go on, by their state.
pub(super) async fn stopped(reader: &mut SqliteConnection) -> Result<Vec<Stopped>, sqlx::Error> {
    let rows = sqlx::query_as(STOPPED).bind(MOST).bind(MOST_BEHIND);
    rows.fetch_all(reader).await
}

/// How many events died since then, are still dead, and were neither discarded nor erased.
pub(super) async fn dead_since(reader: &mut SqliteConnection, since: Timestamp) -> Result<i64, sqlx::Error> {
    let count = sqlx::query_scalar(DEAD_SINCE).bind(since.as_millis());
    count.fetch_one(reader).await
}
