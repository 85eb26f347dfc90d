//! The active events that wait to be sent, by the family of their next request.

use std::collections::{HashMap, VecDeque};

use crate::klaviyo::bulk::{BulkJob, DoesNotFit};
use crate::model::{EventId, Family};
use crate::scheduler::policy::Vacancy;

use super::active::ActiveEvent;

/// The queues of the five families of single requests, and the runs of events behind them.
#[derive(Debug, Default)]
pub(super) struct Queues {
    /// By family; only those of single requests are used.
    queues: [Queue; Family::ALL.len()],
    runs: HashMap<EventId, Run>,
}

/// The queue of one family. Requests that have failed wait separately, so that they cannot block all others.
#[derive(Debug, Default)]
pub(super) struct Queue {
    fresh: VecDeque<ActiveEvent>,
    failed: VecDeque<ActiveEvent>,
    /// How many of them may be sent in a bulk job.
    bulkable: usize,
    /// Flips with each request, so that the two kinds of choice alternate.
    alternate: bool,
}

/// Events of one person that were claimed together. The first ones are queued or in flight, the others wait here.
#[derive(Debug, Default)]
struct Run {
    /// How many are queued or in flight.
    ahead: usize,
    waiting: VecDeque<ActiveEvent>,
}

impl Queues {
    /// The families of single requests, the rarest first.
    pub(super) const FAMILIES: [Family; 5] = [
        Family::Deletion,
        Family::List,
        Family::Subscription,
        Family::Profile,
        Family::Event,
    ];

    /// The queue of a family of single requests.
    pub(super) fn of(&mut self, family: Family) -> &mut Queue {
        &mut self.queues[family as usize]
    }

    /// Queues claimed events, each run in its order.
    pub(super) fn push(&mut self, batch: Vec<ActiveEvent>) {
        for active in batch {
            if let Some(run) = active.run {
                let run = self.runs.entry(run).or_default();
                if run.ahead > 0 {
                    run.waiting.push_back(active);
                    continue;
                }
                run.ahead = 1;
            }
            self.push_last(active);
        }
    }

    /// Queues an event again before the others, because it has waited longest. It still counts in its run.
    pub(super) fn push_first(&mut self, active: ActiveEvent) {
        self.of(active.delivery().kind.family()).push(active, true);
    }

    /// Queues an event again behind the others. It still counts in its run.
    pub(super) fn push_last(&mut self, active: ActiveEvent) {
        self.of(active.delivery().kind.family()).push(active, false);
    }

    /// An event that was queued or in flight is done or was requeued in the outbox: the next one of its run is queued
    /// when no other is.
    pub(super) fn left(&mut self, run: EventId) {
        let Some(entry) = self.runs.get_mut(&run) else {
            return;
        };
        entry.ahead = entry.ahead.saturating_sub(1);
        if entry.ahead > 0 {
            return;
        }
        match entry.waiting.pop_front() {
            Some(next) => {
                entry.ahead = 1;
                self.push_first(next);
            }
            None => {
                self.runs.remove(&run);
            }
        }
    }

    /// Puts events back in their run, before the rest, because an earlier event of the run is still queued.
    pub(super) fn wait_again(&mut self, run: EventId, batch: Vec<ActiveEvent>) {
        let entry = self.runs.entry(run).or_default();
        entry.ahead = entry.ahead.saturating_sub(batch.len());
        for active in batch.into_iter().rev() {
            entry.waiting.push_front(active);
        }
    }

    /// Removes the waiting events of a run, because the event before them will not be sent now.
    pub(super) fn give_up(&mut self, run: EventId) -> Vec<ActiveEvent> {
        let waiting = self.runs.get_mut(&run).map(|run| std::mem::take(&mut run.waiting));
        waiting.unwrap_or_default().into()
    }

    /// How many events wait behind queued events of a family. Single requests would send them one after the other.
    pub(super) fn following(&mut self, family: Family) -> usize {
        if family != Family::Event || self.runs.is_empty() {
            return 0;
        }
        let waiting = |run: EventId| self.runs.get(&run).map_or(0, |run| run.waiting.len());
        let bulkable = self.queues[family as usize]
            .fresh
            .iter()
            .filter(|active| active.bulkable);
        bulkable.filter_map(|active| active.run).map(waiting).sum()
    }

    /// Removes all events of a family except `most`, the newest first, and the events that wait behind them.
    pub(super) fn keep(&mut self, family: Family, most: usize) -> Vec<ActiveEvent> {
        let mut out = Vec::new();
        for active in self.of(family).keep(most) {
            let run = active.run;
            out.push(active);
            if let Some(run) = run {
                out.extend(self.give_up(run));
                self.left(run);
            }
        }
        out
    }

    /// Removes all events.
    pub(super) fn drain(&mut self) -> Vec<ActiveEvent> {
        let all = Self::FAMILIES.iter();
        all.flat_map(|family| self.keep(*family, 0)).collect()
    }

