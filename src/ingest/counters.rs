//! Metrics of ingest: events by source, type and result.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::metrics::{EventResult, Metrics};
use crate::model::{EventType, NewEvent};
use crate::outbox::Arrival;
use crate::outbox::reasons::REUSED;

/// What is counted of an event: its call type, and the code of the reason if it is stored as dead.
pub(super) type EventLabels = (Option<EventType>, Option<Cow<'static, str>>);

/// The labels of these events, collected before the events are passed on.
pub(super) fn labels(events: &[NewEvent]) -> Vec<EventLabels> {
    let code = |event: &NewEvent| event.dead.as_ref().map(|reason| reason.code.clone());
    events.iter().map(|event| (event.kind, code(event))).collect()
}

/// Why events of a request are stored as dead, by the codes of their reasons.
pub(super) fn dead_by_code(events: &[NewEvent]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for reason in events.iter().filter_map(|event| event.dead.as_ref()) {
        *counts.entry(reason.code.to_string()).or_default() += 1;
    }
    counts
}

/// Counts events of a request, with the outbox's result for each; `None`: it stored none of them.
pub(super) fn count_events(metrics: &Metrics, source: &str, labels: &[EventLabels], stored: Option<&[Arrival]>) {
    for (index, (kind, dead)) in labels.iter().enumerate() {
        let result = match stored.and_then(|arrivals| arrivals.get(index)) {
            None => EventResult::Rejected,
            Some(Arrival::Copy) => EventResult::Copy,
            Some(Arrival::New) if dead.is_none() => EventResult::Stored,
            Some(Arrival::New | Arrival::Other) => EventResult::Dead,
        };
        if result == EventResult::Dead {
            metrics.dead_in(source, dead.as_deref().unwrap_or(REUSED));
        }
        metrics.event_in(source, *kind, result);
    }
}
