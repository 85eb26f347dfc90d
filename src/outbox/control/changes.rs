//! The changes by an operator: finished events are replayed, waiting events are held, released or discarded, and a
//! person is erased. Changes of many events are written in chunks, so that the writer can run other commands in
//! between. Each returns what it changed.

use std::sync::atomic::Ordering;

use sqlx::Sqlite;
use sqlx::query::QueryScalar;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};

use super::erase;
use crate::model::{EventId, Identifier, Timestamp};
use crate::outbox::command::{Command, Effects, Request};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::handles::{Control, Reader};
use crate::outbox::maintain::vacuum;
use crate::outbox::queue::transition::{Erased, Replay};
use crate::outbox::rows;
use crate::outbox::transaction::Transaction;

/// How many events a command changes in one commit.
const CHUNK: usize = 500;

/// Replays finished events.
#[derive(Debug)]
struct ReplayEvents {
    now: Timestamp,
    events: Vec<EventId>,
    how: Replay,
}

impl Request for ReplayEvents {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        Effects::WAKES
    }
}

impl Command for ReplayEvents {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Vec<EventId>, sqlx::Error> {
        let change = sqlx::query_scalar(include_str!("sql/replay.sql"))
            .bind(self.now.as_millis())
            .bind(rows::ids(&self.events))
            .bind(self.how.consent)
            .bind(self.how.backfill)
            .bind(self.how.as_sent)
            .bind(self.how.again);
        events_of(change, transaction.connection().await?).await
    }
}

/// Makes unfinished events dead.
#[derive(Debug)]
struct Discard {
    now: Timestamp,
    events: Vec<EventId>,
}

impl Request for Discard {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        Effects::WAKES
    }
}

impl Command for Discard {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Vec<EventId>, sqlx::Error> {
        let change = sqlx::query_scalar(include_str!("sql/discard.sql"))
            .bind(self.now.as_millis())
            .bind(rows::ids(&self.events));
        events_of(change, transaction.connection().await?).await
    }
}

/// Holds pending events.
#[derive(Debug)]
struct Hold(Vec<EventId>);

impl Request for Hold {
    type Reply = Vec<EventId>;
}

impl Command for Hold {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Vec<EventId>, sqlx::Error> {
        let change = sqlx::query_scalar(include_str!("sql/hold.sql")).bind(rows::ids(&self.0));
        events_of(change, transaction.connection().await?).await
    }
}

/// Releases held events.
#[derive(Debug)]
struct Release {
    now: Timestamp,
    events: Vec<EventId>,
}

impl Request for Release {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        Effects::WAKES
    }
}

impl Command for Release {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Vec<EventId>, sqlx::Error> {
        let change = sqlx::query_scalar(include_str!("sql/release_held.sql"))
            .bind(self.now.as_millis())
            .bind(rows::ids(&self.events));
        events_of(change, transaction.connection().await?).await
    }
}

/// Erases a person now.
#[derive(Debug)]
struct Erase {
    now: Timestamp,
    identifiers: Vec<Identifier>,
}

impl Request for Erase {
    type Reply = Erased;

    fn effects(&self) -> Effects {
        Effects::ERASES
    }
}

impl Command for Erase {
    async fn write(&self, transaction: &mut Transaction<'_>) -> Result<Erased, sqlx::Error> {
        erase::erase_person(transaction.connection().await?, self.now, &self.identifiers).await
    }
}

impl Control {
    /// Sends finished events again, in this order, behind the waiting events of the same people. Returns the replayed
    /// events: an event that is not finished or was erased is not changed.
    pub async fn replay(&self, now: Timestamp, events: Vec<EventId>, how: Replay) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(events, |events| ReplayEvents { now, events, how }).await
    }

    /// Makes unfinished events dead; those behind them move up. Returns the discarded events: an event in flight is not
    /// changed.
    pub async fn discard(&self, now: Timestamp, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(events, |events| Discard { now, events }).await
    }

    /// Holds pending events until they are released; later events of the same people wait behind them. Returns the held
    /// events: an event in flight is not changed.
    pub async fn hold(&self, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(events, Hold).await
    }

    /// Releases held events, and makes events that are backing off due at once. Returns the released events: an active
    /// event is not changed.
    pub async fn release(&self, now: Timestamp, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        self.in_chunks(events, |events| Release { now, events }).await
    }

    /// Has a change written for some events at a time, in their order, so that the writer can run other commands in
    /// between. Returns the changed events.
    async fn in_chunks<C>(
        &self,
        events: Vec<EventId>,
        change: impl Fn(Vec<EventId>) -> C,
    ) -> Result<C::Reply, WriteError>
    where
        C: Command<Reply = Vec<EventId>>,
    {
        let mut changed = Vec::new();
        for chunk in events.chunks(CHUNK) {
            changed.extend(self.store.execute(change(chunk.to_vec())).await?);
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

/// Runs a change that answers the numbers of the events that it changed.
async fn events_of(
    change: QueryScalar<'_, Sqlite, i64, SqliteArguments>,
    connection: &mut SqliteConnection,
) -> Result<Vec<EventId>, sqlx::Error> {
    let changed = change.fetch_all(connection).await?;
    Ok(changed.into_iter().map(EventId).collect())
}