    /// Removes the events that fit in one job, in queue order. The others stay, in their order. When all requests of an
    /// event are in the job, the next events of its run go in the same job, in their order.
    pub(super) fn take_job(&mut self, family: Family) -> Vec<Part> {
        let queue = self.of(family);
        let first = queue.fresh.iter().find(|active| active.bulkable);
        let first = first.map(ActiveEvent::delivery);
        let Some(job) = first.and_then(|first| BulkJob::new(first.kind, first.list_id.as_deref())) else {
            return Vec::new();
        };
        let fresh = std::mem::take(&mut queue.fresh);
        let mut load = Load {
            job,
            parts: Vec::new(),
            largest: usize::MAX,
            full: false,
        };
        let mut left = VecDeque::with_capacity(fresh.len());
        for active in fresh {
            let run = active.run;
            if let Some(active) = load.take(active) {
                left.push_back(active);
                continue;
            }
            if let Some(run) = run.and_then(|run| self.runs.get_mut(&run)) {
                run.load(&mut load);
            }
        }
        let queue = self.of(family);
        queue.bulkable = left
            .iter()
            .chain(&queue.failed)
            .filter(|active| active.bulkable)
            .count();
        queue.fresh = left;
        load.parts
    }
}

/// An event in a job, with the number of its requests in the job.
pub(super) struct Part {
    pub(super) active: ActiveEvent,
    pub(super) requests: usize,
}

/// A job that is being filled.
struct Load {
    job: BulkJob,
    parts: Vec<Part>,
    largest: usize,
    full: bool,
}

impl Load {
    /// Adds the current request of an event, and as many of its next ones as fit. Returns the event when not even the
    /// first one fits.
    fn take(&mut self, mut active: ActiveEvent) -> Option<ActiveEvent> {
        let largest = self.largest.min(active.largest_job);
        if self.full || !active.bulkable || self.parts.len() >= largest {
            return Some(active);
        }
        let item = active.item(active.place);
        let added = item.map_or(Err(DoesNotFit::NotBulk), |item| self.job.add_item(item));
        if let Err(reason) = added {
            self.full = reason == DoesNotFit::Full;
            return Some(active);
        }
        self.largest = largest;
        let mut requests = 1;
        while let Some(item) = active.next_in_job(active.place + requests - 1) {
            if self.job.add_item(item).is_err() {
                break;
            }
            requests += 1;
        }
        self.parts.push(Part { active, requests });
        None
    }

    /// Whether the event behind the last one may go in this job too: all requests of the last one are in it.
    fn ends(&self) -> bool {
        let last = self.parts.last();
        last.is_some_and(|last| last.active.ends_with(last.active.place + last.requests - 1))
    }
}

impl Run {
    /// Puts the waiting events into the job, in order, as far as they fit.
    fn load(&mut self, load: &mut Load) {
        while load.ends()
            && let Some(next) = self.waiting.pop_front()
        {
            if let Some(next) = load.take(next) {
                self.waiting.push_front(next);
                break;
            }
            self.ahead += 1;
        }
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.failed.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.failed.len()
    }

    /// How many may be sent in a bulk job.
    pub(super) const fn bulkable(&self) -> usize {
        self.bulkable
    }

    fn push(&mut self, active: ActiveEvent, first: bool) {
        self.bulkable += usize::from(active.bulkable);
        let queue = if active.failures() == 0 {
            &mut self.fresh
        } else {
            &mut self.failed
        };
        if first {
            queue.push_front(active);
        } else {
            queue.push_back(active);
        }
    }

    /// Removes the next event to be sent singly. Those that have failed before alternate with the others.
    pub(super) fn take(&mut self, vacancy: Vacancy) -> Option<ActiveEvent> {
        self.alternate = !self.alternate;
        let taken = match vacancy {
            Vacancy::None => None,
            Vacancy::Fresh => self.fresh.pop_front(),
            Vacancy::Any if self.alternate => self.failed.pop_front().or_else(|| self.fresh.pop_front()),
            Vacancy::Any => self.fresh.pop_front().or_else(|| self.failed.pop_front()),
        };
        self.taken(taken)
    }

    /// Removes the event that is the best probe while the family is paused or recovering: one that has not failed, the
    /// newest and the oldest in turn, since events that came together may fail together; otherwise the one that has
    /// failed least.
    pub(super) fn take_probe(&mut self) -> Option<ActiveEvent> {
        self.alternate = !self.alternate;
        let fresh = if self.alternate {
            self.fresh.pop_back()
        } else {
            self.fresh.pop_front()
        };
        let taken = fresh.or_else(|| {
            let least = (0..self.failed.len()).min_by_key(|at| self.failed[*at].failures());
            least.and_then(|at| self.failed.remove(at))
        });
        self.taken(taken)
    }

    fn taken(&mut self, taken: Option<ActiveEvent>) -> Option<ActiveEvent> {
        self.bulkable -= usize::from(taken.as_ref().is_some_and(|active| active.bulkable));
        taken
    }

    /// Removes all except `most`, the newest first.
    fn keep(&mut self, most: usize) -> Vec<ActiveEvent> {
        let failed = self.failed.split_off(self.failed.len().min(most));
        let room = most.saturating_sub(self.failed.len());
        let fresh = self.fresh.split_off(self.fresh.len().min(room));
        let out: Vec<ActiveEvent> = fresh.into_iter().chain(failed).collect();
        self.bulkable -= out.iter().filter(|active| active.bulkable).count();
        out
    }
}
