//! Requests that ingest rejected within the last hour, as last reported. Ingest keeps them in memory and stores nothing
//! of the requests; this copy lets a command in another process show them.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::outbox::handles::{Intake, Reader};
use crate::outbox::store::Store;
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
        let text = serde_json::json!(rejected).to_string();
        self.store.kv_set(KEY.to_owned(), text).await
    }

    /// The requests rejected within the hour before `now`, the latest first.
    pub async fn rejected_requests(&self, now: Timestamp) -> Result<Vec<RejectedRequests>, ReadError> {
        rejected(&self.store, now).await
    }
}

impl Reader {
    /// The requests rejected within the hour before `now`, the latest first.
    pub async fn rejected_requests(&self, now: Timestamp) -> Result<Vec<RejectedRequests>, ReadError> {
        rejected(&self.store, now).await
    }
}

async fn rejected(store: &Store, now: Timestamp) -> Result<Vec<RejectedRequests>, ReadError> {
    let text = store.kv_get(KEY).await?;
    let stored = text.and_then(|text| serde_json::from_str::<Vec<RejectedRequests>>(&text).ok());
    let mut rejected = stored.unwrap_or_default();
    rejected.retain(|requests| requests.last_ms > now.as_millis().saturating_sub(HOUR_MS));
    rejected.sort_by_key(|requests| std::cmp::Reverse(requests.last_ms));
    Ok(rejected)
}
