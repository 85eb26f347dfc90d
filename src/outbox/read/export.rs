//! Events with their calls, page by page, for `klaviyo-relay export`.

use serde::Serialize;
use sqlx::FromRow;

use super::select::{Selection, selected};
use crate::model::{EventId, Timestamp};
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;

/// Events per page: with calls of 32 KiB each, 16 MiB.
const PAGE: i64 = 500;

/// An event with its call. Its JSON is what the relay itself knows of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct ExportedEvent {
    /// Its number.
    pub id: EventId,
    /// The name of its source.
    pub source: String,
    /// Its message id.
    #[serde(rename = "messageId")]
    pub message_id: String,
    /// The type of the call; `None` when the call could not be read.
    #[serde(rename = "type")]
    #[sqlx(rename = "type")]
    pub kind: Option<String>,
    /// When it happened, corrected by the offset of the client's clock.
    #[sqlx(rename = "at_ms")]
    pub at: Timestamp,
    /// When it arrived.
    #[serde(skip)]
    #[sqlx(rename = "received_ms")]
    pub received_at: Timestamp,
    /// Its status.
    pub status: String,
    /// The reason for its status.
    pub reason: Option<String>,
    /// The code of that reason.
    pub reason_code: Option<String>,
    /// The call as received.
    #[serde(skip)]
    #[sqlx(rename = "body")]
    pub payload: String,
    /// The envelope of its batch.
    #[serde(skip)]
    pub envelope: Option<String>,
}

impl Reader {
    /// The next events of a selection after `after`, in their order of arrival; empty at the end. Events whose call was
    /// deleted are left out.
    pub async fn export(&self, selection: &Selection, after: EventId) -> Result<Vec<ExportedEvent>, ReadError> {
        let kept = Selection {
            kept: true,
            ..selection.clone()
        };
        let mut query = selected(WHAT, &kept);
        query.push(" AND e.id > ").push_bind(after.0);
        query.push(" ORDER BY e.id LIMIT ").push_bind(PAGE);
        self.store
            .all("the events to be exported", query.build_query_as())
            .await
    }

    /// The number of the newest event; 0 when there is none.
    pub async fn newest(&self) -> Result<EventId, ReadError> {
        let newest = sqlx::query_scalar("SELECT coalesce(max(id), 0) FROM event");
        self.store.value("the newest event", newest).await
    }
}

const WHAT: &str = "
    SELECT e.id, e.source, e.message_id, e.type, e.at_ms, e.received_ms, e.status, e.reason, e.reason_code,
           (SELECT x.body FROM payload AS x WHERE x.event_id = e.id) AS body,
           (SELECT v.body FROM payload AS x LEFT JOIN envelope AS v ON v.id = x.envelope_id
            WHERE x.event_id = e.id) AS envelope";
