//! What an operator changes: finished events are sent again, waiting ones are stopped, released or given up, and a person
//! is erased. Each in portions, since the writer has others to serve in between; each answers what it changed.

use std::sync::atomic::Ordering;

use sqlx::sqlite::SqliteConnection;

use super::erase;
use crate::model::{EventId, Identifier, Timestamp};
use crate::outbox::command::{Command, Effects, Written};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::maintain::scrub;
use crate::outbox::queue::transition::{Erased, Replay};
use crate::outbox::{Outbox, rows};

/// Events that a command changes in one commit.
const PORTION: usize = 500;

/// Lets the events go that a change made due.
const WAKES: Effects = Effects {
    wakes: true,
    stores: false,
    erases: false,
};

/// Sends finished events again.
#[derive(Debug)]
struct ReplayEvents {
    now: Timestamp,
    events: Vec<EventId>,
    how: Replay,
}

impl Command for ReplayEvents {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        WAKES
    }

    async fn write(&self, connection: &mut SqliteConnection, _: &mut Written) -> Result<Vec<EventId>, sqlx::Error> {
        let replayed = sqlx::query_scalar(include_str!("sql/replay.sql"))
            .bind(self.now.as_millis())
            .bind(rows::ids(&self.events))
            .bind(self.how.consent)
            .bind(self.how.backfill)
            .bind(self.how.as_sent)
            .bind(self.how.again)
            .fetch_all(connection)
            .await?;
        Ok(replayed.into_iter().map(EventId).collect())
    }
}

/// Gives unfinished events up.
#[derive(Debug)]
struct Discard {
    now: Timestamp,
    events: Vec<EventId>,
}

impl Command for Discard {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        WAKES
    }

    async fn write(&self, connection: &mut SqliteConnection, _: &mut Written) -> Result<Vec<EventId>, sqlx::Error> {
        let discarded = sqlx::query_scalar(include_str!("sql/discard.sql"))
            .bind(self.now.as_millis())
            .bind(rows::ids(&self.events))
            .fetch_all(connection)
            .await?;
        Ok(discarded.into_iter().map(EventId).collect())
    }
}

/// Stops pending events.
#[derive(Debug)]
struct Hold(Vec<EventId>);

impl Command for Hold {
    type Reply = Vec<EventId>;

    async fn write(&self, connection: &mut SqliteConnection, _: &mut Written) -> Result<Vec<EventId>, sqlx::Error> {
        let held = sqlx::query_scalar(include_str!("sql/hold.sql"))
            .bind(rows::ids(&self.0))
            .fetch_all(connection)
            .await?;
        Ok(held.into_iter().map(EventId).collect())
    }
}

/// Lets held events go.
#[derive(Debug)]
struct Release {
    now: Timestamp,
    events: Vec<EventId>,
}

impl Command for Release {
    type Reply = Vec<EventId>;

    fn effects(&self) -> Effects {
        WAKES
    }

    async fn write(&self, connection: &mut SqliteConnection, _: &mut Written) -> Result<Vec<EventId>, sqlx::Error> {
        let released = sqlx::query_scalar(include_str!("sql/release_held.sql"))
            .bind(self.now.as_millis())
            .bind(rows::ids(&self.events))
            .fetch_all(connection)
            .await?;
        Ok(released.into_iter().map(EventId).collect())
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
        Effects {
            erases: true,
            ..Effects::default()
        }
    }

    async fn write(&self, connection: &mut SqliteConnection, _: &mut Written) -> Result<Erased, sqlx::Error> {
        erase::now(connection, self.now, &self.identifiers).await
    }
}

impl Outbox {
    /// Sends finished events again, in this order, behind everything their people wait for. Answers those that it does:
    /// what is not finished, or was erased, is left alone.
    pub async fn replay(&self, now: Timestamp, events: Vec<EventId>, how: Replay) -> Result<Vec<EventId>, WriteError> {
        let mut replayed = Vec::new();
        for events in chunks(events) {
            replayed.extend(self.ask(ReplayEvents { now, events, how }).await?);
        }
        Ok(replayed)
    }

    /// Gives unfinished events up for good; those behind them move up. Answers those that it does: events in flight are
    /// left alone.
    pub async fn discard(&self, now: Timestamp, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        let mut discarded = Vec::new();
        for events in chunks(events) {
            discarded.extend(self.ask(Discard { now, events }).await?);
        }
        Ok(discarded)
    }

    /// Stops pending events until they are released; their people's later events wait behind them. Answers those that it
    /// does: events in flight are left alone.
    pub async fn hold(&self, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        let mut held = Vec::new();
        for events in chunks(events) {
            held.extend(self.ask(Hold(events)).await?);
        }
        Ok(held)
    }

    /// Lets held events go again, and those that wait for another attempt at once. Answers those that it does: what the
    /// daemon has claimed is left alone.
    pub async fn release(&self, now: Timestamp, events: Vec<EventId>) -> Result<Vec<EventId>, WriteError> {
        let mut released = Vec::new();
        for events in chunks(events) {
            released.extend(self.ask(Release { now, events }).await?);
        }
        Ok(released)
    }

    /// Erases the person that these identifiers name, and everybody who is known to be the same: empties all their
    /// finished events for good. What waits, is held or holds up others is left alone.
    pub async fn erase(&self, now: Timestamp, identifiers: Vec<Identifier>) -> Result<Erased, WriteError> {
        self.ask(Erase { now, identifiers }).await
    }

    /// Whether what this process erased is out of the file and its log too. A large file is rewritten at the
    /// daemon's next start only ([`Outbox::is_to_be_rebuilt`]).
    pub fn is_scrubbed(&self) -> bool {
        !self.unscrubbed.load(Ordering::Acquire)
    }

    /// Whether the file is still to be rewritten, so that nothing erased is left in unused parts of it.
    pub async fn is_to_be_rebuilt(&self) -> Result<bool, ReadError> {
        Ok(self.recall(scrub::DUE).await?.is_some())
    }
}

/// Events in portions, in their order: the writer has others to serve in between.
fn chunks(events: Vec<EventId>) -> impl Iterator<Item = Vec<EventId>> {
    let mut events = events.into_iter().peekable();
    std::iter::from_fn(move || {
        events.peek()?;
        Some(events.by_ref().take(PORTION).collect())
    })
}
