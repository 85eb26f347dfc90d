//! Requests that ingest rejected, as text and as JSON, for every place that reports them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Timestamp;
use crate::outbox::RejectedRequests;

/// The sender, as far as it is known.
pub fn rejected_sender(rejected: &RejectedRequests) -> String {
    match (&rejected.source, &rejected.key) {
        (Some(source), _) => format!("source {source}"),
        (None, Some(key)) => format!("the unknown key {key}"),
        (None, None) => "nobody who is known".to_owned(),
    }
}

/// When the last of them arrived.
pub const fn rejected_last(rejected: &RejectedRequests) -> Timestamp {
    Timestamp::from_millis(rejected.last_ms)
}

/// Requests of one sender that were rejected for one reason.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(inline)]
pub(super) struct RejectedJson<'a> {
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    #[schemars(regex(pattern = "^[a-z_]+$"))]
    code: &'a str,
    /// Where the write key is one's.
    source: Option<&'a str>,
    /// The user agent, in part.
    client: Option<&'a str>,
    /// The ends of a write key that no source has.
    key: Option<&'a str>,
    #[schemars(range(min = 1))]
    requests: u64,
    last: Timestamp,
}

impl<'a> RejectedJson<'a> {
    pub(super) fn of(rejected: &'a RejectedRequests) -> Self {
        Self {
            status: rejected.status,
            code: &rejected.code,
            source: rejected.source.as_deref(),
            client: rejected.client.as_deref(),
            key: rejected.key.as_deref(),
            requests: rejected.requests,
            last: rejected_last(rejected),
        }
    }
}
