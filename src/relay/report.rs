//! The result of a request or of a bulk job, as its task returns it.

use crate::metrics::Metrics;
use crate::model::{EventStatus, Outcome};
use crate::outbox::Then;

use super::hand::InHand;
use super::import::Watch;

/// The result of a request or of a bulk job.
pub(super) struct Report {
    /// Its events, and what was written for each.
    pub(super) events: Vec<(InHand, Then)>,
    /// Events whose result could not be written.
    pub(super) unwritten: Vec<InHand>,
    /// The answer; `None` when nothing was sent.
    pub(super) answered: Option<Outcome>,
    /// An import job that Klaviyo is processing from now on.
    pub(super) watch: Option<Watch>,
}

impl Report {
    pub(super) fn of(events: Vec<(InHand, Then)>, answered: Option<Outcome>) -> Self {
        Self {
            events,
            unwritten: Vec::new(),
            answered,
            watch: None,
        }
    }

    /// The same report, with an import job to be watched.
    pub(super) fn watching(self, watch: Option<Watch>) -> Self {
        Self { watch, ..self }
    }

    pub(super) fn unwritten(hands: Vec<InHand>) -> Self {
        Self {
            events: Vec::new(),
            unwritten: hands,
            answered: None,
            watch: None,
        }
    }
}

/// Counts the settled deliveries of an event, or the current one, and the event itself when it is delivered.
pub(super) fn stepped(metrics: &Metrics, hand: &mut InHand, then: &Then) {
    let mut settled = std::mem::take(&mut hand.settled);
    if settled.is_empty() {
        settled.push(hand.place());
    }
    for place in settled {
        let delivery = &hand.event.deliveries[place];
        metrics.delivery(delivery.kind, delivery.status);
    }
    if let Then::Finish { status, now, .. } = then
        && *status == EventStatus::Delivered
        && !hand.replayed()
    {
        metrics.delivered_after(now.since(hand.event.received_at));
    }
}
