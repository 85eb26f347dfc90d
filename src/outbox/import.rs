//! Events from an archive: stored as those that arrive, marked as history.

use super::Outbox;
use super::arrival::Arrival;
use super::command::Command;
use super::error::AppendError;
use super::order::Import;
use crate::model::NewEvent;

impl Outbox {
    /// As [`Outbox::append`], for events that happened long ago.
    pub async fn import(&self, events: Vec<NewEvent>, how: Import) -> Result<Vec<Arrival>, AppendError> {
        self.store(Command::Import(events, how)).await
    }
}
