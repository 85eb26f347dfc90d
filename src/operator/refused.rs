//! Requests that ingest refused, as text and as JSON, for every place that reports them.

use schemars::JsonSchema;
use serde::Serialize;

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

/// Refused requests as JSON.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct RefusedJson<'a> {
    status: u16,
    code: &'a str,
    /// Where the write key is one's.
    source: Option<&'a str>,
    /// The user agent, in part.
    client: Option<&'a str>,
    /// The ends of a write key that no source has.
    key: Option<&'a str>,
    requests: u64,
    last: Timestamp,
}

impl<'a> RefusedJson<'a> {
    pub(super) fn of(refused: &'a RejectedRequests) -> Self {
        Self {
            status: refused.status,
            code: &refused.code,
            source: refused.source.as_deref(),
            client: refused.client.as_deref(),
            key: refused.key.as_deref(),
            requests: refused.requests,
            last: refused_last(refused),
        }
    }
}
