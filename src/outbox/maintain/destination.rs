//! What the daemon goes by, for a command beside it, which reads the configuration for itself: whether the Klaviyo at a URL
//! is a sandbox, and whether the configuration was taken when it was read again.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::outbox::{Outbox, ReadError, WriteError};

/// The fact that keeps it.
const FACT: &str = "destination";
/// The fact that keeps since when the daemon has not taken the configuration as it is; empty: it has.
const NOT_TAKEN: &str = "configuration not taken since";

/// What answers at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The endpoint, as the configuration has it.
    pub endpoint: String,
    /// The name that deliveries carry in `sent_to`.
    pub sent_to: String,
}

impl Outbox {
    /// Keeps where requests go.
    pub async fn report_destination(&self, destination: &Destination) -> Result<(), WriteError> {
        let text = serde_json::json!(destination).to_string();
        self.remember(FACT.to_owned(), text).await
    }

    /// Keeps whether the daemon goes on with the configuration as it is, or since when it does not.
    pub async fn report_config(&self, not_taken: Option<Timestamp>) -> Result<(), WriteError> {
        let text = not_taken.map_or_else(String::new, |since| since.as_millis().to_string());
        self.remember(NOT_TAKEN.to_owned(), text).await
    }

    /// Since when the daemon has not taken the configuration as it is; `None` where it has.
    pub async fn config_not_taken(&self) -> Result<Option<Timestamp>, ReadError> {
        let text = self.recall(NOT_TAKEN).await?;
        let since = text.and_then(|text| text.parse().ok());
        Ok(since.map(Timestamp::from_millis))
    }

    /// Whether a sandbox answers at this endpoint, as the daemon found it last.
    pub async fn is_sandbox(&self, endpoint: &str) -> Result<bool, ReadError> {
        let text = self.recall(FACT).await?;
        let known = text.and_then(|text| serde_json::from_str::<Destination>(&text).ok());
        Ok(known.is_some_and(|known| known.endpoint == endpoint && known.sent_to == "sandbox"))
    }
}
