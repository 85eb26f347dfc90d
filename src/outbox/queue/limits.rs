//! The limits in use, as the relay last told them: they live in its memory, and a command beside it wants to see them.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::outbox::{Outbox, ReadError, WriteError};

/// The fact that keeps them.
const FACT: &str = "limits in use";

/// How full the windows of a family of endpoints were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitInUse {
    /// The family, by its word in `[delivery.limits]`.
    pub family: String,
    /// Requests in the last second, and how many there may be.
    pub second: [u64; 2],
    /// Requests in the last minute, and how many there may be.
    pub minute: [u64; 2],
    /// Whether a 429 keeps it from sending.
    pub closed: bool,
}

/// The families that sent something, and when that was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitsInUse {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Those that sent something in the minute before, or may not.
    pub families: Vec<LimitInUse>,
}

impl Outbox {
    /// Keeps how full the limits are.
    pub async fn tell_limits(&self, now: Timestamp, families: Vec<LimitInUse>) -> Result<(), WriteError> {
        let told = LimitsInUse {
            at_ms: now.as_millis(),
            families,
        };
        let text = serde_json::json!(told).to_string();
        self.remember(FACT.to_owned(), text).await
    }

    /// How full the limits were when the relay last told it; `None` when it never did.
    pub async fn limits_in_use(&self) -> Result<Option<LimitsInUse>, ReadError> {
        let told = self.recall(FACT).await?;
        Ok(told.and_then(|text| serde_json::from_str(&text).ok()))
    }
}
