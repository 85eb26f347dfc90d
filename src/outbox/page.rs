//! Lists for the admin port: events page by page, dead ones by reason, who waits behind whom.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::error::ReadError;
use super::select::{self, Brief, Selection};
use super::{EventId, Outbox};

/// Events that one page looks through at most. Whatever is filtered for, a page costs no more than this.
const LOOKED_THROUGH_AT_MOST: i64 = 20_000;

/// Where a page that began before ?1 has to end: the number of the last event that it may look at.
pub(super) const LOOKED_THROUGH: &str =
    "SELECT id FROM event WHERE id < ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2";

/// A page of events, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The events; fewer than asked for, or none, where the filters are met seldom and `next` tells where to go on.
    pub events: Vec<Brief>,
    /// Go on before this number; `None` at the end.
    pub next: Option<EventId>,
}

/// Dead events with the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadReason {
    /// The reason.
    pub reason: String,
    /// How many.
    pub count: i64,
    /// When the first of them arrived, ISO 8601.
    pub first: String,
    /// When the last of them arrived.
    pub last: String,
}

/// A row of the view `blocked_profiles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BlockedRow {
    /// The first identifier of the event that others wait for.
    pub profile: Option<String>,
    /// That event.
    pub head_event: i64,
    /// When it arrived, ISO 8601.
    pub since: String,
    /// How many wait.
    pub waiting: i64,
    /// Why.
    pub reason: String,
    /// When it is tried again; none while it is in the air, held or dead.
    pub next_attempt_at: Option<String>,
}

impl Outbox {
    /// Events of a selection numbered below `before`, the newest first, `most` at most. A page looks through a bounded
    /// number of events, or at those that a selection by number or person names.
    pub async fn page(
        &self,
        selection: &Selection,
        before: Option<EventId>,
        most: u32,
    ) -> Result<Page, ReadError> {
        let failed = || ReadError::of("a page of events");
        let before = before.map_or(i64::MAX, |before| before.0);
        let named = !selection.ids.is_empty() || !selection.profile.is_empty();
        let last: Option<i64> = if named {
            None
        } else {
            sqlx::query_scalar(LOOKED_THROUGH)
                .bind(before)
                .bind(LOOKED_THROUGH_AT_MOST - 1)
                .fetch_optional(&self.readers)
                .await
                .map_err(failed())?
        };
        let mut query = select::selected(select::BRIEF, selection);
        query.push(" AND e.id < ").push_bind(before);
        if let Some(last) = last {
            query.push(" AND e.id >= ").push_bind(last);
        }
        query.push(" ORDER BY e.id DESC LIMIT ").push_bind(most);
        let rows = query.build().fetch_all(&self.readers).await;
        let rows = rows.map_err(failed())?;
        let events: Result<Vec<Brief>, _> = rows.iter().map(select::brief).collect();
        let events = events.map_err(failed())?;
        let is_full = u32::try_from(events.len()).is_ok_and(|count| count == most);
        let next = if is_full {
            events.last().map(|event| event.id)
        } else {
            last.map(EventId)
        };
        Ok(Page { events, next })
    }

    /// Dead events by reason, the largest groups first, `most` at most. Reads every dead event.
    pub async fn dead_reasons(&self, most: u32) -> Result<Vec<DeadReason>, ReadError> {
        let failed = || ReadError::of("the dead events by reason");
        let rows = sqlx::query(
            "SELECT reason, count(*) AS count,
                    strftime('%Y-%m-%dT%H:%M:%fZ', min(received_ms) / 1000.0, 'unixepoch') AS first,
                    strftime('%Y-%m-%dT%H:%M:%fZ', max(received_ms) / 1000.0, 'unixepoch') AS last
             FROM event WHERE status = 'dead' GROUP BY reason ORDER BY count(*) DESC, reason LIMIT ?1",
        )
        .bind(most)
        .fetch_all(&self.readers)
        .await
        .map_err(failed())?;
        rows.iter()
            .map(dead_reason)
            .collect::<Result<_, _>>()
            .map_err(failed())
    }

    /// Who waits behind what, the longest first, `most` at most. Reads the whole backlog.
    pub async fn blocked_profiles(&self, most: u32) -> Result<Vec<BlockedRow>, ReadError> {
        let failed = || ReadError::of("the blocked profiles");
        let rows =
            sqlx::query("SELECT * FROM blocked_profiles ORDER BY since, head_event LIMIT ?1")
                .bind(most)
                .fetch_all(&self.readers)
                .await
                .map_err(failed())?;
        rows.iter()
            .map(blocked)
            .collect::<Result<_, _>>()
            .map_err(failed())
    }
}

fn dead_reason(row: &SqliteRow) -> Result<DeadReason, sqlx::Error> {
    Ok(DeadReason {
        reason: row.try_get("reason")?,
        count: row.try_get("count")?,
        first: row.try_get("first")?,
        last: row.try_get("last")?,
    })
}

fn blocked(row: &SqliteRow) -> Result<BlockedRow, sqlx::Error> {
    Ok(BlockedRow {
        profile: row.try_get("profile")?,
        head_event: row.try_get("head_event")?,
        since: row.try_get("since")?,
        waiting: row.try_get("waiting")?,
        reason: row.try_get("reason")?,
        next_attempt_at: row.try_get("next_attempt_at")?,
    })
}
