//! Stores incoming events: message ids, envelopes, the events and their queue entries, in one commit.

use super::arrival::{self, Arrival};
use crate::model::{EventType, NewEvent};
use crate::outbox::command::{Effects, Group, GroupCommand, ROW, Written};
use crate::outbox::control::erase;
use crate::outbox::queue::transition::Import;
use crate::outbox::rows;
use crate::outbox::transaction::Transaction;

/// Stores events; the reply is the result for each event.
#[derive(Debug)]
pub(in crate::outbox) struct Append {
    pub(in crate::outbox) events: Vec<NewEvent>,
    /// The options of the import, if the events come from an archive.
    pub(in crate::outbox) import: Option<Import>,
}

impl GroupCommand for Append {
    type Reply = Vec<Arrival>;

    fn effects(&self) -> Effects {
        Effects {
            wakes: !self.events.is_empty(),
            stores: true,
            ..Effects::default()
        }
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.payload.len() + ROW).sum()
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        let events = self.events.iter().map(|event| (event, self.import));
        group.events.extend(events);
    }

    fn reply(&self, written: &mut Written) -> Vec<Arrival> {
        written.arrivals.by_ref().take(self.events.len()).collect()
    }
}

/// Stores envelopes, before the events that refer to them. ?1: JSON array of their texts.
const ENVELOPES: &str = "
    INSERT INTO envelope (id, body)
    SELECT (SELECT value FROM counter WHERE name = 'last_envelope') + 1 + j.key, j.value FROM json_each(?1) AS j";

/// Removes the envelopes that no stored event uses, because all its events are copies, and advances the counter. ?1:
/// the same array.
const ENVELOPES_COUNTED: &str = "
    DELETE FROM envelope
    WHERE id > (SELECT value FROM counter WHERE name = 'last_envelope')
      AND NOT EXISTS (SELECT 1 FROM payload AS p WHERE p.envelope_id = envelope.id);
    UPDATE counter SET value = value + json_array_length(?1) WHERE name = 'last_envelope'";

/// Writes the events of a group: stores their message ids, and queues the rest.
pub(in crate::outbox) async fn write(
    transaction: &mut Transaction<'_>,
    events: &[(&NewEvent, Option<Import>)],
) -> Result<Vec<Arrival>, sqlx::Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<rows::EventRow<'_>> = events
        .iter()
        .map(|(event, import)| rows::EventRow::of(event, *import))
        .collect();
    let (known, arrivals) = arrival::messages(transaction, known).await?;
    let bodies = rows::Bodies::of(events.iter().map(|(event, _)| *event))?;
    if let Some(envelopes) = &bodies.envelopes {
        transaction.queue(ENVELOPES).bind(envelopes)?;
    }
    let append = transaction.queue(include_str!("sql/append.sql")).bind(&known)?;
    append.bind(bodies.places)?.bind(bodies.texts)?;
    if let Some(envelopes) = bodies.envelopes {
        transaction.queue(ENVELOPES_COUNTED).bind(envelopes)?;
    }
    if events.iter().any(|(event, _)| event.kind == Some(EventType::Delete)) {
        erase::add_identifiers(transaction.connection().await?).await?;
    }
    transaction.queue(include_str!("sql/enqueue.sql")).bind(known)?;
    Ok(arrivals)
}
