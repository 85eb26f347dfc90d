//! The command that removes events from the queues of identifiers that identify no person, in chunks.

use serde_json::json;

use crate::outbox::command::{Command, Effects};
use crate::outbox::transaction::Transaction;

/// Removes the last events from the queues of these identifiers; the reply is the number of events.
#[derive(Debug)]
pub(in crate::outbox) struct Dissolve(pub(in crate::outbox) Vec<String>);

impl Command for Dissolve {
    type Reply = u64;

    fn effects(&self) -> Effects {
        Effects::WAKES
    }

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<u64, sqlx::Error> {
        let connection = transaction.connection().await?;
        let queues = json!(self.0).to_string();
        let events: Vec<i64> = sqlx::query_scalar(LAST)
            .bind(&queues)
            .bind(CHUNK)
            .fetch_all(&mut *connection)
            .await?;
        let ids = json!(events).to_string();
        for statement in DISSOLVE {
            sqlx::query(statement)
                .bind(&queues)
                .bind(&ids)
                .execute(&mut *connection)
                .await?;
        }
        Ok(u64::try_from(events.len()).unwrap_or(u64::MAX))
    }
}

/// How many events are removed from the queues in one commit.
const CHUNK: i64 = 5_000;

/// The last events of these queues. ?1: JSON array of the identifiers; ?2: how many at most.
const LAST: &str = "
    SELECT event_id FROM queue_entry WHERE identifier IN (SELECT value FROM json_each(?1)) ORDER BY queue_pos DESC LIMIT ?2";

const DISSOLVE: [&str; 3] = [
    "DELETE FROM queue_entry WHERE event_id IN (SELECT value FROM json_each(?2))
     AND identifier IN (SELECT value FROM json_each(?1))",
    "DELETE FROM event_identifier WHERE event_id IN (SELECT value FROM json_each(?2))
     AND identifier IN (SELECT value FROM json_each(?1))",
    "UPDATE event
     SET blocked_by = (SELECT count(*) FROM queue_entry AS t
                  WHERE t.event_id = event.id
                    AND EXISTS (SELECT 1 FROM queue_entry AS p WHERE p.identifier = t.identifier AND p.queue_pos < t.queue_pos))
     WHERE id IN (SELECT value FROM json_each(?2)) AND ?1 IS NOT NULL",
];
