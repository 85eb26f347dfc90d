//! State of the daemon for commands in other processes, which read the configuration themselves: whether the Klaviyo at
//! a URL is a sandbox, and whether the daemon accepted the configuration when it was reloaded.

use serde::{Deserialize, Serialize};
use sqlx::SqliteExecutor;

use crate::model::Timestamp;
use crate::outbox::handles::{Control, Reader};
use crate::outbox::kv;
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
        self.store.kv_set_json(KEY, destination).await
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
        let since = config_rejected_since(&self.store.readers).await;
        since.map_err(ReadError::of("a stored value"))
    }

    /// Whether the daemon last found a sandbox at this endpoint.
    pub async fn is_sandbox(&self, endpoint: &str) -> Result<bool, ReadError> {
        let known: Option<Destination> = self.store.kv_get_json(KEY).await?;
        Ok(known.is_some_and(|known| known.endpoint == endpoint && known.sent_to == "sandbox"))
    }
}

pub(in crate::outbox) async fn config_rejected_since(
    connection: impl SqliteExecutor<'_>,
) -> Result<Option<Timestamp>, sqlx::Error> {
    let since = kv::get_json(connection, CONFIG_REJECTED).await?;
    Ok(since.map(Timestamp::from_millis))
}
