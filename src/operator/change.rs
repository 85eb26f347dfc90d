//! The changes an operator can make: replay, hold, release and discard events.

use super::filter::{Filter, Matches};
use super::source::SourceError;
use crate::config::IngestConfig;
use crate::model::{EventId, EventStatus, Timestamp};
use crate::outbox::{Control, ReadError, Replay, Selection, WriteError};

/// A change of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Sends finished events again.
    Replay(Replay),
    /// Stops waiting events.
    Hold,
    /// Requeues held events. Events that are backing off are tried at once.
    Release,
    /// Makes events dead, so that those behind them continue.
    Discard,
}

/// Why nothing was changed, or only a part.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// No filter was given: a change never applies to all events.
    #[error("name the events by one filter at least; all of them at once is never meant")]
    NoFilter,
    /// The change does not work on events of this state.
    #[error(
        "no event of the status `{status}` can be changed so; it works on {}",
        words(allowed)
    )]
    WrongState {
        /// The requested state.
        status: EventStatus,
        /// The states that the change works on.
        allowed: &'static [EventStatus],
    },
    /// The source does not exist.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The events could not be found.
    #[error("failed to find the events")]
    Read(#[source] ReadError),
    /// The change could not be written completely: it is made in chunks.
    #[error("failed to change the events; some may be changed, and a repeated request is safe")]
    Write(#[source] WriteError),
}

impl Change {
    /// The states that the change works on.
    pub const fn states(self) -> &'static [EventStatus] {
        use EventStatus::{Dead, Delivered, Held, Pending, Skipped};
        match self {
            Self::Replay(_) => &[Dead, Skipped, Delivered],
            Self::Hold => &[Pending],
            Self::Release => &[Held, Pending],
            Self::Discard => &[Pending, Held, Dead],
        }
    }

    /// Whether the change stops events from being sent, which is too late for a request in flight.
    const fn stops(self) -> bool {
        match self {
            Self::Hold | Self::Discard => true,
            Self::Replay(_) | Self::Release => false,
        }
    }

    /// Finds the selected events and changes them; with `dry_run` it only finds them. `ingest` lists the sources.
    pub async fn make(
        self,
        filter: &Filter,
        dry_run: bool,
        ingest: &IngestConfig,
        outbox: &Control,
        now: Timestamp,
    ) -> Result<Matches, ChangeError> {
        let allowed = self.states();
        if !filter.is_given() {
            return Err(ChangeError::NoFilter);
        }
        if let Some(status) = filter.states.iter().copied().find(|status| !allowed.contains(status)) {
            return Err(ChangeError::WrongState { status, allowed });
        }
        filter.check_source(ingest, outbox).await?;
        let found = filter.find(outbox, allowed, now).await;
        let mut found = found.map_err(ChangeError::Read)?;
        if self.stops() {
            leave_out_in_flight(&mut found, outbox).await?;
        }
        if !dry_run && !found.events.is_empty() {
            let changed = self.write(&found, outbox, now).await?;
            found.keep(&changed);
        }
        Ok(found)
    }

    async fn write(self, found: &Matches, outbox: &Control, now: Timestamp) -> Result<Vec<EventId>, ChangeError> {
        let events = found.events.clone();
        let written = match self {
            Self::Replay(how) => outbox.replay(now, events, how).await,
            Self::Hold => outbox.hold(events).await,
            Self::Release => outbox.release(now, events).await,
            Self::Discard => outbox.discard(now, events).await,
        };
        written.map_err(ChangeError::Write)
    }
}

/// Excludes events in flight: a request that was sent cannot be stopped. This happens before anything is changed, so
/// that a dry run reports the same.
async fn leave_out_in_flight(found: &mut Matches, outbox: &Control) -> Result<(), ChangeError> {
    if found.events.is_empty() {
        return Ok(());
    }
    let selection = Selection {
        in_flight: true,
        ..Selection::of(found.events.clone())
    };
    let in_flight = outbox.select(&selection).await;
    found.leave_out(&in_flight.map_err(ChangeError::Read)?);
    Ok(())
}

fn words(states: &[EventStatus]) -> String {
    let words: Vec<&str> = states.iter().map(|state| state.word()).collect();
    words.join(", ")
}
