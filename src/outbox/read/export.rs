//! Events with their calls, page by page, for `klaviyo-relay export`.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::select::{Selection, selected};
use crate::model::{EventId, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// Events per page: with calls of 32 KiB each, 16 MiB.
const PAGE: i64 = 500;

/// An event with its call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportedEvent {
    /// Its number.
    pub id: EventId,
    /// The name of its source.
    pub source: String,
    /// Its message id.
    pub message_id: String,
    /// The type of the call; `None` when the call could not be read.
    pub kind: Option<String>,
    /// When it happened, corrected by the offset of the client's clock.
    pub at: Timestamp,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Its status.
    pub status: String,
    /// The reason for its status.
    pub reason: Option<String>,
    /// The code of that reason.
    pub reason_code: Option<String>,
    /// The call as received.
    pub payload: String,
    /// The envelope of its batch.
    pub envelope: Option<String>,
}

impl Reader {
    /// The next events of a selection after `after`, in their order of arrival; empty at the end. Events whose call was
    /// deleted are left out.
    pub async fn export(&self, selection: &Selection, after: EventId) -> Result<Vec<ExportedEvent>, ReadError> {
        let failed = || ReadError::of("the events to be exported");
        let kept = Selection {
            kept: true,
            ..selection.clone()
        };
        let mut query = selected(WHAT, &kept);
        query.push(" AND e.id > ").push_bind(after.0);
        query.push(" ORDER BY e.id LIMIT ").push_bind(PAGE);
        let rows = query.build().fetch_all(&self.store.readers).await.map_err(failed())?;
        rows.iter().map(event).collect::<Result<_, _>>().map_err(failed())
    }

    /// The number of the newest event; 0 when there is none.
    pub async fn newest(&self) -> Result<EventId, ReadError> {
        sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM event")
            .fetch_one(&self.store.readers)
            .await
            .map(EventId)
            .map_err(ReadError::of("the newest event"))
    }
}

const WHAT: &str = "
    SELECT e.id, e.source, e.message_id, e.type, e.at_ms, e.received_ms, e.status, e.reason, e.reason_code,
           (SELECT x.body FROM payload AS x WHERE x.event_id = e.id) AS body,
           (SELECT v.body FROM payload AS x LEFT JOIN envelope AS v ON v.id = x.envelope_id
            WHERE x.event_id = e.id) AS envelope";

fn event(row: &SqliteRow) -> Result<ExportedEvent, sqlx::Error> {
    Ok(ExportedEvent {
        id: EventId(row.try_get("id")?),
        source: row.try_get("source")?,
        message_id: row.try_get("message_id")?,
        kind: row.try_get("type")?,
        at: Timestamp::from_millis(row.try_get("at_ms")?),
        received_at: Timestamp::from_millis(row.try_get("received_ms")?),
        status: row.try_get("status")?,
        reason: row.try_get("reason")?,
        reason_code: row.try_get("reason_code")?,
        payload: row.try_get("body")?,
        envelope: row.try_get("envelope")?,
    })
}
