//! The changes by an operator: finished events are replayed, waiting events are held, released or discarded, and a
//! person is erased. Changes of many events are written in chunks, so that the writer can run other commands in
//! between. Each returns what it changed.

use std::sync::atomic::Ordering;

use super::erase;
use crate::model::{EventId, Identifier, Timestamp};
use crate::outbox::command::{Command, Effects};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::handles::{Control, Reader};
use crate::outbox::maintain::vacuum;
use crate::outbox::queue::transition::{Erased, Replay};
use crate::outbox::rows;
use crate::outbox::transaction::Transaction;

/// How many events a command changes in one commit.
const CHUNK: usize = 500;

/// A change of events by a statement of `sql/`, which takes ?1: now, in ms; ?2: the ids; ?3 to ?6: how to replay; and
/// returns the ids of the changed events.
#[derive(Debug)]
struct ChangeEvents {
    sql: &'static str,
    now: Option<Timestamp>,
    events: Vec<EventId>,
    how: Replay,
}

impl Command for ChangeEvents {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        Effects::WAKES
    }

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Vec<EventId>, sqlx::Error> {
        sqlx::query_scalar(self.sql)
            .bind(self.now.map(Timestamp::as_millis))
            .bind(rows::ids(&self.events))
            .bind(self.how.consent)
            .bind(self.how.backfill)
            .bind(self.how.as_sent)
            .bind(self.how.again)
            .fetch_all(transaction.connection().await?)
            .await
    }
}

/// Erases a person now.
#[derive(Debug)]
struct Erase {
    now: Timestamp,
    identifiers: Vec<Identifier>,
}

impl Command for Erase {
    type Reply = Erased;

    fn effects(&self) -> Effects {
        Effects::ERASES
    }

    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Erased, sqlx::Error> {
        erase::erase_person(transaction.connection().await?, self.now, &self.identifiers).await
    }
}

impl Control {
    /// Sends finished events again, in this order, behind the waiting events of the same people. Returns the replayed
    /// events: an event that is not finished or was erased is not changed.
    pub async fn replay(&self, now: Timestamp, events: Vec<EventId>, how: Replay) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(include_str!("sql/replay.sql"), Some(now), events, how)
            .await
    }

    /// Makes unfinished events dead; those behind them move up. Returns the discarded events: an event in flight is not
    /// changed.
    pub async fn discard(&self, now: Timestamp, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(include_str!("sql/discard.sql"), Some(now), events, Replay::default())
            .await
    }

    /// Holds pending events until they are released; later events of the same people wait behind them. Returns the held
    /// events: an event in flight is not changed.
    pub async fn hold(&self, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(include_str!("sql/hold.sql"), None, events, Replay::default())
            .await
    }

    /// Releases held events, and makes events that are backing off due at once. Returns the released events: an active
    /// event is not changed.
    pub async fn release(&self, now: Timestamp, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(
            include_str!("sql/release_held.sql"),
            Some(now),
            events,
            Replay::default(),
        )
        .await
    }

    /// Has a change written for some events at a time, in their order, so that the writer can run other commands in
    /// between. Returns the changed events.
    async fn in_chunks(
        &self,
        sql: &'static str,
        now: Option<Timestamp>,
        events: Vec<EventId>,
        how: Replay,
    ) -> Result<Vec<EventId>, WriteError> {
        let mut changed = Vec::new();
        for chunk in events.chunks(CHUNK) {
            let events = chunk.to_vec();
            let change = ChangeEvents { sql, now, events, how };
            changed.extend(self.store.execute(change).await?);
        }
        Ok(changed)
    }

    /// Erases the person that these identifiers name, with all identifiers that are known to be of the same person:
    /// erases all finished events of the person, irreversibly. An event that waits, is held or blocks others is not
    /// changed.
    pub async fn erase(&self, now: Timestamp, identifiers: Vec<Identifier>) -> Result<Erased, WriteError> {
        self.store.execute(Erase { now, identifiers }).await
    }
}

impl Reader {
    /// Whether the file or its WAL still contains data that this process erased. A large file is vacuumed only at the
    /// daemon's next start ([`Reader::is_vacuum_due_at_start`]).
    pub fn is_vacuum_pending(&self) -> bool {
        self.store.vacuum_pending.load(Ordering::Acquire)
    }

    /// Whether the file still has to be vacuumed, so that its unused parts contain no erased data.
    pub async fn is_vacuum_due_at_start(&self) -> Result<bool, ReadError> {
        Ok(self.store.kv_get(vacuum::DUE).await?.is_some())
    }
}
