//! Requests that ingest refused, as text and as JSON, for every place that reports them.

use serde_json::{Value, json};

use crate::model::Timestamp;
use crate::outbox::RejectedRequests;

/// The sender, as far as it is known.
pub fn refused_sender(refused: &RejectedRequests) -> String {
    match (&refused.source, &refused.key) {
        (Some(source), _) => format!("source {source}"),
        (None, Some(key)) => format!("the unknown key {key}"),
        (None, None) => "nobody who is known".to_owned(),
    }
}

/// When the last of them arrived.
pub const fn refused_last(refused: &RejectedRequests) -> Timestamp {
    Timestamp::from_millis(refused.last_ms)
}

/// The refused requests as JSON.
pub fn refused_json(refused: &[RejectedRequests]) -> Value {
    let one = |refused: &RejectedRequests| {
        json!({
            "status": refused.status, "code": refused.code, "source": refused.source, "client": refused.client,
            "key": refused.key, "requests": refused.requests, "last": refused_last(refused).to_string(),
        })
    };
    refused.iter().map(one).collect()
}
