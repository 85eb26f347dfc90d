//! From one event to those near it: the one that a message became, and a person's last and next.

use crate::outbox::error::ReadError;
use crate::outbox::{EventId, Outbox, rows};

/// The events of the person of ?1 before and behind it. Each identifier is looked up by itself, so that it costs the same
/// however many events a person has.
pub(in crate::outbox) const NEIGHBOURS: &str = "
    SELECT max((SELECT max(o.event_id) FROM event_identifier AS o
                WHERE o.identifier = i.identifier AND o.event_id < ?1)),
           min((SELECT min(o.event_id) FROM event_identifier AS o
                WHERE o.identifier = i.identifier AND o.event_id > ?1))
    FROM event_identifier AS i WHERE i.event_id = ?1";

/// The event of a source's message.
pub(in crate::outbox) const OF_MESSAGE: &str = "SELECT event_id FROM message WHERE source = ?1 AND message_id = ?2";

impl Outbox {
    /// The event before this one that may be about the same person, and the one behind it, in their order of arrival.
    pub async fn neighbours(&self, id: EventId) -> Result<(Option<EventId>, Option<EventId>), ReadError> {
        let found: (Option<i64>, Option<i64>) = sqlx::query_as(NEIGHBOURS)
            .bind(id.0)
            .fetch_one(&self.readers)
            .await
            .map_err(ReadError::of("the person's other events"))?;
        Ok((found.0.map(EventId), found.1.map(EventId)))
    }

    /// The event that a source's message became. Its number is known longer than the event is kept.
    pub async fn event_of_message(&self, source: &str, message_id: &str) -> Result<Option<EventId>, ReadError> {
        let found: Option<i64> = sqlx::query_scalar(OF_MESSAGE)
            .bind(source)
            .bind(rows::storable(message_id))
            .fetch_optional(&self.readers)
            .await
            .map_err(ReadError::of("a known message id"))?;
        Ok(found.map(EventId))
    }
}
