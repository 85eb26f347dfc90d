//! Stores events from an archive: like incoming events, but marked as imported.

use super::append::Append;
use super::arrival::Arrival;
use crate::model::NewEvent;
use crate::outbox::Outbox;
use crate::outbox::error::AppendError;
use crate::outbox::queue::transition::Import;

impl Outbox {
    /// Like [`Outbox::append`], for events that happened long ago.
    pub async fn import(&self, events: Vec<NewEvent>, how: Import) -> Result<Vec<Arrival>, AppendError> {
        self.store(Append {
            events,
            import: Some(how),
        })
        .await
    }
}
