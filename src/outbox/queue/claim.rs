//! Claims events for delivery: those that are due and not blocked, and the followers that may be sent with them.

use super::run::{self, Claimed};
use crate::model::{EventId, Timestamp};
use crate::outbox::command::{Command, Effects};
use crate::outbox::transaction::Transaction;

/// Makes events active, oldest first.
#[derive(Debug)]
pub(in crate::outbox) struct Claim {
    pub(in crate::outbox) now: Timestamp,
    /// The maximum number of events that were never replayed.
    pub(in crate::outbox) live: usize,
    /// The maximum number of replayed events.
    pub(in crate::outbox) replayed: usize,
    /// The maximum number of events that follow claimed ones.
    pub(in crate::outbox) followers: usize,
}

impl Command for Claim {
    type Reply = Vec<Claimed>;

    /// The next start claims again.
    fn effects(&self) -> Effects {
        Effects::MAY_BE_LOST
    }

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Vec<Claimed>, sqlx::Error> {
        let connection = transaction.connection().await?;
        let count = |limit: usize| i64::try_from(limit).unwrap_or(i64::MAX);
        let heads: Vec<i64> = sqlx::query_scalar(include_str!("sql/claim.sql"))
            .bind(self.now.as_millis())
            .bind(count(self.live))
            .bind(count(self.replayed))
            .fetch_all(&mut *connection)
            .await?;
        let heads = heads.into_iter().map(EventId).collect();
        run::join(connection, heads, self.followers).await
    }
}
