//! Sorts the events of a finished request: which stay active, which do not, and which runs are interrupted.

use std::collections::BTreeMap;

use crate::model::EventId;
use crate::outbox::Next;

use super::super::active::{ActiveEvent, Held};

/// What happens to the events of a request, in their order.
#[derive(Default)]
pub(super) struct Returns {
    /// Those that are queued again, before all others.
    pub(super) first: Vec<ActiveEvent>,
    /// Those that continue with their next request. They are queued behind the others, so that an event with hundreds
    /// of requests takes turns with events that have one.
    pub(super) next: Vec<ActiveEvent>,
    /// Those that wait behind one of them, by their run.
    pub(super) behind: BTreeMap<EventId, Vec<ActiveEvent>>,
    /// Those that are not active any more: the run of each, and how much of the window it used.
    pub(super) gone: Vec<(Option<EventId>, Held)>,
    /// Those that would stay active, but wait for an event of their run that does not.
    pub(super) interrupted: Vec<ActiveEvent>,
    /// Runs with an event that was requeued or is held: the events behind it are requeued too.
    pub(super) broken: Vec<EventId>,
    /// Events whose result could not be written.
    pub(super) unwritten: Vec<EventId>,
}

impl Returns {
    /// Sorts an event by the result that was written.
    pub(super) fn sort(&mut self, mut active: ActiveEvent, next: &Next) {
        let before = active.place;
        let (stays, breaks) = match next {
            Next::Continue => (active.advance(), false),
            Next::Reschedule { .. } | Next::Requeue { .. } => (false, true),
            Next::Complete { hold, .. } => (false, *hold),
        };
        if let Some(run) = active.run
            && breaks
            && !self.broken.contains(&run)
        {
            self.broken.push(run);
        }
        if stays && active.run.is_some_and(|run| self.broken.contains(&run)) {
            self.interrupted.push(active);
        } else if stays {
            let moved = active.place != before;
            self.stays(active, moved);
        } else {
            self.gone.push((active.run, active.held));
        }
    }

    /// Takes an event whose result could not be written; it is requeued later.
    pub(super) fn unwritten(&mut self, active: &ActiveEvent) {
        self.broken.extend(active.run);
        self.unwritten.push(active.event.id);
        self.gone.push((active.run, active.held));
    }

    /// Queues the first event of a run that stays active; the others wait behind it.
    fn stays(&mut self, active: ActiveEvent, moved: bool) {
        let mut queued = self.first.iter().chain(&self.next);
        match active.run {
            Some(run) if queued.any(|queued| queued.run == Some(run)) => {
                self.behind.entry(run).or_default().push(active);
            }
            Some(_) | None if moved => self.next.push(active),
            Some(_) | None => self.first.push(active),
        }
    }
}
