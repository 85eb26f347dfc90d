//! Sorts the events of a request that ended: which stay in hand, which are gone, and which runs are interrupted.

use std::collections::BTreeMap;

use crate::model::EventId;
use crate::outbox::Then;

use super::super::hand::{Held, InHand};

/// What becomes of the events of a request, in their order.
#[derive(Default)]
pub(super) struct Returns {
    /// Those that are queued again, before all others.
    pub(super) first: Vec<InHand>,
    /// Those that go on to their next request: it waits behind what waits already, so that an event of hundreds of
    /// requests takes turns with events of one.
    pub(super) next: Vec<InHand>,
    /// Those that wait behind one of them, by their run.
    pub(super) behind: BTreeMap<EventId, Vec<InHand>>,
    /// Those that are not in hand any more: the run of each, and what it took of the window.
    pub(super) gone: Vec<(Option<EventId>, Held)>,
    /// Those that would stay, but wait for one of their run that does not.
    pub(super) interrupted: Vec<InHand>,
    /// Runs of which an event was given back, or holds its place: those behind it go back too.
    pub(super) broken: Vec<EventId>,
    /// Events about which nothing could be written.
    pub(super) unwritten: Vec<EventId>,
}

impl Returns {
    /// Sorts an event by what was written of it.
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

    /// An event about which nothing could be written; it is given back later.
    pub(super) fn unwritten(&mut self, hand: &InHand) {
        self.broken.extend(hand.run);
        self.unwritten.push(hand.event.id);
        self.gone.push((hand.run, hand.held));
    }

    /// The first of a run that stays is queued, the others wait behind it.
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
