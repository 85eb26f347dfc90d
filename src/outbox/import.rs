//! Events from an archive: stored as those that arrive, marked as history, and which of them are known.

use std::collections::HashSet;

use serde_json::json;

use super::command::Command;
use super::error::{AppendError, ReadError};
use super::order::Import;
use super::{Outbox, rows};
use crate::model::NewEvent;

/// One look into the primary key for each message id. A CROSS JOIN keeps SQLite to this order: of itself it goes
/// through all messages of the source.
pub(super) const KNOWN: &str = "
    SELECT m.message_id FROM json_each(?2) AS j CROSS JOIN message AS m
    ON m.source = ?1 AND m.message_id = j.value";

impl Outbox {
    /// As [`Outbox::append`], for events that happened long ago.
    pub async fn import(&self, events: Vec<NewEvent>, how: Import) -> Result<(), AppendError> {
        self.store(Command::Import(events, how)).await
    }

    /// Those of a source's message ids that were stored before.
    pub async fn known(
        &self,
        source: &str,
        message_ids: &[&str],
    ) -> Result<HashSet<String>, ReadError> {
        let ids: Vec<_> = message_ids.iter().map(|id| rows::storable(id)).collect();
        let known: Vec<String> = sqlx::query_scalar(KNOWN)
            .bind(source)
            .bind(json!(ids).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(ReadError::of("known message ids"))?;
        Ok(known.into_iter().collect())
    }
}
