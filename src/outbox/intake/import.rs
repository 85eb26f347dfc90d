//! Events from an archive: stored as those that arrive, marked as history.

use super::append::Append;
use super::arrival::Arrival;
use crate::model::NewEvent;
use crate::outbox::Outbox;
use crate::outbox::error::AppendError;
use crate::outbox::queue::transition::Import;

impl Outbox {
    /// As [`Outbox::append`], for events that happened long ago.
    pub async fn import(&self, events: Vec<NewEvent>, how: Import) -> Result<Vec<Arrival>, AppendError> {
        self.store(Append {
            events,
            import: Some(how),
        })
        .await
    }
}
