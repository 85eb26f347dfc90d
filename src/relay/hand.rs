//! An event in hand: claimed, mapped, at one of its requests.
//!
//! How much there may be is bounded by `[delivery] window`, so memory is bounded by configuration and not by the
//! backlog. An event that owes hundreds of requests is in hand with the bodies of the next [`BODIES`]; after these it
//! goes back to the outbox, and takes its next turn there behind what is due already.

use crate::klaviyo::bulk::can_travel;
use crate::model::{DeliveryId, DeliveryKind, DeliveryStatus, EventId, Outcome, Timestamp};
use crate::outbox::{BODIES, ClaimedEvent, Copied, Settlement, StoredDelivery, Then};
use crate::scheduler::Verdict;

use super::context::{Context, End, request_id};
use super::deaths::Refusal;

/// A mapped event, at one of its deliveries. `event` is kept as the outbox has it.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) event: ClaimedEvent,
    /// The delivery it stands at; that one is not final.
    at: usize,
    /// The first of its deliveries whose body stays in the outbox.
    until: usize,
    /// What it takes of the window.
    pub(super) held: Held,
    /// That one may travel in a bulk job.
    pub(super) travels: bool,
    /// The first event of its run: those of the run before it go first, or in one job before it.
    pub(super) run: Option<EventId>,
    /// Its deliveries that were settled since that was last counted.
    pub(super) settled: Vec<usize>,
    /// The first answer that refused one of its deliveries for good, since it is in hand.
    refusal: Option<Refusal>,
    /// Jobs it travels in may have this many items: a refused job is sent again in halves.
    pub(super) largest_job: usize,
}

