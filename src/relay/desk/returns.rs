//! Sorts the events of a finished request: which stay active, which do not, and which runs are interrupted.

use std::collections::BTreeMap;

use crate::model::EventId;
use crate::outbox::Then;

use super::super::hand::{Held, InHand};

/// What happens to the events of a request, in their order.
#[derive(Default)]
pub(super) struct Returns {
    /// Those that are queued again, before all others.
    pub(super) first: Vec<InHand>,
    /// Those that continue with their next request. They are queued behind the others, so that an event with hundreds
    /// of requests takes turns with events that have one.
    pub(super) next: Vec<InHand>,
    /// Those that wait behind one of them, by their run.
    pub(super) behind: BTreeMap<EventId, Vec<InHand>>,
    /// Those that are not active any more: the run of each, and how much of the window it used.
    pub(super) gone: Vec<(Option<EventId>, Held)>,
    /// Those that would stay active, but wait for an event of their run that does not.
    pub(super) interrupted: Vec<InHand>,
    /// Runs with an event that was requeued or is held: the events behind it are requeued too.
    pub(super) broken: Vec<EventId>,
    /// Events whose result could not be written.
    pub(super) unwritten: Vec<EventId>,
}

impl Returns {
    /// Sorts an event by the result that was written.
    pub(super) fn sort(&mut self, mut hand: InHand, then: &Then) {
        let before = hand.place();
        let stays = match then {
            Then::Stay => hand.advance(),
            Then::Release { .. } | Then::GiveBack { .. } | Then::Finish { .. } => false,
        };
        let breaks = match then {
            Then::Release { .. } | Then::GiveBack { .. } => true,
            Then::Finish { hold, .. } => *hold,
            Then::Stay => false,
        };
        if let Some(run) = hand.run
            && breaks
            && !self.broken.contains(&run)
        {
            self.broken.push(run);
        }
        if stays && hand.run.is_some_and(|run| self.broken.contains(&run)) {
            self.interrupted.push(hand);
        } else if stays {
            let moved = hand.place() != before;
            self.stays(hand, moved);
        } else {
            self.gone.push((hand.run, hand.held));
        }
    }

    /// Takes an event whose result could not be written; it is requeued later.
    pub(super) fn unwritten(&mut self, hand: &InHand) {
        self.broken.extend(hand.run);
        self.unwritten.push(hand.event.id);
        self.gone.push((hand.run, hand.held));
    }

    /// Queues the first event of a run that stays active; the others wait behind it.
    fn stays(&mut self, hand: InHand, moved: bool) {
        let mut queued = self.first.iter().chain(&self.next);
        match hand.run {
            Some(run) if queued.any(|queued| queued.run == Some(run)) => {
                self.behind.entry(run).or_default().push(hand);
            }
            Some(_) | None if moved => self.next.push(hand),
            Some(_) | None => self.first.push(hand),
        }
    }
}
