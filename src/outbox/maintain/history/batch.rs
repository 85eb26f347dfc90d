//! The command that writes past minutes, and the deletion of old minutes.

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnection;

use super::{Unrolled, start_of};
use crate::model::Timestamp;
use crate::outbox::command::Command;
use crate::outbox::transaction::Transaction;

pub(in crate::outbox) const DELETE_MINUTES: [&str; 2] = [
    "DELETE FROM minute WHERE minute_ms < ?1",
    "DELETE FROM minute_source WHERE minute_ms < ?1",
];

/// The counts to write.
#[derive(Debug)]
pub(in crate::outbox) struct RollupBatch {
    pub(super) unrolled: Unrolled,
    /// The 429s that the process has counted.
    pub(super) throttled: u64,
}

impl Command for RollupBatch {
    type Reply = ();

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<(), sqlx::Error> {
        let Self { unrolled, throttled } = self;
        let minutes = unrolled.minutes.iter().map(|(start, counts)| {
            let new = if *start == unrolled.base {
                unrolled.throttled(*throttled)
            } else {
                0
            };
            json!({
                "minute_ms": start, "came": counts.came, "done": counts.done, "died": counts.died, "throttled": new,
                "p50_ms": counts.p50_ms, "p95_ms": counts.p95_ms,
            })
        });
        let sources = unrolled
            .sources
            .iter()
            .map(|((start, source), came)| json!({"minute_ms": start, "source": source, "came": came}));
        let batch = json!({
            "minutes": minutes.collect::<Value>(), "sources": sources.collect::<Value>(),
            "pending": unrolled.pending, "oldest_ms": unrolled.oldest_ms, "base_ms": unrolled.base,
            "now_ms": unrolled.now.as_millis(), "last_id": unrolled.newest_id, "throttled": throttled,
        });
        sqlx::query(include_str!("../sql/rollup.sql"))
            .bind(batch.to_string())
            .execute(transaction.connection().await?)
            .await?;
        Ok(())
    }
}

/// Deletes the minutes before this time, on a connection with an open transaction.
pub(in crate::outbox) async fn delete_minutes(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<(), sqlx::Error> {
    for delete in DELETE_MINUTES {
        sqlx::query(delete)
            .bind(start_of(before))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
