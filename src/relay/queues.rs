//! The events in hand that wait to be sent, by the family of their next request.

use std::collections::VecDeque;

use crate::klaviyo::bulk::{BulkJob, DoesNotFit};
use crate::model::Family;
use crate::scheduler::Vacancy;

use super::hand::InHand;

/// The queues of the five families of single requests.
#[derive(Debug, Default)]
pub(super) struct Queues {
    events: Queue,
    profiles: Queue,
    subscriptions: Queue,
    lists: Queue,
    deletions: Queue,
}

/// What waits in one family. Requests that have failed wait apart, so that they cannot be before all others.
#[derive(Debug, Default)]
pub(super) struct Queue {
    fresh: VecDeque<InHand>,
    failed: VecDeque<InHand>,
    /// How many of them may travel in a job.
    travelling: usize,
    /// Flips with each request, so that two kinds of choice take turns.
    turn: bool,
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
        match family {
            Family::Profile | Family::ProfileBulk | Family::ProfileBulkStatus => &mut self.profiles,
            Family::Subscription => &mut self.subscriptions,
            Family::List => &mut self.lists,
            Family::Deletion => &mut self.deletions,
            Family::Event | Family::EventBulk => &mut self.events,
        }
    }

    /// Queues an event behind the others.
    pub(super) fn push(&mut self, hand: InHand) {
        self.of(hand.delivery().kind.family()).push(hand, false);
    }

    /// Queues an event before the others: it has been waiting longest.
    pub(super) fn push_first(&mut self, hand: InHand) {
        self.of(hand.delivery().kind.family()).push(hand, true);
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<InHand> {
        let all = Self::FAMILIES.iter();
        all.flat_map(|family| self.of(*family).keep(0)).collect()
    }
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.failed.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.fresh.len() + self.failed.len()
    }

    /// How many may travel in a job.
    pub(super) const fn travelling(&self) -> usize {
        self.travelling
    }

    fn push(&mut self, hand: InHand, first: bool) {
        self.travelling += usize::from(hand.travels);
        let queue = if hand.failures() == 0 {
            &mut self.fresh
        } else {
            &mut self.failed
        };
        if first {
            queue.push_front(hand);
        } else {
            queue.push_back(hand);
        }
    }

    /// Takes out the next to be sent singly. Those that have failed before take turns with the others.
    pub(super) fn take(&mut self, vacancy: Vacancy) -> Option<InHand> {
        self.turn = !self.turn;
        let taken = match vacancy {
            Vacancy::None => None,
            Vacancy::Fresh => self.fresh.pop_front(),
            Vacancy::Any if self.turn => self.failed.pop_front().or_else(|| self.fresh.pop_front()),
            Vacancy::Any => self.fresh.pop_front().or_else(|| self.failed.pop_front()),
        };
        self.taken(taken)
    }

    /// Takes out the one that tells most about the family while it is paused or recovering: one that has not failed,
    /// the newest and the oldest in turn, since those that came together may fail together; else the one that has
    /// failed least.
    pub(super) fn take_probe(&mut self) -> Option<InHand> {
        self.turn = !self.turn;
        let fresh = if self.turn {
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

    fn taken(&mut self, taken: Option<InHand>) -> Option<InHand> {
        self.travelling -= usize::from(taken.as_ref().is_some_and(|hand| hand.travels));
        taken
    }

    /// Takes out all but so many, the newest first.
    pub(super) fn keep(&mut self, most: usize) -> Vec<InHand> {
        let failed = self.failed.split_off(self.failed.len().min(most));
        let fresh = self
            .fresh
            .split_off(self.fresh.len().min(most.saturating_sub(self.failed.len())));
        let out: Vec<InHand> = fresh.into_iter().chain(failed).collect();
        self.travelling -= out.iter().filter(|hand| hand.travels).count();
        out
    }

    /// Takes out what fits in one job, first come first; what does not stays, in its order.
    pub(super) fn take_job(&mut self) -> Vec<InHand> {
        let first = self.fresh.iter().find(|hand| hand.travels);
        let Some(first) = first.map(InHand::delivery) else {
            return Vec::new();
        };
        let Some(mut job) = BulkJob::new(first.kind, first.list_id.as_deref()) else {
            return Vec::new();
        };
        let (mut taken, mut left) = (Vec::new(), VecDeque::with_capacity(self.fresh.len()));
        let mut largest = usize::MAX;
        let mut full = false;
        for hand in self.fresh.drain(..) {
            let smallest = largest.min(hand.largest_job);
            if full || !hand.travels || taken.len() >= smallest {
                left.push_back(hand);
                continue;
            }
            let body = hand.delivery().request.as_deref().unwrap_or_default();
            match job.add(body) {
                Ok(_) => {
                    largest = smallest;
                    taken.push(hand);
                }
                Err(reason) => {
                    full = reason == DoesNotFit::Full;
                    left.push_back(hand);
                }
            }
        }
        self.fresh = left;
        self.travelling -= taken.len();
        taken
    }
}
