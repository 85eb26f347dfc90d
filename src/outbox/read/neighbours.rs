//! The events near an event: the previous and the next one of the same person. And the event of a message.

use crate::model::EventId;
use crate::outbox::error::ReadError;
use crate::outbox::handles::Reader;
use crate::outbox::rows;

/// The events before and after event ?1 that share an identifier with it. Each identifier is a look-up of its own, so
/// that the cost does not depend on how many events a person has.
pub(in crate::outbox) const NEIGHBOURS: &str = "
    SELECT max((SELECT max(o.event_id) FROM event_identifier AS o
                WHERE o.identifier = i.identifier AND o.event_id < ?1)),
           min((SELECT min(o.event_id) FROM event_identifier AS o
                WHERE o.identifier = i.identifier AND o.event_id > ?1))
    FROM event_identifier AS i WHERE i.event_id = ?1";

/// The event of a message of a source.
pub(in crate::outbox) const OF_MESSAGE: &str = "SELECT event_id FROM message WHERE source = ?1 AND message_id = ?2";

impl Reader {
    /// The previous and the next event, in order of arrival, that may be about the same person as this one.
    pub async fn neighbours(&self, id: EventId) -> Result<(Option<EventId>, Option<EventId>), ReadError> {
        let neighbours = sqlx::query_as(NEIGHBOURS).bind(id.0);
        self.store.one("the person's other events", neighbours).await
    }

    /// The event of a message of a source. Its number can be known after the event was deleted.
    pub async fn event_of_message(&self, source: &str, message_id: &str) -> Result<Option<EventId>, ReadError> {
        let event = sqlx::query_as(OF_MESSAGE).bind(source).bind(rows::storable(message_id));
        let event = self.store.first("a known message id", event).await?;
        Ok(event.map(|(event,)| event))
    }
}
