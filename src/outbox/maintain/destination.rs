//! State of the daemon for commands in other processes, which read the configuration themselves: whether the Klaviyo at
//! a URL is a sandbox, and whether the daemon accepted the configuration when it was reloaded.

use serde::{Deserialize, Serialize};

use crate::model::Timestamp;
use crate::outbox::handles::{Control, Reader};
use crate::outbox::{ReadError, WriteError};

/// The key in `kv` for the destination.
const KEY: &str = "destination";
/// The key in `kv` for the time since which the daemon rejects the configuration in its file; empty: it accepted it.
const CONFIG_REJECTED: &str = "config_rejected_since_ms";

/// The Klaviyo account or sandbox behind an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The endpoint, as configured.
    pub endpoint: String,
    /// The name that deliveries carry in `sent_to`.
    pub sent_to: String,
}

impl Control {
    /// Stores where requests are sent.
    pub async fn report_destination(&self, destination: &Destination) -> Result<(), WriteError> {
        let text = serde_json::json!(destination).to_string();
        self.store.kv_set(KEY.to_owned(), text).await
    }

    /// Stores since when the daemon rejects the configuration in its file; `None`: it accepted it.
    pub async fn report_config(&self, rejected_since: Option<Timestamp>) -> Result<(), WriteError> {
        let text = rejected_since.map_or_else(String::new, |since| since.as_millis().to_string());
        self.store.kv_set(CONFIG_REJECTED.to_owned(), text).await
    }
}

impl Reader {
    /// Since when the daemon rejects the configuration in its file; `None` where it accepted it.
    pub async fn config_rejected_since(&self) -> Result<Option<Timestamp>, ReadError> {
        let text = self.store.kv_get(CONFIG_REJECTED).await?;
        let since = text.and_then(|text| text.parse().ok());
        Ok(since.map(Timestamp::from_millis))
    }

    /// Whether the daemon last found a sandbox at this endpoint.
    pub async fn is_sandbox(&self, endpoint: &str) -> Result<bool, ReadError> {
        let text = self.store.kv_get(KEY).await?;
        let known = text.and_then(|text| serde_json::from_str::<Destination>(&text).ok());
        Ok(known.is_some_and(|known| known.endpoint == endpoint && known.sent_to == "sandbox"))
    }
}
