//! The result of a request or of a bulk job, as its task returns it.

use crate::metrics::Metrics;
use crate::model::{EventStatus, Outcome};
use crate::outbox::Next;

use super::active::ActiveEvent;
use super::import::Watch;

/// The result of a request or of a bulk job.
#[derive(Default)]
pub(super) struct Report {
    /// Its events, and what was written for each.
    pub(super) events: Vec<(ActiveEvent, Next)>,
    /// Events whose result could not be written.
    pub(super) unwritten: Vec<ActiveEvent>,
    /// The answer; `None` when nothing was sent.
    pub(super) answered: Option<Outcome>,
    /// An import job that Klaviyo is processing from now on.
    pub(super) watch: Option<Watch>,
}

impl Report {
    pub(super) fn of(events: Vec<(ActiveEvent, Next)>, answered: Option<Outcome>) -> Self {
        Self {
            events,
            answered,
            ..Self::default()
        }
    }

    pub(super) fn unwritten(batch: Vec<ActiveEvent>) -> Self {
        Self {
            unwritten: batch,
            ..Self::default()
        }
    }
}

/// Counts the settled deliveries of an event, or the current one, and the event itself when it is delivered.
pub(super) fn stepped(metrics: &Metrics, active: &mut ActiveEvent, next: &Next) {
    let mut settled = std::mem::take(&mut active.settled);
    if settled.is_empty() {
        settled.push(active.place);
    }
    for place in settled {
        let delivery = &active.event.deliveries[place];
        metrics.delivery(delivery.kind, delivery.status);
    }
    if let Next::Complete { status, now, .. } = next
        && *status == EventStatus::Delivered
        && !active.replayed()
    {
        metrics.delivered_after(now.since(active.event.received_at));
    }
}
