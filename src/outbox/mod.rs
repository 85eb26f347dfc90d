//! The only module with SQL (being written; this is its face towards ingest).

use std::time::Duration;

use crate::model::NewEvent;

/// The durable queue.
#[derive(Debug, Clone)]
pub struct Outbox {}

/// Why events were not stored. Nothing of the batch was kept.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The outbox cannot take more now; the client should come back.
    #[error("the outbox cannot store now: {reason}")]
    Busy {
        /// Why, for the operator's log and the client's answer.
        reason: String,
        /// When to come back.
        retry_after: Duration,
    },
}

impl Outbox {
    /// Stores the events in one commit that is on disk when this returns. An event whose source and message id
    /// are known is left out: it was stored before.
    pub async fn append(&self, _events: Vec<NewEvent>) -> Result<(), AppendError> {
        Err(AppendError::Busy {
            reason: "not built yet".to_owned(),
            retry_after: Duration::from_secs(1),
        })
    }
}