impl InHand {
    /// An event in hand, and whether it owes something still.
    pub(super) fn new(mut event: ClaimedEvent) -> (Self, bool) {
        let deliveries = event.deliveries.iter().enumerate();
        let mut open = deliveries.filter(|(_, delivery)| !delivery.status.is_final());
        let requests = open.by_ref().take(BODIES).count();
        let until = open.next().map_or(event.deliveries.len(), |(at, _)| at);
        for delivery in &mut event.deliveries[until..] {
            delivery.request = None;
        }
        let mut hand = Self {
            held: Held {
                requests: requests.max(1),
                replayed: if event.generation > 1 { requests.max(1) } else { 0 },
            },
            event,
            at: 0,
            until,
            travels: false,
            run: None,
            settled: Vec::new(),
            refusal: None,
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
    /// de-duplicated), nothing that has failed by itself (it may fail every job that it is in), and no profile whose id a later list change or deletion needs, since jobs do not tell it.
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
            && delivery.failures == 0
            && !(delivery.kind == DeliveryKind::Profile && self.event.deliveries.iter().any(needs_id))
            && can_travel(delivery.kind, body)
    }

    /// The delivery after the one at `place`, where it may be in the same job as that one: an event's own requests
    /// leave in their order there too.
    pub(super) fn next_in_job(&self, place: usize) -> Option<(usize, &str)> {
        let next = self.event.deliveries[..self.until].get(place + 1)?;
        let fits = next.kind == DeliveryKind::Event && next.status == DeliveryStatus::Pending && next.failures == 0;
        Some((place + 1, next.request.as_deref().filter(|_| fits)?))
    }

    /// Whether nothing is owed after the delivery at `place`.
    pub(super) fn ends_with(&self, place: usize) -> bool {
        let mut after = self.event.deliveries[place + 1..].iter();
        after.all(|delivery| delivery.status.is_final())
    }

    /// Which of its deliveries it stands at.
    pub(super) const fn place(&self) -> usize {
        self.at
    }

    /// Stands at another of its deliveries.
    pub(super) const fn stand_at(&mut self, place: usize) {
        self.at = place;
    }

    /// Whether this is the delivery it stands at, and not final.
    pub(super) fn stands_at(&self, delivery: DeliveryId) -> bool {
        let at = self.delivery();
        at.id == delivery && !at.status.is_final()
    }

    pub(super) fn delivery(&self) -> &StoredDelivery {
        &self.event.deliveries[self.at]
    }

    pub(super) fn delivery_mut(&mut self) -> &mut StoredDelivery {
        &mut self.event.deliveries[self.at]
    }

    /// The delivery it stands at was delivered before.
    pub(super) fn copied(&mut self, copied: Copied) {
        let delivery = self.delivery_mut();
        delivery.status = DeliveryStatus::Duplicate;
        delivery.copy_of = Some(copied.event);
        delivery.profile_id = copied.profile_id;
    }

    /// The event that it is a copy of: all that it owes was delivered before, and nothing of it by itself.
    fn copy_of(&self) -> Option<EventId> {
        let of = |delivery: &StoredDelivery| delivery.copy_of.filter(|of| *of != self.event.id);
        let all: Option<Vec<EventId>> = self.event.deliveries.iter().map(of).collect();
        all?.first().copied()
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
        self.settled.push(self.at);
        let delivery = self.delivery_mut();
        delivery.status = verdict.status;
        delivery.reason.clone_from(&verdict.reason);
        delivery.tries += u32::from(verdict.counts);
        delivery.failures += u32::from(verdict.failed);
        if let Some(profile) = &outcome.profile_id {
            delivery.profile_id = Some(profile.clone());
        }
        if let Some(smaller) = &smaller {
            delivery.request = Some(smaller.clone());
        }
        let refusal = (verdict.status == DeliveryStatus::Rejected).then(|| Refusal {
            status: outcome.http_status,
            request_id: request_id(&outcome).map(str::to_owned),
        });
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
        let delivery = delivery.id;
        self.refusal = self.refusal.take().or(refusal);
        Settlement {
            delivery,
            attempt,
            outcome,
            status: verdict.status,
            reason: verdict.reason,
            request: smaller,
            counts: verdict.counts,
            failed: verdict.failed,
            now,
        }
    }

    /// How the event ends when its deliveries are all final. While one is not, it stays, or goes back to the outbox
    /// where that one's body is.
    pub(super) fn end(&self, context: &Context) -> Then {
        let deliveries = &self.event.deliveries;
        let owed = |delivery: &StoredDelivery| !delivery.status.is_final();
        match deliveries.iter().position(owed) {
            Some(next) if next < self.until => return Then::Stay,
            Some(_) => return self.release(context.now()),
            None => {}
        }
        let refused = deliveries.iter().filter(|d| d.status == DeliveryStatus::Rejected);
        let refused: Vec<&StoredDelivery> = refused.collect();
        let Some(first) = refused.first() else {
            let end = self.copy_of().map_or(End::Delivered, End::Copy);
            return context.finish(&self.event, end);
        };
        let words = first.reason.as_deref().unwrap_or("no reason was given");
        let reason = match (refused.len(), deliveries.len()) {
            (1, 1) => with_list(words, first),
            (refused, all) => {
                let first = with_list(words, first);
                format!("{refused} of {all} requests refused; the first: {first}")
            }
        };
        let refusal = self.refusal.clone().unwrap_or_default();
        context.finish(&self.event, End::Refused(first.kind, reason, refusal))
    }

    /// Gives the event back to the outbox, not before `due`.
    pub(super) fn release(&self, due: Timestamp) -> Then {
        Then::Release {
            event: self.event.id,
            due,
            parked: None,
        }
    }

    /// Gives the event back until its family goes on, and not before `due` if that is never noticed.
    pub(super) fn park(&self, due: Timestamp) -> Then {
        Then::Release {
            event: self.event.id,
            due,
            parked: Some(self.delivery().kind.family()),
        }
    }

    /// How often the request it stands at has failed.
    pub(super) fn failures(&self) -> u32 {
        self.delivery().failures
    }

    /// Whether it is replayed.
    pub(super) fn replayed(&self) -> bool {
        self.event.generation > 1
    }
}

/// Klaviyo's words seldom name the list that they are about.
fn with_list(words: &str, refused: &StoredDelivery) -> String {
    match &refused.list_id {
        Some(list) if !words.contains(list.as_str()) => {
            format!("{words} ({}, list {list})", refused.kind)
        }
        Some(_) | None => words.to_owned(),
    }
}

/// What events in hand take of the window.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    /// Requests whose bodies are in memory.
    pub(super) requests: usize,
    /// Those of replayed events among them.
    pub(super) replayed: usize,
}

impl Held {
    /// What these take together.
    pub(super) fn by<'a>(hands: impl IntoIterator<Item = &'a InHand>) -> Self {
        let mut all = Self::default();
        for hand in hands {
            all.add(hand.held);
        }
        all
    }

    pub(super) const fn add(&mut self, more: Self) {
        self.requests += more.requests;
        self.replayed += more.replayed;
    }

    pub(super) const fn remove(&mut self, less: Self) {
        self.requests -= less.requests;
        self.replayed -= less.replayed;
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
