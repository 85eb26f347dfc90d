//! The use of the rate limits, as the scheduler last reported it. The scheduler has it in memory; this copy lets a
//! command in another process show it.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::outbox::handles::{Queue, Reader};
use crate::outbox::{ReadError, WriteError};

/// The key in `kv`.
pub(in crate::outbox) const KEY: &str = "limits_in_use";

/// How full the rate limit windows of an endpoint family were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LimitInUse {
    /// The family, by its name in `[delivery.limits]`.
    pub family: String,
    /// Requests in the last second, and the maximum.
    pub second: [u64; 2],
    /// Requests in the last minute, and the maximum.
    pub minute: [u64; 2],
    /// Whether the family may not send because of a 429.
    pub closed: bool,
}

/// The use of the limits by family, and the time of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsInUse {
    /// The time of the report, in milliseconds since 1970.
    pub at_ms: i64,
    /// The families that sent a request in the minute before, or may not send.
    pub families: Vec<LimitInUse>,
}

impl Queue {
    /// Stores how full the limits are.
    pub async fn report_limits(&self, now: Timestamp, families: Vec<LimitInUse>) -> Result<(), WriteError> {
        let report = LimitsInUse {
            at_ms: now.as_millis(),
            families,
        };
        self.store.kv_set_json(KEY, report).await
    }
}

impl Reader {
    /// How full the limits were at the last report; `None` if there was none.
    pub async fn limits_in_use(&self) -> Result<Option<LimitsInUse>, ReadError> {
        self.store.kv_get_json(KEY).await
    }
}
