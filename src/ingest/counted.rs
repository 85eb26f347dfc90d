//! Metrics of ingest: events by source, type and result.

use std::collections::BTreeMap;

use super::accept::code_of;
use crate::metrics::{Metrics, Taken};
use crate::model::{EventType, NewEvent};
use crate::outbox::Arrival;

/// What is counted of an event: its call type, and whether it is stored as dead.
pub(super) type Kind = (Option<EventType>, bool);

/// The kinds of these events, taken before the events are passed on.
pub(super) fn kinds(events: &[NewEvent]) -> Vec<Kind> {
    let kinds = events.iter().map(|event| (event.kind, event.refused.is_some()));
    kinds.collect()
}

/// Why events of a request are stored as dead, by the codes that their reasons begin with.
pub(super) fn flaws(events: &[NewEvent]) -> BTreeMap<String, u64> {
    let mut flaws = BTreeMap::new();
    for reason in events.iter().filter_map(|event| event.refused.as_deref()) {
        *flaws.entry(code_of(reason).to_owned()).or_default() += 1;
    }
    flaws
}

/// Counts events of a request, with the outbox's result for each; `None`: it stored none of them.
pub(super) fn events(metrics: &Metrics, source: &str, kinds: &[Kind], stored: Option<&[Arrival]>) {
    for (place, (kind, dead)) in kinds.iter().enumerate() {
        let taken = match stored.and_then(|arrivals| arrivals.get(place)) {
            None => Taken::TurnedAway,
            Some(Arrival::Copy) => Taken::Copy,
            Some(Arrival::New) if !dead => Taken::Stored,
            Some(Arrival::New | Arrival::Other) => Taken::Dead,
        };
        metrics.event_in(source, *kind, taken);
    }
}
