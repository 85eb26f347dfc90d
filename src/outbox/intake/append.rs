//! Stores incoming events: message ids, envelopes, the events and their queue entries, in one commit.

use sqlx::sqlite::SqliteConnection;

use super::arrival::{self, Arrival};
use crate::model::{EventType, NewEvent};
use crate::outbox::command::{Command, Effects, Group, ROW, Written};
use crate::outbox::control::erase;
use crate::outbox::queue::transition::Import;
use crate::outbox::rows;

/// Stores events; the reply is the result for each event.
#[derive(Debug)]
pub(in crate::outbox) struct Append {
    pub(in crate::outbox) events: Vec<NewEvent>,
    /// The options of the import, if the events come from an archive.
    pub(in crate::outbox) import: Option<Import>,
}

impl Command for Append {
    type Reply = Vec<Arrival>;

    fn effects(&self) -> Effects {
        Effects {
            wakes: !self.events.is_empty(),
            stores: true,
            erases: false,
        }
    }

    fn bytes(&self) -> usize {
        self.events.iter().map(|event| event.payload.len() + ROW).sum()
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        let events = self.events.iter().map(|event| (event, self.import));
        group.events.extend(events);
    }

    async fn write(&self, _: &mut SqliteConnection, written: &mut Written) -> Result<Vec<Arrival>, sqlx::Error> {
        Ok(written.arrivals.by_ref().take(self.events.len()).collect())
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

/// Writes the events of a group on a connection with an open transaction.
pub(in crate::outbox) async fn write(
    connection: &mut SqliteConnection,
    events: &[(&NewEvent, Option<Import>)],
) -> Result<Vec<Arrival>, sqlx::Error> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let known: Vec<rows::EventRow<'_>> = events
        .iter()
        .map(|(event, import)| rows::EventRow::of(event, *import))
        .collect();
    let (known, arrivals) = arrival::messages(connection, known).await?;
    let (texts, envelopes) = rows::texts(events.iter().map(|(event, _)| *event))?;
    if let Some(envelopes) = &envelopes {
        sqlx::query(ENVELOPES).bind(envelopes).execute(&mut *connection).await?;
    }
    sqlx::query(include_str!("sql/append.sql"))
        .bind(&known)
        .bind(texts)
        .execute(&mut *connection)
        .await?;
    if let Some(envelopes) = envelopes {
        sqlx::query(ENVELOPES_COUNTED)
            .bind(envelopes)
            .execute(&mut *connection)
            .await?;
    }
    if events.iter().any(|(event, _)| event.kind == Some(EventType::Delete)) {
        erase::chain(connection).await?;
    }
    sqlx::query(include_str!("sql/enqueue.sql"))
        .bind(known)
        .execute(connection)
        .await?;
    Ok(arrivals)
}
