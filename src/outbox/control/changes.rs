//! What an operator changes: finished events are sent again, waiting ones are stopped, released or given up, and a person
//! is erased. Each in portions, since the writer has others to serve in between. Uses `command` and the writer.

use std::sync::atomic::Ordering;

use crate::model::{EventId, Identifier, Timestamp};
use crate::outbox::command::{Answer, Command};
use crate::outbox::error::{ReadError, WriteError};
use crate::outbox::maintain::scrub;
use crate::outbox::queue::transition::{Erased, Replay};
use crate::outbox::{Outbox, mismatch};

/// Events that a command changes in one commit.
const PORTION: usize = 500;

impl Outbox {
    /// Sends finished events again, in this order, behind everything their people wait for; those that are not
    /// finished, or were erased, are left alone.
    pub async fn replay(&self, now: Timestamp, events: Vec<EventId>, how: Replay) -> Result<(), WriteError> {
        for events in chunks(events) {
            self.ask(Command::Replay { now, events, how }).await?;
        }
        Ok(())
    }

    /// Gives events up for good; those behind them move up. Events in flight are left alone.
    pub async fn discard(&self, now: Timestamp, events: Vec<EventId>) -> Result<(), WriteError> {
        for events in chunks(events) {
            self.ask(Command::Discard { now, events }).await?;
        }
        Ok(())
    }

    /// Stops events that wait, until they are released; their people's later events wait behind them. Events in flight
    /// are left alone.
    pub async fn hold(&self, events: Vec<EventId>) -> Result<(), WriteError> {
        for events in chunks(events) {
            self.ask(Command::Hold(events)).await?;
        }
        Ok(())
    }

    /// Lets held events go again, and those that wait for another attempt at once.
    pub async fn release(&self, now: Timestamp, events: Vec<EventId>) -> Result<(), WriteError> {
        for events in chunks(events) {
            self.ask(Command::Release { now, events }).await?;
        }
        Ok(())
    }

    /// Erases the person that these identifiers name, and everybody who is known to be the same: empties all their
    /// finished events for good. What waits, is held or holds up others is left alone.
    pub async fn erase(&self, now: Timestamp, identifiers: Vec<Identifier>) -> Result<Erased, WriteError> {
        let answer = self.ask(Command::Erase { now, identifiers }).await?;
        if let Answer::Erased(erased) = answer {
            Ok(erased)
        } else {
            Err(mismatch(&answer))
        }
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
