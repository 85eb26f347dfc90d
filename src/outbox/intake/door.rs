//! What ingest refused within the last hour, as it last reported it: that lives in its memory, nothing of it is stored, and
//! a command beside the daemon wants to see it.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::outbox::{Outbox, ReadError, WriteError};

/// The fact that keeps them.
const FACT: &str = "refused at the door";
/// How far back a report goes, in milliseconds.
const HOUR_MS: i64 = 3_600_000;

/// Requests that were refused for one cause, of one sender as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedAtDoor {
    /// The HTTP status they were answered with.
    pub status: u16,
    /// The code of the refusal.
    pub code: String,
    /// The source, where the write key is one's.
    pub source: Option<String>,
    /// The user agent, in part: SDKs name their library there.
    pub client: Option<String>,
    /// The first and the last characters of a write key that no source has.
    pub key: Option<String>,
    /// How many within the hour.
    pub requests: u64,
    /// When the last one came, in milliseconds since 1970.
    pub last_ms: i64,
}

impl Outbox {
    /// Keeps what was refused.
    pub async fn report_refused(&self, refused: Vec<RefusedAtDoor>) -> Result<(), WriteError> {
        let text = serde_json::json!(refused).to_string();
        self.remember(FACT.to_owned(), text).await
    }

    /// What was refused within the hour before `now`, the latest first.
    pub async fn refused_at_door(&self, now: Timestamp) -> Result<Vec<RefusedAtDoor>, ReadError> {
        let text = self.recall(FACT).await?;
        let kept = text.and_then(|text| serde_json::from_str::<Vec<RefusedAtDoor>>(&text).ok());
        let mut kept = kept.unwrap_or_default();
        kept.retain(|refused| refused.last_ms > now.as_millis().saturating_sub(HOUR_MS));
        kept.sort_by_key(|refused| std::cmp::Reverse(refused.last_ms));
        Ok(kept)
    }
}
