//! The events in hand: claimed, mapped, each waiting in the queue of its next request.
//!
//! How many there may be is bounded by `[delivery] window`, so memory is bounded by configuration and not by the
//! backlog.

use std::collections::VecDeque;

use crate::klaviyo::bulk::{BulkJob, DoesNotFit, can_travel};
use crate::model::{DeliveryKind, DeliveryStatus, Family, Outcome, Timestamp};
use crate::outbox::{ClaimedEvent, Settlement, StoredDelivery, Then};
use crate::scheduler::Verdict;

use super::context::{Context, End, request_id};

/// A mapped event, at one of its deliveries. `event` is kept as the outbox has it.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) event: ClaimedEvent,
    /// The delivery it stands at; that one is not final.
    at: usize,
    /// That one may travel in a bulk job.
    pub(super) travels: bool,
    /// Jobs it travels in may have this many items: a refused job is sent again in halves.
    pub(super) largest_job: usize,
}

impl InHand {
    /// An event in hand, and whether it owes something still.
    pub(super) fn new(event: ClaimedEvent) -> (Self, bool) {
        let mut hand = Self {
            event,
            at: 0,
            travels: false,
            largest_job: usize::MAX,
        };
        let owes = hand.advance();
        (hand, owes)
    }

    /// Goes on to the next delivery that is not final; `false` when there is none.
    pub(super) fn advance(&mut self) -> bool {
        let next = self
            .event
            .deliveries
            .iter()
            .position(|delivery| !delivery.status.is_final());
        let Some(next) = next else { return false };
        if next != self.at {
            self.largest_job = usize::MAX;
        }
        self.at = next;
        self.travels = self.largest_job > 1 && self.may_travel();
        true
    }

    /// What may travel in a job: not what was sent without an answer (single requests are known to be
    /// de-duplicated), and no profile whose id a later list change or deletion needs, since jobs do not tell it.
    fn may_travel(&self) -> bool {
        let delivery = self.delivery();
        let needs_id = |other: &StoredDelivery| {
            matches!(
                other.kind,
                DeliveryKind::ListAdd | DeliveryKind::ListRemove | DeliveryKind::Deletion
            )
        };
        let Some(body) = &delivery.request else {
            return false;
        };
        delivery.status == DeliveryStatus::Pending
            && !(delivery.kind == DeliveryKind::Profile
                && self.event.deliveries.iter().any(needs_id))
            && can_travel(delivery.kind, body)
    }

    pub(super) fn delivery(&self) -> &StoredDelivery {
        &self.event.deliveries[self.at]
    }

    pub(super) fn delivery_mut(&mut self) -> &mut StoredDelivery {
        &mut self.event.deliveries[self.at]
    }

    /// Carries what came of an attempt over to the copy in hand, and gives it as the outbox takes it.
    pub(super) fn settle(&mut self, sent: Sent) -> Settlement {
        let Sent {
            attempt,
            outcome,
            verdict,
            smaller,
            now,
        } = sent;
        let event = self.event.id;
        let delivery = self.delivery_mut();
        delivery.status = verdict.status;
        delivery.reason.clone_from(&verdict.reason);
        delivery.tries += u32::from(verdict.counts);
        if let Some(profile) = &outcome.profile_id {
            delivery.profile_id = Some(profile.clone());
        }
        if let Some(smaller) = &smaller {
            delivery.request = Some(smaller.clone());
            delivery.conflicts += 1;
        }
        tracing::debug!(
            event = %event,
            delivery = %delivery.id,
            kind = %delivery.kind,
            attempt,
            http.status = outcome.http_status,
            outcome = %outcome.kind,
            status = %verdict.status,
            klaviyo.request_id = request_id(&outcome),
            "attempt"
        );
        Settlement {
            delivery: delivery.id,
            attempt,
            outcome,
            status: verdict.status,
            reason: verdict.reason,
            request: smaller,
            counts: verdict.counts,
            now,
        }
    }

    /// How the event ends when its deliveries are all final; [`Then::Stay`] while one is not.
    pub(super) fn end(&self, context: &Context) -> Then {
        let deliveries = &self.event.deliveries;
        if !deliveries.iter().all(|delivery| delivery.status.is_final()) {
            return Then::Stay;
        }
        let refused = deliveries
            .iter()
            .filter(|d| d.status == DeliveryStatus::Rejected);
        let refused: Vec<&StoredDelivery> = refused.collect();
        let Some(first) = refused.first() else {
            return context.finish(&self.event, End::Delivered);
        };
        let words = first.reason.as_deref().unwrap_or("no reason was given");
        let reason = match (refused.len(), deliveries.len()) {
            (1, 1) => words.to_owned(),
            (refused, all) => format!("{refused} of {all} requests refused; the first: {words}"),
        };
        context.finish(&self.event, End::Refused(first.kind, reason))
    }

    /// Gives the event back to the outbox, not before `due`.
    pub(super) fn release(&self, due: Timestamp) -> Then {
        Then::Release {
            event: self.event.id,
            due,
        }
    }

    /// Whether it is replayed.
    pub(super) fn replayed(&self) -> bool {
        self.event.cycle > 1
    }
}

/// An attempt that is over.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) attempt: i64,
    pub(super) outcome: Outcome,
    pub(super) verdict: Verdict,
    /// The request without its weaker identifier, where Klaviyo asked for that.
    pub(super) smaller: Option<String>,
    pub(super) now: Timestamp,
}

/// The events in hand that wait to be sent, by the family of their next request.
#[derive(Debug, Default)]
pub(super) struct Queues {
    events: VecDeque<InHand>,
    profiles: VecDeque<InHand>,
    subscriptions: VecDeque<InHand>,
    lists: VecDeque<InHand>,
    deletions: VecDeque<InHand>,
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
    pub(super) fn of(&mut self, family: Family) -> &mut VecDeque<InHand> {
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
        self.of(hand.delivery().kind.family()).push_back(hand);
    }

    /// Queues an event before the others: it has been waiting longest.
    pub(super) fn push_first(&mut self, hand: InHand) {
        self.of(hand.delivery().kind.family()).push_front(hand);
    }

    /// Takes out everything.
    pub(super) fn drain(&mut self) -> Vec<InHand> {
        let queues = [
            &mut self.events,
            &mut self.profiles,
            &mut self.subscriptions,
            &mut self.lists,
            &mut self.deletions,
        ];
        queues.into_iter().flat_map(std::mem::take).collect()
    }

    /// Takes out what fits in one job, first come first; what does not stays, in its order.
    pub(super) fn take_job(&mut self, family: Family) -> Vec<InHand> {
        let queue = self.of(family);
        let first = queue.iter().find(|hand| hand.travels);
        let Some(first) = first.map(InHand::delivery) else {
            return Vec::new();
        };
        let Some(mut job) = BulkJob::new(first.kind, first.list_id.as_deref()) else {
            return Vec::new();
        };
        let (mut taken, mut left) = (Vec::new(), VecDeque::with_capacity(queue.len()));
        let mut largest = usize::MAX;
        let mut full = false;
        for hand in queue.drain(..) {
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
        *queue = left;
        taken
    }
}
