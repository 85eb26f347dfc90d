//! The command that writes past minutes, and the deletion of old minutes.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;

use super::{Fresh, start_of};
use crate::model::Timestamp;
use crate::outbox::command::{Command, Request};
use crate::outbox::transaction::Transaction;

pub(in crate::outbox) const FORGET: [&str; 2] = [
    "DELETE FROM minute WHERE minute_ms < ?1",
    "DELETE FROM minute_source WHERE minute_ms < ?1",
];

/// The counts to write.
#[derive(Debug)]
pub(in crate::outbox) struct Note {
    pub(super) fresh: Fresh,
    /// The 429s that the process has counted.
    pub(super) throttled: u64,
}

impl Request for Note {
    type Reply = ();
}

impl Command for Note {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        write(transaction.connection().await?, self).await
    }
}

/// Writes the counts on a connection with an open transaction.
async fn write(connection: &mut SqliteConnection, note: &Note) -> Result<(), sqlx::Error> {
    let Note { fresh, throttled } = note;
    let minutes = fresh.minutes.iter().map(|(start, counts)| {
        let new = if *start == fresh.base {
            fresh.throttled(*throttled)
        } else {
            0
        };
        json!({
            "minute_ms": start, "came": counts.came, "done": counts.done, "died": counts.died, "throttled": new,
            "p50_ms": counts.p50_ms, "p95_ms": counts.p95_ms,
        })
    });
    let sources = fresh
        .sources
        .iter()
        .map(|((start, source), came)| json!({"minute_ms": start, "source": source, "came": came}));
    let note = json!({
        "minutes": minutes.collect::<Value>(), "sources": sources.collect::<Value>(),
        "pending": fresh.pending, "oldest_ms": fresh.oldest_ms, "base_ms": fresh.base,
        "now_ms": fresh.now.as_millis(), "last_id": fresh.newest_id, "throttled": throttled,
    });
    sqlx::query(include_str!("../sql/rollup.sql"))
        .bind(note.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

/// Deletes the minutes before this time, on a connection with an open transaction.
pub(in crate::outbox) async fn forget(connection: &mut SqliteConnection, before: Timestamp) -> Result<(), sqlx::Error> {
    for forget in FORGET {
        sqlx::query(forget)
            .bind(start_of(before))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
