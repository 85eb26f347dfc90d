//! Requests that ingest rejected within the last hour, as last reported. Ingest keeps them in memory and stores nothing
//! of the requests; this copy lets a command in another process show them.

use serde::{Deserialize, Serialize};
use sqlx::SqliteExecutor;

use crate::model::Timestamp;
use crate::outbox::handles::Intake;
use crate::outbox::kv;
use crate::outbox::{ReadError, WriteError};

/// The key in `kv`.
const KEY: &str = "rejected_requests";
/// How far back a report goes, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Requests that were rejected for one cause, of one sender as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedRequests {
    /// The HTTP status of the answer.
    pub status: u16,
    /// The error code of the answer.
    pub code: String,
    /// The source, if the write key belongs to one.
    pub source: Option<String>,
    /// A part of the user agent: SDKs name their library there.
    pub client: Option<String>,
    /// The first and last characters of a write key that belongs to no source.
    pub key: Option<String>,
    /// The number of requests within the hour.
    pub requests: u64,
    /// When the last one arrived, in milliseconds since 1970.
    pub last_ms: i64,
}

impl Intake {
    /// Stores the rejected requests, in place of the last report.
    pub async fn report_rejected(&self, rejected: Vec<RejectedRequests>) -> Result<(), WriteError> {
        self.store.kv_set_json(KEY, rejected).await
    }

    /// The requests rejected within the hour before `now`, the latest first.
    pub async fn rejected_requests(&self, now: Timestamp) -> Result<Vec<RejectedRequests>, ReadError> {
        let rejected = rejected_requests(&self.store.readers, now).await;
        rejected.map_err(ReadError::of("a stored value"))
    }
}

pub(in crate::outbox) async fn rejected_requests(
    connection: impl SqliteExecutor<'_>,
    now: Timestamp,
) -> Result<Vec<RejectedRequests>, sqlx::Error> {
    let stored = kv::get_json(connection, KEY).await?;
    let mut rejected: Vec<RejectedRequests> = stored.unwrap_or_default();
    rejected.retain(|requests| requests.last_ms > now.as_millis().saturating_sub(HOUR_MS));
    rejected.sort_by_key(|requests| std::cmp::Reverse(requests.last_ms));
    Ok(rejected)
}
