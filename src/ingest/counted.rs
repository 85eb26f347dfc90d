//! What came in, in numbers: events by source, type and what became of them.

use crate::metrics::{Metrics, Taken};
use crate::model::{EventType, NewEvent};

/// What is counted of an event: which call it is, and whether it is kept as dead.
pub(super) type Kind = (Option<EventType>, bool);

/// What is counted of these events, which are about to be handed over.
pub(super) fn kinds(events: &[NewEvent]) -> Vec<Kind> {
    let kinds = events
        .iter()
        .map(|event| (event.kind, event.refused.is_some()));
    kinds.collect()
}

/// Counts events of a request, which the outbox took, or did not.
pub(super) fn events(metrics: &Metrics, source: &str, kinds: &[Kind], stored: bool) {
    for (kind, dead) in kinds {
        let taken = match (stored, dead) {
            (true, false) => Taken::Stored,
            (true, true) => Taken::Dead,
            (false, _) => Taken::TurnedAway,
        };
        metrics.event_in(source, *kind, taken);
    }
}
