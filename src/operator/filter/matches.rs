//! The events that filters select.

use std::collections::HashSet;

use super::Filter;
use crate::model::{EventId, EventStatus, Timestamp};
use crate::outbox::{Brief, ReadError, Reader, Selection};

/// How many of the selected events are shown.
pub const SHOWN: u32 = 10;

/// The selected events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// All of them, in their order of arrival.
    pub events: Vec<EventId>,
    /// The first ten, as they were when they were found.
    pub first: Vec<Brief>,
    /// Requested numbers that are not among them.
    pub missing: Vec<i64>,
}

impl Filter {
    /// Finds the matching events that are in one of `states`; relative times count back from `now`.
    pub async fn find(&self, outbox: &Reader, states: &[EventStatus], now: Timestamp) -> Result<Matches, ReadError> {
        // An event whose call was deleted cannot be sent; the call of a waiting event is always stored.
        let selection = Selection {
            kept: true,
            ..self.selection(states, now)
        };
        let events = outbox.select(&selection).await?;
        let shown = events.len().min(SHOWN as usize);
        let first = outbox.briefs_of(&events[..shown]).await?;
        let known: HashSet<&EventId> = events.iter().collect();
        let missing = self.ids.iter().filter(|id| !known.contains(&EventId(**id)));
        Ok(Matches {
            missing: missing.copied().collect(),
            events,
            first,
        })
    }
}

impl Matches {
    /// Keeps only changed events and excludes the others: they were sent or finished in the meantime.
    pub(in crate::operator) fn keep(&mut self, changed: &[EventId]) {
        let changed: HashSet<&EventId> = changed.iter().collect();
        let left = self.events.iter().filter(|event| !changed.contains(event));
        let left: Vec<EventId> = left.copied().collect();
        self.leave_out(&left);
    }

    /// Excludes events from the result and adds them to `missing`.
    pub(in crate::operator) fn leave_out(&mut self, events: &[EventId]) {
        let events: HashSet<EventId> = events.iter().copied().collect();
        self.events.retain(|event| !events.contains(event));
        self.first.retain(|brief| !events.contains(&brief.id));
        let mut missing: Vec<i64> = events.iter().map(|event| event.0).collect();
        missing.sort_unstable();
        self.missing.extend(missing);
    }
}
